"""Plans, workers, sharing, and what another terminal sees."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from results.record import Record, Status
from results.store import Store
from runners.hardware import cores

Bakeoff = Callable[..., Any]  # the fixture: words in, what was said out
Start = Callable[..., subprocess.Popen[str]]  # the fixture: words in, a running command out

SWEEP = ("run", "-m", "method=urns/mean,urns/single", "task=urns/draws", "seed=range(0,4)")


def records() -> list[Record]:
    store = Store("outputs/store.sqlite")
    try:
        return store.records()
    finally:
        store.close()


def test_a_plan_says_what_would_run_and_runs_nothing(bakeoff: Bakeoff) -> None:
    said = bakeoff(*SWEEP, "plan=true")
    assert said.code == 0, said.err
    assert "urns/mean on urns/draws (laptop, auto): seeds 0, 1, 2, 3; no past record" in said.out
    assert "8 of 8 cells would run; the store has 0" in said.out
    assert "8 cells have no past record" in said.out
    assert "4 seeds detect a mean paired difference of 2." in said.out
    assert records() == []
    bakeoff(*SWEEP[:2], "method=urns/mean", *SWEEP[3:])
    again = bakeoff(*SWEEP[:-1], "seed=range(0,6)", "plan=true")
    assert "urns/mean on urns/draws (laptop, auto): seeds 4, 5; about 0.0 s" in again.out
    assert "urns/single on urns/draws (laptop, auto): seeds 0, 1, 2, 3, 4, 5; no past record" in again.out
    assert "8 of 12 cells would run; the store has 4" in again.out
    assert len(records()) == 4
    one = bakeoff("run", "method=urns/single", "task=urns/draws", "plan=true")
    assert "one seed tells nothing apart" in one.out
    done = bakeoff("run", "method=urns/mean", "task=urns/draws", "plan=true")
    assert "urns/mean on urns/draws (laptop, auto): done" in done.out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["n_jobs=4096"], f"n_jobs: 4096 workers would disturb each other on {cores()} cores"),
        (["n_jobs=some"], "n_jobs: expected a number of workers, 0 (this process) or -1 (one a core), got 'some'"),
        (["n_jobs=-2"], "n_jobs: expected a number of workers"),
        (["hardware.time_limit=0"], "time_limit must be above 0, got 0"),
        (["hydra/launcher=submitit_local"], "hardware=auto is decided where the sweep is planned"),
        (["hydra/launcher=submitit_local", "hardware=cpu", "jobs=0"], "jobs: expected how many jobs"),
        (["hydra/launcher=nosuch"], "nosuch"),
        (["tracker=paper"], "tracker: 'paper' is none of wandb"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused_by_name(bakeoff: Bakeoff, words: list[str], sentence: str) -> None:
    said = bakeoff(*SWEEP, *words)
    assert said.code == 2
    assert sentence in said.err
    assert said.err.count("\n") == 1
    assert not Path("outputs/store.sqlite").exists() or records() == []


def test_workers_and_this_process_give_the_same_numbers(bakeoff: Bakeoff) -> None:
    for n_jobs in ("0", "1", "-1"):
        assert bakeoff(*SWEEP, f"n_jobs={n_jobs}", "force=true").code == 0
    found = records()
    assert len(found) == 24
    for cell in {record.cell for record in found}:
        same = [record for record in found if record.cell == cell]
        assert len(same) == 3
        assert len({json.dumps(record.metrics) for record in same}) == 1
        assert len({json.dumps(record.cost) for record in same}) == 1
    settings = {(r.settings["launcher"], r.settings["workers"], r.settings["alone"]) for r in found}
    assert settings == {("none", 1, True), ("local", 1, True), ("local", cores(), cores() == 1)}


def test_seconds_beside_other_cells_are_marked_on_the_board(bakeoff: Bakeoff) -> None:
    if cores() < 2:
        pytest.skip("one core runs one cell at a time")
    bakeoff(*SWEEP, "n_jobs=2")
    assert "* ran beside other cells" in bakeoff("leaderboard", "format=md").out


def test_a_debugger_in_this_process_can_be_stopped_too(bakeoff: Bakeoff) -> None:
    said = bakeoff("run", "-m", "method=urns/single,urns/stopped", "task=urns/draws", "n_jobs=0")
    assert said.code == 130
    assert [record.status for record in records()] == [Status.OK, Status.INTERRUPTED]


def test_one_value_goes_to_every_method_of_a_sweep(bakeoff: Bakeoff) -> None:
    assert bakeoff(*SWEEP, "method.lr=0.7", "task.spread=2").code == 0
    identities = [record.identity for record in records()]
    assert {(it["method"]["lr"], it["task"]["spread"]) for it in identities} == {(0.7, 2.0)}


def test_another_terminal_sees_a_running_sweep(start: Start, bakeoff: Bakeoff) -> None:
    process = start(*SWEEP, "method.trouble=slow", "method.draws=19")
    end = time.monotonic() + 30
    state: dict[str, Any] = {}
    while time.monotonic() < end and not (state.get("done") and state["running"]):
        time.sleep(0.5)
        if Path("outputs/store.sqlite").exists():
            found = json.loads(bakeoff("status", "format=json").out)
            state = found[0] if found else {}
    assert state["alive"]
    assert state["total"] == 8
    assert 0 < state["done"] < 8
    assert state["left"] == 8 - state["done"]
    assert re.match(r"urns/(mean|single) on urns/draws, seed", state["running"][0]["cell"])
    assert state["expected_end"] is not None
    assert "urns/mean on urns/draws" in bakeoff("status").out
    process.terminate()
    process.communicate(timeout=30)
    (after,) = json.loads(bakeoff("status", "format=json").out)
    assert not after["alive"]
    assert after["left"] > 0


def test_a_waiting_sweep_takes_over_what_a_dead_one_held(start: Start) -> None:
    first = start(*SWEEP, "method.trouble=slow")
    end = time.monotonic() + 30
    while not list(Path("outputs/urns").rglob("record.json")) and time.monotonic() < end:
        time.sleep(0.05)
    second = start(*SWEEP, "method.trouble=slow")
    time.sleep(3)
    os.kill(first.pid, 9)
    first.communicate()
    _, err = second.communicate(timeout=90)
    assert second.returncode == 0, err
    good = [record for record in records() if record.status is Status.OK]
    assert len(good) == len({record.cell for record in good}) == 8


def test_what_an_attempt_prints_is_kept_beside_its_record_and_nowhere_else(bakeoff: Bakeoff) -> None:
    said = bakeoff("run", "-m", "method=urns/mean", "method.trouble=talks,none", "task=urns/draws", "n_jobs=1")
    assert said.code == 0
    assert "said by" not in said.out + said.err
    logs = list(Path("outputs").rglob("log.txt"))
    assert [sorted(path.read_text().splitlines()) for path in logs] == [["said by Python", "said by a child"]]
    assert (logs[0].parent / "record.json").is_file()
    shown = bakeoff("show", logs[0].parent.name)
    assert str(logs[0]) in shown.out


def test_colours_and_bars_are_for_terminals_that_want_them(arena: Path) -> None:
    """A pseudo-terminal gets colours, unless NO_COLOR is set; a pipe gets plain lines."""
    program = (
        "import sys, configs, methods, tasks\n"
        f"[p.__path__.append({str(arena)!r} + '/' + p.__name__) for p in (configs, methods, tasks)]\n"
        "from runners.cli import main\n"
        "sys.exit(main(['run', '-m', 'method=urns/mean', 'task=urns/draws', 'seed=0,1', 'n_jobs=0', 'force=true']))\n"
    )

    def seen(**variables: str) -> bytes:
        leader, follower = pty.openpty()
        environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
        environment |= {"TERM": "xterm-256color", "COLUMNS": "120", **variables}
        child = subprocess.Popen(
            [sys.executable, "-c", program], stdout=follower, stderr=follower, stdin=follower, env=environment
        )
        os.close(follower)
        content = b""
        with contextlib.suppress(OSError):  # the other end is closed
            while piece := os.read(leader, 65536):
                content += piece
        os.close(leader)
        assert child.wait() == 0
        return content

    coloured, plain = seen(), seen(NO_COLOR="1")
    assert b"\x1b[32m" in coloured, "green for an attempt that ended well"
    assert not re.search(rb"\x1b\[[0-9;]*3[0-9]m", plain)
    assert b"ok" in plain
    piped = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert b"\x1b" not in piped.stdout + piped.stderr
    assert piped.stderr.count(b"urns/mean on urns/draws") >= 2
