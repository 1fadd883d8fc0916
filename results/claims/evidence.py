"""What the cells at hand show of one part of a claim: one piece of evidence for each pair of sides."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from results.claims import chances, judging, shapes, spreads
from results.claims.cells import Cells, Setting
from results.claims.columns import NOTHING, Column, Evidence, columns
from results.claims.judging import Judged, gap
from results.claims.relations import Closer, Comparison, Crossing, Curve, Part, Pattern, Place, Rank, Slope, Trend
from results.keyed import stream
from results.stats import Interval

__all__ = ["Axes", "Evidence", "gather", "places"]

Axes = Callable[[str, str], Sequence[Any]]  # task and axis: the values of the axis
LEAST_METHODS = {"correlation": 3, "gain": 6}
_KINDS = {Trend: "change", Slope: "slope", Crossing: "step", Closer: "closeness"}
_DOWNWARD = ("below", "at most", "ratio<=", "bound<=")


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
            made, base = columns(sides, where, cells, setting, part.metric)
            judge = _judge(body, left, right, made, part.metric) if base.seeds else NOTHING
            alone = _by_place(made, right) if len(where) > 1 and base.seeds and left.statistic == "mean" else ()
            words = str(right) if isinstance(right, Pattern) else f"{right:g}"
            yield replace(base, right=words, kind=_kind(body, left, right), judged=judge, by_place=alone)


def _by_place(made: Sequence[Column], right: Pattern | float) -> tuple[Interval | None, ...]:
    """Left, or left minus right, on each task alone."""
    values = gap(made[0].values, made[1].values) if isinstance(right, Pattern) else made[0].values
    return tuple(judging.interval(row) for row in values)


def _kind(body: Comparison, left: Pattern, right: Pattern | float) -> str:
    if left.statistic != "mean":
        return "statistic"
    if not isinstance(right, Pattern):
        return "value"
    return "ratio" if body.kind.startswith("ratio") else "difference"


def _judge(body: Comparison, left: Pattern, right: Pattern | float, made: Sequence[Column], metric: str) -> Judged:
    """What the numbers of two sides, or of one and a constant, show of a comparison."""
    sign = -1.0 if body.kind in _DOWNWARD else 1.0
    ours = made[0].values
    theirs = made[1].values if isinstance(right, Pattern) else np.full(ours.shape, right)
    if left.statistic != "mean":
        higher = made[0].higher(left.metric or metric)
        return spreads.statistic(ours, theirs, left.statistic, sign, stream(f"{left} {right}"), higher=higher)
    if body.kind.startswith("bound"):
        return judging.bound(ours, theirs, sign)
    mine, other = np.mean(ours, axis=0), np.mean(theirs, axis=0)  # (n,)
    if body.kind.startswith("ratio"):
        return judging.rated(mine, other, sign, body.limit)
    if chances.binary(ours) and not isinstance(right, Pattern) and (limits := _limits(body, right)) != (None, None):
        return chances.share(ours, *limits)
    gaps = gap(mine, other)
    single = not isinstance(right, Pattern)
    estimate = judging.interval(mine if single else gaps, single=single)
    if body.kind == "equal<=":
        if isinstance(right, Pattern) and chances.binary(np.stack([ours, theirs])):
            return chances.alike(ours, theirs, body.limit)
        return judging.judged([gap(gaps, -body.limit), gap(body.limit, gaps)], estimate, single=single)
    direction = [sign * gaps] if body.margin > 0 else None
    return judging.judged([gap(sign * gaps, body.margin)], estimate, direction, single=single)


def _limits(body: Comparison, constant: float) -> tuple[float | None, float | None]:
    """The lowest and the highest chance that a comparison with a number allows; None for what no chance can pass."""
    if body.kind == "equal<=":
        low, high = constant - body.limit, constant + body.limit
        return low if 0 < low <= 1 else None, high if 0 <= high < 1 else None
    if body.kind in _DOWNWARD:
        high = constant - body.margin
        return None, high if 0 <= high < 1 else None
    low = constant + body.margin
    return low if 0 < low <= 1 else None, None


def _along(
    part: Part, body: Trend | Slope | Crossing | Closer, cells: Cells, setting: Setting, points: Sequence[Any]
) -> Evidence:
    """A relation along an axis: every point is a task of its own, seeds are shared."""
    where = places(part, body.left)
    sides = [side for side in (body.left, body.right) if side is not None]
    spread = [replace(p, values=tuple(sorted({**dict(p.values), body.axis: v}.items()))) for v in points for p in where]
    free = [replace(side, place=None) for side in sides]  # the points take the place of the pattern's own task
    made, base = columns(free, spread, cells, setting, part.metric)
    words = " - ".join(str(side) for side in sides)
    told = tuple(map(str, where))
    base = replace(base, left=words, right=f"along {body.axis}", kind=_KINDS[type(body)], places=told)
    if not base.seeds or len(points) < 2:
        return base
    shaped = [column.values.reshape(len(points), len(where), -1).mean(axis=1).T for column in made]  # (n, k)
    if isinstance(body, Closer):
        return replace(base, judged=shapes.closer(shaped[0], shaped[1]))
    values = gap(shaped[0], shaped[1]) if len(shaped) > 1 else shaped[0]
    base = replace(base, means=tuple(np.mean(values, axis=0).tolist()))
    if isinstance(body, Trend):
        return replace(base, judged=shapes.trend(values, body.shape, body.band))
    if isinstance(body, Crossing):
        return replace(base, judged=shapes.crossing(values, body.level))
    return replace(base, judged=shapes.slope(values, [float(point) for point in points], body.low, body.high))


def _over_methods(part: Part, body: Rank | Curve, cells: Cells, setting: Setting) -> Evidence:
    """A relation of two metrics over the methods of a task; what is tested is its spread over seeds."""
    kind = "correlation" if isinstance(body, Rank) else "gain"
    per_task: list[dict[int, float]] = []
    bases, counts = [], []
    for place in part.places:
        names, failing = cells.methods(body.methods, place, setting)
        sides = [Pattern(name, metric=metric) for metric in body.metrics for name in names]
        made, base = columns(sides, [place], cells, setting, part.metric)
        bases.append(replace(base, failed=(*base.failed, *failing)))
        counts.append(len(names))
        if len(names) < LEAST_METHODS[kind] or not base.seeds:
            continue
        rows = np.stack([column.values[0] for column in made], axis=1)  # (n, 2 m)
        one, other = rows[:, : len(names)], rows[:, len(names) :]
        values = shapes.correlations(one, other) if kind == "correlation" else shapes.gains(one, other)
        per_task.append(dict(zip(base.seeds, values.tolist(), strict=True)))
    least = [] if min(counts) >= LEAST_METHODS[kind] else [f"set of {LEAST_METHODS[kind]} methods on every task"]
    base = Evidence(
        left=f"{body.metrics[0]} and {body.metrics[1]}",
        right=f"over {', '.join(body.methods)} ({' or '.join(map(str, sorted(set(counts))))} methods)",
        places=tuple(map(str, part.places)),
        metric="",
        kind=kind,
        tried=min(base.tried for base in bases),
        missing=tuple(word for one in bases for word in one.missing) or tuple(least),
        unread=tuple(dict.fromkeys(word for one in bases for word in one.unread)),
        failed=tuple({record.id: record for one in bases for record in one.failed}.values()),
    )
    common = sorted(set.intersection(*(set(values) for values in per_task))) if len(per_task) == len(bases) else []
    if not common:
        return base
    sample = np.mean([[values[seed] for seed in common] for values in per_task], axis=0)
    limit, sign = (body.limit, 1.0 if body.least else -1.0) if isinstance(body, Rank) else (0.0, 1.0)
    estimate = judging.interval(sample, single=True)
    shown = judging.judged([gap(sign * sample, sign * limit)], estimate, single=True)
    records = {record.id: record for one in bases for record in one.records if record.seed in common}
    return replace(base, seeds=tuple(common), judged=shown, records=tuple(records.values()))
