"""Connections to the engines that can hold a store: SQLite and PostgreSQL."""

from __future__ import annotations

import re
import sqlite3
import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

_CONNECT_SECONDS = 5
_KEEPALIVE = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15000,
}  # a dead network
_CACHE_KIB = 65536
_LOG_PAGES = 16384  # of 4 KiB that SQLite logs before it carries them over: many attempts then share a page of an index
_PASSWORD = re.compile(r"(?i)(password=)[^&]*")


def place(url: str) -> sa.URL:
    """Where a store is.

    Raises:
        sqlalchemy.exc.ArgumentError, sqlalchemy.exc.NoSuchModuleError: no store can be at such a place.
    """
    found = sa.make_url(url)
    if found.drivername == "postgresql":
        found = found.set(drivername="postgresql+psycopg")
    dialect = found.get_dialect()
    if dialect.name not in ("sqlite", "postgresql"):
        raise sa.exc.ArgumentError(f"a store is kept in SQLite or PostgreSQL, not in {dialect.name}")
    if dialect.driver not in ("pysqlite", "psycopg"):
        raise sa.exc.ArgumentError("a store is reached by sqlite:// or postgresql+psycopg://")
    return found


def make(where: sa.URL, patience: float) -> sa.Engine:
    """An engine that waits for `patience` seconds where another process has locked something.

    Raises:
        ImportError: the driver is not installed.
    """
    if where.get_backend_name() == "sqlite":
        made = sa.create_engine(where)
        event.listen(made, "connect", lambda connection, _: _configure_sqlite(connection, patience))
        return made
    waits = {} if "connect_timeout" in where.query else {"connect_timeout": _CONNECT_SECONDS}
    try:
        made = sa.create_engine(where, pool_pre_ping=True, connect_args=waits | _KEEPALIVE)
    except ImportError as error:
        raise ImportError("PostgreSQL needs a driver; get it by: pip install 'bakeoff[postgres]'") from error
    event.listen(made, "connect", lambda connection, _: _configure_postgres(connection, patience))
    return made


def _configure_sqlite(connection: Any, patience: float) -> None:
    connection.isolation_level = None  # transactions begin where `Store.begin` says so
    connection.execute(f"PRAGMA busy_timeout={int(patience * 1000)}")
    connection.execute("PRAGMA synchronous=NORMAL")  # the record.json files are the durable copy
    connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
    connection.execute(f"PRAGMA wal_autocheckpoint={_LOG_PAGES}")
    late = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:  # SQLite does not itself wait for others who open a new file
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > late:
                raise
            time.sleep(0.02)


def _configure_postgres(connection: Any, patience: float) -> None:
    connection.execute(f"SET lock_timeout = {int(patience * 1000)}")
    connection.commit()


def shown(where: sa.URL) -> str:
    """A URL as it may be shown: without passwords."""
    return _PASSWORD.sub(r"\1***", where.render_as_string(hide_password=True))


def masked(text: str) -> str:
    """What was given for a URL and perhaps is none, without anything that may be a password."""
    return _PASSWORD.sub(r"\1***", re.sub(r"//.*@", "//***@", text))


def cause(error: BaseException) -> str:
    """What an engine complains of, on one line."""
    origin = getattr(error, "orig", None) or error
    return " ".join(str(origin).split()) or type(origin).__name__
