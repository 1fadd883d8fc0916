"""The keeper: brings records into the store, holds the leases, and mirrors to a tracker, in a thread of its own.

A store that is slow, locked or away so never keeps the crew from being watched. What cannot be inserted is tried again,
and at the end waits on disk for the next command.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from results.leases import Leases
from results.record import Record, RecordError, Status, from_json
from results.store import Store, StoreError
from runners import tracker as mirrors
from runners.errors import one_line
from runners.moments import began
from runners.places import cell_folder, record_file
from runners.supervised import Cell
from runners.waiting import leave_waiting
from runners.worker import Answer

_BEAT = 2.0  # seconds between two signs of life
_PATIENCE = 0.5  # seconds for which new work is waited for
_ALONE = 60.0  # seconds without a store after which cells are run unasked
_RETRY = 3.0  # seconds before a store that refused is asked again


@dataclass(frozen=True)
class Claimed:
    """What became of cells that were asked for.

    Args:
        mine: to be run here.
        done: how the others ended that need not be run: before, in another sweep, or as found on disk.
        elsewhere: another sweep holds these now.
    """

    mine: list[Cell] = field(default_factory=list)
    done: list[tuple[Cell, Status]] = field(default_factory=list)
    elsewhere: list[Cell] = field(default_factory=list)


class Keeper(threading.Thread):
    """One for each sweep.

    Args:
        store: where records go.
        outputs: folder of the record files.
        tracker: name of a tracker to mirror to, if any.
        bell: gets a `Claimed` for each question.
        say: shows a sentence to the user.
        progress: what the sweep says about itself.
        sweep: name of the sweep.
        share: whether cells that others run, or have run, are left to them.
    """

    def __init__(
        self,
        store: Store,
        outputs: Path,
        tracker: str | None,
        bell: queue.Queue[Any],
        say: Callable[[str], None],
        progress: Callable[[], Mapping[str, Any]],
        sweep: str,
        *,
        share: bool = True,
    ) -> None:
        super().__init__(name="keeper", daemon=True)
        self._store, self._outputs, self._tracker, self._sweep = store, outputs, tracker, sweep
        self._share = share
        self._leases = Leases(store)
        self._bell, self._say, self._progress = bell, say, progress
        self._inbox: queue.Queue[Any] = queue.Queue()
        self._pending: list[Answer] = []
        self._retry = 0.0
        self._away = False
        self._mode = mirrors.mode()
        self._began = began()
        self._beaten = 0.0
        self._leaving = False
        self._since = 0.0
        self._unmirrored: deque[Record] = deque()
        self.trouble = ""

    def keep(self, answer: Answer) -> None:
        """Bring a record into the store, soon."""
        self._inbox.put(answer)

    def ask(self, cells: Sequence[Cell]) -> None:
        """Ask which of these cells are to be run here; the answer comes with the bell."""
        self._inbox.put(list(cells))

    def finish(self) -> None:
        """Bring in what is left, and end."""
        self._inbox.put(None)
        self.join()

    def run(self) -> None:
        """Work until told to finish."""
        try:
            while not self._leaving:
                self._turn()
            while self._unmirrored:
                self._mirror(self._unmirrored.popleft())
        except Exception as error:  # noqa: BLE001 (the sweep must hear of it, and nothing may be lost)
            self.trouble = f"{type(error).__name__}: {one_line(error)}"
        finally:
            while not self._inbox.empty():
                item = self._inbox.get()
                self._pending += [item] if isinstance(item, Answer) else []
            leave_waiting(self._pending, self._outputs, self._say)

    def _turn(self) -> None:
        for item in self._gather():
            if item is None:
                self._leaving = True
            elif isinstance(item, Answer):
                self._pending.append(item)
                if self._tracker:
                    self._unmirrored.append(item.record)
            else:
                self._bell.put(self._claimed(item))
        if self._leaving or time.monotonic() >= self._retry:
            self._insert()
            self._beat()
        if self._unmirrored and not self._leaving:  # one at a time, so that leases and claims do not wait long
            self._mirror(self._unmirrored.popleft())

    def _gather(self) -> list[Any]:
        """Everything that has come in, so that many records are one transaction."""
        items = []
        try:
            items.append(self._inbox.get(timeout=0.001 if self._unmirrored else _PATIENCE))
            while True:
                items.append(self._inbox.get_nowait())
        except queue.Empty:
            return items

    def _insert(self) -> None:
        if not self._pending:
            return
        records = [answer.record for answer in self._pending]
        try:
            self._store.add(records)
            if self._share:
                self._leases.release(self._sweep, [record.cell for record in records])
        except StoreError as error:
            self._refused(error, "finished attempts wait until it answers again")
        else:
            self._pending = []
            self._answered()

    def _beat(self) -> None:
        if time.monotonic() - self._beaten < _BEAT and not self._leaving:
            return
        if self._leaving and self._pending:
            return  # its leases outlive it, so that whoever takes them over looks for the records first
        self._beaten = time.monotonic()
        try:
            if self._leaving:
                self._leases.end(self._sweep, self._progress())
            else:
                self._leases.beat(self._sweep, self._progress())
        except StoreError as error:
            self._refused(error, "the sweep goes on")
        else:
            if not self._pending:
                self._answered()

    def _refused(self, error: StoreError, consequence: str) -> None:
        """The store is away: say so once, and ask again later."""
        if not self._away:
            self._since = time.monotonic()
            self._say(f"{error}; {consequence}")
        self._away, self._retry = True, time.monotonic() + _RETRY

    def _answered(self) -> None:
        if self._away:
            self._say("the store answers again")
        self._away, self._retry = False, 0.0

    def _claimed(self, cells: list[Cell]) -> Claimed:
        """Divide cells into ours, done, and somebody else's. A store that is away for long gives us all."""
        if not self._share:
            return Claimed(mine=cells)
        by_name = {cell.name: cell for cell in cells}
        names = list(by_name)
        try:
            orphans = self._leases.orphans(names)
            mine = self._leases.claim(self._sweep, names)
            self._recover([by_name[name] for name in orphans & mine])
            ended = self._store.ended_since(list(mine), self._began)
            ended |= dict.fromkeys(self._store.done([name for name in mine if name not in ended]), Status.OK)
            self._leases.release(self._sweep, list(ended))
        except StoreError as error:
            self._refused(error, "no cell is begun until it answers again, or has been away for a minute")
            return Claimed(elsewhere=cells) if time.monotonic() - self._since < _ALONE else Claimed(mine=cells)
        return Claimed(
            mine=[cell for cell in cells if cell.name in mine and cell.name not in ended],
            done=[(by_name[name], status) for name, status in ended.items()],
            elsewhere=[cell for cell in cells if cell.name not in mine],
        )

    def _recover(self, cells: Sequence[Cell]) -> None:
        """Bring in records that a sweep which was cut off had written, but not inserted."""
        for cell in cells:
            choice = cell.pair.choice
            folder = cell_folder(self._outputs, choice.task, choice.method, cell.seed)
            try:
                there = [path.name for path in folder.iterdir()] if folder.is_dir() else []
            except OSError as error:
                self._say(f"{folder}: {one_line(error)}")
                continue
            for name in set(there) - self._store.known(there):
                path = record_file(self._outputs, choice.task, choice.method, cell.seed, name)
                try:
                    self._store.add([from_json(path.read_text(encoding="utf-8"), str(path))])
                except (OSError, ValueError, RecordError) as error:
                    self._say(f"attempt {name} is lost: {one_line(error)}")

    def _mirror(self, record: Record) -> None:
        sentence = mirrors.mirror(record, self._outputs, self._mode)
        if sentence and self._mode != "offline":  # a network that is away is not waited for again
            self._say(f"{sentence}; from here on {self._tracker} is written offline, for `{self._tracker} sync`")
            self._mode = "offline"
            sentence = mirrors.mirror(record, self._outputs, self._mode)
        if sentence:
            self._say(sentence)
