"""What the cells at hand show of one part of a claim: one piece of evidence for each pair of sides."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from results.claims import judging, shapes
from results.claims.cells import Cells, Found, Setting, one_clock
from results.claims.judging import Judged
from results.claims.relations import Comparison, Crossing, Curve, Part, Pattern, Place, Rank, Slope, Trend
from results.record import Record
from results.stats import Interval, Sample

Axes = Callable[[str, str], Sequence[Any]]  # task and axis: the values of the axis
NOTHING = Judged(0, 1.0, None)
LEAST_METHODS = {"correlation": 3, "gain": 6}


@dataclass(frozen=True)
class Evidence:
    """One pair of sides on the tasks of a part.

    Args:
        left, right: the sides in words; right is empty where there is none.
        places: tasks, in words.
        metric: what was read; empty for the rank metric.
        kind: what the estimate is: difference, value, ratio, statistic, change, slope, step, correlation, gain.
        seeds: seeds that all sides have on all tasks.
        judged: what they show.
        means: of each side, over seeds and tasks.
        by_place: the estimate on each task alone, where there are several and the relation is of means.
        missing: cells that were never run, in words.
        failed: attempts that ended otherwise.
        records: the attempts behind the numbers.
    """

    left: str
    right: str
    places: tuple[str, ...]
    metric: str
    kind: str
    seeds: tuple[int, ...] = ()
    judged: Judged = NOTHING
    means: tuple[float, ...] = ()
    by_place: tuple[Interval | None, ...] = ()
    missing: tuple[str, ...] = ()
    failed: tuple[Record, ...] = ()
    records: tuple[Record, ...] = ()


@dataclass(frozen=True)
class _Column:
    """One side on all tasks: values (tasks, n) by the seeds that all sides have, and what was found."""

    values: Sample
    found: tuple[Found, ...]


def gather(part: Part, cells: Cells, setting: Setting, axes: Axes) -> list[Evidence]:
    """The evidence of one part.

    Args:
        part: the part.
        cells: what was run.
        setting: the setting to look in.
        axes: values of the axes of tasks.
    """
    body = part.body
    if isinstance(body, Comparison):
        return list(_compared(part, body, cells, setting))
    if isinstance(body, Rank | Curve):
        return [_over_methods(part, body, cells, setting)]
    return [_along(part, body, cells, setting, axes(places(part, body.left)[0].task, body.axis))]


def places(part: Part, pattern: Pattern) -> tuple[Place, ...]:
    """The tasks of a part, or else that of a pattern."""
    return part.places or ((pattern.place,) if pattern.place else ())


def _compared(part: Part, body: Comparison, cells: Cells, setting: Setting) -> Iterator[Evidence]:
    for left in body.left:
        where = places(part, left)
        for right in body.right if isinstance(body.right, tuple) else (body.right,):
            sides = [left, right] if isinstance(right, Pattern) else [left]
            columns, seeds, base = _columns(sides, where, cells, setting, part.metric)
            base = replace(base, right=str(right), kind=_kind(body, left, right))
            higher = _higher(columns, left.metric or part.metric)
            judge = _judge(body, left, right, columns, higher) if len(seeds) else NOTHING
            alone = _by_place(columns, right) if len(where) > 1 and seeds and left.statistic == "mean" else ()
            yield replace(base, judged=judge, by_place=alone)


def _by_place(columns: Sequence[_Column], right: Pattern | float) -> tuple[Interval | None, ...]:
    """Left, or left minus right, on each task alone."""
    values = columns[0].values - columns[1].values if isinstance(right, Pattern) else columns[0].values
    return tuple(judging.interval(row) for row in values)


def _kind(body: Comparison, left: Pattern, right: Pattern | float) -> str:
    if left.statistic != "mean":
        return "statistic"
    if not isinstance(right, Pattern):
        return "value"
    return "ratio" if body.kind.startswith("ratio") else "difference"


def _judge(body: Comparison, left: Pattern, right: Pattern | float, columns: Sequence[_Column], higher: bool) -> Judged:
    """What the numbers of two sides, or of one and a constant, show of a comparison."""
    sign = -1.0 if body.kind in ("below", "at most", "ratio<=", "bound<=") else 1.0
    ours = columns[0].values
    theirs = columns[1].values if isinstance(right, Pattern) else np.full(ours.shape, right)
    if left.statistic != "mean":
        of = judging.of_statistic(left.statistic, higher)
        return judging.statistic(ours, theirs, of, sign, _stream(f"{left} {right}"), centred=left.statistic == "sd")
    mine, other = np.mean(ours, axis=0), np.mean(theirs, axis=0)  # (n,)
    if body.kind.startswith("bound"):
        return judging.bound(mine, other, sign)
    gaps = mine - other
    estimate = judging.interval(gaps if isinstance(right, Pattern) else mine)
    if body.kind.startswith("ratio"):
        return judging.judged([sign * (mine - body.limit * other)], judging.ratio(mine, other), [sign * gaps])
    if body.kind == "equal<=":
        return judging.judged([gaps + body.limit, body.limit - gaps], estimate)
    if not isinstance(right, Pattern) and set(np.unique(ours)) <= {0.0, 1.0} and len(ours) == 1:
        return judging.share(mine, right, least=sign > 0)
    direction = [sign * gaps] if body.margin > 0 else None
    return judging.judged([sign * gaps - body.margin], estimate, direction)


def _along(
    part: Part, body: Trend | Slope | Crossing, cells: Cells, setting: Setting, points: Sequence[Any]
) -> Evidence:
    """A relation along an axis: every point is a task of its own, seeds are shared."""
    where = places(part, body.left)
    sides = [side for side in (body.left, body.right) if side is not None]
    spread = [replace(p, values=tuple(sorted({**dict(p.values), body.axis: v}.items()))) for v in points for p in where]
    free = [replace(side, place=None) for side in sides]  # the points take the place of the pattern's own task
    columns, seeds, base = _columns(free, spread, cells, setting, part.metric)
    kind = {"Trend": "change", "Slope": "slope", "Crossing": "step"}[type(body).__name__]
    words = " - ".join(str(side) for side in sides)
    base = replace(base, left=words, right=f"along {body.axis}", kind=kind, places=tuple(map(str, where)))
    if not seeds or len(points) < 2:
        return base
    shaped = [column.values.reshape(len(points), len(where), -1).mean(axis=1).T for column in columns]  # (n, k)
    values = shaped[0] - shaped[1] if len(shaped) > 1 else shaped[0]
    base = replace(base, means=tuple(np.mean(values, axis=0).tolist()))
    if isinstance(body, Trend):
        return replace(base, judged=shapes.trend(values, body.shape, body.band))
    if isinstance(body, Crossing):
        return replace(base, judged=shapes.crossing(values, body.level))
    found = shapes.slopes(values, [float(point) for point in points])
    if not np.all(np.isfinite(found)):
        return base
    return replace(base, judged=judging.judged([found - body.low, body.high - found], judging.interval(found)))


def _over_methods(part: Part, body: Rank | Curve, cells: Cells, setting: Setting) -> Evidence:
    """A relation of two metrics over the methods of a task; what is tested is its spread over seeds."""
    kind = "correlation" if isinstance(body, Rank) else "gain"
    per_task, seeds_of, bases = [], [], []
    for place in part.places:
        names = cells.methods(body.methods, place, setting)
        sides = [Pattern(name, metric=metric) for metric in body.metrics for name in names]
        columns, seeds, base = _columns(sides, [place], cells, setting, part.metric)
        bases.append(base)
        if len(names) < LEAST_METHODS[kind] or not seeds:
            continue
        rows = np.stack([column.values[0] for column in columns], axis=1)  # (n, 2 m)
        one, other = rows[:, : len(names)], rows[:, len(names) :]
        values = shapes.correlations(one, other) if kind == "correlation" else shapes.gains(one, other)
        per_task.append(dict(zip(seeds, values.tolist(), strict=True)))
        seeds_of.append(set(seeds))
    base = replace(
        bases[0],
        left=f"{body.metrics[0]} and {body.metrics[1]}",
        right=f"over {', '.join(body.methods)}",
        kind=kind,
        metric="",
        places=tuple(map(str, part.places)),
        means=(),
        missing=tuple(word for one in bases for word in one.missing),
        failed=tuple(record for one in bases for record in one.failed),
        records=tuple(record for one in bases for record in one.records),
    )
    if len(per_task) < len(part.places):
        least = f"fewer than {LEAST_METHODS[kind]} methods with shared seeds on a task"
        return replace(base, missing=base.missing or (least,))
    common = sorted(set.intersection(*seeds_of))
    sample = np.mean([[values[seed] for seed in common] for values in per_task], axis=0)
    limit, sign = (body.limit, 1 if body.least else -1) if isinstance(body, Rank) else (0.0, 1)
    shown = judging.judged([sign * (sample - limit)], judging.interval(sample))
    return replace(base, seeds=tuple(common), judged=shown)


def _columns(
    sides: Sequence[Pattern], where: Sequence[Place], cells: Cells, setting: Setting, metric: str
) -> tuple[list[_Column], tuple[int, ...], Evidence]:
    """The numbers of some patterns on some tasks, over the seeds that all of them have everywhere."""
    found = [[cells.find(side, place, setting, metric) for side in sides] for place in where]  # (tasks, sides)
    if any((side.metric or metric).startswith("seconds.") for side in sides):
        found = [one_clock(row) for row in found]
    pieces = [piece for row in found for piece in row]
    seeds = tuple(sorted(set.intersection(*(set(piece.values) for piece in pieces)))) if pieces else ()
    columns = [
        _Column(
            np.array([[row[index].values[seed] for seed in seeds] for row in found]).reshape(len(where), len(seeds)),
            tuple(row[index] for row in found),
        )
        for index in range(len(sides))
    ]
    missing = tuple(
        f"{side.method} on {side.place or place}"
        for row, place in zip(found, where, strict=True)
        for piece, side in zip(row, sides, strict=True)
        if not piece.values and not piece.failed
    )
    evidence = Evidence(
        left=str(sides[0]) if sides else "",
        right=str(sides[1]) if len(sides) > 1 else "",
        places=tuple(str(place) for place in where),
        metric=(sides[0].metric if sides else "") or metric,
        kind="difference",
        seeds=seeds,
        means=tuple(float(np.mean(column.values)) for column in columns) if seeds else (),
        missing=missing,
        failed=tuple(record for piece in pieces for record in piece.failed),
        records=tuple(piece.attempts[seed] for piece in pieces for seed in seeds),
    )
    return columns, seeds, evidence


def _higher(columns: Sequence[_Column], metric: str) -> bool:
    """Whether the metric read is better when it is higher."""
    for piece in columns[0].found:
        for record in piece.attempts.values():
            info = record.metric_info.get(metric or record.rank_metric)
            return info is not None and info["direction"] == "higher"
    return True


def _stream(key: str) -> np.random.Generator:
    """A random stream by name, so that the same records give the same bounds."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(key.encode("utf-8")).digest()[:8], "big"))
