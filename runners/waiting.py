"""Records that wait on disk, because the store would not take them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from results.record import RecordError, from_json, write, write_text
from results.store import Store, StoreError
from runners.errors import one_line
from runners.places import record_file
from runners.worker import Answer


def leave_waiting(answers: Sequence[Answer], outputs: Path, say: Callable[[str], None]) -> None:
    """Note on disk what the store would not take; say what could be kept nowhere."""
    for answer in answers:
        record = answer.record
        place = record_file(outputs, record.task, record.method, record.seed, record.id)
        try:
            if not answer.written:
                write(record, place)
            write_text(outputs / "waiting" / record.id, str(place.resolve()))
        except OSError as error:
            say(f"attempt {record.id} is lost; neither the store nor the disk took it: {one_line(error)}")
        else:
            say(f"attempt {record.id} waits in {outputs / 'waiting'} for the next command")


def take_in(store: Store, outputs: Path) -> list[str]:
    """Insert records that an earlier command could not; returns a sentence for each that still cannot be."""
    waiting = outputs / "waiting"
    if not waiting.is_dir():
        return []
    sentences = []
    for note in sorted(path for path in waiting.iterdir() if not path.name.startswith(".")):
        try:
            place = Path(note.read_text(encoding="utf-8").strip())
        except FileNotFoundError:  # another command has just taken it in
            continue
        if not place.resolve().is_relative_to(outputs.resolve()):
            sentences.append(f"attempt {note.name} still waits: its note names {place}, outside {outputs}")
            continue
        try:
            store.add([from_json(place.read_text(encoding="utf-8"), str(place))])
        except (OSError, ValueError, RecordError, StoreError) as error:
            sentences.append(f"attempt {note.name} still waits: {one_line(error)}")
        else:
            note.unlink(missing_ok=True)
    return sentences
