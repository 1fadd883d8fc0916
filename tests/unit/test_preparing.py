"""Preparations: built once, named by their content, complete or not at all."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from runners.hardware import Hardware
from runners.preparing import ensure
from runners.run import Nobody
from tasks.base import Run
from tasks.preparation import MARK, NotPrepared, Preparation, cache_root


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BAKEOFF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def builds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was built, in order."""
    done: list[str] = []
    monkeypatch.setattr(Words, "built", done, raising=False)
    return done


@dataclass(frozen=True, kw_only=True)
class Words(Preparation):
    size: int
    built: ClassVar[list[str]]
    place: ClassVar[dict[str, str]] = {}

    def build(self, seed: int, run: Run) -> None:
        self.built.append(f"{type(self).__name__} {self.size} seed {seed}")
        run.ledger.spend("words", self.size)
        run.log("length", self.size)
        (run.folder / "deep").mkdir()
        (run.folder / "deep" / "words.txt").write_text(f"{self.size} {run.rng.integers(10**9)}")

    def load(self, folder: Path) -> str:
        return (folder / "deep" / "words.txt").read_text()

    def surroundings(self) -> dict[str, str]:
        return self.place


@dataclass(frozen=True, kw_only=True)
class OwnWords(Words):
    """Every seed has its own."""

    per_seed: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class Book(Preparation):
    words: Words
    fails: bool = False

    def build(self, seed: int, run: Run) -> None:
        Words.built.append("Book")
        (run.folder / "book.txt").write_text(f"book of {self.words.artefact(seed)}")
        if self.fails:
            raise RuntimeError("out of ink")

    def load(self, folder: Path) -> str:
        return (folder / "book.txt").read_text()


def words(**changes: Any) -> Words:
    return Words(**({"version": 1, "size": 3} | changes))


def test_a_preparation_is_built_once_and_read_often(one_core: Hardware, builds: list[str]) -> None:
    first = ensure(words(), 0, one_core, Nobody())
    assert ensure(words(), 0, one_core, Nobody()) == first
    assert ensure(words(), 7, one_core, Nobody()) == first
    assert builds == ["Words 3 seed 0"]
    assert words().artefact(5).startswith("3 ")


def test_the_record_says_what_it_is_and_what_it_cost(one_core: Hardware) -> None:
    facts = ensure(words(), 0, one_core, Nobody())
    assert facts["class"] == "Words"
    assert facts["key"] == words().key(0)
    assert facts["cost"] == {"words": 3}
    assert facts["seconds"] > 0
    content = json.loads((words().folder(0) / MARK).read_text())
    assert content["identity"] == {"_target_": f"{__name__}.Words", "version": 1, "size": 3}
    assert [value for _, _, value in content["logs"]["length"]] == [3]


def test_the_address_is_the_content(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {words().key(0), words(size=4).key(0), words(version=2).key(0), OwnWords(version=1, size=3).key(0)}
    assert len(keys) == 4
    assert words().key(0) == words().key(1) == words().key(0)
    before = words().key(0)
    monkeypatch.setattr(Words, "place", {"python": "9"})
    assert words().key(0) != before
    assert Book(version=1, words=words()).key(0) != before


def test_a_part_moves_the_address_of_the_whole() -> None:
    assert Book(version=1, words=words()).key(0) != Book(version=1, words=words(size=4)).key(0)


def test_one_for_every_seed_where_that_is_asked_for(one_core: Hardware, builds: list[str]) -> None:
    own = OwnWords(version=1, size=3)
    first, second = (ensure(own, seed, one_core, Nobody()) for seed in (1, 2))
    assert first["key"] != second["key"]
    assert first["digest"] != second["digest"]
    assert builds == ["OwnWords 3 seed 1", "OwnWords 3 seed 2"]
    assert own.artefact(1) != own.artefact(2)


def test_two_builds_of_the_same_give_the_same_files(
    one_core: Hardware, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ensure(words(), 0, one_core, Nobody())
    monkeypatch.setenv("BAKEOFF_CACHE", str(tmp_path / "other"))
    assert ensure(words(), 0, one_core, Nobody())["digest"] == first["digest"]
    assert cache_root() == tmp_path / "other"


def test_parts_are_built_first(one_core: Hardware, builds: list[str]) -> None:
    book = Book(version=1, words=words())
    assert book.parts() == {"words": words()}
    ensure(book, 0, one_core, Nobody())
    assert builds == ["Words 3 seed 0", "Book"]
    assert book.artefact(0).startswith("book of 3 ")


def test_a_build_that_fails_leaves_nothing_and_is_tried_again(one_core: Hardware, builds: list[str]) -> None:
    book = Book(version=1, words=words(), fails=True)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="out of ink"):
            ensure(book, 0, one_core, Nobody())
        assert not book.is_built(0)
        assert [path for path in book.folder(0).parent.iterdir() if path.is_dir()] == []
    assert builds == ["Words 3 seed 0", "Book", "Book"]


def test_a_folder_without_its_mark_is_built_anew(one_core: Hardware, builds: list[str]) -> None:
    folder = words().folder(0)
    folder.mkdir(parents=True)
    (folder / "left_over.txt").write_text("half")
    ensure(words(), 0, one_core, Nobody())
    assert not (folder / "left_over.txt").exists()
    assert builds == ["Words 3 seed 0"]


def test_what_nobody_built_is_named() -> None:
    with pytest.raises(NotPrepared, match=f"Words {words().key(0)} has not been built"):
        words().artefact(0)


def test_the_watcher_hears_of_a_build_only(one_core: Hardware) -> None:
    heard: list[str] = []

    class Watcher(Nobody):
        def phase(self, text: str) -> None:
            heard.append(text)

    for _ in range(2):
        ensure(words(), 0, one_core, Watcher())
    assert heard == ["prepare Words"]


@dataclass(frozen=True, kw_only=True)
class Own(Words):
    per_seed: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class Common(Words):
    own: Own


def test_what_all_seeds_share_may_be_made_of_what_each_seed_has(one_core: Hardware, builds: list[str]) -> None:
    ensure(Common(version=1, size=1, own=Own(version=1, size=2)), 3, one_core, Nobody())
    assert builds == ["Own 2 seed 0", "Common 1 seed 0"]
