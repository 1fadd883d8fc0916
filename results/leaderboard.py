"""Leaderboards: a pure function of records.

One board is one task at one scale with one set of task values, on one kind of hardware, in one protocol and version;
one row is one method with one set of hyperparameters. Only attempts that ended `ok` are averaged, the newest of each
cell; all others are counted and named.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from results.naming import Namesake, distinct, labels, overridden
from results.record import Record, Status
from results.rows import Entry, Judge, Row, row
from results.selection import Group, Texts, comparable, hardware, machine, rebuilt, short
from results.stats import Interval, paired_differences, paired_interval, paired_p_value, ranks

__all__ = ["Judge", "Leaderboard", "Row", "leaderboards"]


@dataclass(frozen=True)
class Leaderboard:
    """One board; rows are sorted by rank, then mean, with references and rows without results last.

    Args:
        key: a short name that no other board has, for links and files.
        variant: the task's values that a command changed, and those in which it differs from other boards of the same
            task and scale.
        machine: the machine of the clock: the one that most attempts ran on; empty where it is not known.
        rebuilt: preparations of which rows used different builds on the same seed.
        prices, priced: prices by unit of work where the task has any, and the unit of their total.
        left_out, absent: why attempts at the same task do not count, by attempt, and the methods of which none counts.
    """

    key: str
    arena: str
    problem: str
    task: str
    variant: str
    scale: str
    hardware: str
    protocol: str
    version: int
    rank_metric: str
    metric_info: dict[str, dict[str, str]]
    rows: tuple[Row, ...] = field(default_factory=tuple)
    machine: str = ""
    rebuilt: tuple[str, ...] = ()
    prices: dict[str, float] = field(default_factory=dict)
    priced: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)
    absent: tuple[str, ...] = ()

    @property
    def higher(self) -> bool:
        """Whether the rank metric is better when it is higher."""
        return self.metric_info[self.rank_metric]["direction"] == "higher"


def leaderboards(records: Iterable[Record], judge: Judge | None = None) -> list[Leaderboard]:
    """All boards that the records give, in a stable order; no two of them have the same key, nor the same title.

    Args:
        records: attempts; heads are enough.
        judge: says of an attempt why it is stale; without one no row is marked.
    """
    texts = Texts()
    groups = comparable(records, texts)
    made = [_board(group, told, texts, judge) for group, told in zip(groups, _variants(groups), strict=True)]
    return sorted(made, key=_place)


def _place(board: Leaderboard) -> tuple[Any, ...]:
    told = board.arena, board.task, board.scale, board.hardware, board.protocol
    return *told, _natural(board.variant), board.variant, board.version, board.key


def _natural(text: str) -> tuple[tuple[float, str], ...]:
    """Sorts `size=9` before `size=10`."""
    parts = [part.partition("=")[2] for part in text.split(", ")]
    return tuple((float(part), "") if part.replace(".", "", 1).isdecimal() else (np.inf, part) for part in parts)


def _variants(groups: Sequence[Group]) -> list[str]:
    """What tells each group from the others of the same task and scale."""
    alike: defaultdict[tuple[str, str], list[Group]] = defaultdict(list)
    for group in groups:
        alike[group.records[0].task, group.records[0].scale].append(group)
    told: dict[str, str] = {}
    for some in alike.values():
        found = [Namesake(it.records[0].identity["task"], overridden(it.records, "task"), it.key) for it in some]
        told |= zip((group.key for group in some), labels(found), strict=True)
    given = [told[group.key] for group in groups]
    seen = [
        (first.task, first.task_version, first.scale, hardware(first.identity["hardware"]), first.protocol, text)
        for first, text in zip((group.records[0] for group in groups), given, strict=True)
    ]
    return distinct(seen, given, [group.key for group in groups])


def _board(group: Group, variant: str, texts: Texts, judge: Judge | None) -> Leaderboard:
    records = group.records
    first = max(records, key=lambda record: (record.ended, record.id))
    metric, info = first.rank_metric, first.metric_info
    sign = 1.0 if info[metric]["direction"] == "higher" else -1.0
    entries = _entries(records, metric, texts)
    scores = {entry.method: {seed: sign * value for seed, value in entry.scores.items()} for entry in entries}
    ranked = ranks({entry.method: scores[entry.method] for entry in entries if entry.scored and not entry.reference})
    means = {name: float(np.mean(list(own.values()))) for name, own in scores.items() if own}
    # the best row leads: of several without one that is better, that with the best mean
    order = sorted(entries, key=lambda entry: _order(entry, ranked.get(entry.method), means.get(entry.method)))
    best = order[0].method if order[0].method in ranked else None
    clock = _clock(records)
    return Leaderboard(
        key=group.key,
        arena=first.arena,
        problem=first.problem,
        task=first.task,
        variant=variant,
        scale=first.scale,
        hardware=hardware(first.identity["hardware"]),
        protocol=first.protocol,
        version=first.task_version,
        rank_metric=metric,
        metric_info=info,
        rows=tuple(
            row(entry, ranked.get(entry.method), _to_best(scores, entry.method, best, sign), clock, judge)
            for entry in order
        ),
        machine=clock,
        rebuilt=tuple(rebuilt(records)),
        left_out=group.left_out,
        absent=group.absent,
        **_prices(records),
    )


def _order(entry: Entry, rank: int | None, mean: float | None) -> tuple[Any, ...]:
    return mean is None, entry.reference, rank or 0, -(mean or 0.0), entry.method


def _entries(records: Sequence[Record], metric: str, texts: Texts) -> list[Entry]:
    """The attempts of each row, in the order of the rows' methods; no two rows have the same name."""
    groups: defaultdict[str, list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda record: (record.method, record.seed, record.ended, record.id)):
        groups[texts.of(record.identity["method"])].append(record)
    alike: defaultdict[str, list[Namesake]] = defaultdict(list)
    for text, group in groups.items():
        own = Namesake(group[0].identity["method"], overridden(group, "method"), short(text))
        alike[group[0].method].append(own)
    told = {one.key: text for many in alike.values() for one, text in zip(many, labels(many), strict=True)}
    keys = [short(text) for text in groups]
    names = [group[0].method for group in groups.values()]
    seen = [_bracketed(name, told[key]) for name, key in zip(names, keys, strict=True)]
    variants = distinct(seen, [told[key] for key in keys], keys)
    return [
        Entry(_bracketed(name, variant), key, group, metric)
        for name, variant, key, group in zip(names, variants, keys, groups.values(), strict=True)
    ]


def _bracketed(name: str, variant: str) -> str:
    return f"{name} [{variant}]" if variant else name


def _clock(records: Sequence[Record]) -> str:
    """The machine that most attempts with a clock ran on; among equals the first by name."""
    counts = Counter(machine(record) for record in records if record.status is Status.OK and record.seconds)
    return min(counts, key=lambda name: (-counts[name], name), default="")


def _prices(records: Sequence[Record]) -> dict[str, Any]:
    """The prices of a board; an attempt that ended before its problem was posed does not know them."""
    told = max((record for record in records if record.prices), key=lambda record: record.ended, default=None)
    if told is None:
        return {}
    totals = {unit for limits in told.limits.values() for unit in limits} - told.prices.keys()
    return {"prices": told.prices, "priced": ", ".join(sorted(totals))}


def _to_best(
    scores: Mapping[str, Mapping[int, float]], name: str, best: str | None, sign: float
) -> tuple[Interval, float] | None:
    if best is None or name == best or not scores[name].keys() & scores[best].keys():
        return None
    left, right = (name, best) if sign > 0 else (best, name)  # the scores of a metric to be lowered are turned round
    return paired_interval(scores[left], scores[right]), paired_p_value(paired_differences(scores[name], scores[best]))
