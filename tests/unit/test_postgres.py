"""The store and the leases on a real PostgreSQL server."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from results.layout import LAYOUT, tables
from results.layout import sweeps as sweep_rows
from results.leases import Leases
from results.record import Record, Status
from results.store import Store, StoreError

if TYPE_CHECKING:
    from tests.postgres import Server, binaries
    from tests.processes import at_once
else:  # pytest looks where conftest.py is
    from postgres import Server, binaries
    from processes import at_once

pytest.importorskip("psycopg", reason="needs the extra postgres")
pytestmark = [
    pytest.mark.xdist_group("postgres"),
    pytest.mark.skipif(binaries() is None, reason="there is no PostgreSQL server on this machine"),
]
CELLS = [f"{number:032x}" for number in range(1600)]


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="bakeoff-postgres-"))  # others may not enter pytest's own folders
    folder.chmod(0o755)
    (folder / "server").mkdir()
    made = Server(folder / "server")
    made.start()
    yield made
    made.stop()
    shutil.rmtree(folder)


@pytest.fixture
def url(server: Server) -> str:
    """A server without any tables."""
    engine = sa.create_engine(server.url)
    with engine.begin() as connection:
        tables.drop_all(connection)
    engine.dispose()
    return server.url


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = Store(url)
    yield store
    store.close()


def attempt(number: int, **changes: Any) -> Record:
    parts = {"name": "text/linc", "version": 1}
    made = Record(
        id=f"{number:010x}-{number:08x}",
        cell=f"{number:032x}",
        identity={"method": parts, "task": parts, "hardware": {}, "preparations": {}, "seed": number},
        settings={"threads": 1},
        arena="text",
        task="text/topics",
        method="text/linc",
        problem="Probabilities",
        scale="tiny",
        hardware="cpu",
        protocol="paper values",
        seed=number,
        method_version=1,
        task_version=1,
        role="paper",
        fidelity="code",
        status=Status.OK,
        reason="a reason \udc80 \x00 é",
        phase="",
        rank_metric="accuracy",
        started="2024-01-01T00:00:00.000+00:00",
        ended=f"2024-01-01T00:00:{number % 60:02d}.000+00:00",
        metrics={"accuracy": 0.5},
        seconds={"prepare": 9.0, "solve": 1.0 + number, "evaluate": 0.5},
        logs={"loss": [[0, 0.0, 1.0]]},
        provenance={"python": "3.11.2", "commit": "abc"},
    )
    return replace(made, **changes)


# --- the store ---


def test_what_is_added_is_read_back(store: Store) -> None:
    records = [attempt(number) for number in range(3)]
    assert store.add(records) == 3
    assert store.records() == list(store.each(chunk=2)) == records
    assert store.heads() == [replace(record, logs={}, provenance={"python": "3.11.2"}) for record in records]
    assert store.heads(task="text/none", seed=1) == []


def test_adding_twice_adds_once_and_overwrites_nothing(store: Store) -> None:
    records = [attempt(number) for number in range(2500)]
    assert store.add(records) == 2500
    assert store.add([replace(record, reason="rewritten") for record in records] + [attempt(9000)]) == 1
    assert {record.reason for record in store.records()} == {attempt(0).reason}
    assert store.known([*(record.id for record in records), "other"]) == {record.id for record in records}
    assert store.done([*(record.cell for record in records), "other"]) == {record.cell for record in records}


def test_attempts_come_oldest_first_and_by_column(store: Store) -> None:
    store.add(attempt(number, method=f"text/{number % 2}") for number in reversed(range(150)))
    expected = sorted((record for record in store.records()), key=lambda record: (record.ended, record.id))
    assert list(store.each(chunk=7)) == store.records() == expected
    assert [record.seed for record in store.each(method="text/1", status="ok")] == [
        record.seed for record in expected if record.method == "text/1"
    ]


def test_names_are_compared_byte_by_byte(store: Store) -> None:
    store.add([attempt(1, id="ab-1"), attempt(2, id="aB-1"), attempt(3, id="b%-1"), attempt(4, id="abc"), attempt(5)])
    assert {record.id for record in store.find("ab")} == {"ab-1", "abc"}
    assert [record.id for record in store.find("b%")] == ["b%-1"]
    assert store.find("%") == store.find("_") == []
    assert len(store.find("")) == 5


def test_timings_are_of_the_newest_good_attempts(store: Store) -> None:
    store.add([attempt(3), attempt(1), attempt(2, status=Status.FAILED), attempt(4, scale="paper")])
    assert store.timings("text/linc", "text/topics", "tiny") == [(1, 2.5), (3, 4.5)]
    cells = [attempt(number).cell for number in range(5)]
    assert store.ended_since(cells, attempt(2).ended) == {cells[3]: Status.OK, cells[4]: Status.OK}


def test_a_number_that_no_column_can_hold_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="out of range"):
        store.add([attempt(1, seed=2**63)])
    assert store.add([attempt(1)]) == 1


def test_the_usual_name_of_the_engine_will_do(url: str) -> None:
    store = Store(url.replace("postgresql+psycopg:", "postgresql:"))
    assert store.records() == []
    store.close()


def test_a_data_base_that_is_not_there_is_named(server: Server) -> None:
    with pytest.raises(StoreError, match='database "none" does not exist') as caught:
        Store(server.url.replace("bakeoff@", "bakeoff:secret@").replace("/postgres", "/none"))
    assert "bakeoff:***@127.0.0.1" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_store_that_stays_locked_is_named_after_a_while(url: str, store: Store) -> None:
    hasty = Store(url, patience=0.2)
    with store.begin(write=True, lock=7):
        start = time.monotonic()
        with pytest.raises(StoreError, match="lock timeout"), hasty.begin(lock=7):
            pass
        assert time.monotonic() - start < 5
    hasty.close()


def test_a_newer_layout_is_left_alone(url: str, store: Store) -> None:
    with store.begin(write=True) as connection:
        connection.exec_driver_sql("UPDATE layout SET version = version + 1")
    with pytest.raises(StoreError, match=rf"made by a newer bakeoff \(layout {LAYOUT + 1}, here {LAYOUT}\)"):
        Store(url)


# --- the first layout, and many at once ---


def layout_1(url: str, records: list[Record]) -> None:
    """A store as bakeoff made it before."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in (
            "CREATE TABLE layout (version INTEGER NOT NULL)",
            "INSERT INTO layout VALUES (1)",
            "CREATE TABLE attempts (id VARCHAR(80) PRIMARY KEY, cell VARCHAR(40) NOT NULL, arena VARCHAR(80) NOT NULL, "
            "task VARCHAR(160) NOT NULL, method VARCHAR(160) NOT NULL, scale VARCHAR(40) NOT NULL, "
            "seed BIGINT NOT NULL, status VARCHAR(20) NOT NULL, ended VARCHAR(40) NOT NULL, record TEXT NOT NULL)",
            "CREATE INDEX ix_attempts_cell ON attempts (cell)",
            "CREATE INDEX ix_attempts_task ON attempts (task)",
        ):
            connection.exec_driver_sql(statement)
        columns = ("id", "cell", "arena", "task", "method", "scale", "seed", "status", "ended", "record")
        rows = []
        for it in records:
            old = {key: value for key, value in asdict(it).items() if key not in ("prices", "preemptions")}
            rows.append({**old, "record": json.dumps(old | {"schema": 1})})
        names = ", ".join(f":{name}" for name in columns)
        parameters = [{name: row[name] for name in columns} for row in rows]
        connection.execute(sa.text(f"INSERT INTO attempts VALUES ({names})"), parameters)
    engine.dispose()


