"""What runs, seen from another terminal."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from results.leases import Leases, SweepState
from results.store import Store
from runners import status

Bakeoff = Callable[..., Any]  # the fixture: words in, what was said out

PROGRESS = {
    "done": 12,
    "ok": 10,
    "bad": 2,
    "elsewhere": 0,
    "running": [
        {"cell": "urns/mean on urns/draws, seed 3", "phase": "solve", "seconds": 72.3, "share": 0.4},
        {"cell": "urns/mean on urns/draws, seed 4", "phase": "", "seconds": 0.2, "share": None},
    ],
    "workers": 2,
    "rate": 2.0,
}
NOW = 1_700_000_000.0
STATE = SweepState(
    id="a",
    host="here",
    pid=12,
    born=0.0,
    command="bakeoff run -m experiment=quick",
    outputs="outputs",
    started=NOW - 3700,
    heartbeat=NOW - 30,
    ended=None,
    total=20,
    progress=PROGRESS,
    alive=True,
)


@pytest.fixture
def leases(bakeoff: Bakeoff) -> Iterator[Leases]:
    """The sweeps of the default store."""
    store = Store("outputs/store.sqlite")
    yield Leases(store)
    store.close()


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, bakeoff: Bakeoff) -> Callable[..., tuple[str, Any]]:
    """What is said about some sweeps, as text and as JSON."""

    def show(*states: SweepState) -> tuple[str, Any]:
        monkeypatch.setattr(Leases, "sweeps", lambda *_: list(states))
        monkeypatch.setattr(time, "time", lambda: NOW)
        return bakeoff("status").out, json.loads(bakeoff("status", "format=json").out)

    return show


def changed(**changes: Any) -> SweepState:
    """The sweep above, otherwise."""
    return SweepState(**vars(STATE) | changes)


def test_nothing_there_is_said(bakeoff: Bakeoff) -> None:
    said = bakeoff("status")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("nothing is running: sqlite:///outputs/store.sqlite")
    assert json.loads(bakeoff("status", "format=json").out) == []


def test_a_sweep_that_runs_is_told_with_its_cells_and_its_end(shown: Callable[..., tuple[str, Any]]) -> None:
    text, (content,) = shown(STATE)
    lines = text.splitlines()
    assert lines[0] == "bakeoff run -m experiment=quick  (here, process 12, started 1 h 1 min ago)"
    assert lines[1].startswith("  12 of 20 done, 2 failed, 8 left, expected end ")
    assert lines[1].endswith(", in 16 s")
    assert lines[2:] == [
        "  urns/mean on urns/draws, seed 3: solve, 40%, 1 min 12 s",
        "  urns/mean on urns/draws, seed 4: starting, 0 s",
    ]
    assert content == {
        "id": "a",
        "command": "bakeoff run -m experiment=quick",
        "host": "here",
        "pid": 12,
        "alive": True,
        "started": "2023-11-14T21:11:40+00:00",
        "ended": None,
        "total": 20,
        "done": 12,
        "failed": 2,
        "running": PROGRESS["running"],
        "left": 8,
        "expected_end": "2023-11-14T22:13:36+00:00",
    }


def test_before_the_first_cell_has_ended_there_is_no_expected_end(shown: Callable[..., tuple[str, Any]]) -> None:
    text, contents = shown(changed(progress={}), changed(progress=PROGRESS | {"rate": None, "elsewhere": 3}))
    assert "  0 of 20 done, 0 failed, 20 left\n" in text
    assert "  12 of 20 done, 2 failed, 3 run elsewhere, 8 left\n" in text
    assert [content["expected_end"] for content in contents] == [None, None]


def test_sweeps_that_are_over_get_a_line_each(shown: Callable[..., tuple[str, Any]]) -> None:
    over = [
        changed(alive=False, ended=NOW - 5, progress={"done": 20, "bad": 1}),
        changed(alive=False, ended=NOW - 90, progress={"done": 12, "bad": 0}),
        changed(alive=False, heartbeat=NOW - 200_000),
        *(changed(alive=False, ended=NOW - 5, progress={"done": 20}) for _ in range(9)),
    ]
    text, contents = shown(*over)
    lines = text.splitlines()
    assert lines[0].startswith("nothing is running")
    head = "bakeoff run -m experiment=quick  (here): "
    assert lines[1:5] == [
        f"{head}all 20 done, 5 s ago, 1 failed",
        f"{head}stopped with 8 of 20 left, 1 min 30 s ago",
        f"{head}died with 8 of 20 left, last seen 2 d 7 h ago, 2 failed",
        f"{head}all 20 done, 5 s ago",
    ]
    assert len(lines) == 6
    assert len(contents) == len(over)
    died: dict[str, Any] = {"alive": False, "ended": None, "running": [], "left": 8, "expected_end": None}
    assert died.items() <= contents[2].items()


def test_an_end_on_another_day_has_a_date(shown: Callable[..., tuple[str, Any]]) -> None:
    text, _ = shown(changed(progress=PROGRESS | {"rate": 86_400.0}))
    assert ", expected end 2023-11-2" in text
    assert ", in 8 d 0 h" in text


def test_this_process_and_one_that_is_gone(bakeoff: Bakeoff, leases: Leases) -> None:
    sweep = leases.begin(command="bakeoff run -m seed=1,2", outputs="outputs", total=2)
    leases.beat(sweep, {"done": 1, "ok": 1, "bad": 0, "running": [], "rate": 60.0})
    text = bakeoff("status").out
    assert f"bakeoff run -m seed=1,2  ({socket.gethostname()}, process {os.getpid()}, started 0 s ago)" in text
    assert "1 of 2 done, 0 failed, 1 left, expected end " in text
    leases.end(sweep, {"done": 2, "ok": 2, "bad": 0, "running": [], "rate": 60.0})
    program = (
        "from results.leases import Leases; from results.store import Store\n"
        "Leases(Store('outputs/store.sqlite')).begin(command='bakeoff run lost', outputs='outputs', total=5)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    text = bakeoff("status").out
    assert "nothing is running" in text
    assert f"bakeoff run -m seed=1,2  ({socket.gethostname()}): all 2 done, " in text
    assert f"bakeoff run lost  ({socket.gethostname()}): died with 5 of 5 left, last seen " in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3.0, "0 s"), (59.4, "59 s"), (60.0, "1 min 0 s"), (7260, "2 h 1 min"), (90_000, "1 d 1 h")],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert status._span(seconds) == text


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["now"], "status: 'now' is not key=value; it has format, store, outputs"),
        (["format=xml"], "format: 'xml' is none of text, json"),
        (["colour=red"], "colour: this command has no such key"),
        (["store=nosuchengine://somewhere/x"], "nosuchengine"),
    ],
)
def test_a_wrong_question_gets_one_clear_line(bakeoff: Bakeoff, words: list[str], sentence: str) -> None:
    said = bakeoff("status", *words)
    assert said.code == 2
    assert sentence in said.err
    assert said.err.count("\n") == 1
