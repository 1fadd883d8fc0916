"""The store: attempts are rows, none is overwritten."""

from __future__ import annotations

import json
import random
import sqlite3
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from results import store as store_module
from results.layout import LAYOUT
from results.record import Record, Status
from results.store import Store, StoreError

if TYPE_CHECKING:
    from tests.processes import at_once
else:
    from processes import at_once  # pytest looks where conftest.py is

RECORD = Record(
    id="aaaa000000-00000000",
    cell="aaaa000000",
    identity={"seed": 0},
    settings={},
    arena="text",
    task="text/topics",
    method="text/linc",
    problem="Probabilities",
    scale="tiny",
    hardware="cpu",
    protocol="paper values",
    seed=0,
    method_version=1,
    task_version=1,
    role="paper",
    fidelity="code",
    status=Status.OK,
    reason="",
    phase="",
    rank_metric="accuracy",
    started="2024-01-01T00:00:00.000+00:00",
    ended="2024-01-01T00:00:01.000+00:00",
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(str(tmp_path / "store.sqlite"))
    yield store
    store.close()


def attempt(number: int, cell: str | None = None, status: Status = Status.OK, method: str = "text/linc") -> Record:
    cell = cell or f"{number:010x}"
    ended = f"2024-01-01T00:00:{number % 60:02d}.000+00:00"
    return replace(RECORD, id=f"{cell}-{number:08x}", cell=cell, status=status, method=method, ended=ended, seed=number)


def test_what_is_added_is_read_back(store: Store) -> None:
    records = [attempt(number) for number in range(3)]
    assert store.add(records) == 3
    assert store.records() == records


def test_adding_twice_adds_once_and_overwrites_nothing(store: Store) -> None:
    assert store.add([attempt(1)]) == 1
    assert store.add([attempt(1), attempt(2)]) == 1
    assert store.add([replace(attempt(1), reason="rewritten"), attempt(1)]) == 0
    assert store.records() == [attempt(1), attempt(2)]
    assert store.add([]) == 0


def test_more_records_than_a_query_takes_parameters_are_added(store: Store) -> None:
    records = [attempt(number) for number in range(1203)]
    assert store.add(records) == 1203
    assert store.add([*records, attempt(5000)]) == 1
    cells = [record.cell for record in records]
    assert store.done([*cells, "missing"]) == set(cells)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(Status)), max_size=8))
def test_a_cell_is_done_once_an_attempt_was_ok_or_skipped(store: Store, history: list[tuple[int, Status]]) -> None:
    base = len(store.records())
    cells = [f"cell{base}x{number}" for number in range(6)]
    store.add(attempt(base + i, cells[number], status) for i, (number, status) in enumerate(history))
    good = {cells[number] for number, status in history if status in (Status.OK, Status.SKIPPED)}
    assert store.done(cells) == good


def test_the_heads_of_many_cells_are_read_and_endings_can_be_named(store: Store) -> None:
    records = [attempt(number, status=Status.FAILED if number % 2 else Status.OK) for number in range(1203)]
    store.add(records)
    cells = [record.cell for record in records]
    assert {record.id for record in store.heads_of([*cells[:1100], "missing"])} == {r.id for r in records[:1100]}
    assert store.heads_of([]) == []
    assert store.done(cells, {Status.FAILED}) == set(cells[1::2])


def test_nothing_is_done_in_an_empty_store(store: Store) -> None:
    assert store.done([]) == set()
    assert store.done(["aaaa"]) == set()
    assert store.records() == []


def test_records_are_chosen_by_column_and_come_oldest_first(store: Store) -> None:
    store.add([attempt(3), attempt(1, method="text/other"), attempt(2), attempt(0, status=Status.FAILED)])
    assert [record.seed for record in store.records(method="text/linc")] == [0, 2, 3]
    assert [record.seed for record in store.records(method="text/linc", status="ok")] == [2, 3]
    assert store.records(task="text/none") == []


def test_an_attempt_is_found_by_the_beginning_of_its_name(store: Store) -> None:
    store.add([attempt(1, "abc1"), attempt(2, "abc2"), attempt(3, "b%c")])
    assert [record.seed for record in store.find("abc")] == [1, 2]
    assert [record.seed for record in store.find("abc2-")] == [2]
    assert [record.seed for record in store.find("b%")] == [3]
    assert store.find("%") == store.find("_") == store.find("zzz") == []


