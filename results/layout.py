"""The tables of the store, and how an older store is brought to them."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from results.packed import NOTHING, ORIGIN, compact, pack
from results.record import Record, Status

LAYOUT = 3  # version of the tables below
_PIECE = 1000  # rows that are brought over at once


def _name(length: int) -> sa.String:
    """Text that is compared byte by byte on every engine, so that order and prefixes mean the same."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


tables = sa.MetaData()
layout = sa.Table("layout", tables, sa.Column("version", sa.Integer, nullable=False))
attempts = sa.Table(
    "attempts",
    tables,
    sa.Column("id", _name(80), primary_key=True),
    sa.Column("cell", _name(80), nullable=False),
    sa.Column("arena", _name(80), nullable=False),
    sa.Column("task", _name(160), nullable=False),
    sa.Column("method", _name(160), nullable=False),
    sa.Column("scale", _name(40), nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("status", _name(20), nullable=False),
    sa.Column("ended", _name(40), nullable=False),
    sa.Column("seconds", sa.Double),
    sa.Column("common", sa.Text, nullable=False),
    sa.Column("head", sa.Text, nullable=False),
    sa.Column("rest", sa.Text, nullable=False),  # last: SQLite reads a row from its start, and only as far as asked
    sa.Index("attempts_cell", "cell", "status"),
    sa.Index("attempts_task", "task", "scale", "method", "ended"),
    sa.Index("attempts_ended", "ended", "id"),
)
sweeps = sa.Table(
    "sweeps",
    tables,
    sa.Column("id", _name(40), primary_key=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("pid", sa.BigInteger, nullable=False),
    sa.Column("born", sa.Double, nullable=False),
    sa.Column("command", sa.Text, nullable=False),
    sa.Column("outputs", sa.Text, nullable=False),
    sa.Column("started", sa.Double, nullable=False),
    sa.Column("heartbeat", sa.Double, nullable=False),
    sa.Column("ended", sa.Double),
    sa.Column("total", sa.BigInteger, nullable=False),
    sa.Column("progress", sa.Text, nullable=False),
)
leases = sa.Table(
    "leases",
    tables,
    sa.Column("cell", _name(80), primary_key=True),
    sa.Column("sweep", _name(40), nullable=False, index=True),
)


def version(connection: sa.Connection) -> int:
    """The layout of a store; 0 where there is none yet."""
    there = sa.inspect(connection)
    found = None
    if there.has_table(layout.name):
        found = connection.execute(sa.select(sa.func.max(layout.c.version))).scalar()
    return found or int(there.has_table(attempts.name))  # the first layout made its tables before it noted its version


def bring(connection: sa.Connection) -> None:
    """Make the tables, or bring those of an older layout to this one. The caller keeps others out meanwhile."""
    found = version(connection)
    if found >= LAYOUT:
        return
    if found == 1:
        connection.execute(sa.text("ALTER TABLE attempts RENAME TO attempts_1"))
    tables.create_all(connection)
    if found == 1:
        _bring_1(connection)
    if found == 2:
        _bring_2(connection)
    connection.execute(layout.delete())
    connection.execute(layout.insert().values(version=LAYOUT))


def _bring_1(connection: sa.Connection) -> None:
    new = ("seconds", "common", "head", "rest")
    kept = [column.name for column in attempts.columns if column.name not in new]
    old = sa.table("attempts_1", *(sa.column(name) for name in (*kept, "record")))
    query = sa.select(old).order_by(old.c.id).limit(_PIECE)
    rows = connection.execute(query).mappings().all()
    while rows:
        connection.execute(attempts.insert(), [_row_of_1(dict(row)) for row in rows])
        rows = connection.execute(query.where(old.c.id > rows[-1]["id"])).mappings().all()
    connection.execute(sa.text("DROP TABLE attempts_1"))


def _row_of_1(old: dict[str, Any]) -> dict[str, Any]:
    """A row of the first layout, which held a record as one text, as a row of this one."""
    text = old.pop("record")
    try:
        content = json.loads(text)
        common, head, rest = pack(content)
        seconds = _seconds(content["seconds"])
    except (ValueError, TypeError, KeyError, AttributeError):  # damaged: kept as it is, and named when it is read
        common, head, rest, seconds = NOTHING, text, NOTHING, None
    return old | {"seconds": seconds, "common": common, "head": head, "rest": rest}


def _bring_2(connection: sa.Connection) -> None:
    """The second layout kept all of the provenance where boards do not look."""
    query = sa.select(attempts.c.id, attempts.c.common, attempts.c.rest).order_by(attempts.c.id).limit(_PIECE)
    change = attempts.update().where(attempts.c.id == sa.bindparam("name"))
    rows = connection.execute(query).all()
    while rows:
        moved = [{"name": name} | told for name, common, rest in rows if (told := _with_origin(common, rest))]
        if moved:
            connection.execute(change, moved)
        rows = connection.execute(query.where(attempts.c.id > rows[-1][0])).all()


def _with_origin(common: str, rest: str) -> dict[str, str]:
    """The texts of a row of the second layout as this one has them; empty for a damaged row, which is kept as it is."""
    try:
        shared, left = json.loads(common), json.loads(rest)
        told = left["provenance"]
        shared["provenance"] = {key: told[key] for key in ORIGIN if key in told}
        left["provenance"] = {key: value for key, value in told.items() if key not in ORIGIN}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}
    return {"common": compact(shared), "rest": compact(left)}


def row(record: Record) -> dict[str, Any]:
    """A record as a row of `attempts`."""
    common, head, rest = pack(vars(record))
    return {
        "id": record.id,
        "cell": record.cell,
        "arena": record.arena,
        "task": record.task,
        "method": record.method,
        "scale": record.scale,
        "seed": record.seed,
        "status": Status(record.status).value,
        "ended": record.ended,
        "seconds": _seconds(record.seconds),
        "common": common,
        "head": head,
        "rest": rest,
    }


def _seconds(clock: dict[str, float]) -> float | None:
    own = [clock[phase] for phase in ("solve", "evaluate") if phase in clock]
    return float(sum(own)) if own else None
