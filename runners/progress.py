"""What a person sees while cells run: bars on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from results.protocols import TUNING
from results.record import Record, Status
from runners.streams import settle

_COLOURS = {Status.OK: "green", Status.SKIPPED: "yellow", Status.INTERRUPTED: "yellow"}
_QUIET = 10.0  # seconds between lines about one phase, where there is no terminal


class Display:
    """A bar for the sweep, a bar for each worker's cell, and one line for each finished cell.

    Args:
        console: where to draw; the error stream by default, so that tables can be piped.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(file=sys.stderr, soft_wrap=True, highlight=False)
        self._total = 0
        self._count = 0
        self._live = self._console.is_terminal
        self._said = time.monotonic()
        self._labels: dict[int, str] = {}
        self._texts: dict[int, str] = {}
        self._bars: dict[int, TaskID] = {}
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

    def __enter__(self) -> Display:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def say(self, sentence: str) -> None:
        """One line."""
        with suppress(OSError):  # whoever reads may have left; the sweep goes on
            self._console.print(sentence, markup=False)

    def begin(self, total: int) -> None:
        """So many cells are to come."""
        self._total = total
        self._progress.update(self._sweep, total=total, visible=True)

    def cell(self, worker: int, label: str) -> None:
        """A worker begins a cell."""
        self._labels[worker] = label
        if self._live:
            if worker not in self._bars:
                self._bars[worker] = self._progress.add_task("", total=None)
            self._progress.reset(self._bars[worker], total=None, description=label, visible=True)

    def phase(self, worker: int, text: str) -> None:
        """A phase of the worker's cell begins."""
        self._texts[worker] = text
        if self._live:
            self._progress.reset(self._bars[worker], total=None, description=f"{self._labels[worker]}: {text}")
        elif text.startswith("prepare"):
            self.say(f"{text} (once, then cached)")

    def progress(self, worker: int, done: float, total: float) -> None:
        """So much of the phase is done."""
        if self._live:
            self._progress.update(self._bars[worker], completed=done, total=total)
        elif (moment := time.monotonic()) - self._said > _QUIET:
            self._said = moment
            self.say(f"  {self._labels[worker]}, {self._texts.get(worker, '')}: {done:g} of {total:g}")

    def elsewhere(self, label: str, status: Status) -> None:
        """A cell need not be run here after all."""
        self._count += 1
        self._progress.update(self._sweep, completed=self._count)
        self.say(f"{status.value:11s} {self._count}/{self._total} {label}: done by another sweep")

    def finished(self, record: Record) -> None:
        """A cell has ended."""
        self._count += 1
        self._said = time.monotonic()
        if self._live:
            self._progress.update(self._sweep, completed=self._count)
        colour = _COLOURS.get(record.status, "red")
        value = record.metrics.get(record.rank_metric)
        shown = f"{record.rank_metric} {value:.4g}" if value is not None else record.reason
        if record.status not in (Status.OK, Status.SKIPPED) and value is not None:
            shown = f"{shown}; {record.reason}"
        seconds = sum(record.seconds.get(phase, 0.0) for phase in ("solve", "evaluate"))
        trial = f", trial {record.settings['tuning']['trial']}" if record.protocol == TUNING else ""
        line = f" {self._count}/{self._total} {record.method} on {record.task}{trial}, seed {record.seed}: {shown}"
        line = f"{line} ({seconds:.1f} s) {record.id}"
        if self._live:
            self._console.print(Text(f"{record.status.value:11s}", style=colour).append(line, style="default"))
        else:  # plain, since drawing a line takes longer than a small cell
            try:
                print(f"{record.status.value:11s}{line}", file=self._console.file, flush=True)
            except OSError:  # whoever reads has left; the sweep goes on
                settle(sys.stderr)
