"""Relations along an axis or over methods, each reduced to one number a seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from results.claims.judging import Judged, best_of, gap, interval, judged
from results.stats import Sample


def changes(values: Sample) -> Sample:
    """The change from the first to the last point of the straight line fitted over the order of the points: values
    (n, k) to (n,)."""
    count = values.shape[-1]
    places = np.arange(count) - (count - 1) / 2
    rounded = values - np.mean(values, axis=-1, keepdims=True)  # equal values leave no more than rounding
    rounded = np.where(np.abs(rounded) <= 1e-12 * np.max(np.abs(values), axis=-1, keepdims=True), 0.0, rounded)
    result: Sample = rounded @ places / np.sum(places**2) * (count - 1)
    return result


def trend(values: Sample, shape: str, band: float) -> Judged:
    """Whether values (n, k) of n seeds at k points of an axis rise (+), fall (-), have an interior highest point (hump)
    or change by no more than `band` (flat<=)."""
    change = changes(values)
    if shape == "+":
        return judged([change], interval(change))
    if shape == "-":
        return judged([-change], interval(change))
    if shape == "flat<=":
        return judged([gap(change, -band), gap(band, change)], interval(change))
    inside = range(1, values.shape[-1] - 1)
    if not inside:
        return Judged(0, 1.0, None, trouble="a hump takes three points or more")
    choices = [[gap(values[:, at], values[:, 0]), gap(values[:, at], values[:, -1])] for at in inside]
    side, p, effect = best_of(choices)
    means = np.mean(values, axis=0)
    top, end = max(inside, key=lambda at: float(means[at])), 0 if means[0] >= means[-1] else -1
    return Judged(side, p, interval(gap(values[:, top], values[:, end])), None, effect)


def slope(values: Sample, points: Sequence[float], low: float, high: float) -> Judged:
    """Whether the slope of log value over log point lies between two numbers: values (n, k), points (k,) above zero."""
    if not np.all(values > 0):
        return Judged(0, 1.0, None, trouble="a slope is of logarithms, and not all values are above zero")
    found = slopes(values, points)
    return judged([gap(found, low), gap(high, found)], interval(found, single=True), single=True)


def slopes(values: Sample, points: Sequence[float]) -> Sample:
    """Slope of log value over log point for each seed: values (n, k) and points (k,), all above zero, to (n,)."""
    along = np.log(np.asarray(points, float))
    along = along - np.mean(along)
    result: Sample = np.log(values) @ along / np.sum(along**2)
    return result


def crossing(values: Sample, level: float) -> Judged:
    """Whether values (n, k) are on one side of a level at the first point of an axis, and on the other at the last."""
    first, last = gap(values[:, 0], level), gap(values[:, -1], level)
    side, p, effect = best_of([[-first, last], [first, -last]], single=True)
    return Judged(side, p, interval(gap(values[:, -1], values[:, 0])), None, effect)


def closer(left: Sample, right: Sample) -> Judged:
    """Whether the rank correlation of left (n, k) with the order of k points is larger in size than that of right."""
    order = np.broadcast_to(np.arange(left.shape[-1], dtype=float), left.shape)
    ahead = gap(np.abs(correlations(left, order)), np.abs(correlations(right, order)))
    return judged([ahead], interval(ahead))


def correlations(one: Sample, other: Sample) -> Sample:
    """Spearman's rank correlation over methods for each seed: (n, m) and (n, m) to (n,); 0 where one is constant."""
    first, second = (_ranks(side) - (side.shape[-1] + 1) / 2 for side in (one, other))
    size = np.sqrt(np.sum(first**2, axis=-1) * np.sum(second**2, axis=-1))
    result: Sample = np.sum(first * second, axis=-1) / np.where(size > 0, size, 1.0)
    return result


def _ranks(values: Sample) -> Sample:
    """Ranks over the last axis from 1 on, ties by their mean; scipy.stats has them too, but takes long to import."""
    below = np.sum(values[..., None, :] < values[..., :, None], axis=-1)
    alike = np.sum(values[..., None, :] == values[..., :, None], axis=-1)
    result: Sample = below + (alike + 1) / 2
    return result


def gains(along: Sample, heights: Sample) -> Sample:
    """How much lower the corrected Akaike criterion (Hurvich & Tsai 1989) of a square is than that of a straight line,
    over methods, for each seed: (n, m) and (n, m), m at least 6, to (n,)."""
    found = []
    for x, y in zip(along, heights, strict=True):
        scores = []
        for degree in (1, 2):
            design = np.vander(x, degree + 1)
            left = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
            count, free = len(x), degree + 2
            error = max(float(np.mean(left**2)), 1e-300)
            scores.append(count * np.log(error) + 2 * free * count / (count - free - 1))
        found.append(scores[0] - scores[1])
    return np.array(found)
