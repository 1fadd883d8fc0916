"""What a person sees while cells run."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from results.record import Record, Status
from runners import progress
from runners.progress import Display


def record(status: Status, **changes: object) -> Record:
    """An attempt that ended so."""
    values: dict[str, object] = dict.fromkeys(
        ("id", "cell", "arena", "task", "method", "problem", "scale", "hardware", "protocol", "role", "fidelity"), "x"
    )
    values |= {"seed": 3, "method_version": 1, "task_version": 1, "phase": "", "rank_metric": "height"}
    values |= {"started": "", "ended": "", "identity": {}, "settings": {}, "status": status, "reason": ""}
    return Record(**(values | changes))  # type: ignore[arg-type]


def shown(display_on_terminal: bool, monkeypatch: pytest.MonkeyPatch) -> str:
    """Everything that a small sweep of two cells puts on the screen."""
    monkeypatch.setattr(progress, "_QUIET", 0.0)
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=display_on_terminal, width=150, color_system=None)
    with Display(console) as display:
        display.begin(3)
        display.cell(0, "linc on sst2, seed 3")
        display.phase(0, "prepare Model")
        display.progress(0, 1, 4)
        display.phase(0, "solve")
        display.progress(0, 30, 40)
        display.finished(record(Status.OK, metrics={"height": 0.12345}, seconds={"solve": 1.0, "evaluate": 0.5}))
        display.cell(0, "linc on trec, seed 3")
        display.finished(record(Status.FAILED, reason="RuntimeError: [red] boom"))
        display.elsewhere("kd on trec, seed 3", Status.OK)
    return stream.getvalue()


def test_a_terminal_has_a_bar_for_the_sweep_and_one_for_the_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(True, monkeypatch)
    assert "sweep" in text
    assert "3/3" in text
    assert "linc on trec, seed 3" in text
    assert "━" in text


def test_a_pipe_has_plain_lines_and_no_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(False, monkeypatch)
    assert "━" not in text
    assert "prepare Model (once, then cached)" in text
    assert "  linc on sst2, seed 3, solve: 30 of 40" in text


@pytest.mark.parametrize("terminal", [True, False])
def test_each_finished_cell_has_one_line(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(terminal, monkeypatch).splitlines()
    assert sum("ok          1/3 x on x, seed 3: height 0.1235 (1.5 s) x" in line for line in lines) == 1
    assert sum("ok          3/3 kd on trec, seed 3: done by another sweep" in line for line in lines) == 1
    assert sum("failed      2/3 x on x, seed 3: RuntimeError: [red] boom (0.0 s) x" in line for line in lines) == 1


def test_a_metric_beside_a_bad_ending_comes_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    display = Display(Console(file=stream, width=150))
    display.begin(1)
    display.finished(record(Status.INVALID, metrics={"height": 1.0}, reason="too tall"))
    assert "height 1; too tall" in stream.getvalue()
