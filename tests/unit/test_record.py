"""Records: whole or not at all."""

from __future__ import annotations

import json
import os
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.packed import NOTHING, Unpacker, pack
from results.record import SCHEMA, Record, RecordError, Status, finite, from_json, write, write_text

RECORD = Record(
    id="0123456789-abcdef01",
    cell="0123456789",
    identity={"seed": 3},
    settings={"threads": 1},
    arena="text",
    task="text/topics",
    method="text/linc",
    problem="Probabilities",
    scale="tiny",
    hardware="cpu",
    protocol="paper values",
    seed=3,
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

numbers = st.floats(allow_nan=False, allow_infinity=False)
jsons = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
mappings = st.dictionaries(st.text(), jsons, max_size=3)
amounts = st.dictionaries(st.text(), numbers, max_size=3)
records = st.builds(
    replace,
    st.just(RECORD),
    status=st.sampled_from(Status),
    reason=st.text(),
    traceback=st.text(),
    seed=st.integers(0, 2**31),
    identity=mappings,
    metrics=amounts,
    cost=st.dictionaries(st.text(), amounts, max_size=2),
    curve=st.lists(mappings, max_size=2),
    logs=st.dictionaries(st.text(), st.lists(st.lists(numbers, max_size=3), max_size=2), max_size=2),
    peak_memory_mib=st.none() | numbers,
    prices=amounts,
    preemptions=st.integers(0, 9),
    provenance=mappings,
)


@settings(max_examples=60)
@given(records)
def test_a_record_written_and_read_again_is_the_same(record: Record) -> None:
    again = from_json(record.to_json(), "here")
    assert again == record
    assert isinstance(again.status, Status)


@settings(max_examples=60)
@given(st.lists(records, max_size=3))
def test_a_record_packed_and_unpacked_is_the_same(packed: list[Record]) -> None:
    unpacker = Unpacker()
    assert [unpacker.record(*pack(vars(record)), "here") for record in packed] == packed


@settings(max_examples=40)
@given(records)
def test_a_packed_record_without_its_last_part_lacks_only_that(record: Record) -> None:
    common, head, _ = pack(vars(record))
    bare: dict[str, Any] = {"traceback": "", "curve": [], "logs": {}, "preparations": {}, "provenance": {}}
    assert Unpacker().record(common, head, NOTHING, "here") == replace(record, **bare)


def test_what_all_seeds_of_a_pair_share_is_one_text() -> None:
    texts = {pack(vars(replace(RECORD, seed=seed, identity={"seed": seed, "task": {}})))[0] for seed in range(5)}
    assert len(texts) == 1


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_packed_record_that_is_cut_off_is_refused(part: int) -> None:
    texts = list(pack(vars(RECORD)))
    texts[part] = texts[part][:-1]
    with pytest.raises(RecordError, match=r"^here: not a complete record"):
        Unpacker().record(texts[0], texts[1], texts[2], "here")


def test_an_identity_that_is_none_is_packed_as_it_is() -> None:
    odd = replace(RECORD, identity=[1, 2])  # type: ignore[arg-type]
    assert Unpacker().record(*pack(vars(odd)), "here") == odd


def test_a_number_that_is_not_finite_cannot_be_packed() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        pack(vars(replace(RECORD, metrics={"a": float("inf")})))


def test_a_record_of_the_first_schema_is_read() -> None:
    content = json.loads(RECORD.to_json())
    del content["prices"], content["preemptions"]
    again = from_json(json.dumps(content | {"schema": 1}), "here")
    assert again == RECORD
    assert (again.schema, again.prices, again.preemptions) == (2, {}, 0)


@settings(max_examples=40)
@given(records, st.data())
def test_a_record_that_is_cut_off_is_refused(record: Record, data: st.DataObject) -> None:
    text = record.to_json()
    cut = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(RecordError, match=r"^here: not a complete record"):
        from_json(text[:cut], "here")


@settings(max_examples=60)
@given(jsons)
def test_whatever_json_is_read_it_is_a_record_or_refused(value: Any) -> None:
    with pytest.raises(RecordError, match=r"^here: "):
        from_json(json.dumps(value), "here")


def changed(**changes: Any) -> str:
    return json.dumps(json.loads(RECORD.to_json()) | changes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (changed(schema=SCHEMA + 1), f"written by a newer bakeoff (schema {SCHEMA + 1}, this one reads {SCHEMA})"),
        (changed(schema=SCHEMA + 1, something=1), "written by a newer bakeoff"),
        (changed(something=1, colour="red"), "unknown keys colour, something"),
        (changed(status="fine"), "'fine' is not a valid Status"),
        (changed(status=None), "not a valid Status"),
        (changed(schema="1"), "not a record"),
        (changed(schema=None), "not a record"),
        ("[]", "not a record"),
        ("{}", "not a record"),
        ("", "not a complete record"),
    ],
)
def test_what_is_no_record_of_ours_is_refused_with_a_reason(text: str, message: str) -> None:
    with pytest.raises(RecordError) as caught:
        from_json(text, "place.json")
    assert str(caught.value).startswith("place.json: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "name", [item.name for item in fields(Record) if item.name in ("cell", "seed", "reason", "ended")]
)
def test_a_record_without_a_key_is_refused_by_its_name(name: str) -> None:
    content = json.loads(RECORD.to_json())
    del content[name]
    with pytest.raises(RecordError, match=f"here: .*'{name}'"):
        from_json(json.dumps(content), "here")


def test_numbers_that_are_not_finite_are_kept_apart() -> None:
    kept, lost = finite({"a": 1, "b": float("nan"), "c": float("-inf"), "d": True})
    assert kept == {"a": 1.0, "d": 1.0}
    assert lost == ["b", "c"]
    with pytest.raises(ValueError, match="not JSON compliant"):
        replace(RECORD, metrics={"a": float("nan")}).to_json()


# --- writing ---


def test_a_record_is_written_into_new_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "record.json"
    write(RECORD, path)
    assert from_json(path.read_text(encoding="utf-8"), "here") == RECORD
    assert [it.name for it in path.parent.iterdir()] == ["record.json"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    path = tmp_path / "record.json"
    write_text(path, "old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        if failing == "fsync":
            patch.setattr(os, "fsync", fail)
        else:
            patch.setattr(Path, "replace", fail)
            patch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="No space left"):
            write_text(path, "new")
    assert path.read_text() == "old"
    assert [it.name for it in tmp_path.iterdir()] == ["record.json"]


def test_text_that_no_encoding_knows_is_written_all_the_same(tmp_path: Path) -> None:
    """Names of files may hold such text, and messages name files."""
    path = tmp_path / "record.json"
    write(replace(RECORD, reason="bad \udc80 name"), path)
    assert "bad " in from_json(path.read_text(encoding="utf-8"), "here").reason


def test_others_may_read_a_record_as_the_user_allows(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write(RECORD, tmp_path / "record.json")
    finally:
        os.umask(before)
    assert (tmp_path / "record.json").stat().st_mode & 0o777 == 0o644


def test_a_reader_never_sees_half_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "record.json"
    write_text(path, "old")
    seen: list[str] = []
    flush = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: seen.append(path.read_text()) or flush(handle))  # type: ignore[func-returns-value]
    write_text(path, "new" * 1000)
    assert seen == ["old", "new" * 1000]  # at the flush of the file, and at the flush of its folder
