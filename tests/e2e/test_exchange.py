"""Attempts into a store and out of it, without losing anything."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet  # type: ignore[import-untyped]
import pytest

from results.record import SCHEMA, Record, Status, write
from results.store import Store
from runners import exchange

Bakeoff = Callable[..., Any]  # the fixture: words in, what was said out

RECORD = Record(
    id="",
    cell="",
    identity={"method": {"name": "urns/mean", "lr": 0.1, "parts": [{"a": None}]}, "seed": 0},
    settings={"threads": 1},
    arena="urns",
    task="urns/draws",
    method="urns/mean",
    problem="Urn",
    scale="tiny",
    hardware="cpu",
    protocol="paper values",
    seed=0,
    method_version=1,
    task_version=1,
    role="baseline",
    fidelity="none",
    status=Status.OK,
    reason="",
    phase="",
    rank_metric="error",
    started="2024-01-01T00:00:00.000+00:00",
    ended="",
    metrics={"error": 0.1 + 0.2},
    metric_info={"error": {"unit": "", "direction": "lower"}},
    cost={"solve": {"draws": 10.0}, "use": {}},
    seconds={"solve": 1e-9, "evaluate": 3.0},
    logs={"value": [[0, 0.5, 1.5]]},
    provenance={"packages": {"numpy": "2"}},
)


def attempt(number: int, **changes: Any) -> Record:
    """One attempt among many."""
    ended = f"2024-01-01T00:{number // 60 % 60:02d}:{number % 60:02d}.000+00:00"
    own: dict[str, Any] = {"id": f"{number:010x}-0", "cell": f"{number:010x}", "seed": number, "ended": ended}
    return replace(RECORD, **own | changes)


MIXED = (
    attempt(0),
    attempt(1, metrics={"error": 0.5, "guess": -1.0}, peak_memory_mib=12.5, curve=[{"seconds": 1.0, "metrics": {}}]),
    attempt(2, status=Status.FAILED, reason='é: no "luck"\nat all', traceback="a\nb", metrics={}, cost={}, seconds={}),
    attempt(3, task="urns/closed", method="urns/single", cost={"use": {"looks": 2.0, "draws per look": 1.5}}),
    attempt(4, arena="boxes", task="boxes/draws", seed=2**62),
)


def fill(records: Sequence[Record], place: str = "outputs/store.sqlite") -> None:
    store = Store(place)
    store.add(records)
    store.close()


def content(place: str = "outputs/store.sqlite") -> list[Record]:
    """All attempts of a store."""
    store = Store(place)
    try:
        return store.records()
    finally:
        store.close()


def rebuilt(path: str) -> list[Record]:
    """Records from the rows of a Parquet file, by their plain and their JSON columns alone."""
    records = []
    for row in pyarrow.parquet.read_table(path).to_pylist():
        values = {}
        for item in fields(Record):
            nested = str(item.type).startswith(("dict", "list"))
            values[item.name] = json.loads(row[item.name]) if nested else row[item.name]
        records.append(Record(**values | {"status": Status(values["status"])}))
    return records


def test_the_outputs_of_a_run_make_the_same_store_again(bakeoff: Bakeoff) -> None:
    bakeoff("run", "-m", "method=urns/mean,urns/broken", "task=urns/draws", "seed=0,1")
    said = bakeoff("import", "outputs", "store=again.sqlite")
    assert (said.code, said.out, said.err) == (0, "imported 4 attempts, 0 were there already\n", "")
    assert content("again.sqlite") == content()
    assert {record.status for record in content()} == {Status.OK, Status.FAILED}
    assert bakeoff("import", "outputs").out == "imported 0 attempts, 4 were there already\n"


def test_islands_merge_and_importing_twice_does_nothing(bakeoff: Bakeoff) -> None:
    fill(MIXED[:3], "left.sqlite")
    fill(MIXED[2:], "right.sqlite")
    assert bakeoff("import", "left.sqlite", "right.sqlite").out == "imported 5 attempts, 1 was there already\n"
    assert content() == sorted(MIXED, key=lambda record: record.ended)
    assert bakeoff("import", "right.sqlite", "left.sqlite").out == "imported 0 attempts, 6 were there already\n"
    assert content("left.sqlite") == list(MIXED[:3])


def test_single_files_folders_and_odd_names_are_read(bakeoff: Bakeoff) -> None:
    write(MIXED[0], Path("lr=0.1/record.json"))
    write(MIXED[1], Path("deep/er/record.json"))
    write(MIXED[2], Path("deep/other.json"))
    write(MIXED[3], Path("deep.jsonl/record.json"))
    said = bakeoff("import", "lr=0.1/record.json", "deep", "deep.jsonl")
    assert (said.code, said.out) == (0, "imported 3 attempts, 0 were there already\n")
    assert bakeoff("import", "deep/other.json").out == "imported 1 attempt, 0 were there already\n"
    assert {record.id for record in content()} == {record.id for record in MIXED[:4]}


def test_many_attempts_pass_in_batches(bakeoff: Bakeoff, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    add = Store.add

    def counted(self: Store, records: Any) -> int:
        some = list(records)
        sizes.append(len(some))
        return add(self, some)

    monkeypatch.setattr(Store, "add", counted)
    many = [attempt(number) for number in range(1203)]
    fill(many, "many.sqlite")
    sizes.clear()
    assert bakeoff("import", "many.sqlite").out == "imported 1203 attempts, 0 were there already\n"
    assert sizes == [exchange.BATCH, exchange.BATCH, 203]


def unreadable(record: Record, **changes: Any) -> str:
    return json.dumps(json.loads(record.to_json()) | changes)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (MIXED[0].to_json().replace("\n", "")[:-40], "not a complete record"),
        (unreadable(MIXED[0], schema=SCHEMA + 1), "written by a newer bakeoff"),
        ('{"name": "linc"}', "not a record"),
        ("[1, 2]", "not a record"),
        (unreadable(MIXED[0], colour="red"), "unknown keys colour"),
        (unreadable(MIXED[0], status="splendid"), "splendid"),
        (unreadable(MIXED[0], seed="first"), "seed is no int"),
        (unreadable(MIXED[0], seed=True), "seed is no int"),
        (unreadable(MIXED[0], seed=2**70), "the seed is out of range"),
        (unreadable(MIXED[0], task=None), "task is no str"),
        (unreadable(MIXED[0], metrics=[1.0]), "metrics is no dict"),
        (unreadable(MIXED[0], metrics={"error": float("nan")}), "a number that is not finite"),
        ('{"schema": "\udcff"}', "codec can't decode"),
    ],
)
def test_what_cannot_be_read_is_named_and_the_rest_is_imported(bakeoff: Bakeoff, line: str, reason: str) -> None:
    good = [json.dumps(json.loads(record.to_json())) for record in MIXED[1:3]]
    Path("some.jsonl").write_text(f"{good[0]}\n\n{line}\n{good[1]}\n", encoding="utf-8", errors="surrogateescape")
    said = bakeoff("import", "some.jsonl")
    assert (said.code, said.out) == (1, "imported 2 attempts, 0 were there already, 1 could not be read\n")
    assert said.err.startswith("bakeoff: some.jsonl, line 3: ")
    assert reason in said.err
    assert said.err.count("\n") == 1
    assert content() == list(MIXED[1:3])


def test_files_and_stores_that_cannot_be_read_are_named_too(bakeoff: Bakeoff) -> None:
    write(MIXED[0], Path("here/good/record.json"))
    Path("here/cut").mkdir()
    Path("here/cut/record.json").write_text('{"schema": 1, "id": ')
    Path("wrecked.sqlite").write_bytes(b"this is no database, however long one looks at it" * 50)
    other = sqlite3.connect("other.sqlite")
    other.execute("CREATE TABLE plants (name TEXT)")
    other.commit()
    other.close()
    before = Path("other.sqlite").read_bytes()
    said = bakeoff("import", "wrecked.sqlite", "other.sqlite", "here")
    assert (said.code, said.out) == (1, "imported 1 attempt, 0 were there already, 3 could not be read\n")
    assert said.err.splitlines() == [
        "bakeoff: wrecked.sqlite: file is not a database",
        "bakeoff: other.sqlite: not a store of bakeoff",
        "bakeoff: here/cut/record.json: not a complete record (Expecting value: line 1 column 21 (char 20))",
    ]
    assert Path("other.sqlite").read_bytes() == before
    assert content() == [MIXED[0]]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["import"], "import takes record files, folders of them, exports (.jsonl) or stores (.sqlite)"),
        (["import", "good.json", "nowhere"], "nowhere: there is no such file or folder"),
        (["import", "good.json", "notes.txt"], "notes.txt: expected a record.json, a folder, an export"),
        (["import", "good.json", "colour=red"], "colour: this command has no such key; it has store, outputs"),
        (["export"], "out is not given; name a file that ends in .jsonl or .parquet"),
        (["export", "out=attempts.csv"], "out: 'attempts.csv' ends in none of .jsonl, .parquet"),
        (["export", "urns", "out=a.jsonl"], "export: 'urns' is not key=value; it has out, task, arena, method"),
        (["export", "out=good.json/a.jsonl"], "out: [Errno 17] File exists: 'good.json'"),
        (["export", "out=folder.jsonl"], "out: [Errno 21] Is a directory"),
    ],
)
def test_a_wrong_exchange_gets_one_clear_line_and_does_nothing(
    bakeoff: Bakeoff, words: list[str], sentence: str
) -> None:
    write(MIXED[0], Path("good.json"))
    Path("notes.txt").write_text("some notes")
    Path("folder.jsonl").mkdir()
    said = bakeoff(*words)
    assert said.code == 2
    assert sentence in said.err
    assert said.err.count("\n") == 1
    assert not Path("outputs/store.sqlite").exists() or not content()
    assert sorted(path.name for path in Path().iterdir() if path.name != "outputs") == [
        "folder.jsonl", "good.json", "notes.txt"
    ]  # fmt: skip


@pytest.mark.parametrize("where", ["out", "out/deep/er"])
def test_json_lines_go_out_and_come_back(bakeoff: Bakeoff, where: str) -> None:
    fill(MIXED)
    said = bakeoff("export", f"out={where}/all.jsonl")
    assert (said.code, said.out) == (0, f"exported 5 attempts to {where}/all.jsonl\n")
    lines = Path(f"{where}/all.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [json.loads(record.to_json()) for record in content()]
    assert [path.name for path in Path(where).iterdir()] == ["all.jsonl"]
    bakeoff("import", f"{where}/all.jsonl", "store=again.sqlite")
    assert content("again.sqlite") == content()


def test_parquet_loses_nothing_and_numbers_have_columns(bakeoff: Bakeoff) -> None:
    fill(MIXED)
    said = bakeoff("export", "out=all.parquet")
    assert (said.code, said.out) == (0, "exported 5 attempts to all.parquet\n")
    assert rebuilt("all.parquet") == content()
    table = pyarrow.parquet.read_table("all.parquet")
    types = {item.name: str(item.type) for item in table.schema}
    assert (types["seed"], types["task"], types["peak_memory_mib"], types["metric.guess"]) == (
        "int64", "string", "double", "double"
    )  # fmt: skip
    frame = table.to_pandas().set_index("seed")
    assert frame["metric.error"].dropna().to_dict() == {0: 0.1 + 0.2, 1: 0.5, 3: 0.1 + 0.2, 2**62: 0.1 + 0.2}
    assert frame["metric.guess"].dropna().to_dict() == {1: -1.0}
    assert frame["cost.use.draws per look"].dropna().to_dict() == {3: 1.5}
    assert frame["seconds.evaluate"].count() == 4


def test_what_is_exported_can_be_chosen(bakeoff: Bakeoff) -> None:
    fill(MIXED)
    for words, seeds in (
        (["task=urns/draws"], [0, 1, 2]),
        (["arena=boxes"], [2**62]),
        (["arena=urns", "method=urns/single"], [3]),
    ):
        bakeoff("export", "out=some.jsonl", *words)
        assert [json.loads(line)["seed"] for line in Path("some.jsonl").read_text().splitlines()] == seeds


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_nothing_chosen_is_said_and_leaves_a_valid_file(bakeoff: Bakeoff, ending: str) -> None:
    fill(MIXED)
    said = bakeoff("export", f"out=none.{ending}", "task=urns/nothing")
    assert said.code == 0
    assert "the store has no attempts for task=urns/nothing" in said.out
    assert f"exported 0 attempts to none.{ending}" in said.out
    assert (rebuilt("none.parquet") if ending == "parquet" else Path("none.jsonl").read_text().splitlines()) == []


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_an_export_that_breaks_leaves_the_old_file(
    bakeoff: Bakeoff, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    fill(MIXED)
    bakeoff("export", f"out=kept/all.{ending}", "arena=boxes")
    before = Path(f"kept/all.{ending}").read_bytes()

    def cut(self: Store, *_: Any, **__: Any) -> Any:
        yield MIXED[0]
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "each", cut)
    assert bakeoff("export", f"out=kept/all.{ending}").code == 130
    assert Path(f"kept/all.{ending}").read_bytes() == before
    assert len(list(Path("kept").iterdir())) == 1


def test_parquet_without_pyarrow_names_the_extra(bakeoff: Bakeoff, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    said = bakeoff("export", "out=all.parquet")
    assert (said.code, said.err) == (2, "bakeoff: out: Parquet needs pyarrow; pip install 'bakeoff[parquet]'\n")
    assert not Path("all.parquet").exists()


def test_a_copy_of_the_outputs_is_as_good(bakeoff: Bakeoff) -> None:
    for record in MIXED:
        write(record, Path(f"outputs/{record.task}/{record.id}/record.json"))
    shutil.copytree("outputs", "elsewhere")
    assert bakeoff("import", "elsewhere", "outputs").out == "imported 5 attempts, 5 were there already\n"
