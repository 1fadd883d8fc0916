"""A session: cells go in, records come out and reach the store, whatever happens in between."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from results.record import Status
from results.store import Store, StoreError
from runners.errors import CommandError
from runners.keeper import Claimed, Keeper
from runners.pair import Pair
from runners.progress import Display
from runners.supervised import Cell, Job
from runners.worker import Answer

BAD = frozenset(Status) - {Status.OK, Status.SKIPPED, Status.INTERRUPTED}
_AHEAD = 2.0  # seconds of work that are claimed ahead of the workers
_MOST = 256  # cells claimed at a time
_AGAIN = 1.0  # seconds before asking again for cells that another sweep holds


def store_url(given: str | None, outputs: Path) -> str:
    """Where the store is: as given, else `BAKEOFF_STORE`, else a SQLite file in the outputs folder."""
    return given or os.environ.get("BAKEOFF_STORE") or str(outputs / "store.sqlite")


def open_store(given: str | None, outputs: Path, patience: float = 30.0) -> Store:
    """The store of a command.

    Raises:
        CommandError: there is no usable store at that place.
    """
    try:
        return Store(store_url(given, outputs), patience)
    except StoreError as error:
        raise CommandError(str(error)) from error


def open_cells(store: Store, pairs: Sequence[tuple[Pair, Sequence[int]]], *, force: bool) -> list[Cell]:
    """The distinct cells of these pairs that the store does not have yet.

    A trial of the tuned protocol was had however it ended, unless it was interrupted; `force` is for those that did
    not end ok, so that no method is tried more often than others. Cells go task by task and seed by seed, so that a
    machine that is busy for a while disturbs all methods alike; trials as they come.
    """
    cells: dict[str, Cell] = {}
    for pair, seeds in pairs:
        names = pair.cells(seeds)
        cells |= {name: Cell(pair, seed, name) for seed, name in names.items() if name not in cells}
    trials = [name for name, cell in cells.items() if cell.pair.trial]
    done = store.done(trials, {Status.OK} if force else frozenset(Status) - {Status.INTERRUPTED})
    done |= set() if force else store.done([name for name, cell in cells.items() if not cell.pair.trial])
    left = [cell for name, cell in cells.items() if name not in done]
    tasks = {task: place for place, task in enumerate(dict.fromkeys(cell.pair.task.name for cell in left))}
    return sorted(left, key=lambda cell: (tasks[cell.pair.task.name], 0 if cell.pair.trial else cell.seed))


class Hands(Protocol):
    """Who can run cells: a crew of workers, or this process."""

    size: int
    apart: bool

    def expect(self, cells: Sequence[Cell]) -> None:
        """These will be given; raises CommandError if one cannot be."""

    def idle(self) -> Sequence[Any]:
        """Places with nothing to do."""

    def jobs(self) -> list[Job]:
        """What is being done."""

    def give(self, cell: Cell, place: Any) -> None:
        """Start an attempt at a cell."""

    def wait(self) -> tuple[list[Answer], list[Any]]:
        """Wait a moment; what has ended, and what else has come."""

    def stop(self, reason: str, hurry: Callable[[], bool]) -> Iterator[Answer]:
        """Ask everybody to stop; what is left of what was being done."""


@dataclass
class Session:
    """Runs cells on a crew: claims them a little ahead, so that other sweeps can share the work, and counts.

    Args:
        crew: who runs them.
        keeper: who brings records into the store.
        display: who shows what happens.
    """

    crew: Hands
    keeper: Keeper
    display: Display
    ended: list[Status] = field(default_factory=list)
    _ready: deque[Cell] = field(default_factory=deque)
    _open: deque[Cell] = field(default_factory=deque)
    _elsewhere: list[Cell] = field(default_factory=list)
    _asking: bool = False
    _asked: float = 0.0
    _began: float = field(default_factory=time.monotonic)
    _counts: Counter[str] = field(default_factory=Counter)
    _broken: str = ""
    _signals: list[int] = field(default_factory=list)

    def run(self, cells: Sequence[Cell]) -> None:
        """Run cells.

        Raises:
            KeyboardInterrupt: the user stopped it; what was running has its record.
            CommandError: the records cannot be written any more.
        """
        self.crew.expect(cells)
        self._open.extend(cells)
        with self._noticing() if self.crew.apart else nullcontext():
            try:
                while self._unfinished() and not self._broken and not self._signals:
                    self._feed()
                    self._take(*self.crew.wait())
                    if not self.keeper.is_alive():
                        self._broken = f"the keeper of records has ended: {self.keeper.trouble}"
                if self._broken or self._signals:
                    self._stop("stopped by the user" if self._signals else "stopped, since records cannot be kept")
            except (KeyboardInterrupt, CommandError):
                self._stop("stopped by the user")
                raise
        if self._signals:
            raise KeyboardInterrupt
        if self._broken:
            raise CommandError(f"{self._broken}; the sweep stops here, and the same command goes on from here")

    @contextmanager
    def _noticing(self) -> Iterator[None]:
        """Note signals instead of raising in the middle of something; a second one makes haste."""
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        for number in before:
            signal.signal(number, lambda number, _: self._signals.append(number))
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, reason: str) -> None:
        self._counts["stopped"] += 1
        for answer in self.crew.stop(reason, lambda: len(self._signals) > 1):
            self._take([answer], [])

    def _unfinished(self) -> bool:
        return bool(self._ready or self._open or self._elsewhere or self._asking or self.crew.jobs())

    def _feed(self) -> None:
        for worker in self.crew.idle():
            if not self._ready:
                break
            self.crew.give(self._ready.popleft(), worker)
        wanted = self._wanted()
        if self._asking or len(self._ready) >= wanted:
            return
        if not self._open and self._elsewhere and not self._ready and time.monotonic() - self._asked > _AGAIN:
            if not self._counts["waited"]:
                self.display.say(
                    f"waiting for {len(self._elsewhere)} cells that another sweep runs or the store cannot tell of"
                )
            self._counts["waited"] += 1
            self._open.extend(self._elsewhere)
            self._elsewhere.clear()
        if self._open:
            self._asking, self._asked = True, time.monotonic()
            self.keeper.ask([self._open.popleft() for _ in range(min(2 * wanted, len(self._open)))])

    def _wanted(self) -> int:
        """Cells to hold ready: about two seconds of work, so that the crew never waits and hoards nothing."""
        if not self.ended:
            return self.crew.size
        each = (time.monotonic() - self._began) / len(self.ended)
        return max(self.crew.size, min(_MOST, int(_AHEAD / max(each, 1e-3))))

    def _take(self, answers: Sequence[Answer], others: Sequence[Any]) -> None:
        for answer in answers:
            self.keeper.keep(answer)
            self.ended.append(answer.record.status)
            if answer.trouble:
                self._broken = f"outputs: {answer.trouble}"
        for answer in answers:
            self.display.finished(answer.record)
        if any(answer.record.status is Status.INTERRUPTED for answer in answers) and not self._counts["stopped"]:
            self._counts["stopped"] += 1
            raise KeyboardInterrupt
        for claimed in others:
            assert isinstance(claimed, Claimed)
            self._asking = False
            self._ready.extend(claimed.mine)
            self._elsewhere.extend(claimed.elsewhere)
            for cell, status in claimed.done:
                self._counts["elsewhere"] += 1
                self.ended.append(status)
                self.display.elsewhere(cell.pair.label(cell.seed), status)

    def progress(self) -> dict[str, Any]:
        """How far it is, for `bakeoff status`."""
        moment, done = time.monotonic(), len(self.ended)
        bad = sum(status in BAD for status in self.ended)
        running = [
            {
                "cell": job.cell.pair.label(job.cell.seed),
                "phase": job.phase,
                "seconds": moment - job.since,
                "share": job.share,
            }
            for job in self.crew.jobs()
        ]
        return {
            "done": done,
            "ok": sum(status is Status.OK for status in self.ended),
            "bad": bad,
            "elsewhere": self._counts["elsewhere"],
            "running": running,
            "workers": self.crew.size,
            "rate": (moment - self._began) / done if done else None,
        }


def command_line() -> str:
    """This command, as `bakeoff status` shows it."""
    words = sys.orig_argv[sys.orig_argv.index("run") :] if "run" in sys.orig_argv else sys.argv[1:]
    return shlex.join(["bakeoff", *words])
