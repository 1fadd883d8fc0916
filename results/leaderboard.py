"""Leaderboards: a pure function of records.

One board is one task at one scale with one set of task values, on one kind of hardware, in one protocol and one
version; nothing is averaged across these. One row is one method with one set of hyperparameters. Only attempts that
ended `ok` are averaged, the newest of each cell; all others are counted and named.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from results.record import Record, Status
from results.stats import Interval, mean_interval, paired_p_value, ranks, shared


@dataclass(frozen=True)
class Row:
    """One method on one board.

    Args:
        method: name, with the fields in which it differs from its namesakes on the board.
        role, fidelity, version: from the card.
        rank: rank group, or None for references and for rows without results.
        seeds: seeds that were scored.
        metrics: mean and interval of each metric.
        to_best: mean paired difference to the best row over shared seeds, in units of the rank metric, and its
            p-value; None for the best row itself and where seeds are not shared.
        cost: mean units of work by account and unit.
        seconds: mean seconds of `solve` and of `evaluate`.
        memory: highest resident memory of its attempts, in MiB.
        endings: how many cells ended otherwise, by status.
        reasons: why, one sentence each.
        attempts: the attempts behind the numbers.
        alone: none of them ran beside other cells on the same machine, so that their clocks can be compared.
    """

    method: str
    role: str
    fidelity: str
    version: int
    rank: int | None
    seeds: tuple[int, ...]
    metrics: dict[str, Interval]
    to_best: tuple[Interval, float] | None
    cost: dict[str, dict[str, float]]
    seconds: dict[str, float]
    memory: float | None
    endings: dict[str, int]
    reasons: tuple[str, ...]
    attempts: tuple[str, ...]
    alone: bool = True


@dataclass(frozen=True)
class Leaderboard:
    """One board; rows are sorted best first, references and rows without results last.

    `prices` are the prices by unit of work where the task has any, and `priced` is the unit of their total.
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
    prices: dict[str, float] = field(default_factory=dict)
    priced: str = ""


def leaderboards(records: Iterable[Record]) -> list[Leaderboard]:
    """All boards that the records give, in a stable order."""
    boards: defaultdict[tuple[str, ...], list[Record]] = defaultdict(list)
    texts: dict[int, str] = {}
    for record in newest(records):
        boards[_board_key(record, texts)].append(record)
    variants: defaultdict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for group in boards.values():
        variants[group[0].task, group[0].scale].append(group[0].identity["task"])
    made = [_board(group, variants[group[0].task, group[0].scale]) for group in boards.values()]
    return sorted(made, key=lambda board: (board.arena, board.task, board.scale, board.hardware, board.variant))


def newest(records: Iterable[Record]) -> list[Record]:
    """For each cell the newest attempt that ended ok, or else the newest; and of each method and task only the newest
    version."""
    cells: dict[str, Record] = {}
    for record in sorted(records, key=lambda record: (record.status is Status.OK, record.ended, record.id)):
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


def _board_key(record: Record, texts: dict[int, str]) -> tuple[str, ...]:
    values = (_text(record.identity[part], texts) for part in ("task", "hardware"))
    return record.task, record.scale, record.protocol, *values


def _text(value: Any, texts: dict[int, str]) -> str:
    """The value as JSON. Records from a store share values, each of which is written once and then found by its
    address; the records keep it alive meanwhile."""
    if id(value) not in texts:
        texts[id(value)] = json.dumps(value, sort_keys=True)
    return texts[id(value)]


def _board(records: Sequence[Record], variants: Sequence[Mapping[str, Any]]) -> Leaderboard:
    first = max(records, key=lambda record: record.ended)
    metric, info = first.rank_metric, first.metric_info
    sign = 1.0 if info[metric]["direction"] == "higher" else -1.0
    groups: defaultdict[str, list[Record]] = defaultdict(list)
    texts: dict[int, str] = {}
    for record in records:
        groups[_text(record.identity["method"], texts)].append(record)
    namesakes: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for group in groups.values():
        namesakes[group[0].method].append(group[0].identity["method"])
    named = {
        _with_variant(group[0].method, difference(group[0].identity["method"], namesakes[group[0].method])): group
        for group in groups.values()
    }
    scores = {
        name: {record.seed: sign * record.metrics[metric] for record in group if record.status is Status.OK}
        for name, group in named.items()
    }
    ranked = ranks({name: scores[name] for name in named if scores[name] and named[name][0].role != "reference"})
    best = max(ranked, key=lambda name: float(np.mean(list(scores[name].values()))), default=None)
    rows = [_row(name, group, ranked.get(name), _to_best(scores, name, best, sign)) for name, group in named.items()]
    return Leaderboard(
        arena=first.arena,
        problem=first.problem,
        task=first.task,
        variant=difference(first.identity["task"], variants),
        scale=first.scale,
        hardware="-".join(str(first.identity["hardware"][key]) for key in ("accelerator", "precision")),
        protocol=first.protocol,
        version=first.task_version,
        rank_metric=metric,
        metric_info=info,
        rows=tuple(sorted(rows, key=lambda row: _order(row, metric, sign))),
        **_prices(records),
    )


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
    if best is None or name == best:
        return None
    own, other = shared(scores[name], scores[best])
    if not len(own):
        return None
    return mean_interval(sign * (own - other)), paired_p_value(own - other)


def _row(name: str, records: Sequence[Record], rank: int | None, to_best: tuple[Interval, float] | None) -> Row:
    good = sorted((record for record in records if record.status is Status.OK), key=lambda record: record.seed)
    bad = sorted((record for record in records if record.status is not Status.OK), key=lambda record: record.seed)
    endings: defaultdict[str, int] = defaultdict(int)
    for record in bad:
        endings[record.status.value] += 1
    measured = sorted({metric for record in good for metric in record.metrics})
    peaks = [record.peak_memory_mib for record in good if record.peak_memory_mib is not None]
    return Row(
        method=name,
        role=records[0].role,
        fidelity=records[0].fidelity,
        version=records[0].method_version,
        rank=rank,
        seeds=tuple(record.seed for record in good),
        metrics={metric: mean_interval(_values(record.metrics.get(metric) for record in good)) for metric in measured},
        to_best=to_best,
        cost={account: _means([record.cost.get(account, {}) for record in good]) for account in ("solve", "use")},
        seconds=_means([{p: r.seconds[p] for p in ("solve", "evaluate") if p in r.seconds} for r in good]),
        memory=max(peaks, default=None),
        endings=dict(endings),
        reasons=tuple(dict.fromkeys(f"seed {record.seed}: {record.reason}" for record in bad)),
        attempts=tuple(record.id for record in good),
        alone=all(record.settings.get("alone", True) for record in good),
    )


def _values(numbers: Iterable[float | None]) -> Any:
    return np.array([number for number in numbers if number is not None])


def _means(items: Sequence[Mapping[str, float]]) -> dict[str, float]:
    keys = sorted({key for item in items for key in item})
    return {key: float(np.mean([item.get(key, 0.0) for item in items])) for key in keys}


def _with_variant(name: str, variant: str) -> str:
    return f"{name} [{variant}]" if variant else name


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
