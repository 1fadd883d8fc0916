"""Why two attempts differ, and whether one is stale: what would have to be looked up in two records and the code."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf.errors import OmegaConfBaseException

from results.record import Record, Status
from results.selection import flatten
from results.store import Store
from runners import catalog
from runners.errors import CommandError, one_line
from runners.info import find_attempt
from runners.pair import Choice, resolve
from runners.staleness import KINDS, code_of, version, why_stale
from tasks.base import NotApplicable
from tasks.data import DataCorrupt

_SHOWN = 60  # letters of a value in text

Differences = dict[str, list[Any]]  # dotted key: the two values


def explain(prefixes: Sequence[str], store: Store, form: str) -> str:
    """One attempt, or two beside each other, as text or JSON.

    Args:
        prefixes: one or two beginnings of names of attempts.
        store: where the attempts are.
        form: text or json.

    Raises:
        CommandError: no attempt or several begin so.
        StoreError: the store cannot be read.
    """
    records = [find_attempt(prefix, store) for prefix in prefixes]
    if len(records) == 2:
        compared = compare(records[0], records[1])
        return json.dumps(compared, indent=1) if form == "json" else _compared_text(compared)
    about = examine(records[0], store)
    return json.dumps(about, indent=1) if form == "json" else _examined_text(about)


def compare(left: Record, right: Record) -> dict[str, Any]:
    """In what two attempts differ: cell, settings, provenance, ending, numbers."""
    digests = [_digests(record) for record in (left, right)]
    artefacts = [
        ({"preparations": own} if own else {}) | record.provenance
        for own, record in zip(digests, (left, right), strict=True)
    ]
    return {
        "attempts": [_head(left), _head(right)],
        "same_attempt": left.id == right.id,
        "same_cell": left.cell == right.cell,
        "identity": _differences(left.identity, right.identity),
        "settings": _differences(*(_without_overrides(record) for record in (left, right))),
        "provenance": _differences(*artefacts),
        "results": {
            "status": [left.status.value, right.status.value],
            "reason": [left.reason, right.reason],
            "metrics": _beside(left.metrics, right.metrics),
            "cost": _beside(flatten(left.cost), flatten(right.cost)),
            "seconds": _beside(left.seconds, right.seconds),
        },
    }


def examine(record: Record, store: Store) -> dict[str, Any]:
    """What has changed since an attempt: versions, code, values in the YAML, newer attempts at the same cell.

    Raises:
        StoreError: the store cannot be read.
    """
    versions = {kind: version(kind, record) for kind in KINDS}
    code = {kind: code_of(kind, record) for kind in KINDS}
    reasons = [sentence for kind in KINDS for sentence in why_stale(kind, versions[kind], code[kind])]
    same = sorted(store.records(cell=record.cell), key=lambda one: (one.status is Status.OK, one.ended, one.id))
    return {
        "attempt": _head(record),
        "stale": bool(reasons),
        "reasons": reasons,
        "versions": versions,
        "code": code,
        "values": _values(record),
        "newer": [_head(one) for one in same if (one.ended, one.id) > (record.ended, record.id)],
        "counts": same[-1].id,
    }


def _head(record: Record) -> dict[str, Any]:
    return {
        "id": record.id,
        "cell": record.cell,
        "label": f"{record.method} on {record.task}, seed {record.seed}",
        "status": record.status.value,
        "ended": record.ended,
    }


def _digests(record: Record) -> dict[str, Any]:
    return {name: facts.get("digest") for name, facts in record.preparations.items() if isinstance(facts, Mapping)}


def _without_overrides(record: Record) -> dict[str, Any]:
    """The settings but for the words of the command, which the identities show the effect of."""
    return {key: value for key, value in record.settings.items() if key != "overrides"}


def _beside(left: Mapping[str, Any], right: Mapping[str, Any]) -> Differences:
    return {key: [left.get(key), right.get(key)] for key in dict.fromkeys((*left, *right))}


def _differences(left: Mapping[str, Any], right: Mapping[str, Any]) -> Differences:
    both = _beside(flatten(left), flatten(right))
    return {key: values for key, values in sorted(both.items()) if len({json.dumps(value) for value in values}) > 1}


def _values(record: Record) -> dict[str, Any]:
    """Where the cell that the plain command gives today differs from that of an attempt."""
    names = {"method": record.method, "task": record.task, "hardware": record.hardware}
    try:
        entries = {kind: catalog.find(kind, name) for kind, name in names.items()}
        nodes = {kind: entry.values | {"card": entry.card} for kind, entry in entries.items()}
        choice = Choice(record.method, record.task, record.hardware, record.scale, nodes)
        identity = resolve(choice).identity(record.seed)
    except (CommandError, NotApplicable, DataCorrupt, OmegaConfBaseException, SyntaxError) as error:
        return {"same_cell": None, "differences": {}, "trouble": one_line(error)}
    differences = _differences(record.identity, identity)
    versions = {f"{kind}.version" for kind in KINDS}
    return {
        "same_cell": not differences,
        "differences": {key: values for key, values in differences.items() if key not in versions},
    }


def _compared_text(compared: Mapping[str, Any]) -> str:
    left, right = compared["attempts"]
    lines = [f"{one['id']}  {one['label']}: {one['status']}" for one in (left, right)]
    if compared["same_attempt"]:
        return "\n".join((lines[0], "these are one and the same attempt"))
    results = compared["results"]
    moved = [name for name, (one, other) in results["metrics"].items() if one != other]
    if compared["same_cell"]:
        lines.append(f"the same cell, {left['cell']}: nothing that can move a number was chosen differently")
        if moved and left["status"] == right["status"] == Status.OK:
            lines.append("yet their metrics differ; look for the cause below")
    else:
        lines += ["different cells:", *_lines(compared["identity"], "nothing in their identities, only the hashes")]
    lines += ["settings:", *_lines(compared["settings"])]
    lines += ["provenance:", *_lines(compared["provenance"])]
    lines += ["results:", *_lines({key: results[key] for key in ("status", "reason") if any(results[key])})]
    lines += _lines(results["metrics"], "no metrics")
    lines += _lines({f"cost.{key}": values for key, values in results["cost"].items()}, "no cost")
    rounded = {key: [value and float(f"{value:.3g}") for value in values] for key, values in results["seconds"].items()}
    lines += _lines({f"seconds.{key}": values for key, values in rounded.items()}, "no seconds")
    return "\n".join(lines)


def _examined_text(about: Mapping[str, Any]) -> str:
    one, values = about["attempt"], about["values"]
    lines = [f"{one['id']}  {one['label']}: {one['status']}"]
    lines += ["stale:", *(f"  {reason}" for reason in about["reasons"])] if about["stale"] else ["not stale"]
    troubles = [f"  the code of the {kind}: {about['code'][kind]['trouble']}" for kind in KINDS
                if "trouble" in about["code"][kind]]  # fmt: skip
    lines += ["what could not be compared:", *troubles] if troubles else []
    if values["differences"]:
        lines += ["the plain command would be another cell (then | now):", *_lines(values["differences"])]
    elif values["same_cell"] is None:
        lines.append(f"the plain command: {values['trouble']}")
    elif values["same_cell"]:
        lines.append("the plain command would be the same cell")
    newer = about["newer"]
    lines += ["newer attempts at the same cell:"] if newer else ["no newer attempt at the same cell"]
    lines += [f"  {other['id']}  {other['status']}, {other['ended']}" for other in newer]
    if about["counts"] != one["id"]:
        lines.append(f"of this cell {about['counts']} counts")
    return "\n".join(lines)


def _lines(differences: Differences, nothing: str = "no difference") -> list[str]:
    """Two values a line, or the word for none."""
    shown = [f"  {key}: {_short(left)} | {_short(right)}" for key, (left, right) in differences.items()]
    return shown or [f"  {nothing}"]


def _short(value: Any) -> str:
    text = "-" if value in (None, "") else _text(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 2]}.."


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
