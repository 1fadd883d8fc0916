"""Collecting what jobs on other machines leave: records that travel back, and records that wait in a shared folder."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from results.record import Record, RecordError, Status, from_json
from results.store import Store
from runners.attempt import Attempt
from runners.errors import CommandError, one_line
from runners.keeper import Claimed, Keeper
from runners.pair import board_of
from runners.progress import Display
from runners.session import BAD
from runners.supervised import Cell
from runners.worker import Answer, keep

_LOOK = 2.0  # seconds between two looks into the folder of waiting records


class Collector:
    """Knows which cells of a sweep are still missing.

    Args:
        store: where records go.
        outputs: folder of the records, perhaps shared with the machines that write them.
        display: who shows what happens.
        cells: the cells of the sweep, by name.
        sweep: name of the sweep.
        tracker: name of a tracker to mirror to, if any.
        share: whether cells that others run, or have run, are left to them.
    """

    def __init__(
        self,
        store: Store,
        outputs: Path,
        display: Display,
        cells: Mapping[str, Cell],
        sweep: str,
        tracker: str | None,
        *,
        share: bool = True,
    ) -> None:
        self._store, self._outputs, self._display = store, outputs, display
        self._open = dict(cells)
        self._total, self._began = len(cells), time.monotonic()
        self._seen: set[str] = set()
        self._lock = threading.Lock()
        self._bell: queue.Queue[Any] = queue.Queue()
        self.ended: list[Status] = []
        self._keeper = Keeper(store, outputs, tracker, self._bell, display.say, self.progress, sweep, share=share)
        self._keeper.start()

    def claim(self) -> None:
        """Leave out the cells that another sweep holds or has done."""
        self._keeper.ask(list(self._open.values()))
        claimed = self._answer()
        for cell, status in claimed.done:
            self.ended.append(status)
            del self._open[cell.name]
        for cell in claimed.elsewhere:
            del self._open[cell.name]
        if claimed.elsewhere:
            self._display.say(f"left out {len(claimed.elsewhere)} cells that another sweep runs")

    def _answer(self) -> Claimed:
        while self._keeper.is_alive():
            try:
                claimed: Claimed = self._bell.get(timeout=1)
            except queue.Empty:
                continue
            return claimed
        raise CommandError(f"the keeper of records has ended: {self._keeper.trouble}")

    def say(self, sentence: str) -> None:
        """One line for the user."""
        self._display.say(sentence)

    def anything(self) -> bool:
        """Whether any record has come back."""
        return bool(self._seen)

    def left(self) -> list[Cell]:
        """Cells without a record."""
        return list(self._open.values())

    def take(self, record: Record, written: bool) -> None:
        """Take in a record; one that was seen before is not taken again."""
        with self._lock:
            if record.id in self._seen:
                return
            self._seen.add(record.id)
            if self._open.pop(record.cell, None) is None:
                self._display.say(f"attempt {record.id} was made at a cell that was not asked for")
            self.ended.append(record.status)
            self._display.finished(record)
        self._keeper.keep(Answer(record, written))

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Inside the block, take in what waits in the folder as it appears."""
        leaving = threading.Event()

        def look() -> None:
            while not leaving.wait(_LOOK):
                self._look()

        thread = threading.Thread(target=look, name="collector", daemon=True)
        thread.start()
        try:
            yield
        finally:
            leaving.set()
            thread.join()
            self._look()

    def _look(self) -> None:
        waiting = self._outputs / "waiting"
        for note in sorted(waiting.iterdir()) if waiting.is_dir() else []:
            if note.name.startswith("."):
                continue
            try:
                place = Path(note.read_text(encoding="utf-8").strip())
                record = from_json(place.read_text(encoding="utf-8"), str(place))
            except (OSError, ValueError, RecordError) as error:
                self._display.say(f"attempt {note.name} still waits: {one_line(error)}")
                continue
            if record.cell in self._open or record.id in self._seen:
                self.take(record, written=True)
                note.unlink(missing_ok=True)

    def give_up(self, began: str) -> None:
        """Leave a row for each cell whose job was lost again and again."""
        for cell in self.left():
            attempt = Attempt(cell.pair, cell.seed, board_of(cell.pair), {}, self._outputs)
            reason = "its job ended without a record, more than once"
            answer = keep(attempt.cut_off(Status.KILLED, reason, "prepare", began), self._outputs)
            self.take(answer.record, answer.written)

    def end(self) -> None:
        """Bring in what is left."""
        self._keeper.finish()

    def progress(self) -> dict[str, Any]:
        """How far it is, for `bakeoff status`."""
        done = len(self.ended)
        return {
            "done": done,
            "ok": sum(status is Status.OK for status in self.ended),
            "bad": sum(status in BAD for status in self.ended),
            "elsewhere": 0,
            "running": [],
            "workers": 0,
            "rate": (time.monotonic() - self._began) / done if done else None,
        }
