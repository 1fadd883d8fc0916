"""Who runs what, right now: sweeps that share a store share the work, and each cell is run by one of them.

A sweep claims cells before it runs them and lets go of them afterwards. What a sweep held that was cut off is free
again: one on this machine is alive as long as its process is, one on another as long as it gives signs of life.
"""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psutil
import sqlalchemy as sa

from results.layout import leases, sweeps
from results.store import Store, StoreError, pieces

SILENCE = 60.0  # seconds after which a sweep on another machine counts as cut off
_KEPT = 30 * 24 * 3600.0  # seconds for which a sweep that is over is still listed
_LOCK = 4_711_002  # number of the PostgreSQL lock under which leases change hands
_BIRTH = 2.0  # seconds by which two readings of one process's creation may differ


@dataclass(frozen=True, kw_only=True)
class SweepState:
    """A sweep as the store knows it.

    Args:
        id: its name.
        host, pid, born: its process; the time of its creation tells it from a later one of the same number.
        command, outputs: what it runs, and where it writes.
        started, heartbeat, ended: epoch seconds by the store's clock; `ended` is None for one that runs or was cut off.
        total: how many cells it has.
        progress: what the runner says about it.
        alive: it runs, as far as can be told from here.
    """

    id: str
    host: str
    pid: int
    born: float
    command: str
    outputs: str
    started: float
    heartbeat: float
    ended: float | None
    total: int
    progress: dict[str, Any]
    alive: bool


class Leases:
    """The sweeps of a store and the cells that they hold.

    Args:
        store: where both are kept.

    Raises:
        StoreError: from every method, if the store cannot be read or written.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def begin(self, *, command: str, outputs: str, total: int) -> str:
        """Register this process as a sweep and return the sweep's name. Forgets sweeps that were over long ago."""
        name = uuid.uuid4().hex
        with self._store.begin(write=True, lock=_LOCK) as connection:
            now = _now(connection)
            _forget(connection, now)
            values = {"started": now, "heartbeat": now, "ended": None, "total": total, "progress": "{}"}
            values |= {"host": socket.gethostname(), "pid": os.getpid(), "born": psutil.Process().create_time()}
            values |= {"id": name, "command": command, "outputs": outputs}
            connection.execute(sweeps.insert().values(values))
        return name

    def claim(self, sweep: str, cells: Sequence[str]) -> set[str]:
        """Take those cells that no other live sweep holds; from one that was cut off they are taken over.

        Whether a cell has been run is not asked here; ask the store afterwards, when no one else can run it any more.

        Returns:
            The cells that are this sweep's now, those that it held already included.

        Raises:
            StoreError: there is no such sweep, or it has ended.
        """
        with self._store.begin(write=True, lock=_LOCK) as connection:
            running = _states(connection, sweeps.c.ended.is_(None))
            if sweep not in {state.id for state in running}:
                raise StoreError(f"store {self._store.shown}: no sweep {sweep} is running")
            live = {state.id for state in running if state.alive} | {sweep}
            for some in pieces(cells):
                connection.execute(leases.delete().where(leases.c.cell.in_(some), leases.c.sweep.not_in(live)))
            held = _held(connection, cells)
            free = set(cells) - held.keys()
            if free:
                connection.execute(leases.insert(), [{"cell": cell, "sweep": sweep} for cell in sorted(free)])
        return free | {cell for cell, owner in held.items() if owner == sweep}

    def release(self, sweep: str, cells: Sequence[str]) -> None:
        """Let go of cells; those that the sweep does not hold are left alone."""
        with self._store.begin(write=True, lock=_LOCK) as connection:
            for some in pieces(cells):
                connection.execute(leases.delete().where(leases.c.cell.in_(some), leases.c.sweep == sweep))

    def beat(self, sweep: str, progress: Mapping[str, Any], total: int | None = None) -> None:
        """Give a sign of life and say how far the sweep is. One that has ended stays as it is."""
        values: dict[str, Any] = {"progress": json.dumps(dict(progress))}
        if total is not None:
            values["total"] = total
        with self._store.begin(write=True) as connection:
            values["heartbeat"] = _now(connection)
            connection.execute(sweeps.update().where(_running(sweep)).values(values))

    def end(self, sweep: str, progress: Mapping[str, Any]) -> None:
        """Say that a sweep is over and let go of all its cells."""
        with self._store.begin(write=True, lock=_LOCK) as connection:
            now = _now(connection)
            values = {"ended": now, "heartbeat": now, "progress": json.dumps(dict(progress))}
            connection.execute(sweeps.update().where(_running(sweep)).values(values))
            connection.execute(leases.delete().where(leases.c.sweep == sweep))

    def sweeps(self, limit: int = 20) -> list[SweepState]:
        """The last sweeps, newest first."""
        with self._store.begin() as connection:
            return _states(connection, sa.true(), limit)

    def holders(self, cells: Sequence[str]) -> dict[str, SweepState]:
        """For those of the cells that a live sweep holds, which one."""
        with self._store.begin() as connection:
            held = _held(connection, cells)
            live = {state.id: state for state in _states(connection, sweeps.c.ended.is_(None)) if state.alive}
        return {cell: live[owner] for cell, owner in held.items() if owner in live}

    def orphans(self, cells: Sequence[str]) -> set[str]:
        """Those of the cells that a sweep held which was cut off, and that nobody has claimed since.

        Its records of them may have stayed on its disk.
        """
        with self._store.begin() as connection:
            held = _held(connection, cells)
            live = {state.id for state in _states(connection, sweeps.c.ended.is_(None)) if state.alive}
        return {cell for cell, owner in held.items() if owner not in live}


