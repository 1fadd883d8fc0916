"""What a person sees while cells run: bars on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from results.record import Record, Status

_COLOURS = {Status.OK: "green", Status.SKIPPED: "yellow", Status.INTERRUPTED: "yellow"}
_QUIET = 10.0  # seconds between lines about one phase, where there is no terminal


class Display:
    """A bar for the sweep, a bar for the cell, and one line for each finished cell.

    Args:
        console: where to draw; the error stream by default, so that tables can be piped.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(file=sys.stderr, soft_wrap=True, highlight=False)
        self._total = 0
        self._count = 0
        self._live = self._console.is_terminal
        self._said = time.monotonic()
        self._label = ""
        self._text = ""
        self._progress = Progress(
            TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            expand=True,
            disable=not self._live,
        )
        self._sweep = self._progress.add_task("sweep", total=None, visible=False)
        self._cell = self._progress.add_task("", total=None, visible=False)

    def __enter__(self) -> Display:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def say(self, sentence: str) -> None:
        """One line."""
        self._console.print(sentence, markup=False)

    def begin(self, total: int) -> None:
        """So many cells are to come."""
        self._total = total
        self._progress.update(self._sweep, total=total, visible=True)

    def cell(self, label: str) -> None:
        """A cell begins."""
        self._label = label
        self._progress.reset(self._cell, total=None, description=label, visible=True)

    def phase(self, text: str) -> None:
        """A phase of the cell begins."""
        self._progress.reset(self._cell, total=None, description=f"{self._label}: {text}", visible=True)
        if text.startswith("prepare") and not self._live:
            self.say(f"{text} (once, then cached)")
        self._text = text

    def progress(self, done: float, total: float) -> None:
        """So much of the phase is done."""
        self._progress.update(self._cell, completed=done, total=total)
        now = time.monotonic()
        if not self._live and now - self._said > _QUIET:
            self._said = now
            self.say(f"  {self._text}: {done:g} of {total:g}")

    def finished(self, record: Record) -> None:
        """A cell has ended."""
        self._count += 1
        self._said = time.monotonic()
        self._progress.update(self._sweep, completed=self._count)
        colour = _COLOURS.get(record.status, "red")
        value = record.metrics.get(record.rank_metric)
        shown = f"{record.rank_metric} {value:.4g}" if value is not None else record.reason
        if record.status not in (Status.OK, Status.SKIPPED) and value is not None:
            shown = f"{shown}; {record.reason}"
        seconds = sum(record.seconds.get(phase, 0.0) for phase in ("solve", "evaluate"))
        line = f" {self._count}/{self._total} {record.method} on {record.task}, seed {record.seed}: {shown}"
        status = Text(f"{record.status.value:11s}", style=colour)
        self._console.print(status.append(f"{line} ({seconds:.1f} s) {record.id}", style="default"))
