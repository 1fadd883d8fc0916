"""Which attempts count, which may stand on one board, and what tells namesakes apart."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from results.protocols import TUNING
from results.record import Record, Status

Key = tuple[str, ...]


class Texts:
    """Values as JSON. Records from a store share values, each of which is written once and then found by its address;
    the records must outlive this."""

    def __init__(self) -> None:
        self._known: dict[int, str] = {}

    def of(self, value: Any) -> str:
        """The value as JSON, its keys sorted."""
        if id(value) not in self._known:
            self._known[id(value)] = json.dumps(value, sort_keys=True)
        return self._known[id(value)]


def newest(records: Iterable[Record]) -> list[Record]:
    """For each cell the newest attempt that ended ok, or else the newest; and of each method and task only the newest
    version. Trials of the tuned protocol never count."""
    cells: dict[str, Record] = {}
    scored = (record for record in records if record.protocol != TUNING)
    for record in sorted(scored, key=lambda record: (record.status is Status.OK, record.ended, record.id)):
        cells[record.cell] = record
    tasks: dict[str, int] = {}
    methods: dict[tuple[str, str], int] = {}
    for record in cells.values():
        tasks[record.task] = max(tasks.get(record.task, 0), record.task_version)
    current = [record for record in cells.values() if record.task_version == tasks[record.task]]
    for record in current:
        key = record.task, record.method
        methods[key] = max(methods.get(key, 0), record.method_version)
    return [record for record in current if record.method_version == methods[record.task, record.method]]


def comparable(records: Iterable[Record], texts: Texts) -> dict[Key, list[Record]]:
    """The attempts that count, in groups whose numbers may be compared: one task with one set of values, at one
    scale, in one protocol, on one kind of hardware, and for each seed from the same preparations.

    Where a seed was prepared in several ways (another version of Python may bring other texts), the way that most of
    its attempts share counts, and among equals the one used last.
    """
    groups: defaultdict[Key, list[Record]] = defaultdict(list)
    for record in newest(records):
        values = (texts.of(record.identity[part]) for part in ("task", "hardware"))
        groups[(record.task, record.scale, record.protocol, *values)].append(record)
    return {key: _alike(group) for key, group in groups.items()}


def _alike(records: Sequence[Record]) -> list[Record]:
    used: defaultdict[int, Counter[str]] = defaultdict(Counter)
    last: dict[tuple[int, str], str] = {}
    ways = [json.dumps(record.identity.get("preparations", {}), sort_keys=True) for record in records]
    for record, way in zip(records, ways, strict=True):
        used[record.seed][way] += 1
        last[record.seed, way] = max(last.get((record.seed, way), ""), record.ended)
    chosen = {seed: max(counts, key=lambda way: (counts[way], last[seed, way], way)) for seed, counts in used.items()}
    return [record for record, way in zip(records, ways, strict=True) if way == chosen[record.seed]]


def rebuilt(records: Iterable[Record]) -> list[str]:
    """The preparations of which attempts with the same seed used different builds, under the same key. Attempts that
    name no digest, such as those that ended early, tell nothing."""
    builds: defaultdict[tuple[int, str], set[str]] = defaultdict(set)
    for record in records:
        for name, told in record.preparations.items():
            if told.get("digest"):
                builds[record.seed, name].add(str(told["digest"]))
    return sorted({name for (_, name), digests in builds.items() if len(digests) > 1})


def machine(record: Record) -> str:
    """The machine on which an attempt ran, as its clock depends on it; empty where the record does not say."""
    told = record.provenance
    if not told.get("processor"):
        return ""
    parts = [str(told["processor"]), f"{told['cores']} cores" if told.get("cores") else "", told.get("device") or ""]
    return ", ".join(part for part in parts if part)


def hardware(identity: Mapping[str, Any]) -> str:
    """The kind of hardware in a few words."""
    devices = identity.get("devices", 1)
    parts = [str(identity["accelerator"]), str(identity["precision"])]
    parts += [f"{devices} devices"] if devices not in (1, "1") else []
    return "-".join(parts + ([] if identity.get("deterministic", True) else ["not deterministic"]))


def difference(values: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> str:
    """The fields of nested `values` in which `others` differ among themselves, as `key=value` text."""
    flat = [flatten(other) for other in others]
    own = flatten(values)
    keys = sorted({key for other in flat for key in other})
    differing = [key for key in keys if len({json.dumps(other.get(key), sort_keys=True) for other in flat}) > 1]
    return ", ".join(f"{key}={own.get(key)}" for key in differing)


def flatten(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested mappings as one mapping with dotted keys."""
    result: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            result |= flatten(value, f"{above}{key}.")
        else:
            result[f"{above}{key}"] = value
    return result
