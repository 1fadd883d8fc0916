"""Attempts into a store and out of it: record files, exports and other stores in; JSON lines or Parquet out.

Nothing is ever held as a whole: records pass through in batches. An attempt that a store has is never changed, so that
importing twice does nothing, and importing several stores merges them.
"""

from __future__ import annotations

import itertools
import os
import sqlite3
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from results.record import Record, RecordError, from_json
from results.store import Store, StoreError
from runners.columns import write_parquet
from runners.errors import CommandError, one_line

BATCH = 500  # records inserted at once
_CHUNK = 1000  # records read, and written to Parquet, at once
_TYPES = {"str": str, "int": int, "dict": dict, "list": list}  # what the annotations of a record begin with

Item = TypeVar("Item")


@dataclass
class Taken:
    """What an import did.

    Args:
        added: attempts that are new in the store.
        known: attempts that were there already.
        unreadable: files and lines that could not be read.
    """

    added: int = 0
    known: int = 0
    unreadable: int = 0

    def __str__(self) -> str:
        text = f"imported {attempts(self.added)}, {self.known} {'was' if self.known == 1 else 'were'} there already"
        return text + (f", {self.unreadable} could not be read" if self.unreadable else "")


def check(paths: Sequence[Path]) -> None:
    """See that paths can be imported, before anything is.

    Raises:
        CommandError: a path is not there, or is nothing that can be imported.
    """
    for path in paths:
        if not path.exists():
            raise CommandError(f"{path}: there is no such file or folder")
        if not path.is_dir() and path.suffix not in (".json", ".jsonl", ".sqlite"):
            raise CommandError(f"{path}: expected a record.json, a folder, an export (.jsonl) or a store (.sqlite)")
        if not os.access(path, os.R_OK):
            raise CommandError(f"{path}: cannot be read")


def take(paths: Sequence[Path], store: Store, complain: Callable[[str], None]) -> Taken:
    """Insert every record below some paths; those that the store has are left as they are.

    Args:
        paths: record files, folders of them, exports ending in .jsonl, stores ending in .sqlite.
        store: where they go.
        complain: is told what cannot be read, one sentence each.

    Raises:
        StoreError: the store cannot be written.
    """
    taken = Taken()

    def unreadable(sentence: str) -> None:
        taken.unreadable += 1
        complain(sentence)

    for batch in _batches(itertools.chain.from_iterable(_read(path, unreadable) for path in paths), BATCH):
        new = store.add(batch)
        taken.added += new
        taken.known += len(batch) - new
    return taken


def _read(path: Path, unreadable: Callable[[str], None]) -> Iterator[Record]:
    """The records of one path; what cannot be read is told and left out."""
    if path.suffix == ".sqlite" and not path.is_dir():
        yield from _of_store(path, unreadable)
        return
    export = path.suffix == ".jsonl" and not path.is_dir()
    for source, read in _lines(path) if export else _files(path, unreadable):
        try:
            yield _record(read().decode("utf-8"), source)
        except RecordError as error:
            unreadable(one_line(error))
        except (OSError, UnicodeDecodeError) as error:
            unreadable(f"{source}: {one_line(error)}")


def _files(path: Path, unreadable: Callable[[str], None]) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """The record files at or below a path."""
    if not path.is_dir():
        yield str(path), path.read_bytes
        return
    for folder, below, names in os.walk(path, onerror=lambda error: unreadable(one_line(error))):
        below.sort()
        if "record.json" in names:
            found = Path(folder) / "record.json"
            yield str(found), found.read_bytes


def _lines(path: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """The lines of an export."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if line.strip():
                yield f"{path}, line {number}", line.strip


def _of_store(path: Path, unreadable: Callable[[str], None]) -> Iterator[Record]:
    try:
        _check_store(path)
        store = Store(str(path))
    except (StoreError, sqlite3.Error) as error:
        unreadable(f"{path}: {one_line(error)}")
        return
    try:
        yield from store.each(_CHUNK)
    except StoreError as error:
        unreadable(one_line(error))
    finally:
        store.close()


def _check_store(path: Path) -> None:
    """Refuse a database of somebody else, in which opening it as a store would make tables."""
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'attempts'").fetchone():
            raise StoreError("not a store of bakeoff")
    finally:
        connection.close()


def _record(text: str, source: str) -> Record:
    """A record whose fields have the types that they should have, so that no store refuses it later."""
    record = from_json(text, source)
    for item in fields(record):
        value, annotation = getattr(record, item.name), str(item.type)
        kind = _TYPES.get(annotation.partition("[")[0])
        if kind and not annotation.endswith("None") and (not isinstance(value, kind) or isinstance(value, bool)):
            raise RecordError(f"{source}: {item.name} is no {kind.__name__}")
    if not abs(record.seed) < 2**63:
        raise RecordError(f"{source}: the seed is out of range")
    try:
        record.to_json()
    except ValueError as error:
        raise RecordError(f"{source}: holds a number that is not finite") from error
    return record


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    left = iter(items)
    while batch := list(itertools.islice(left, size)):
        yield batch


def give(store: Store, path: Path, **equal: Any) -> int:
    """Write attempts to a file that is there whole or not at all. Returns how many there were.

    Args:
        store: where they are.
        path: a file ending in .jsonl (one record a line) or .parquet (one row an attempt).
        equal: columns of the store and the values that chosen attempts have there.

    Raises:
        CommandError: the file cannot be written, or pyarrow is missing.
        StoreError: the store cannot be read.
    """
    writers: Mapping[str, Callable[[Callable[[], Iterator[Record]], Path], int]] = {
        ".jsonl": _write_lines,
        ".parquet": write_parquet,
    }
    if path.suffix not in writers:
        raise CommandError(f"out: '{path}' ends in none of {', '.join(writers)}")
    try:
        with _whole(path) as temporary:
            return writers[path.suffix](lambda: store.each(_CHUNK, **equal), temporary)
    except OSError as error:
        raise CommandError(f"out: {one_line(error)}") from error


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`, which takes its place once it is complete and on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    try:
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _write_lines(records: Callable[[], Iterator[Record]], path: Path) -> int:
    count = 0
    with path.open("x", encoding="utf-8") as stream:
        for record in records():
            stream.write(f"{record.to_json()}\n")
            count += 1
    return count


def attempts(count: int) -> str:
    """So many attempts, in words."""
    return f"{count} attempt{'' if count == 1 else 's'}"
