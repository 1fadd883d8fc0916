"""Whether an attempt still is what the code here would give: versions and fingerprints, then and now."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from typing import Any

from results.record import Record
from runners import catalog
from runners.cards import method_card, task_card
from runners.errors import CommandError, one_line
from runners.provenance import recorded_fingerprint

KINDS = ("method", "task")


class Judge:
    """Says of attempts why they are stale. Files are looked up once, so an object serves for one command."""

    def __init__(self) -> None:
        self._reasons: dict[tuple[Any, ...], list[str]] = {}
        self._texts: dict[int, str] = {}
        self._kept: list[Any] = []  # what `_texts` knows by address must not be freed

    def __call__(self, record: Record) -> str:
        """Why an attempt is stale; empty where nothing speaks for it."""
        return next((reason for kind in KINDS for reason in self._of(kind, record)), "")

    def _of(self, kind: str, record: Record) -> list[str]:
        recorded, name = _recorded(kind, record)
        code = record.provenance.get("fingerprints", {}).get(kind)
        key = kind, name, recorded, code, record.provenance.get("python"), self._text(record.identity[kind])
        if key not in self._reasons:
            self._reasons[key] = why_stale(kind, version(kind, record), code_of(kind, record))
        return self._reasons[key]

    def _text(self, value: Any) -> str:
        if id(value) not in self._texts:
            self._texts[id(value)] = json.dumps(value, sort_keys=True)
            self._kept.append(value)
        return self._texts[id(value)]


def _recorded(kind: str, record: Record) -> tuple[int, str]:
    return (record.method_version, record.method) if kind == "method" else (record.task_version, record.task)


def version(kind: str, record: Record) -> dict[str, Any]:
    """The version that an attempt was made with, and the one of today's card."""
    recorded, name = _recorded(kind, record)
    try:
        entry = catalog.find(kind, name)
        current = (method_card(entry) if kind == "method" else task_card(entry)).version
    except CommandError as error:
        return {"recorded": recorded, "current": None, "trouble": one_line(error)}
    return {"recorded": recorded, "current": current}


def code_of(kind: str, record: Record) -> dict[str, Any]:
    """The code that an attempt was made with, and today's; `changed` is None where they cannot be compared."""
    recorded = record.provenance.get("fingerprints", {}).get(kind)
    made_by = str(record.provenance.get("python", ""))
    found = {"recorded": recorded, "current": None, "changed": None}
    if recorded is None:
        return found | {"trouble": "the record has no fingerprint of its code"}
    try:
        current = recorded_fingerprint(record.identity[kind])
    except (LookupError, TypeError) as error:
        return found | {"trouble": one_line(error)}
    if current != recorded and _minor(made_by) != _minor(platform.python_version()):
        trouble = f"the attempt ran under Python {made_by}, whose fingerprints of code cannot be compared with these"
        return found | {"current": current, "trouble": trouble}
    return found | {"current": current, "changed": current != recorded}


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]


def why_stale(kind: str, version: Mapping[str, Any], code: Mapping[str, Any]) -> list[str]:
    """Why an attempt is stale on account of its method or its task."""
    if version["current"] is None:
        return [version["trouble"]]
    if version["current"] != version["recorded"]:
        return [f"the {kind} is at version {version['current']}, the attempt was made with version "
                f"{version['recorded']}"]  # fmt: skip
    if code["changed"]:
        return [f"the code of the {kind} has changed since, without a new version: the row is stale"]
    return []
