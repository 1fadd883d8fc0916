"""Statistics over seeds other than the mean, such as the spread, compared by swapping the sides of seeds."""

from __future__ import annotations

import itertools
import math

import numpy as np

from results.claims.judging import Judged, gap
from results.stats import Interval, Sample, Statistic, mean

_EXACT = 12  # seeds up to which all ways to swap two sides are tried
_DRAWS = 4000
_FEWEST = 6  # seeds of which a swap can be as rare as 5 %
_RESAMPLES = 4000


def statistic(left: Sample, right: Sample, name: str, sign: float, rng: np.random.Generator, *, higher: bool) -> Judged:
    """Whether a statistic over seeds is higher on the left (`sign` 1) or lower (-1), on average over tasks.

    Tested by swapping the sides of each seed in all ways, or in 4,000 of them: exact where the methods are alike
    (Fisher 1935). Of the standard deviation the distances from each side's own median are swapped (Brown & Forsythe
    1974), since swapping what is left of the means raises twice as many false alarms on skewed scores as it may. The
    interval is of paired bootstrap percentiles; it is narrow below ten seeds, and need not agree with the test.

    Args:
        left, right: (tasks, n).
        name: sd, median, worst, q10 and the like.
        sign: which side is claimed to be higher.
        rng: draws the swaps and the resamples.
        higher: whether the metric is better when it is higher, which says what is worst.
    """
    of, n = of_statistic(name, higher), left.shape[-1]
    value = float(np.mean(gap(of(left), of(right))))
    if n < 2:
        return Judged(0, 1.0, Interval(value, None, None))
    rows = rng.integers(n, size=(_RESAMPLES, n))
    drawn = np.mean(of(left[:, rows]) - of(right[:, rows]), axis=0)  # (resamples,)
    low, high = np.quantile(drawn, (0.025, 0.975))
    if name == "sd":
        apart, p = _swapped(_distances(left), _distances(right), mean, rng)
    else:
        apart, p = value, _swapped(left, right, of, rng)[1]
    side = 0 if apart * value < 0 else int(np.sign(sign * value)) or -1
    few = n < _FEWEST or p <= 2.0 ** (1 - n) * 1.01  # as sure as so few seeds can be
    effect = math.inf if value and few else None
    return Judged(side, p, Interval(value, float(low), float(high)), effect=effect)


def _distances(values: Sample) -> Sample:
    return np.abs(values - np.median(values, axis=-1, keepdims=True))


def _swapped(left: Sample, right: Sample, of: Statistic, rng: np.random.Generator) -> tuple[float, float]:
    """The mean difference of a statistic over tasks, (tasks, n) both, and the share of swaps with one as large."""
    n = left.shape[-1]
    if n <= _EXACT:
        swaps = np.array(list(itertools.product((False, True), repeat=n)))
    else:
        swaps = np.vstack([np.zeros(n, bool), rng.random((_DRAWS, n)) < 0.5])
    ways = swaps[:, None, :]
    value = float(np.mean(gap(of(left), of(right))))
    swapped = np.mean(of(np.where(ways, right, left)) - of(np.where(ways, left, right)), axis=-1)  # (ways,)
    return value, float(np.mean(np.abs(swapped) >= abs(value) * (1 - 1e-9)))


def of_statistic(name: str, higher: bool) -> Statistic:
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
