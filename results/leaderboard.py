"""Leaderboards: a pure function of records.

One board is one task at one scale with one set of task values, on one kind of hardware, in one protocol and version;
one row is one method with one set of hyperparameters. Only attempts that ended `ok` are averaged, the newest of each
cell; all others are counted and named.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from results.record import Record, Status
from results.selection import Texts, comparable, difference, hardware, machine, rebuilt
from results.stats import Interval, mean_interval, paired_differences, paired_interval, paired_p_value, ranks

Judge = Callable[[Record], str]  # why an attempt is stale; empty where it is not


@dataclass(frozen=True)
class Row:
    """One method on one board.

    Args:
        method: name, with the fields in which it differs from its namesakes on the board.
        name, key: name in the catalogue, and a short name for its values, the same on all boards.
        role, fidelity, version: from the card.
        rank: rank group, or None for references and for rows without results.
        seeds: seeds that were scored.
        scores: the rank metric by seed.
        metrics: mean and interval of each metric.
        to_best: mean paired difference to the best row over shared seeds, in units of the rank metric, and its
            p-value; None for the best row itself and where seeds are not shared.
        cost: mean units of work by account and unit.
        seconds: mean seconds of `solve` and of `evaluate`, of the attempts that ran on the board's machine.
        memory: highest resident memory of its attempts, in MiB.
        endings: how many cells ended otherwise, by status.
        reasons: why, one sentence for each of `others`.
        attempts, others: the attempts behind the numbers, in the order of `seeds`, and those that ended otherwise.
        alone: none that was timed ran beside other cells on the same machine, so that their clocks can be compared.
        stale: why its numbers may no longer be what the code gives; empty where nothing speaks for that.
    """

    method: str
    name: str
    key: str
    role: str
    fidelity: str
    version: int
    rank: int | None
    seeds: tuple[int, ...]
    scores: dict[int, float]
    metrics: dict[str, Interval]
    to_best: tuple[Interval, float] | None
    cost: dict[str, dict[str, float]]
    seconds: dict[str, float]
    memory: float | None
    endings: dict[str, int]
    reasons: tuple[str, ...]
    attempts: tuple[str, ...]
    others: tuple[str, ...] = ()
    alone: bool = True
    stale: str = ""


@dataclass(frozen=True)
class Leaderboard:
    """One board; rows are sorted best first, references and rows without results last.

    Args:
        variant: the task's values in which it differs from other boards of the same task and scale.
        machine: the machine of the clock: the one that most attempts ran on; empty where it is not known.
        rebuilt: preparations of which rows used different builds on the same seed.
        prices, priced: prices by unit of work where the task has any, and the unit of their total.
    """

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

    @property
    def higher(self) -> bool:
        """Whether the rank metric is better when it is higher."""
        return self.metric_info[self.rank_metric]["direction"] == "higher"


def leaderboards(records: Iterable[Record], judge: Judge | None = None) -> list[Leaderboard]:
    """All boards that the records give, in a stable order.

    Args:
        records: attempts; heads are enough.
        judge: says of an attempt why it is stale; without one no row is marked.
    """
    texts = Texts()
    boards = comparable(records, texts)
    variants: defaultdict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for group in boards.values():
        variants[group[0].task, group[0].scale].append(group[0].identity["task"])
    made = [_board(group, variants[group[0].task, group[0].scale], texts, judge) for group in boards.values()]
    return sorted(
        made, key=lambda one: (one.arena, one.task, one.scale, one.hardware, one.protocol, _natural(one.variant))
    )


def _natural(text: str) -> tuple[tuple[float, str], ...]:
    """Sorts `size=9` before `size=10`."""
    parts = [part.partition("=")[2] for part in text.split(", ")]
    return tuple((float(part), "") if part.replace(".", "", 1).isdecimal() else (np.inf, part) for part in parts)


def _board(
    records: Sequence[Record], variants: Sequence[Mapping[str, Any]], texts: Texts, judge: Judge | None
) -> Leaderboard:
    first = max(records, key=lambda record: (record.ended, record.id))
    metric, info = first.rank_metric, first.metric_info
    sign = 1.0 if info[metric]["direction"] == "higher" else -1.0
    named = _named(records, texts)
    scores = {
        name: {record.seed: sign * record.metrics[metric] for record in group if record.status is Status.OK}
        for name, group in named.items()
    }
    ranked = ranks({name: scores[name] for name in named if scores[name] and named[name][0].role != "reference"})
    best = max(ranked, key=lambda name: (float(np.mean(list(scores[name].values()))), name), default=None)
    clock = _clock(records)
    rows = [
        _row(name, group, ranked.get(name), _to_best(scores, name, best, sign), clock, texts, judge)
        for name, group in named.items()
    ]
    return Leaderboard(
        arena=first.arena,
        problem=first.problem,
        task=first.task,
        variant=difference(first.identity["task"], variants),
        scale=first.scale,
        hardware=hardware(first.identity["hardware"]),
        protocol=first.protocol,
        version=first.task_version,
        rank_metric=metric,
        metric_info=info,
        rows=tuple(sorted(rows, key=lambda row: _order(row, metric, sign))),
        machine=clock,
        rebuilt=tuple(rebuilt(records)),
        **_prices(records),
    )


def _named(records: Sequence[Record], texts: Texts) -> dict[str, list[Record]]:
    """The attempts of each row, by its name."""
    groups: defaultdict[str, list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda record: (record.method, record.seed, record.ended, record.id)):
        groups[texts.of(record.identity["method"])].append(record)
    namesakes: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for group in groups.values():
        namesakes[group[0].method].append(group[0].identity["method"])
    named = {}
    for group in groups.values():
        variant = difference(group[0].identity["method"], namesakes[group[0].method])
        named[f"{group[0].method} [{variant}]" if variant else group[0].method] = group
    return named


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


def _order(row: Row, metric: str, sign: float) -> tuple[Any, ...]:
    value = -sign * row.metrics[metric].value if metric in row.metrics else 0.0
    return (not row.seeds, row.role == "reference", value, row.method)


def _to_best(
    scores: Mapping[str, Mapping[int, float]], name: str, best: str | None, sign: float
) -> tuple[Interval, float] | None:
    if best is None or name == best or not scores[name].keys() & scores[best].keys():
        return None
    left, right = (name, best) if sign > 0 else (best, name)  # the scores of a metric to be lowered are turned round
    return paired_interval(scores[left], scores[right]), paired_p_value(paired_differences(scores[name], scores[best]))


def _row(
    name: str,
    records: Sequence[Record],
    rank: int | None,
    to_best: tuple[Interval, float] | None,
    clock: str,
    texts: Texts,
    judge: Judge | None,
) -> Row:
    good = [record for record in records if record.status is Status.OK]
    bad = [record for record in records if record.status is not Status.OK]
    measured = sorted({metric for record in good for metric in record.metrics})
    peaks = [record.peak_memory_mib for record in good if record.peak_memory_mib is not None]
    timed = [record for record in good if machine(record) == clock]
    return Row(
        method=name,
        name=records[0].method,
        key=hashlib.sha256(texts.of(records[0].identity["method"]).encode("utf-8")).hexdigest()[:10],
        role=records[0].role,
        fidelity=records[0].fidelity,
        version=records[0].method_version,
        rank=rank,
        seeds=tuple(record.seed for record in good),
        scores={record.seed: record.metrics[record.rank_metric] for record in good},
        metrics={
            name: mean_interval(np.array([r.metrics[name] for r in good if name in r.metrics])) for name in measured
        },
        to_best=to_best,
        cost={account: _means([record.cost.get(account, {}) for record in good]) for account in ("solve", "use")},
        seconds=_means([{p: r.seconds[p] for p in ("solve", "evaluate") if p in r.seconds} for r in timed]),
        memory=max(peaks, default=None),
        endings=dict(sorted(Counter(record.status.value for record in bad).items())),
        reasons=tuple(f"seed {record.seed}: {record.reason}" for record in bad),
        attempts=tuple(record.id for record in good),
        others=tuple(record.id for record in bad),
        alone=all(record.settings.get("alone", True) for record in timed),
        stale=next((reason for record in good if judge and (reason := judge(record))), ""),
    )


def _means(items: Sequence[Mapping[str, float]]) -> dict[str, float]:
    keys = sorted({key for item in items for key in item})
    return {key: float(np.mean([item.get(key, 0.0) for item in items])) for key in keys}