def read(url: str, number: int) -> list[int]:
    store = Store(url)
    try:
        return [record.seed for record in store.records()]
    finally:
        store.close()


@pytest.mark.parametrize("there", [0, 2100])
def test_processes_that_open_a_store_at_once_all_succeed(url: str, there: int) -> None:
    records = [attempt(number) for number in range(there)]
    if there:
        layout_1(url, records)
    assert [sorted(seeds) for seeds in at_once(read, url, 3)] == [list(range(there))] * 3
    store = Store(url)
    assert sorted(store.records(), key=lambda record: record.seed) == records
    assert store.add([attempt(9000), *records[:1]]) == 1
    with store.begin() as connection:
        assert connection.exec_driver_sql("SELECT version FROM layout").scalars().all() == [LAYOUT]
        assert set(sa.inspect(connection).get_table_names()) == {"attempts", "layout", "leases", "sweeps"}
    store.close()


def write(url: str, number: int) -> int:
    """Add attempts, most of which other processes add too, and in another order."""
    store = Store(url)
    numbers = list(range(200 * number, 200 * number + 1000))
    if number % 2:
        numbers.reverse()
    try:
        return sum(store.add(attempt(n) for n in numbers[start : start + 200]) for start in range(0, 1000, 200))
    finally:
        store.close()


def test_eight_processes_that_write_at_once_lose_and_double_nothing(url: str) -> None:
    assert sum(at_once(write, url, 8)) == 2400
    store = Store(url)
    assert sorted(record.seed for record in store.records()) == list(range(2400))
    store.close()


# --- a server that goes away ---


