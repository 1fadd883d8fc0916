"""Long answers about one thing: a method, a task, an attempt."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from results.record import Record
from results.store import Store
from runners import catalog
from runners.errors import CommandError, one_line, suggestion
from runners.logs import NAME
from runners.places import record_file


def describe(name: str, form: str) -> str:
    """A method, task, hardware profile or experiment by name: its file, its card, and what it pairs with.

    Raises:
        CommandError: nothing has that name.
    """
    kinds = [kind for kind in catalog.KINDS if name in catalog.names(kind)]
    if not kinds:
        known = [other for kind in catalog.KINDS for other in catalog.names(kind)]
        raise CommandError(f"there is nothing called '{name}'{suggestion(name, known)}")
    return "\n\n".join(_entry(catalog.find(kind, name), form) for kind in kinds)


def _entry(entry: catalog.Entry, form: str) -> str:
    about: dict[str, Any] = {"kind": entry.kind, "name": entry.name, "card": entry.card, "values": entry.values}
    if entry.kind in ("method", "task"):
        about |= _plugin(entry)
    if form == "json":
        return json.dumps(about, indent=1)
    text = about.pop("documentation", "")
    return f"{yaml.safe_dump(about, sort_keys=False, allow_unicode=True).rstrip()}\n\n{text}".rstrip()


def _plugin(entry: catalog.Entry) -> dict[str, Any]:
    """What only the class can tell; imports the plugin."""
    from runners.build import plugin_class
    from runners.match import needed_type, posed_type, refusal, type_name
    from tasks.base import NotApplicable

    try:
        kind = plugin_class(entry.target, f"{entry.kind} {entry.name}")
    except NotApplicable as error:
        return {"not applicable": one_line(error)}
    documentation = (kind.__doc__ or "").strip()
    fits = []
    other_kind = "task" if entry.kind == "method" else "method"
    for other in catalog.entries(other_kind):
        try:
            other_class = plugin_class(other.target, f"{other_kind} {other.name}")
        except (NotApplicable, CommandError):  # it says so itself when it is asked about
            continue
        method, task = (kind, other_class) if entry.kind == "method" else (other_class, kind)
        if refusal((entry.name, method), (other.name, task)) is None:
            fits.append(other.name)
    if entry.kind == "method":
        return {"needs": type_name(needed_type(kind)), "tasks": fits, "documentation": documentation}
    return {"poses": posed_type(kind).__name__, "methods": fits, "documentation": documentation}


def attempt(prefix: str, store: Store, form: str) -> str:
    """One attempt, by its name or the beginning of it.

    Raises:
        CommandError: no attempt or several begin so.
        StoreError: the store cannot be read.
    """
    record = find_attempt(prefix, store)
    return record.to_json() if form == "json" else _attempt_text(record)


def find_attempt(prefix: str, store: Store) -> Record:
    """The attempt whose name begins so.

    Raises:
        CommandError: no attempt or several begin so.
        StoreError: the store cannot be read.
    """
    found = store.find(prefix)
    if not found:
        raise CommandError(f"no attempt begins with '{prefix}' in {store.shown}")
    if len(found) > 1:
        raise CommandError(f"{len(found)} attempts begin with '{prefix}': {', '.join(r.id for r in found[:5])}")
    return found[0]


def _attempt_text(record: Record) -> str:
    content = {name: value for name, value in asdict(record).items() if value not in ("", {}, [], None)}
    content["status"] = record.status.value
    trace = content.pop("traceback", "")
    content["logs"] = {
        name: f"{len(points)} points, last {points[-1][-1]:.6g}" for name, points in record.logs.items() if points
    }
    head = f"{record.method} on {record.task}, seed {record.seed}: {record.status.value}"
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110).rstrip()
    said = log_file(record)
    return "\n\n".join(
        part for part in (head, text, trace.rstrip(), f"what it printed: {said}" if said else "") if part
    )


def log_file(record: Record) -> Path | None:
    """What an attempt printed, if that is still where it was written."""
    outputs = record.settings.get("outputs")
    if not outputs:
        return None
    place = record_file(Path(outputs), record.task, record.method, record.seed, record.id).with_name(NAME)
    return place if place.is_file() else None
