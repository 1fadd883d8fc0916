"""The store: one database over all records. Attempts are rows; none is ever overwritten.

By default it is a SQLite file in write-ahead mode; a PostgreSQL server does for many machines. Records reach it from
`record.json` files; one that could not be inserted waits beside its attempt and is taken in by the next command.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from results import engine, layout
from results.layout import LAYOUT, attempts
from results.packed import NOTHING, Unpacker
from results.record import Record, RecordError, Status

BATCH = 1000  # attempts inserted in one transaction
_PARAMETERS = 500  # values in one query; SQLite takes a limited number
_KEYS = 50_000  # names of attempts that `each` holds at a time
_SETUP = 4_711_001  # number of the PostgreSQL lock under which tables are made


class StoreError(Exception):
    """The store cannot be read or written; the message names it and says why."""


class Store:
    """All attempts. Records that one call returns may share nested values; they are to be read, not changed.

    Args:
        url: a SQLAlchemy URL of SQLite or PostgreSQL, or the path of a SQLite file.
        patience: seconds to wait for a store that another process has locked.

    Raises:
        StoreError: there is no usable store at that place.
    """

    def __init__(self, url: str, patience: float = 30.0) -> None:
        self.url = url if "://" in url else f"sqlite:///{url}"
        try:
            place = engine.place(self.url)
            self.shown = engine.shown(place)
            self._backend = place.get_backend_name()
            if self._backend == "sqlite" and place.database:
                Path(place.database).expanduser().parent.mkdir(parents=True, exist_ok=True)
            self._engine = engine.make(place, patience)
        except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError, OSError) as error:
            raise StoreError(f"store {engine.masked(url)}: {engine.cause(error)}") from error
        try:
            self._open()
        except StoreError:
            self.close()
            raise

    def _open(self) -> None:
        with self.begin() as connection:
            found = layout.version(connection)
        if found > LAYOUT:
            raise StoreError(f"store {self.shown}: made by a newer bakeoff (layout {found}, here {LAYOUT})")
        if found < LAYOUT:
            with self.begin(write=True, lock=_SETUP) as connection:
                layout.bring(connection)

    @contextmanager
    def begin(self, *, write: bool = False, lock: int | None = None) -> Iterator[sa.Connection]:
        """A transaction, for the modules of this package that keep tables in the store.

        Args:
            write: rows will be changed. SQLite then lets one process in at a time.
            lock: keep out others with this number until the end; on SQLite `write` does that already.

        Raises:
            StoreError: the database refused something.
        """
        try:
            with self._engine.begin() as connection:
                if self._backend == "sqlite":
                    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
                elif lock is not None:
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock)))
                yield connection
        except (sa.exc.SQLAlchemyError, OverflowError) as error:
            raise StoreError(f"store {self.shown}: {engine.cause(error)}") from error

    def add(self, records: Iterable[Record]) -> int:
        """Insert records; those that are already there are left as they are. Returns how many were new.

        Every `BATCH` of them is a transaction of its own; after an error the call can be repeated as it is.
        """
        insert = postgresql.insert if self._backend == "postgresql" else sqlite.insert
        statement = insert(attempts).on_conflict_do_nothing()
        new, coming = 0, iter(records)
        # in the order of their names: two writers can then never wait for each other in a circle
        while batch := sorted(itertools.islice(coming, BATCH), key=lambda record: record.id):
            rows = [layout.row(record) for record in batch]
            with self.begin(write=True) as connection:
                new += connection.execute(statement, rows, execution_options={"preserve_rowcount": True}).rowcount
        return new

    def done(self, cells: Sequence[str], among: Iterable[Status] = (Status.OK, Status.SKIPPED)) -> set[str]:
        """Which of these cells have an attempt that need not be made again.

        Args:
            cells: their names.
            among: endings of such an attempt.
        """
        good = attempts.c.status.in_([status.value for status in among])
        return self._present(attempts.c.cell, cells, good)

    def ended_since(self, cells: Sequence[str], moment: str) -> dict[str, Status]:
        """How the newest attempts at these cells ended, of those that ended after a moment (ISO 8601, UTC)."""
        found: dict[str, Status] = {}
        with self.begin() as connection:
            for some in pieces(cells):
                query = sa.select(attempts.c.cell, attempts.c.status).order_by(attempts.c.ended)
                query = query.where(attempts.c.status != Status.INTERRUPTED.value)  # somebody has to go on with these
                rows = connection.execute(query.where(attempts.c.cell.in_(some), attempts.c.ended > moment))
                found |= {cell: Status(status) for cell, status in rows}
        return found

    def known(self, ids: Sequence[str]) -> set[str]:
        """Which of these attempts are there already, by name."""
        return self._present(attempts.c.id, ids, sa.true())

    def _present(self, column: sa.Column[Any], values: Sequence[str], condition: sa.ColumnElement[bool]) -> set[str]:
        found: set[str] = set()
        with self.begin() as connection:
            for some in pieces(values):
                found |= set(connection.execute(sa.select(column).where(column.in_(some), condition)).scalars())
        return found

    def records(self, **equal: Any) -> list[Record]:
        """All attempts whose columns have these values (`arena=..`, `task=..`, `method=..`), oldest first."""
        return self._read(_query(attempts.c.rest, **equal))

    def heads(self, **equal: Any) -> list[Record]:
        """Like `records`, at a fraction of the cost, with the fields in `results.packed.REST` empty, but for the parts
        of the provenance in `results.packed.ORIGIN` and the digests of the preparations."""
        return self._read(_query(sa.literal(NOTHING), **equal))

    def heads_of(self, cells: Sequence[str]) -> list[Record]:
        """Like `heads`, of the attempts at these cells, in no order that means anything."""
        query = _query(sa.literal(NOTHING))
        return [record for some in pieces(cells) for record in self._read(query.where(attempts.c.cell.in_(some)))]

    def each(self, chunk: int = 1000, **equal: Any) -> Iterator[Record]:
        """Like `records`, but one after the other and with no more than `chunk` of them in memory.

        No transaction stays open in between, so that attempts added meanwhile may or may not appear.
        """
        names = sa.select(attempts.c.ended, attempts.c.id).order_by(attempts.c.ended, attempts.c.id).limit(_KEYS)
        for column, value in equal.items():
            names = names.where(attempts.c[column] == value)
        query = names
        while True:
            with self.begin() as connection:
                keys = connection.execute(query).all()
            for some in pieces([name for _, name in keys], min(chunk, _PARAMETERS)):
                yield from self._read(_query(attempts.c.rest).where(attempts.c.id.in_(some)))
            if len(keys) < _KEYS:
                return
            query = names.where(sa.tuple_(attempts.c.ended, attempts.c.id) > tuple(keys[-1]))

    def names(self, column: str) -> list[str]:
        """The values of a column, such as `method`, each once."""
        with self.begin() as connection:
            return sorted(connection.execute(sa.select(attempts.c[column]).distinct()).scalars())

    def find(self, prefix: str) -> list[Record]:
        """Attempts whose name begins with `prefix`."""
        beyond = prefix + "\U0010ffff"  # a range, which an index answers
        return self._read(_query(attempts.c.rest).where(attempts.c.id >= prefix, attempts.c.id < beyond))

    def timings(self, method: str, task: str, scale: str) -> list[tuple[int, float]]:
        """Seed and seconds of `solve` and `evaluate` of the newest 200 attempts that ended ok, newest last."""
        query = sa.select(attempts.c.seed, attempts.c.seconds).where(
            attempts.c.task == task,
            attempts.c.scale == scale,
            attempts.c.method == method,
            attempts.c.status == Status.OK.value,
            attempts.c.seconds.is_not(None),
        )
        with self.begin() as connection:
            rows = connection.execute(query.order_by(attempts.c.ended.desc()).limit(200)).all()
        return [(seed, seconds) for seed, seconds in reversed(rows)]

    def _read(self, query: sa.Select[Any]) -> list[Record]:
        with self.begin() as connection:
            rows = connection.execute(query).all()
        unpacker = Unpacker()
        try:
            return [unpacker.record(common, head, rest, f"attempt {name}") for name, common, head, rest in rows]
        except RecordError as error:
            raise StoreError(f"store {self.shown}: {error}") from error

    def close(self) -> None:
        """Let go of the connections."""
        self._engine.dispose()


def pieces(values: Sequence[str], size: int = _PARAMETERS) -> Iterator[Sequence[str]]:
    """Consecutive pieces of `values`, each small enough for one query."""
    return (values[start : start + size] for start in range(0, len(values), size))


def _query(rest: sa.ColumnElement[str], **equal: Any) -> sa.Select[Any]:
    query = sa.select(attempts.c.id, attempts.c.common, attempts.c.head, rest).order_by(attempts.c.ended, attempts.c.id)
    for column, value in equal.items():
        query = query.where(attempts.c[column] == value)
    return query
