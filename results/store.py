"""The store: one database over all records, on any URL that SQLAlchemy knows. Attempts are rows; none is ever
overwritten.

By default it is a SQLite file in write-ahead mode. Records reach it from `record.json` files; one that could not be
inserted waits beside its attempt and is taken in by the next command.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from results.record import Record, RecordError, Status, from_json

LAYOUT = 1  # version of the tables below

_tables = sa.MetaData()
_layout = sa.Table("layout", _tables, sa.Column("version", sa.Integer, nullable=False))
_attempts = sa.Table(
    "attempts",
    _tables,
    sa.Column("id", sa.String(80), primary_key=True),
    sa.Column("cell", sa.String(40), nullable=False, index=True),
    sa.Column("arena", sa.String(80), nullable=False),
    sa.Column("task", sa.String(160), nullable=False, index=True),
    sa.Column("method", sa.String(160), nullable=False),
    sa.Column("scale", sa.String(40), nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("ended", sa.String(40), nullable=False),
    sa.Column("record", sa.Text, nullable=False),
)


class StoreError(Exception):
    """The store cannot be read or written; the message names it and says why."""


class Store:
    """All attempts.

    Args:
        url: a SQLAlchemy URL, or the path of a SQLite file.

    Raises:
        StoreError: there is no usable store at that place.
    """

    def __init__(self, url: str) -> None:
        self.url = url if "://" in url else f"sqlite:///{url}"
        try:
            place = sa.make_url(self.url)
            self.shown = place.render_as_string(hide_password=True)
            if place.get_backend_name() == "sqlite" and place.database:
                Path(place.database).expanduser().parent.mkdir(parents=True, exist_ok=True)
            self._engine = sa.create_engine(place)
        except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ModuleNotFoundError, OSError) as error:
            shown = re.sub(r"//[^/@]*@", "//***@", url)  # a password may stand in it
            raise StoreError(f"store {shown}: {_cause(error)}") from error
        if place.get_backend_name() == "sqlite":
            event.listen(self._engine, "connect", _configure_sqlite)
        with self._begin() as connection:
            for table in _tables.sorted_tables:  # several processes may open a new store at once
                connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
                for index in table.indexes:
                    connection.execute(sa.schema.CreateIndex(index, if_not_exists=True))
            version = connection.execute(sa.select(_layout.c.version)).scalar()
            if version is None:
                connection.execute(_layout.insert().values(version=LAYOUT))
            elif version > LAYOUT:
                raise StoreError(f"store {self.shown}: made by a newer bakeoff (layout {version}, here {LAYOUT})")

    @contextmanager
    def _begin(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except (sa.exc.SQLAlchemyError, OverflowError) as error:
            raise StoreError(f"store {self.shown}: {_cause(error)}") from error

    def add(self, records: Iterable[Record]) -> int:
        """Insert records; those that are already there are left as they are. Returns how many were new."""
        rows = {record.id: _row(record) for record in records}
        names = list(rows)
        with self._begin() as connection:
            for start in range(0, len(names), 500):  # SQLite takes a limited number of parameters
                some = _attempts.c.id.in_(names[start : start + 500])
                for name in connection.execute(sa.select(_attempts.c.id).where(some)).scalars():
                    del rows[name]
            if rows:
                connection.execute(_attempts.insert(), list(rows.values()))
        return len(rows)

    def done(self, cells: Sequence[str]) -> set[str]:
        """Which of these cells have an attempt that need not be made again: ok, or skipped by the method."""
        good = (Status.OK.value, Status.SKIPPED.value)
        found: set[str] = set()
        with self._begin() as connection:
            for start in range(0, len(cells), 500):
                wanted = _attempts.c.cell.in_(cells[start : start + 500]) & _attempts.c.status.in_(good)
                found |= set(connection.execute(sa.select(_attempts.c.cell).where(wanted).distinct()).scalars())
        return found

    def records(self, **equal: Any) -> list[Record]:
        """All attempts whose columns have these values (`arena=..`, `task=..`, `method=..`), oldest first."""
        query = sa.select(_attempts.c.id, _attempts.c.record).order_by(_attempts.c.ended, _attempts.c.id)
        for column, value in equal.items():
            query = query.where(_attempts.c[column] == value)
        with self._begin() as connection:
            rows = connection.execute(query).all()
        return [self._read(name, text) for name, text in rows]

    def find(self, prefix: str) -> list[Record]:
        """Attempts whose name begins with `prefix`."""
        query = sa.select(_attempts.c.id, _attempts.c.record).where(_attempts.c.id.startswith(prefix, autoescape=True))
        with self._begin() as connection:
            rows = connection.execute(query.order_by(_attempts.c.ended)).all()
        return [self._read(name, text) for name, text in rows]

    def _read(self, name: str, text: str) -> Record:
        try:
            return from_json(text, f"attempt {name}")
        except RecordError as error:
            raise StoreError(f"store {self.shown}: {error}") from error

    def close(self) -> None:
        """Let go of the connections."""
        self._engine.dispose()


def _configure_sqlite(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout=30000")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")  # the record.json files are the durable copy
    cursor.close()


def _row(record: Record) -> dict[str, Any]:
    own = {column.name: getattr(record, column.name) for column in _attempts.columns if column.name != "record"}
    return own | {"status": record.status.value, "record": record.to_json()}


def _cause(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    return " ".join(str(cause).split()) or type(cause).__name__
