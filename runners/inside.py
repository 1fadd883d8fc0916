"""Running cells inside this process (`n_jobs=0`): for a debugger. Nothing watches limits here."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runners.attempt import Attempt
from runners.pair import board_of
from runners.places import attempt_name
from runners.progress import Display
from runners.supervised import Cell, Job
from runners.worker import Answer, keep


@dataclass
class _Shown:
    """Passes what an attempt says on to the display."""

    display: Display

    def phase(self, text: str) -> None:
        """A phase begins."""
        self.display.phase(0, text)

    def progress(self, done: float, total: float) -> None:
        """So much of it is done."""
        self.display.progress(0, done, total)

    def carried(self, seconds: float) -> None:
        """The clock goes on; the display has no clock."""


@dataclass
class Inside:
    """A crew of nobody: whoever gives a cell runs it. See `runners.crew.Crew`."""

    outputs: Path
    settings: Mapping[str, Any]
    display: Display
    bell: queue.Queue[Any] = field(default_factory=queue.Queue)
    size: int = 1
    apart: bool = False
    _answers: list[Answer] = field(default_factory=list)

    def __enter__(self) -> Inside:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held."""

    def expect(self, cells: Sequence[Cell]) -> None:
        """Nothing has to be sent anywhere."""

    def idle(self) -> list[int]:
        """One place, free again as soon as its answer was taken."""
        return [] if self._answers else [0]

    def jobs(self) -> list[Job]:
        """What is being done: nothing, whenever anybody can ask."""
        return []

    def give(self, cell: Cell, place: Any) -> None:
        """Run a cell."""
        self.display.cell(0, cell.pair.label(cell.seed))
        board, name, shown = board_of(cell.pair), attempt_name(cell.name), _Shown(self.display)
        record = Attempt(cell.pair, cell.seed, board, self.settings, self.outputs, shown, name).execute()
        self._answers.append(keep(record, self.outputs))

    def wait(self, seconds: float = 0.05) -> tuple[list[Answer], list[Any]]:
        """What has ended, and what is on the bell."""
        answers, self._answers = self._answers, []
        others = []
        try:
            others.append(self.bell.get(timeout=0 if answers else seconds))
            while True:
                others.append(self.bell.get_nowait())
        except queue.Empty:
            return answers, others

    def stop(self, reason: str, hurry: Callable[[], bool]) -> Iterator[Answer]:
        """Nothing runs."""
        return iter(())