def test_a_store_is_still_there_when_it_is_opened_again(tmp_path: Path) -> None:
    place = str(tmp_path / "deep" / "folder" / "store.sqlite")
    for number in (1, 2):
        store = Store(place)
        store.add([attempt(number)])
        store.close()
    store = Store(f"sqlite:///{place}")
    assert store.records() == [attempt(1), attempt(2)]
    store.close()


def test_two_who_write_at_once_both_succeed(tmp_path: Path) -> None:
    place = str(tmp_path / "store.sqlite")
    one, other = Store(place), Store(place)
    one.add([attempt(1)])
    other.add([attempt(1), attempt(2)])
    assert one.records() == other.records() == [attempt(1), attempt(2)]
    one.close()
    other.close()


# --- parts of records, and many of them ---


def full(number: int, **changes: Any) -> Record:
    """An attempt with something in every field."""
    parts = {"name": "text/linc", "version": 1, "nested": {"rate": 0.1}}
    identity = {"method": parts, "task": parts, "hardware": {"accelerator": "cpu"}, "seed": number}
    filled: dict[str, Any] = {
        "identity": identity | {"preparations": {"model": f"key{number}"}},
        "settings": {"threads": 2, "alone": False, "workers": 2},
        "reason": "a reason \udc80 \x00",
        "traceback": "a trace",
        "metrics": {"accuracy": 0.5 + number},
        "metric_info": {"accuracy": {"unit": "", "direction": "higher"}},
        "cost": {"solve": {"labels": 3.0}, "use": {}},
        "limits": {"solve": {"work": 9.0}},
        "prices": {"labels": 2.0},
        "seconds": {"prepare": 100.0, "solve": 1.0 + number, "evaluate": 0.5},
        "peak_memory_mib": 12.5,
        "curve": [{"seconds": 0.5, "metrics": {}}],
        "logs": {"loss": [[1, 0.5, 2.0]]},
        "preparations": {"model": {"key": f"key{number}", "digest": f"d{number}", "seconds": 0.5}},
        "provenance": {"code": {"commit": "abc"}, "python": "3.11.2", "fingerprints": {"method": f"m{number % 3}"}},
        "preemptions": 2,
    }
    return replace(attempt(number), **(filled | changes))


def test_every_field_is_read_back_also_where_attempts_share_values(store: Store) -> None:
    records = [full(number, settings={"threads": number % 2}) for number in range(5)]
    store.add(records)
    assert store.records() == list(store.each()) == records
    assert store.find(records[3].id) == [records[3]]


def test_heads_lack_only_what_no_board_reads(store: Store) -> None:
    store.add([full(1), full(2)])
    bare: dict[str, Any] = {"traceback": "", "curve": [], "logs": {}}
    built = [{"model": {"digest": f"d{number}"}} for number in (1, 2)]
    origin = [{"python": "3.11.2", "fingerprints": {"method": f"m{number}"}} for number in (1, 2)]
    assert store.heads() == [
        replace(full(n), **bare, preparations=digests, provenance=told)
        for n, digests, told in zip((1, 2), built, origin, strict=True)
    ]
    assert store.heads(task="text/none") == []