def test_a_server_that_goes_and_comes_back_is_used_again(server: Server, store: Store) -> None:
    leases = Leases(store)
    sweep = leases.begin(command="a", outputs="b", total=1)
    store.add(attempt(number) for number in range(3))
    server.stop()
    try:
        for act in (
            lambda: store.add([attempt(3)]),
            store.records,
            lambda: store.done(["a"]),
            lambda: leases.claim(sweep, ["a"]),
            lambda: leases.beat(sweep, {}),
        ):
            with pytest.raises(StoreError, match="refused") as caught:
                act()
            assert "\n" not in str(caught.value)
    finally:
        server.start()
    assert store.add(attempt(number) for number in range(5)) == 2
    assert leases.claim(sweep, ["a"]) == {"a"}
    server.stop()  # between two calls, so that a connection lies idle
    server.start()
    assert len(store.records()) == 5
    assert set(leases.holders(["a"])) == {"a"}


# --- leases ---


def test_sweeps_share_the_cells(store: Store) -> None:
    leases = Leases(store)
    one = leases.begin(command="first", outputs="outputs", total=2)
    other = leases.begin(command="second", outputs="outputs", total=2)
    assert leases.claim(one, ["a", "b"]) == {"a", "b"}
    assert leases.claim(other, ["b", "c"]) == {"c"}
    assert {cell: state.command for cell, state in leases.holders(["a", "c", "d"]).items()} == {
        "a": "first",
        "c": "second",
    }
    leases.release(one, ["a"])
    assert leases.claim(other, ["a"]) == {"a"}
    leases.beat(one, {"ok": 1}, total=7)
    leases.end(other, {"ok": 2})
    newest, oldest = leases.sweeps()
    assert (newest.id, newest.alive, newest.progress) == (other, False, {"ok": 2})
    assert (oldest.alive, oldest.progress, oldest.total) == (True, {"ok": 1}, 7)
    assert set(leases.holders(["a", "b", "c"])) == {"b"}


@pytest.mark.parametrize(("silence", "alive"), [(0, True), (50, True), (70, False)])
def test_a_sweep_elsewhere_lives_by_the_clock_of_the_server(
    store: Store, monkeypatch: pytest.MonkeyPatch, silence: int, alive: bool
) -> None:
    monkeypatch.setattr(time, "time", lambda: 0.0)  # the clock of this machine is of no importance
    leases = Leases(store)
    sweep = leases.begin(command="a", outputs="b", total=1)
    leases.claim(sweep, ["a"])
    with store.begin(write=True) as connection:
        heartbeat = sa.extract("epoch", sa.func.clock_timestamp()) - silence
        connection.execute(sweep_rows.update().values(host="elsewhere", heartbeat=heartbeat))
    assert leases.sweeps()[0].alive == alive
    other = leases.begin(command="a", outputs="b", total=1)
    assert leases.claim(other, ["a"]) == (set() if alive else {"a"})


def contend(url: str, number: int) -> list[str]:
    """Claim all cells, piece by piece, each process beginning elsewhere; hold them until all have tried."""
    store = Store(url)
    leases = Leases(store)
    sweep = leases.begin(command=str(number), outputs="outputs", total=len(CELLS))
    order = CELLS[number * 200 :] + CELLS[: number * 200]
    mine = [cell for start in range(0, len(order), 100) for cell in leases.claim(sweep, order[start : start + 100])]
    deadline = time.monotonic() + 60
    while len(leases.holders(CELLS)) < len(CELLS) and time.monotonic() < deadline:
        time.sleep(0.1)
    store.close()
    return mine


def test_processes_that_claim_at_once_get_each_cell_once(url: str) -> None:
    Store(url).close()
    assert sorted(cell for cells in at_once(contend, url, 8) for cell in cells) == CELLS


def test_many_cells_are_claimed_quickly(store: Store) -> None:
    leases = Leases(store)
    sweep = leases.begin(command="a", outputs="b", total=1)
    cells = [f"{number:032x}" for number in range(10_000)]
    start = time.perf_counter()
    assert leases.claim(sweep, cells) == set(cells)
    assert time.perf_counter() - start < 5
    leases.end(sweep, {})
    assert leases.holders(cells) == {}


def test_the_server_is_not_roots(server: Server, store: Store) -> None:
    """What the other tests say is said of a server as it is run elsewhere."""
    if os.geteuid() != 0:
        pytest.skip("the tests are not run by root")
    with store.begin() as connection:
        folder = Path(connection.exec_driver_sql("SHOW data_directory").scalar_one())
    assert pwd.getpwuid(folder.stat().st_uid).pw_name in ("postgres", "nobody")
