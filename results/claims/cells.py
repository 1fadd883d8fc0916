"""The cells that a claim speaks of, found among records, and the numbers read from them."""

from __future__ import annotations

import fnmatch
import functools
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from results.claims.readings import Found, number
from results.claims.relations import Pattern, Place, read
from results.protocols import PAPER_VALUES, trials_of
from results.record import Record, Status
from results.selection import Texts, comparable, flatten, hardware


@dataclass(frozen=True)
class Defaults:
    """What a YAML file says of a method or a task at a scale.

    Args:
        values: by dotted key, those of the tier merged in.
        tier: the keys that the tier changes.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    tier: frozenset[str] = frozenset()


Plain = Callable[[str, str, str], Defaults]  # kind (method or task), name and scale


@dataclass(frozen=True)
class Setting:
    """What all cells of a claim have in common.

    Args:
        scale: tier of the tasks.
        protocol: how hyperparameters were chosen.
        hardware: the hardware's identity as JSON.
    """

    scale: str
    protocol: str
    hardware: str

    @property
    def tuned(self) -> bool:
        """Whether every method was tuned."""
        return self.protocol != PAPER_VALUES

    def __str__(self) -> str:
        return f"{self.scale}, {hardware(json.loads(self.hardware))}, {self.protocol}"


class Cells:
    """Attempts that count, on boards whose numbers may be compared.

    Args:
        records: attempts; heads are enough.
        texts: values as JSON.
        plain: what the YAML files say; without it, an attempt whose command changed a value is never plain.
    """

    def __init__(self, records: Iterable[Record], texts: Texts, plain: Plain | None = None) -> None:
        self._texts = texts
        self._plain = functools.cache(plain or (lambda *_: Defaults()))
        self._flat: dict[int, Mapping[str, Any]] = {}
        self._boards: defaultdict[str, list[list[Record]]] = defaultdict(list)
        for board in _current([list(group.records) for group in comparable(records, texts)]):
            self._boards[board[0].task].append(board)

    def settings(self, places: Iterable[Place], scale: str) -> list[Setting]:
        """The settings in which anything was run on these tasks, those with most attempts first."""
        counts: Counter[Setting] = Counter()
        for task in {place.task for place in places}:
            for board in self._boards.get(task, ()):
                setting = self._setting(board[0])
                if setting.scale == scale and (setting.protocol == PAPER_VALUES or trials_of(setting.protocol)):
                    counts[setting] += len(board)
        return sorted(counts, key=lambda one: (-counts[one], str(one)))

    def find(self, patterns: Sequence[Pattern], place: Place, setting: Setting, metric: str) -> list[Found]:
        """The cells of some patterns on one task, all from one board: the one on which they share most seeds.

        Args:
            patterns: which methods; a task of their own wins over `place`.
            place: the task otherwise.
            setting: scale, protocol and hardware.
            metric: what a pattern reads that names none; empty for the metric by which the task ranks.
        """
        found: dict[int, Found] = {}
        for there in dict.fromkeys(pattern.place or place for pattern in patterns):
            here = [index for index, pattern in enumerate(patterns) if (pattern.place or place) == there]
            boards = [
                [self._on(board, patterns[index], patterns[index].metric or metric) for index in here]
                for board in self._boards.get(there.task, ())
                if self._setting(board[0]) == setting and self._is(board[0], "task", there.values)
            ]
            boards.sort(key=_weight)
            found |= zip(here, boards[-1] if boards else [Found({}, {}, ())] * len(here), strict=True)
        return [found[index] for index in range(len(patterns))]

    def methods(self, globs: Sequence[str], place: Place, setting: Setting) -> tuple[list[str], list[Record]]:
        """The methods with an attempt that ended ok on a task, as their YAML has them, whose name matches one of some
        globs; and the attempts of those of which none did. References never match."""
        by_name: defaultdict[str, list[Record]] = defaultdict(list)
        for board in self._boards.get(place.task, ()):
            if self._setting(board[0]) == setting and self._is(board[0], "task", place.values):
                for record in board:
                    if not record.method.startswith("reference/") and self._is(record, "method", ()):
                        by_name[record.method].append(record)
        matching = [name for name in sorted(by_name) if any(fnmatch.fnmatchcase(name, glob) for glob in globs)]
        good = [name for name in matching if any(record.status is Status.OK for record in by_name[name])]
        return good, [record for name in matching if name not in good for record in by_name[name]]

    def _setting(self, record: Record) -> Setting:
        return Setting(record.scale, record.protocol, self._texts.of(record.identity["hardware"]))

    def _on(self, board: Sequence[Record], pattern: Pattern, metric: str) -> Found:
        """What one board has of a pattern."""
        chosen = [r for r in board if r.method == pattern.method and self._is(r, "method", pattern.fields)]
        alike: defaultdict[str, list[Record]] = defaultdict(list)  # a YAML that was changed leaves two plain sets
        for record in chosen:
            alike[self._texts.of(record.identity["method"])].append(record)
        chosen = max(alike.values(), key=lambda some: max((r.ended, r.id) for r in some), default=[])
        good = {record.seed: record for record in chosen if record.status is Status.OK}
        read = {seed: number(record, metric) for seed, record in good.items()}
        kind, _, unit = metric.partition(".")
        if kind == "cost" and not any(unit in account for one in board for account in one.cost.values()):
            read = {}  # what nobody booked is no cost of zero
        values = {seed: value for seed, value in read.items() if value is not None}
        bad = tuple(record for record in chosen if record.status is not Status.OK)
        unread = f"{pattern.method} did not measure {metric or board[0].rank_metric}"
        return Found(values, {seed: good[seed] for seed in values}, bad, unread if len(values) < len(good) else "")

    def _is(self, record: Record, kind: str, values: Sequence[tuple[str, Any]]) -> bool:
        """Whether an attempt has just these values, and those of the YAML elsewhere.

        What its command changed, and what a tier changes, has to be wanted or to be what the YAML says."""
        wanted = dict(values)
        words = (word.partition("=") for word in record.settings.get("overrides", ()))
        said = {key.removeprefix(f"{kind}."): text for key, _, text in words if key.startswith(f"{kind}.")}
        node = record.identity[kind]
        if id(node) not in self._flat:
            self._flat[id(node)] = flatten(node)
        flat = self._flat[id(node)]
        if kind == "method" and trials_of(record.protocol):  # what nobody named was searched
            return said.keys() == wanted.keys() and all(_same(flat.get(key), wanted[key]) for key in wanted)
        plain = self._plain(kind, record.task if kind == "task" else record.method, record.scale)
        expected = {key: plain.values[key] for key in said.keys() | plain.tier if key in plain.values} | wanted
        if said.keys() - expected.keys():
            return False
        for key, value in expected.items():
            if key in flat:
                alike = _same(flat[key], value) or (key not in said and key not in wanted and not _scalar(value))
            else:  # a part that is written as one word
                alike = _same(read(said[key]) if key in said else plain.values.get(key), value)
            if not alike:
                return False
        return True


def _scalar(value: Any) -> bool:
    """Whether a value of a YAML file stands in a record as it is written."""
    return value is None or isinstance(value, bool | int | float) or (isinstance(value, str) and "${" not in value)


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _current(boards: Iterable[Sequence[Record]]) -> Iterator[list[Record]]:
    """The attempts of the newest version of each task and each method at which anything ended ok: values of a task that
    were only run at an older one are not put beside the rest."""
    newest: dict[tuple[Any, ...], tuple[bool, int]] = {}
    kept = list(boards)
    for record in (record for board in kept for record in board):
        for key, version in _versions(record):
            newest[key] = max(newest.get(key, (False, 0)), (record.status is Status.OK, version))
    for board in kept:
        current = [r for r in board if all(newest[key][1] == version for key, version in _versions(r))]
        if current:
            yield current


def _versions(record: Record) -> list[tuple[tuple[Any, ...], int]]:
    where = record.task, record.scale, record.protocol, json.dumps(record.identity["hardware"], sort_keys=True)
    return [(where, record.task_version), ((*where, record.method), record.method_version)]


def _weight(row: Sequence[Found]) -> tuple[int, int, str]:
    """How much a board has of what is looked for: seeds that all share, numbers in all, and the end of the last."""
    seeds = set.intersection(*(set(found.values) for found in row))
    ended = max((record.ended for found in row for record in found.attempts.values()), default="")
    return len(seeds), sum(len(found.values) + len(found.failed) for found in row), ended
