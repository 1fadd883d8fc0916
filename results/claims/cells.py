"""The cells that a claim speaks of, found among records, and the numbers read from them."""

from __future__ import annotations

import fnmatch
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from results.claims.relations import Pattern, Place
from results.protocols import PAPER_VALUES
from results.record import Record, Status
from results.selection import comparable, flatten, hardware, machine


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


@dataclass(frozen=True)
class Found:
    """What was found of one pattern on one task.

    Args:
        values: the number by seed, of attempts that ended ok and measured it.
        attempts: their records by seed.
        failed: the attempts that ended otherwise.
    """

    values: Mapping[int, float]
    attempts: Mapping[int, Record]
    failed: tuple[Record, ...]


class Cells:
    """Attempts that count, by task.

    Args:
        records: attempts; heads are enough.
    """

    def __init__(self, records: Iterable[Record], texts: Any) -> None:
        self._texts = texts
        self._by_task: dict[str, list[Record]] = {}
        for group in comparable(records, texts):
            for record in group.records:
                self._by_task.setdefault(record.task, []).append(record)
        self._flat: dict[int, dict[str, Any]] = {}

    def settings(self, places: Iterable[Place], scale: str) -> list[Setting]:
        """The settings in which anything was run on these tasks, tuned ones first, then those with most attempts."""
        counts: Counter[Setting] = Counter()
        for task in {place.task for place in places}:
            for record in self._by_task.get(task, ()):
                if record.scale == scale:
                    counts[Setting(scale, record.protocol, self._texts.of(record.identity["hardware"]))] += 1
        return sorted(counts, key=lambda one: (not one.tuned, -counts[one], str(one)))

    def find(self, pattern: Pattern, place: Place, setting: Setting, metric: str) -> Found:
        """The cells of a pattern on one task.

        Args:
            pattern: which method; its own task, if it names one, wins over `place`.
            place: the task otherwise.
            setting: scale, protocol and hardware.
            metric: what the pattern reads if it names none; empty for the metric by which the task ranks.
        """
        there = pattern.place or place
        chosen = [
            record
            for record in self._by_task.get(there.task, ())
            if record.method == pattern.method
            and (record.scale, record.protocol) == (setting.scale, setting.protocol)
            and self._texts.of(record.identity["hardware"]) == setting.hardware
            and self._is(record, "task", there.values)
            and (not pattern.fields if setting.tuned else self._is(record, "method", pattern.fields))
        ]
        newest = max((record.task_version for record in chosen), default=0)
        chosen = [record for record in chosen if record.task_version == newest]
        good = {record.seed: record for record in chosen if record.status is Status.OK}
        read = {seed: number(record, pattern.metric or metric) for seed, record in good.items()}
        values = {seed: value for seed, value in read.items() if value is not None}
        bad = tuple(record for record in chosen if record.status is not Status.OK)
        return Found(values, {seed: good[seed] for seed in values}, bad)

    def methods(self, globs: Sequence[str], place: Place, setting: Setting) -> list[str]:
        """The methods on a task whose name matches one of some globs; references never do."""
        names = {record.method for record in self._by_task.get(place.task, ()) if record.scale == setting.scale}
        return sorted(
            name
            for name in names
            if not name.startswith("reference/") and any(fnmatch.fnmatchcase(name, glob) for glob in globs)
        )

    def _is(self, record: Record, kind: str, values: Sequence[tuple[str, Any]]) -> bool:
        """Whether an attempt has just these values, and those of the YAML elsewhere."""
        wanted = dict(values)
        said = {word.partition("=")[0] for word in record.settings.get("overrides", ())}
        own = {word.partition(".")[2] for word in said if word.startswith(f"{kind}.")}
        if any(key != name and not key.startswith(f"{name}.") for key in own for name in wanted) or (
            own and not wanted
        ):
            return False
        node = record.identity[kind]
        if id(node) not in self._flat:
            self._flat[id(node)] = flatten(node)
        flat = self._flat[id(node)]
        return all(name in flat and flat[name] == value for name, value in wanted.items())


def number(record: Record, metric: str) -> float | None:
    """A number of an attempt: a metric, `cost.<unit>`, `seconds.<phase>` or `memory`; empty is the rank metric."""
    kind, _, rest = metric.partition(".")
    if kind == "cost" and rest:
        return float(sum(account.get(rest, 0.0) for account in record.cost.values()))
    if kind == "seconds" and rest:
        return record.seconds.get(rest)
    if metric == "memory":
        return record.peak_memory_mib
    return record.metrics.get(metric or record.rank_metric)


def one_clock(sides: Sequence[Found]) -> list[Found]:
    """The same cells without those that ran on another machine than most: clocks of two machines are not compared."""
    counts = Counter(machine(record) for side in sides for record in side.attempts.values())
    usual = min(counts, key=lambda name: (-counts[name], name), default="")
    kept = []
    for side in sides:
        seeds = [seed for seed, record in side.attempts.items() if machine(record) == usual]
        kept.append(Found({s: side.values[s] for s in seeds}, {s: side.attempts[s] for s in seeds}, side.failed))
    return kept
