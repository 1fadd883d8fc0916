"""Statistics over seeds other than the mean, such as the spread, compared by swapping the sides of seeds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np

from results.claims.judging import Judged, gap
from results.stats import Interval, Sample

_EXACT = 12  # seeds up to which all ways to swap two sides are tried
_DRAWS = 4000
_RESAMPLES = 4000


def statistic(
    left: Sample,
    right: Sample,
    of: Callable[[Sample], Sample],
    sign: float,
    rng: np.random.Generator,
    *,
    centred: bool = False,
) -> Judged:
    """Whether a statistic over seeds, (..., n) to (...), is higher on the left (`sign` 1) or lower (-1), on average
    over tasks: left and right are (tasks, n). `centred` takes each side's mean away first, which a spread ignores.

    Tested by swapping the sides of each seed in all ways, or in 4,000 of them: exact where the methods are alike
    (Fisher 1935). The interval is of paired bootstrap percentiles.
    """
    n = left.shape[-1]
    if centred:
        left, right = (side - np.mean(side, axis=-1, keepdims=True) for side in (left, right))
    value = float(np.mean(gap(of(left), of(right))))
    if n < 2:
        return Judged(0, 1.0, Interval(value, None, None))
    if n <= _EXACT:
        swaps = np.array(list(itertools.product((False, True), repeat=n)))
    else:
        swaps = np.vstack([np.zeros(n, bool), rng.random((_DRAWS, n)) < 0.5])
    ways = swaps[:, None, :]
    swapped = np.mean(of(np.where(ways, right, left)) - of(np.where(ways, left, right)), axis=-1)  # (ways,)
    p = float(np.mean(np.abs(swapped) >= abs(value) * (1 - 1e-9)))
    rows = rng.integers(n, size=(_RESAMPLES, n))
    drawn = np.mean(of(left[:, rows]) - of(right[:, rows]), axis=0)  # (resamples,)
    low, high = np.quantile(drawn, (0.025, 0.975))
    effect = math.inf if value and p <= 2.0 ** (1 - n) * 1.01 else None  # as sure as so few seeds can be
    return Judged(int(np.sign(sign * value)) or -1, p, Interval(value, float(low), float(high)), effect=effect)


def of_statistic(name: str, higher: bool) -> Callable[[Sample], Sample]:
    """A statistic over the last axis by its name: sd, median, worst, q10 and the like.

    Args:
        name: as in the grammar.
        higher: whether the metric is better when it is higher, which says what is worst.
    """
    if name == "sd":
        return lambda values: np.asarray(np.std(values, axis=-1, ddof=1))
    if name == "median":
        return lambda values: np.asarray(np.median(values, axis=-1))
    if name == "worst":
        return lambda values: np.asarray(np.min(values, axis=-1) if higher else np.max(values, axis=-1))
    level = int(name[1:]) / 100
    return lambda values: np.asarray(np.quantile(values, level, axis=-1))