@pytest.mark.parametrize("chunk", [1, 7, 1000, 100_000])
def test_each_gives_all_attempts_oldest_first(store: Store, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(store_module, "_KEYS", 25)
    records = [attempt(number, method=f"text/{number % 2}") for number in range(150)]  # several of each second
    random.Random(0).shuffle(records)
    store.add(records)
    expected = sorted(records, key=lambda record: (record.ended, record.id))
    assert list(store.each(chunk)) == store.records() == expected
    assert list(store.each(chunk, method="text/1")) == [it for it in expected if it.method == "text/1"]
    assert list(store.each(chunk, seed=-1)) == []


def test_attempts_can_be_added_while_others_are_read(store: Store) -> None:
    store.add(attempt(number) for number in range(20))
    seen = []
    for record in store.each(chunk=5):
        seen.append(record.seed)
        store.add([replace(attempt(100 + record.seed), ended="2020")])
    assert seen == list(range(20))
    assert len(store.records()) == 40


def test_each_holds_no_more_than_a_chunk(store: Store) -> None:
    store.add(full(number, traceback="x" * 10_000) for number in range(1000))
    for _ in store.each(chunk=10):  # what is loaded and compiled once does not count
        break
    tracemalloc.start()
    try:
        assert sum(1 for _ in store.each(chunk=10)) == 1000
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_known_attempts_are_named(store: Store) -> None:
    store.add(attempt(number) for number in range(1100))
    names = [attempt(number).id for number in range(1100)]
    assert store.known([*names, "other"]) == set(names)
    assert store.known([]) == set()


def test_how_cells_ended_after_a_moment_is_told(store: Store) -> None:
    moment = "2024-01-01T00:00:10.000+00:00"
    store.add([attempt(5), attempt(10), attempt(11, status=Status.FAILED), attempt(20, "twice", Status.FAILED)])
    store.add([attempt(21, "twice"), attempt(9, "other")])
    cells = [*(attempt(number).cell for number in (5, 10, 11)), "twice", "other", "none"]
    assert store.ended_since(cells, moment) == {attempt(11).cell: Status.FAILED, "twice": Status.OK}
    assert store.ended_since([], moment) == {}


def test_timings_are_of_good_attempts_of_the_pair_at_the_scale(store: Store) -> None:
    store.add(
        [
            full(3),
            full(1),
            full(2, status=Status.FAILED),
            full(4, scale="laptop"),
            full(5, task="text/other"),
            full(6, method="text/other"),
            full(7, seconds={}),
            full(8, seconds={"prepare": 3.0}),
            full(9, seconds={"solve": 4.0}),
        ]
    )
    assert store.timings("text/linc", "text/topics", "tiny") == [(1, 2.5), (3, 4.5), (9, 4.0)]


def test_timings_are_of_the_newest_attempts(store: Store) -> None:
    store.add(full(number, ended=f"2024-01-01T00:{number:05d}") for number in range(230))
    assert [seed for seed, _ in store.timings("text/linc", "text/topics", "tiny")] == list(range(30, 230))


def test_questions_are_answered_by_an_index(store: Store, tmp_path: Path) -> None:
    asked: list[tuple[str, Any]] = []

    @sa.event.listens_for(store._engine, "before_cursor_execute")
    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        asked.append((statement, parameters))

    store.find("abc")
    store.done(["a", "b"])
    store.heads_of(["a", "b"])
    store.known(["a", "b"])
    store.ended_since(["a", "b"], "2024")
    store.heads(task="text/topics")
    store.timings("a", "b", "c")
    list(store.each())
    with sqlite3.connect(tmp_path / "store.sqlite") as connection:
        for statement, parameters in asked:
            if statement.startswith("SELECT"):
                plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
                assert "USING" in plan[0], statement
                assert "INDEX" in plan[0], statement
    connection.close()


def test_a_batch_is_added_whole_or_not_at_all(store: Store) -> None:
    records = [attempt(number) for number in range(store_module.BATCH + 1)]
    with pytest.raises(StoreError, match="too large"):
        store.add([*records, replace(attempt(5000), seed=2**63)])
    assert len(store.records()) == store_module.BATCH
    assert store.add([*records, attempt(5000)]) == 2


def test_of_two_with_one_name_the_first_is_kept(store: Store) -> None:
    assert store.add([replace(attempt(1), reason="first"), replace(attempt(1), reason="second")]) == 1
    assert [record.reason for record in store.records()] == ["first"]


# --- many at once ---


def write(place: str, number: int) -> int:
    """Add attempts half of which the next process adds too."""
    store = Store(place)
    try:
        return sum(
            store.add(attempt(n) for n in range(start, start + 100))
            for start in range(250 * number, 250 * number + 500, 100)
        )
    finally:
        store.close()


def test_four_processes_that_write_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    place = str(tmp_path / "store.sqlite")
    assert sum(at_once(write, place, 4)) == 1250
    store = Store(place)
    assert sorted(record.seed for record in store.records()) == list(range(1250))
    store.close()


def read(place: str, number: int) -> list[int]:
    store = Store(place)
    try:
        return [record.seed for record in store.records()]
    finally:
        store.close()


def test_a_store_that_stays_locked_is_named_after_a_while(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    store = Store(str(path), patience=0.2)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    start = time.monotonic()
    with pytest.raises(StoreError, match="database is locked"):
        store.add([attempt(1)])
    assert 0.15 < time.monotonic() - start < 5
    assert store.records() == []  # reading goes on
    other.execute("ROLLBACK")
    other.close()
    assert store.add([attempt(1)]) == 1
    store.close()


def test_a_new_file_that_another_process_is_writing_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    other.execute("CREATE TABLE something (a)")
    with pytest.raises(StoreError, match="database is locked"):
        Store(str(path), patience=0.1)
    timer = threading.Timer(0.3, lambda: other.execute("COMMIT"))
    timer.start()
    Store(str(path)).close()
    timer.join()
    other.close()


# --- the first layout ---


def layout_1(path: Path, records: list[Record]) -> None:
    """A store as bakeoff made it before."""
    with sqlite3.connect(path) as connection:
        connection.executescript(
            """
            PRAGMA journal_mode=WAL;
            CREATE TABLE layout (version INTEGER NOT NULL);
            INSERT INTO layout VALUES (1);
            CREATE TABLE attempts (
                id VARCHAR(80) NOT NULL, cell VARCHAR(40) NOT NULL, arena VARCHAR(80) NOT NULL,
                task VARCHAR(160) NOT NULL, method VARCHAR(160) NOT NULL, scale VARCHAR(40) NOT NULL,
                seed BIGINT NOT NULL, status VARCHAR(20) NOT NULL, ended VARCHAR(40) NOT NULL,
                record TEXT NOT NULL, PRIMARY KEY (id)
            );
            CREATE INDEX ix_attempts_cell ON attempts (cell);
            CREATE INDEX ix_attempts_task ON attempts (task);
            """
        )
        for it in records:
            old = {key: value for key, value in asdict(it).items() if key not in ("prices", "preemptions")}
            row = (it.id, it.cell, it.arena, it.task, it.method, it.scale, it.seed, it.status.value, it.ended)
            connection.execute(
                "INSERT INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*row, json.dumps(old | {"schema": 1}, indent=1)),
            )
    connection.close()


def old(number: int) -> Record:
    return full(number, prices={}, preemptions=0) if number % 2 else attempt(number)


def test_a_store_of_the_first_layout_is_brought_over(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    records = [old(number) for number in range(2100)]
    layout_1(path, records)
    for _ in range(2):
        store = Store(str(path))
        assert sorted(store.records(), key=lambda record: record.seed) == records
        assert store.timings("text/linc", "text/topics", "tiny")[-1][1] > 0
        store.close()
    store = Store(str(path))
    assert store.add([records[0], attempt(9999)]) == 1
    store.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT version FROM layout").fetchall() == [(LAYOUT,)]
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        assert tables == [("attempts",), ("layout",), ("leases",), ("sweeps",)]
    connection.close()


def test_a_store_of_the_first_layout_that_did_not_note_its_version_is_brought_over(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    layout_1(path, [old(1)])
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM layout")
    connection.close()
    store = Store(str(path))
    assert store.records() == [old(1)]
    store.close()


def test_a_damaged_row_of_the_first_layout_is_kept_and_named(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    layout_1(path, [old(number) for number in range(4)])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE attempts SET record = '{\"id\": 3' WHERE seed = 1")
        connection.execute("UPDATE attempts SET record = '[]' WHERE seed = 2")
        connection.execute("UPDATE attempts SET record = '{\"identity\": 3}' WHERE seed = 3")
    connection.close()
    store = Store(str(path))
    assert store.records(seed=0) == [old(0)]
    for seed, complaint in ((1, "not a complete record"), (2, "not a record"), (3, "not a record")):
        with pytest.raises(StoreError, match=f"attempt {old(seed).id}: {complaint}"):
            store.records(seed=seed)
    assert store.done([old(1).cell]) == {old(1).cell}
    store.close()


def test_a_store_that_cannot_be_brought_over_is_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    layout_1(path, [old(number) for number in range(3)])
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE attempts RENAME COLUMN ended TO stopped")
        before = list(connection.iterdump())
    connection.close()
    refused(str(path), "no such column")
    with sqlite3.connect(path) as connection:
        assert list(connection.iterdump()) == before
    connection.close()


def as_layout_2(path: Path) -> None:
    """Takes a store back to the second layout, whose boards knew nothing of the provenance."""
    with sqlite3.connect(path) as connection:
        for name, common, rest in connection.execute("SELECT id, common, rest FROM attempts").fetchall():
            shared, left = json.loads(common), json.loads(rest)
            left["provenance"] |= shared.pop("provenance")
            texts = json.dumps(shared), json.dumps(left)
            connection.execute("UPDATE attempts SET common = ?, rest = ? WHERE id = ?", (*texts, name))
        connection.execute("UPDATE layout SET version = 2")
    connection.close()


def test_a_store_of_the_second_layout_is_brought_over(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    records = [full(number) for number in range(2100)]
    store = Store(str(path))
    store.add(records)
    heads = store.heads()
    store.close()
    as_layout_2(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE attempts SET rest = '[]' WHERE seed = 7")
    connection.close()
    store = Store(str(path))
    assert [head for head in store.heads() if head.seed != 7] == [head for head in heads if head.seed != 7]
    assert store.records(seed=8) == [records[8]]
    with pytest.raises(StoreError, match=f"attempt {records[7].id}"):
        store.records(seed=7)
    store.close()


@pytest.mark.parametrize("there", [0, 1500])
def test_two_processes_that_open_a_store_at_once_both_succeed(tmp_path: Path, there: int) -> None:
    path = tmp_path / "store.sqlite"
    if there:
        layout_1(path, [old(number) for number in range(there)])
    found = at_once(read, str(path), 2)
    assert [sorted(seeds) for seeds in found] == [list(range(there))] * 2


# --- what is no store ---


def refused(url: str, message: str, named: str | None = None) -> None:
    with pytest.raises(StoreError, match=message) as caught:
        Store(url)
    assert (named or url) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.write_text("this is no database, it is a letter" * 100)
    refused(str(path), "file is not a database")
    assert path.read_text().startswith("this is no database")


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    refused(str(tmp_path), "unable to open database file")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(str(tmp_path / "file" / "store.sqlite"), "Not a directory|File exists")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nosuch://host/base", "Can't load plugin"),
        ("://", "Could not parse"),
        ("sqlite+nosuch:///a", "Can't load plugin"),
        ("mysql://host/base", "kept in SQLite or PostgreSQL, not in mysql"),
        ("postgresql+psycopg2://host/base", r"reached by sqlite:// or postgresql\+psycopg://"),
    ],
)
def test_an_address_that_makes_no_sense_is_refused(url: str, message: str) -> None:
    refused(url, message)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://user:secret@host/base",
        "nosuch://user:secret@host/base",
        "nosuch://user:a/secret@b@host/base",
        "://user:secret@host",
        "postgresql://user:secret@127.0.0.1:1/base",
        "postgresql+psycopg://user@127.0.0.1:1/base?password=secret&connect_timeout=2",
    ],
)
def test_a_password_is_never_shown(url: str) -> None:
    with pytest.raises(StoreError) as caught:
        Store(url)
    assert "secret" not in str(caught.value)


def test_a_driver_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    refused("postgresql+psycopg://host/base", r"get it by: pip install 'bakeoff\[postgres\]'")


def test_many_who_open_a_new_store_at_once_all_succeed(tmp_path: Path) -> None:
    start = threading.Barrier(6)

    def work(number: int) -> int:
        start.wait()
        store = Store(str(tmp_path / "store.sqlite"))
        try:
            return store.add([attempt(number)])
        finally:
            store.close()

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(work, range(6))) == [1] * 6
    store = Store(str(tmp_path / "store.sqlite"))
    assert [record.seed for record in store.records()] == list(range(6))
    store.close()


def test_a_number_that_no_column_can_hold_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="too large"):
        store.add([replace(RECORD, seed=2**63)])


def test_a_store_of_a_newer_layout_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    Store(str(path)).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE layout SET version = ?", (LAYOUT + 1,))
    connection.close()
    refused(str(path), rf"made by a newer bakeoff \(layout {LAYOUT + 1}, here {LAYOUT}\)")


def test_a_store_that_vanishes_is_named(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    store = Store(str(path))
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE attempts")
    connection.close()
    for act in (lambda: store.add([attempt(1)]), store.records, lambda: store.done(["a"]), lambda: store.find("a")):
        with pytest.raises(StoreError, match="no such table") as caught:
            act()
        assert str(path) in str(caught.value)
    store.close()


def test_a_store_that_may_only_be_read_says_so(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    store = Store(str(path))
    store.add([attempt(1)])
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TRIGGER closed BEFORE INSERT ON attempts "
            "BEGIN SELECT RAISE(ABORT, 'attempt to write a readonly database'); END"
        )
    connection.close()
    with pytest.raises(StoreError, match="readonly database"):
        store.add([attempt(2)])
    assert store.records() == [attempt(1)]
    store.close()


def test_a_row_that_was_damaged_is_named(tmp_path: Path, store: Store) -> None:
    store.add([attempt(1, "abc")])
    with sqlite3.connect(tmp_path / "store.sqlite") as connection:
        connection.execute("UPDATE attempts SET head = substr(head, 1, 20)")
    connection.close()
    with pytest.raises(StoreError, match="attempt abc-00000001: not a complete record"):
        store.records()
    with pytest.raises(StoreError, match="attempt abc-00000001: not a complete record"):
        store.find("abc")


def test_sqlite_is_in_write_ahead_mode(tmp_path: Path, store: Store) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'store.sqlite'}")
    with engine.connect() as connection:
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar() == "wal"
    engine.dispose()
