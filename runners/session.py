"""A session: cells go in, records come out and reach the store, whatever happens in between."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from results.record import Record, RecordError, Status, from_json, write, write_text
from results.store import Store, StoreError
from runners import tracker
from runners.attempt import Attempt
from runners.errors import CommandError, one_line
from runners.pair import Pair, board_of
from runners.progress import Display

BAD = frozenset(Status) - {Status.OK, Status.SKIPPED, Status.INTERRUPTED}


def store_url(given: str | None, outputs: Path) -> str:
    """Where the store is: as given, else `BAKEOFF_STORE`, else a SQLite file in the outputs folder."""
    return given or os.environ.get("BAKEOFF_STORE") or str(outputs / "store.sqlite")


class Session:
    """Runs cells one after the other.

    Args:
        store: where records go.
        outputs: folder for the record files, checkpoints and records that wait for the store.
        display: who shows what happens.
        force: run cells again that the store already has.
        settings: what cannot move a number, for the records; `tracker` names a tracker, if any.
    """

    def __init__(
        self, store: Store, outputs: Path, display: Display, *, force: bool = False, settings: dict[str, Any]
    ) -> None:
        self._store = store
        self._outputs = outputs
        self._display = display
        self._force = force
        self._settings = settings
        self.ended: list[Status] = []

    def open_seeds(self, pair: Pair, seeds: Sequence[int]) -> list[int]:
        """The seeds of a pair that are still to be run."""
        if self._force:
            return list(seeds)
        cells = {seed: pair.cell(seed) for seed in seeds}
        done = self._store.done(list(cells.values()))
        return [seed for seed in seeds if cells[seed] not in done]

    def run(self, pair: Pair, seeds: Sequence[int]) -> None:
        """Run the cells of a pair.

        Raises:
            KeyboardInterrupt: the user stopped it; the record of the cut-off attempt is written.
        """
        board = board_of(pair)
        for seed in seeds:
            self._display.cell(pair.label(seed))
            attempt = Attempt(pair, seed, board, self._settings, self._outputs / "checkpoints", self._display)
            record = attempt.execute()
            self._keep(record)
            self.ended.append(record.status)
            self._display.finished(record)
            if record.status is Status.INTERRUPTED:
                raise KeyboardInterrupt

    def _keep(self, record: Record) -> None:
        folder = self._outputs / record.task / record.method / f"seed{record.seed}" / record.id
        write(record, folder / "record.json")
        try:
            self._store.add([record])
        except StoreError as error:
            write_text(self._outputs / "waiting" / record.id, str((folder / "record.json").resolve()))
            self._display.say(f"{error}; attempt {record.id} waits in {self._outputs / 'waiting'}")
        if self._settings.get("tracker"):
            sentence = tracker.mirror(record, self._outputs)
            if sentence:
                self._display.say(sentence)


def take_in(store: Store, outputs: Path) -> list[str]:
    """Insert records that an earlier command could not; returns a sentence for each that still cannot be."""
    waiting = outputs / "waiting"
    if not waiting.is_dir():
        return []
    sentences = []
    for note in sorted(path for path in waiting.iterdir() if not path.name.startswith(".")):
        place = Path(note.read_text(encoding="utf-8").strip())
        try:
            store.add([from_json(place.read_text(encoding="utf-8"), str(place))])
        except (OSError, RecordError, StoreError) as error:
            sentences.append(f"attempt {note.name} still waits: {one_line(error)}")
        else:
            note.unlink()
    return sentences


def open_store(given: str | None, outputs: Path) -> Store:
    """The store of a command.

    Raises:
        CommandError: there is no usable store at that place.
    """
    try:
        return Store(store_url(given, outputs))
    except StoreError as error:
        raise CommandError(str(error)) from error
