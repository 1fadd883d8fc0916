"""Leases: sweeps at once share the cells, and what a dead one held is free again."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from results.layout import leases as lease_rows
from results.layout import sweeps as sweep_rows
from results.leases import Leases
from results.store import Store, StoreError

if TYPE_CHECKING:
    from tests.processes import at_once
else:
    from processes import at_once  # pytest looks where conftest.py is

CELLS = [f"{number:032x}" for number in range(1500)]


@pytest.fixture
def place(tmp_path: Path) -> str:
    return str(tmp_path / "store.sqlite")


@pytest.fixture
def store(place: str) -> Iterator[Store]:
    store = Store(place)
    yield store
    store.close()


@pytest.fixture
def leases(store: Store) -> Leases:
    return Leases(store)


def begun(leases: Leases, command: str = "bakeoff run") -> str:
    return leases.begin(command=command, outputs="outputs", total=3)


def change(store: Store, sweep: str, **values: Any) -> None:
    with store.begin(write=True) as connection:
        connection.execute(sweep_rows.update().where(sweep_rows.c.id == sweep).values(**values))


def cut_off(place: str, cells: list[str]) -> str:
    """The name of a sweep whose process ended without a word while it held these cells."""
    program = """
import os, sys
from results.leases import Leases
from results.store import Store
leases = Leases(Store(sys.argv[1]))
sweep = leases.begin(command="cut off", outputs="outputs", total=1)
assert leases.claim(sweep, sys.argv[2:]) == set(sys.argv[2:])
print(sweep, flush=True)
os._exit(9)
"""
    done = subprocess.run([sys.executable, "-c", program, place, *cells], stdout=subprocess.PIPE, text=True)
    assert done.returncode == 9
    return done.stdout.strip()


def test_a_cell_is_one_sweeps(leases: Leases) -> None:
    one, other = begun(leases), begun(leases)
    assert leases.claim(one, ["a", "b"]) == {"a", "b"}
    assert leases.claim(other, ["b", "c", "c"]) == {"c"}
    assert leases.claim(one, ["a", "c"]) == {"a"}  # what it has it keeps
    leases.release(other, ["a", "c"])  # the first is not its own
    assert leases.claim(one, ["c"]) == {"c"}
    assert leases.claim(other, ["a"]) == set()
    assert leases.claim(one, []) == set()


def test_who_holds_a_cell_is_told(leases: Leases) -> None:
    one, other = begun(leases, "first"), begun(leases, "second")
    leases.claim(one, ["a"])
    leases.claim(other, ["b"])
    held = leases.holders(["a", "b", "c"])
    assert {cell: state.command for cell, state in held.items()} == {"a": "first", "b": "second"}
    assert leases.holders([]) == {}


def test_a_sweep_that_ends_lets_go_of_everything(leases: Leases) -> None:
    one, other = begun(leases), begun(leases)
    leases.claim(one, CELLS)
    leases.end(one, {"ok": 3})
    assert leases.holders(CELLS) == {}
    assert leases.claim(other, CELLS) == set(CELLS)
    state = leases.sweeps()[1]
    assert (state.id, state.alive, state.progress) == (one, False, {"ok": 3})
    assert state.ended is not None
    with pytest.raises(StoreError, match=f"no sweep {one} is running"):
        leases.claim(one, ["a"])


def test_a_sweep_that_nobody_knows_can_claim_nothing(leases: Leases) -> None:
    with pytest.raises(StoreError, match="no sweep abc is running"):
        leases.claim("abc", ["a"])
    assert leases.holders(["a"]) == {}


def test_a_running_sweep_is_described(leases: Leases) -> None:
    before = time.time()
    sweep = begun(leases)
    (state,) = leases.sweeps()
    assert (state.id, state.host, state.pid) == (sweep, socket.gethostname(), os.getpid())
    assert (state.command, state.outputs, state.total) == ("bakeoff run", "outputs", 3)
    assert (state.progress, state.ended, state.alive) == ({}, None, True)
    assert before - 1 <= state.started == state.heartbeat <= time.time() + 1
    leases.beat(sweep, {"running": ["a cell"], "ok": 1})
    leases.beat(sweep, {"running": ["a cell"], "ok": 2}, total=5)
    (later,) = leases.sweeps()
    assert (later.progress, later.total) == ({"running": ["a cell"], "ok": 2}, 5)
    assert later.heartbeat > state.heartbeat


def test_a_late_beat_does_not_wake_a_sweep_that_has_ended(leases: Leases) -> None:
    sweep = begun(leases)
    leases.end(sweep, {"ok": 3})
    leases.beat(sweep, {"ok": 1})
    leases.end(sweep, {"ok": 2})
    (state,) = leases.sweeps()
    assert (state.progress, state.alive) == ({"ok": 3}, False)


def test_sweeps_are_listed_newest_first(leases: Leases) -> None:
    names = [begun(leases) for _ in range(5)]
    assert [state.id for state in leases.sweeps()] == names[::-1]
    assert [state.id for state in leases.sweeps(2)] == names[:2:-1]


# --- alive or not ---


def test_what_a_dead_process_held_is_free(place: str, leases: Leases) -> None:
    dead = cut_off(place, ["a", "b"])
    assert leases.holders(["a", "b"]) == {}
    (state,) = leases.sweeps()
    assert (state.id, state.alive, state.ended) == (dead, False, None)
    assert leases.orphans(["a", "b", "c"]) == {"a", "b"}
    one = begun(leases)
    assert leases.claim(one, ["b", "c"]) == {"b", "c"}
    assert leases.orphans(["a", "b", "c"]) == {"a"}  # what nobody claimed is still the dead one's
    assert leases.claim(begun(leases), ["a", "b"]) == {"a"}
    leases.end(one, {})
    assert leases.orphans(["a", "b", "c"]) == set()


def test_a_later_process_of_the_same_number_is_another(store: Store, leases: Leases) -> None:
    sweep = begun(leases)
    leases.claim(sweep, ["a"])
    change(store, sweep, born=psutil.Process().create_time() - 60)
    assert not leases.sweeps()[0].alive
    assert leases.claim(begun(leases), ["a"]) == {"a"}


def test_a_process_that_only_waits_to_be_buried_is_dead(store: Store, leases: Leases) -> None:
    sweep = begun(leases)
    process = subprocess.Popen([sys.executable, "-c", ""])
    born = psutil.Process(process.pid).create_time()
    change(store, sweep, pid=process.pid, born=born)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not leases.sweeps()[0].alive
    process.wait()
    assert not leases.sweeps()[0].alive


def test_a_process_that_may_not_be_looked_at_is_alive(leases: Leases, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(leases)

    def refuse(_: int) -> None:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "Process", refuse)
    assert leases.sweeps()[0].alive


@pytest.mark.parametrize(("silence", "alive"), [(0.0, True), (50.0, True), (70.0, False)])
def test_a_sweep_on_another_machine_lives_as_long_as_it_gives_signs(
    store: Store, leases: Leases, silence: float, alive: bool
) -> None:
    sweep = begun(leases)
    leases.claim(sweep, ["a"])
    change(store, sweep, host="elsewhere", pid=2**31, heartbeat=time.time() - silence)
    assert leases.sweeps()[0].alive == alive
    assert set(leases.holders(["a"])) == ({"a"} if alive else set())
    assert leases.claim(begun(leases), ["a"]) == (set() if alive else {"a"})
    leases.beat(sweep, {})  # a machine that was cut off for a while comes back, but not to its cells
    assert [state.alive for state in leases.sweeps()] == [True, True]
    assert {cell: state.id == sweep for cell, state in leases.holders(["a"]).items()} == {"a": alive}


def test_sweeps_of_long_ago_are_forgotten(store: Store, leases: Leases) -> None:
    long_ago = time.time() - 31 * 24 * 3600
    running, ended, silent, recent = (begun(leases) for _ in range(4))
    leases.claim(running, ["a"])
    leases.claim(silent, ["b"])
    leases.end(ended, {})
    leases.end(recent, {})
    change(store, running, started=long_ago, heartbeat=long_ago)
    change(store, ended, started=long_ago, heartbeat=long_ago, ended=long_ago)
    change(store, silent, started=long_ago, heartbeat=long_ago, host="elsewhere")
    newest = begun(leases)
    assert {state.id for state in leases.sweeps()} == {running, recent, newest}
    with store.begin() as connection:
        assert [row.cell for row in connection.execute(lease_rows.select())] == ["a"]


# --- many at once ---


def contend(place: str, number: int) -> list[str]:
    """Claim all cells, piece by piece, each process beginning elsewhere; hold them until all have tried."""
    store = Store(place)
    leases = Leases(store)
    sweep = leases.begin(command=str(number), outputs="outputs", total=len(CELLS))
    order = CELLS[number * 300 :] + CELLS[: number * 300]
    mine = [cell for start in range(0, len(order), 50) for cell in leases.claim(sweep, order[start : start + 50])]
    deadline = time.monotonic() + 60
    while len(leases.holders(CELLS)) < len(CELLS) and time.monotonic() < deadline:
        time.sleep(0.05)
    store.close()
    return mine


def test_processes_that_claim_at_once_get_each_cell_once(place: str) -> None:
    claimed = at_once(contend, place, 4)
    assert sorted(cell for cells in claimed for cell in cells) == CELLS


def test_many_cells_are_claimed_quickly(leases: Leases) -> None:
    cells = [f"{number:032x}" for number in range(10_000)]
    sweep = begun(leases)
    start = time.perf_counter()
    assert leases.claim(sweep, cells) == set(cells)
    assert len(leases.holders(cells)) == len(cells)
    leases.release(sweep, cells)
    assert time.perf_counter() - start < 5  # a tenth of it on a machine with nothing else to do
    assert leases.holders(cells) == {}


def test_a_store_that_breaks_is_named(place: str, store: Store, leases: Leases) -> None:
    sweep = begun(leases)
    with store.begin(write=True) as connection:
        connection.exec_driver_sql("DROP TABLE sweeps")
    for act in (
        lambda: begun(leases),
        lambda: leases.claim(sweep, ["a"]),
        lambda: leases.beat(sweep, {}),
        lambda: leases.end(sweep, {}),
        leases.sweeps,
        lambda: leases.holders(["a"]),
    ):
        with pytest.raises(StoreError, match="no such table") as caught:
            act()
        assert place in str(caught.value)