def _held(connection: sa.Connection, cells: Sequence[str]) -> dict[str, str]:
    """Which sweep, alive or not, has a lease on those of the cells on which there is one."""
    held: dict[str, str] = {}
    for some in pieces(cells):
        query = sa.select(leases.c.cell, leases.c.sweep).where(leases.c.cell.in_(some))
        held.update({row.cell: row.sweep for row in connection.execute(query)})
    return held


def _running(sweep: str) -> sa.ColumnElement[bool]:
    return sa.and_(sweeps.c.id == sweep, sweeps.c.ended.is_(None))


def _states(connection: sa.Connection, condition: sa.ColumnElement[bool], limit: int | None = None) -> list[SweepState]:
    query = sa.select(sweeps).where(condition).order_by(sweeps.c.started.desc(), sweeps.c.id).limit(limit)
    rows = connection.execute(query).mappings().all()
    now = _now(connection)
    return [SweepState(**{**row, "progress": json.loads(row["progress"]), "alive": _alive(row, now)}) for row in rows]


def _alive(row: Mapping[Any, Any], now: float) -> bool:
    if row["ended"] is not None:
        return False
    if row["host"] != socket.gethostname():
        return bool(now - row["heartbeat"] < SILENCE)
    try:
        process = psutil.Process(row["pid"])
        same = abs(process.create_time() - row["born"]) < _BIRTH
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # there is one, and nothing says that it is another
        return True


def _forget(connection: sa.Connection, now: float) -> None:
    """Delete sweeps that ended, or were cut off, long ago."""
    long_ago = _states(connection, sweeps.c.heartbeat < now - _KEPT)
    names = [state.id for state in long_ago if not state.alive]
    for some in pieces(names):
        connection.execute(leases.delete().where(leases.c.sweep.in_(some)))
        connection.execute(sweeps.delete().where(sweeps.c.id.in_(some)))


def _now(connection: sa.Connection) -> float:
    """The store's clock, in epoch seconds; the clocks of machines that share a server may differ."""
    if connection.dialect.name == "postgresql":
        return float(connection.execute(sa.select(sa.extract("epoch", sa.func.clock_timestamp()))).scalar_one())
    return time.time()
