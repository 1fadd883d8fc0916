"""Why two attempts differ, and whether one is stale."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from results.record import Record
from results.store import Store
from runners import provenance
from runners.provenance import code_fingerprint, recorded_fingerprint
from tasks.preparation import identity

Bakeoff = Callable[..., Any]  # the fixture: words in, what was said out


def records() -> list[Record]:
    """All attempts, oldest first."""
    store = Store("outputs/store.sqlite")
    try:
        return store.records()
    finally:
        store.close()


def add(*more: Record) -> None:
    store = Store("outputs/store.sqlite")
    store.add(more)
    store.close()


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """What was read of plugins' files belongs to one test."""
    provenance._module_code.cache_clear()
    yield
    provenance._module_code.cache_clear()


@pytest.fixture
def one(bakeoff: Bakeoff) -> Record:
    """A real attempt."""
    assert bakeoff("run", "method=urns/mean", "task=urns/draws", "scale=tiny", "seed=3").code == 0
    (record,) = records()
    return record


def change(path: Path, old: str, new: str) -> None:
    """Change a plugin's file, and forget what was read of it."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    provenance._module_code.cache_clear()


def explained(bakeoff: Bakeoff, *ids: str) -> tuple[str, Any]:
    """As text and as JSON."""
    said = [bakeoff("explain", *ids, f"format={form}") for form in ("text", "json")]
    assert [one.code for one in said] == [0, 0], said
    return said[0].out, json.loads(said[1].out)


def test_nothing_has_changed(bakeoff: Bakeoff, one: Record) -> None:
    text, about = explained(bakeoff, one.id[:12])
    assert text.splitlines() == [
        f"{one.id}  urns/mean on urns/draws, seed 3: ok",
        "not stale",
        "the plain command would be the same cell",
        "no newer attempt at the same cell",
    ]
    assert (about["stale"], about["reasons"], about["newer"], about["counts"]) == (False, [], [], one.id)
    assert about["versions"] == {kind: {"recorded": 1, "current": 1} for kind in ("method", "task")}
    assert [about["code"][kind]["changed"] for kind in ("method", "task")] == [False, False]


def test_a_new_version_makes_it_stale_and_explains_new_code(bakeoff: Bakeoff, one: Record, arena: Path) -> None:
    change(arena / "configs/method/urns/mean.yaml", "version: 1", "version: 2")
    change(arena / "methods/urns/mean.py", "return 1e9 if", "return 2e9 if")
    text, about = explained(bakeoff, one.id)
    assert "stale:\n  the method is at version 2, the attempt was made with version 1\n" in text
    assert "without a new version" not in text
    assert about["stale"]
    assert about["code"]["method"]["changed"]
    assert about["values"]["differences"] == {}
    assert "the plain command" not in text


@pytest.mark.parametrize(
    ("kind", "place", "old", "new"),
    [
        ("method", "methods/urns/mean.py", "return 1e9 if", "return 2e9 if"),
        ("task", "tasks/urns/urns.py", "> 1e6", "> 1e5"),
    ],
)
def test_code_that_changed_without_a_version_makes_it_stale(
    bakeoff: Bakeoff, one: Record, arena: Path, kind: str, place: str, old: str, new: str
) -> None:
    change(arena / place, ' """', ' """Or rather: ')
    assert "not stale" in explained(bakeoff, one.id)[0]
    change(arena / place, old, new)
    text, about = explained(bakeoff, one.id)
    assert f"stale:\n  the code of the {kind} has changed since, without a new version: the row is stale\n" in text
    assert about["code"][kind]["changed"]
    other = {"method": "task", "task": "method"}[kind]
    assert about["code"][other]["changed"] is False


def test_values_that_changed_are_named_but_are_no_reason(bakeoff: Bakeoff, one: Record, arena: Path) -> None:
    bakeoff("run", "method=urns/mean", "task=urns/draws", "scale=tiny", "method.lr=0.5", "task.budget=7")
    changed = records()[-1]
    text, about = explained(bakeoff, changed.id)
    assert "not stale" in text
    assert (
        "the plain command would be another cell (then | now):\n  method.lr: 0.5 | 0.1\n  task.budget: 7 | 3\n" in text
    )
    assert about["values"] == {
        "same_cell": False,
        "differences": {"method.lr": [0.5, 0.1], "task.budget": [7, 3]},
    }
    change(arena / "configs/method/urns/mean.yaml", "lr: 0.1", "lr: 0.5")
    assert explained(bakeoff, one.id)[1]["values"]["differences"] == {"method.lr": [0.1, 0.5]}


def test_newer_attempts_are_listed_and_the_newest_good_one_counts(bakeoff: Bakeoff, one: Record) -> None:
    words = ("run", "method=urns/mean", "task=urns/draws", "scale=tiny", "seed=3", "force=true")
    bakeoff(*words)
    second = records()[-1]
    text, about = explained(bakeoff, one.id)
    assert [newer["id"] for newer in about["newer"]] == [second.id]
    assert f"of this cell {second.id} counts" in text
    assert "no newer attempt" in explained(bakeoff, second.id)[0]


def test_plugins_that_are_gone_are_said_to_be(bakeoff: Bakeoff, one: Record, arena: Path) -> None:
    (arena / "configs/method/urns/mean.yaml").unlink()
    shutil.rmtree(arena / "tasks/urns")
    shutil.rmtree(arena / "configs/task")
    importlib.invalidate_caches()
    text, about = explained(bakeoff, one.id)
    assert about["reasons"][0].startswith("there is no method called 'urns/mean'")
    assert about["reasons"][1].startswith("there is no task called 'urns/draws'")
    assert about["versions"]["method"]["current"] is None
    assert about["values"]["same_cell"] is None
    assert "the plain command: there is no method called 'urns/mean'" in text


def test_code_that_is_gone_or_broken_or_of_another_python_is_not_compared(
    bakeoff: Bakeoff, one: Record, arena: Path
) -> None:
    foreign = one.provenance | {"python": "3.99.1", "fingerprints": {"method": "a", "task": "b"}}
    add(replace(one, id="foreign-0", provenance=foreign), replace(one, id="bare-0", provenance={}))
    text, about = explained(bakeoff, "foreign-0")
    assert "the attempt ran under Python 3.99.1, whose fingerprints of code cannot be compared" in text
    assert about["code"]["method"]["changed"] is None
    assert "the code of the task: the record has no fingerprint of its code" in explained(bakeoff, "bare-0")[0]
    change(arena / "methods/urns/mean.py", "class Mean", "class class Mean")
    del sys.modules["methods.urns.mean"]
    assert "the code of the method: its code cannot be read (SyntaxError: " in explained(bakeoff, one.id)[0]
    (arena / "methods/urns/mean.py").unlink()
    importlib.invalidate_caches()
    assert "the code of the method: there is no module methods.urns.mean any more" in explained(bakeoff, one.id)[0]


def test_two_attempts_at_the_same_cell(bakeoff: Bakeoff, one: Record) -> None:
    same = replace(
        one,
        id="second-0",
        settings=one.settings | {"threads": 99},
        metrics=one.metrics | {"error": 2.0},
        provenance=one.provenance | {"code": {"commit": "abc", "dirty": False}, "platform": "elsewhere"},
        preparations={"model": {"digest": "abc"}},
    )
    add(same)
    text, about = explained(bakeoff, one.id, "second")
    assert about["same_cell"]
    assert about["identity"] == {}
    assert about["settings"] == {"threads": [one.settings["threads"], 99]}
    assert set(about["provenance"]) <= {"code.commit", "code.dirty", "platform", "preparations.model"}
    assert about["provenance"]["preparations.model"] == [None, "abc"]
    assert about["results"]["metrics"]["error"] == [one.metrics["error"], 2.0]
    assert f"the same cell, {one.cell}: nothing that can move a number was chosen differently" in text
    assert "yet their metrics differ" in text
    assert f"  threads: {one.settings['threads']} | 99\n" in text
    assert "  preparations.model: - | abc\n" in text
    assert "these are one and the same attempt" in explained(bakeoff, one.id, one.id)[0]


def test_two_attempts_at_different_cells(bakeoff: Bakeoff, one: Record) -> None:
    bakeoff("run", "method=urns/mean", "task=urns/draws", "scale=tiny", "seed=3", "method.lr=0.2")
    bakeoff("run", "method=urns/broken", "task=urns/draws", "scale=tiny", "seed=4")
    _, changed, broken = records()
    text, about = explained(bakeoff, one.id, changed.id)
    assert about["identity"] == {"method.lr": [0.1, 0.2]}
    assert (
        "different cells:\n  method.lr: 0.1 | 0.2\nsettings:\n  no difference\nprovenance:\n  no difference\n" in text
    )
    assert "yet their metrics differ" not in text
    text, about = explained(bakeoff, one.id, broken.id)
    assert about["identity"]["seed"] == [3, 4]
    assert "  method.name: urns/mean | urns/broken\n" in text
    assert "  status: ok | failed\n  reason: the solve budget of 3 draws" in text
    assert "| RuntimeError: no such luck\n  error: " in text
    assert about["results"]["metrics"]["error"][1] is None


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "explain takes the name of one attempt or of two, or their beginnings"),
        (["a", "b", "c"], "explain takes the name of one attempt or of two"),
        (["zzz"], "no attempt begins with 'zzz'"),
        (["first", "other"], "2 attempts begin with 'other': other-0, other-1"),
        (["first", "format=xml"], "format: 'xml' is none of text, json"),
        (["first", "colour=red"], "colour: this command has no such key; it has format, store, outputs"),
    ],
)
def test_a_wrong_question_gets_one_clear_line(bakeoff: Bakeoff, one: Record, words: list[str], sentence: str) -> None:
    add(*(replace(one, id=name) for name in ("first-0", "other-0", "other-1")))
    said = bakeoff("explain", *words)
    assert said.code == 2
    assert sentence in said.err
    assert said.err.count("\n") == 1


def test_the_fingerprint_of_an_identity_is_that_of_its_record(arena: Path) -> None:
    part = "from dataclasses import dataclass\n\n@dataclass(frozen=True)\nclass Part:\n    size: int\n"
    (arena / "methods/urns/_part.py").write_text(part)
    (arena / "methods/urns/whole.py").write_text(
        "from dataclasses import dataclass\nfrom typing import Any\n\n"
        "@dataclass(frozen=True)\nclass Whole:\n    parts: tuple[Any, ...]\n    table: dict[str, Any]\n"
    )
    importlib.invalidate_caches()
    provenance._module_code.cache_clear()
    parts, whole = (importlib.import_module(f"methods.urns.{name}") for name in ("_part", "whole"))
    record = whole.Whole(parts=(parts.Part(1),), table={"key": 1})
    before = code_fingerprint(record)
    assert recorded_fingerprint(identity(record)) == before
    change(arena / "methods/urns/_part.py", "size: int", "size: int = 1")
    assert recorded_fingerprint(identity(record)) == code_fingerprint(record) != before
