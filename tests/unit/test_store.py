"""The store: attempts are rows, none is overwritten."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from results.record import Record, Status
from results.store import LAYOUT, Store, StoreError

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
    ],
)
def test_an_address_that_makes_no_sense_is_refused(url: str, message: str) -> None:
    refused(url, message)


def test_a_password_is_never_shown() -> None:
    with pytest.raises(StoreError) as caught:
        Store("sqlite://user:secret@host/base")
    assert "secret" not in str(caught.value)


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
        connection.execute("UPDATE attempts SET record = substr(record, 1, 20)")
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
