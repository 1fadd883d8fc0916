"""Relations along an axis or over methods, each reduced to one number a seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats as scipy_stats

from results.claims.judging import Judged, best_of, interval, judged
from results.stats import Sample


def changes(values: Sample) -> Sample:
    """The change from the first to the last point of the straight line fitted over the order of the points: values
    (n, k) to (n,)."""
    count = values.shape[-1]
    places = np.arange(count) - (count - 1) / 2
    result: Sample = values @ places / np.sum(places**2) * (count - 1)
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
        return judged([change + band, band - change], interval(change))
    inside = range(1, values.shape[-1] - 1)
    choices = [[values[:, at] - values[:, 0], values[:, at] - values[:, -1]] for at in inside]
    side, p, needed = best_of(choices)
    top = max(inside, key=lambda at: float(np.mean(values[:, at])), default=0)
    above = values[:, top] - np.maximum(np.mean(values[:, 0]), np.mean(values[:, -1])) if len(values) else change
    return Judged(side, p, interval(above), None, needed)


def slopes(values: Sample, points: Sequence[float]) -> Sample:
    """Slope of log value over log point for each seed: values (n, k), all above zero, to (n,); NaN where one is not."""
    along = np.log(np.asarray(points, float))
    along = along - np.mean(along)
    with np.errstate(invalid="ignore", divide="ignore"):
        heights = np.log(values)
    result: Sample = heights @ along / np.sum(along**2)
    return np.where(np.all(values > 0, axis=-1), result, np.nan)


def crossing(values: Sample, level: float) -> Judged:
    """Whether values (n, k) are on one side of a level at the first point of an axis, and on the other at the last."""
    first, last = values[:, 0] - level, values[:, -1] - level
    side, p, needed = best_of([[-first, last], [first, -last]])
    return Judged(side, p, interval(last - first), None, needed)


def correlations(one: Sample, other: Sample) -> Sample:
    """Spearman's rank correlation over methods for each seed: (n, m) and (n, m) to (n,); 0 where one is constant."""
    found = []
    for left, right in zip(one, other, strict=True):
        ranks = [scipy_stats.rankdata(side) - (len(side) + 1) / 2 for side in (left, right)]
        size = float(np.sqrt(np.sum(ranks[0] ** 2) * np.sum(ranks[1] ** 2)))
        found.append(float(np.sum(ranks[0] * ranks[1])) / size if size else 0.0)
    return np.array(found)


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
