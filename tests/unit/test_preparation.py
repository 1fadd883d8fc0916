"""Preparations as records: where they are kept, and how nested records name themselves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tasks.metering import fingerprint
from tasks.preparation import cache_root, identity


@dataclass(frozen=True)
class Part:
    weight: float


@dataclass(frozen=True)
class Whole:
    parts: tuple[Part, ...]
    table: dict[str, Part]
    name: str


@dataclass(frozen=True)
class Twin:
    weight: float


def test_a_record_is_named_by_class_and_fields_all_the_way_down() -> None:
    part = {"_target_": f"{__name__}.Part", "weight": 0.5}
    whole = Whole((Part(0.5),), {"a": Part(0.5)}, "name")
    assert identity(whole) == {
        "_target_": f"{__name__}.Whole",
        "parts": [part],
        "table": {"a": part},
        "name": "name",
    }


def test_two_classes_with_the_same_fields_differ() -> None:
    assert fingerprint(identity(Part(0.5))) != fingerprint(identity(Twin(0.5)))
    assert fingerprint(identity(Part(0.5))) == fingerprint(identity(Part(0.5)))
    assert identity(Part) is Part  # a class is not a record


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BAKEOFF_CACHE", str(tmp_path))
    assert cache_root() == tmp_path
    monkeypatch.delenv("BAKEOFF_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert cache_root() == tmp_path / "home" / "bakeoff"
