"""Which attempts count, which of them may stand on one board, and why others do not."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from results.protocols import TUNING
from results.record import Record, Status

Key = tuple[str, ...]
UNLIKE = "from other preparations than most at the same seed"


def short(text: str) -> str:
    """A short name for a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:10]


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


@dataclass(frozen=True)
class Group:
    """Attempts whose numbers may be compared.

    Args:
        key: a short name of the task with its values and version, the scale, the protocol and the kind of hardware.
        records: the attempts that count.
        left_out: why others do not, by attempt. Those that another attempt at the same cell replaced are not named.
        absent: the methods of which nothing counts.
    """

    key: str
    records: Sequence[Record]
    left_out: Mapping[str, str]
    absent: tuple[str, ...]


@dataclass
class _Candidates:
    """The attempts of one group before anything is left out."""

    key: str
    records: list[Record]
    left_out: list[tuple[Record, str]] = field(default_factory=list)

    @property
    def version(self) -> int:
        return self.records[0].task_version

    @property
    def rank(self) -> tuple[bool, int, str]:
        """Of two groups that cannot both count the higher one does."""
        return any(record.status is Status.OK for record in self.records), self.version, self.key


def newest(records: Iterable[Record]) -> list[Record]:
    """For each cell the newest attempt that ended ok, or else the newest. Trials of the tuned protocol never count."""
    cells: dict[str, Record] = {}
    scored = (record for record in records if record.protocol != TUNING)
    for record in sorted(scored, key=lambda record: (record.status is Status.OK, record.ended, record.id)):
        cells[record.cell] = record
    return list(cells.values())


def comparable(records: Iterable[Record], texts: Texts) -> list[Group]:
    """The attempts that count, in groups whose numbers may be compared: one task with one set of values in one version,
    at one scale, in one protocol, on one kind of hardware, and for each seed from the same preparations.

    An older version of a task counts until an attempt at a newer one with the same values has ended ok, and likewise
    within a group an older version of a method. Where a seed was prepared in several ways (another version of Python
    may bring other texts), the way that most of its attempts share counts, and among equals the one used last.
    """
    groups: dict[Key, _Candidates] = {}
    families: defaultdict[Key, list[_Candidates]] = defaultdict(list)
    for record in newest(records):
        family = record.task, record.scale, record.protocol, texts.of(record.identity["hardware"])
        told = *family, str(record.task_version), texts.of(record.identity["task"])
        if told not in groups:
            groups[told] = _Candidates(short(json.dumps(told)), [])
            families[family].append(groups[told])
        groups[told].records.append(record)
    kept = [group for family in families.values() for group in _current(family)]
    return [_narrowed(group) for group in kept]


def _current(family: Iterable[_Candidates]) -> list[_Candidates]:
    """The groups of a task that count; each takes note of those that it replaces, or that do not replace it yet."""
    kept: list[tuple[_Candidates, dict[str, str]]] = []
    for group in sorted(family, key=lambda group: group.rank, reverse=True):
        values = _shared_by_versions(group.records[0].identity["task"])
        rivals = (
            other
            for other, own in kept
            if other.version != group.version and all(own.get(key, text) == text for key, text in values.items())
        )
        rival = next(rivals, None)
        if rival is None:
            kept.append((group, values))
        else:
            why = _outdated("task", group.version, rival.version)
            rival.left_out += [(record, why) for record in group.records]
    return [group for group, _ in kept]


def _shared_by_versions(values: Mapping[str, Any]) -> dict[str, str]:
    """The values of a task, but for those that change with its version or with what is installed."""
    own = {"version", "_target_", "surroundings"}
    return {key: json.dumps(it, sort_keys=True) for key, it in flatten(values).items() if not own & {*key.split(".")}}


def _outdated(kind: str, version: int, counting: int) -> str:
    if version < counting:
        return f"made at version {version} of the {kind}"
    return f"made at version {version} of the {kind}, at which nothing has ended ok yet"


def _narrowed(group: _Candidates) -> Group:
    """The attempts of a group that count: of one version of each method, and of one way of preparing each seed."""
    left_out = list(group.left_out)
    versions: defaultdict[str, set[tuple[bool, int]]] = defaultdict(set)
    for record in group.records:
        versions[record.method].add((record.status is Status.OK, record.method_version))
    counting = {method: max(found)[1] for method, found in versions.items()}
    current = []
    for record in group.records:
        if record.method_version == counting[record.method]:
            current.append(record)
        else:
            left_out.append((record, _outdated("method", record.method_version, counting[record.method])))
    chosen = _alike(current)
    kept = {record.id for record in chosen}
    left_out += [(record, UNLIKE) for record in current if record.id not in kept]
    absent = {record.method for record, _ in left_out} - {record.method for record in chosen}
    return Group(group.key, chosen, {record.id: why for record, why in left_out}, tuple(sorted(absent)))


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


def flatten(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested mappings as one mapping with dotted keys; an empty one is a value."""
    result: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            result |= flatten(value, f"{above}{key}.")
        else:
            result[f"{above}{key}"] = value
    return result
