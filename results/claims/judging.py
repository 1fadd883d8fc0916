"""From numbers by seed to what they show of one relation: an estimate, its interval, and a side that it is on.

A relation is turned into samples whose mean is above zero just where the relation holds; each is tested by
`results.stats.paired_p_value`. A relation with several samples, such as lying in a band, needs all of them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from results.stats import Interval, Sample, paired_interval, paired_p_value, seeds_needed, t_quantile

_EXACT = 12  # seeds up to which all ways to swap two sides are tried
_DRAWS = 4000
_RESAMPLES = 4000


@dataclass(frozen=True)
class Judged:
    """What one sample, or several, show.

    Args:
        side: 1 where the relation holds in the mean, -1 where it does not, 0 where nothing can be said.
        p: two-sided p-value of being on that side.
        estimate: the number that the relation is about, with its interval; None where there is none.
        direction: side and p-value of the weaker relation without its size; None where the relation has no size.
        needed: seeds that would show it with a chance of 80 %, at this spread; None where none would.
        certain: the relation is not of means: it holds in every seed, or was broken in one.
    """

    side: int
    p: float
    estimate: Interval | None
    direction: tuple[int, float] | None = None
    needed: int | None = None
    certain: bool = False


def holding(samples: Sequence[Sample]) -> tuple[int, float, int | None]:
    """Side, p-value and needed seeds of samples (n,) all of whose means have to be above zero."""
    if not samples or min(len(sample) for sample in samples) < 2:
        return 0, 1.0, None
    tested = [(float(np.mean(sample)), paired_p_value(sample), sample) for sample in samples]
    against = [item for item in tested if item[0] <= 0]
    mean, p, sample = min(against, key=lambda item: item[1]) if against else max(tested, key=lambda item: item[1])
    return (-1 if against else 1), p, _needed(mean, sample)


def _needed(mean: float, sample: Sample) -> int | None:
    spread = float(np.std(sample, ddof=1))
    if spread <= 1e-12 * abs(mean) or abs(mean) < 1e-3 * spread:  # millions of seeds are no advice
        return None
    return seeds_needed(mean / spread)


def judged(samples: Sequence[Sample], estimate: Interval | None, direction: Sequence[Sample] | None = None) -> Judged:
    """What samples show, and the weaker relation of `direction` where there is one."""
    side, p, needed = holding(samples)
    weaker = holding(direction)[:2] if direction is not None else None
    return Judged(side, p, estimate, weaker, needed)


def interval(sample: Sample) -> Interval | None:
    """The mean of a sample (n,) with its t interval; None where it is empty."""
    if not len(sample):
        return None
    return paired_interval(dict(enumerate(sample.tolist())), dict.fromkeys(range(len(sample)), 0.0))


def ratio(left: Sample, right: Sample, confidence: float = 0.95) -> Interval | None:
    """The mean of `left` (n,) over that of `right` (n,), with Fieller's interval (1954): the ratios r for which the
    paired t test does not tell left - r right from zero. No bounds where the lower mean is not told from zero."""
    n, below = len(left), float(np.mean(right)) if len(right) else 0.0
    if n == 0 or below == 0:
        return None
    value = float(np.mean(left)) / below
    if n == 1:
        return Interval(value, None, None)
    matrix = np.cov(left, right) * t_quantile(0.5 + confidence / 2, n - 1) ** 2 / n
    square = below**2 - matrix[1, 1]
    half = float(np.mean(left)) * below - matrix[0, 1]
    root = half**2 - square * (float(np.mean(left)) ** 2 - matrix[0, 0])
    if square <= 0 or root < 0:
        return Interval(value, None, None)
    return Interval(value, (half - root**0.5) / square, (half + root**0.5) / square)


def share(values: Sample, constant: float, *, least: bool) -> Judged:
    """Whether a chance is at least, or at most, a number, from values (n,) of 0 and 1: the exact binomial test, with
    the interval of Clopper and Pearson (1934)."""
    n, hits = len(values), int(np.sum(values))
    low = float(special.betaincinv(hits, n - hits + 1, 0.025)) if hits else 0.0
    high = float(special.betaincinv(hits + 1, n - hits, 0.975)) if hits < n else 1.0
    over, under = float(special.bdtrc(hits - 1, n, constant)) if hits else 1.0, float(special.bdtr(hits, n, constant))
    p = min(1.0, 2 * min(over, under))
    side = 1 if (hits / n >= constant) == least or hits / n == constant else -1
    return Judged(side if n > 1 else 0, p, Interval(hits / n, low, high))


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
    value = float(np.mean(of(left) - of(right)))
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
    return Judged(int(np.sign(sign * value)) or -1, p, Interval(value, float(low), float(high)))


def bound(left: Sample, right: Sample, sign: float) -> Judged:
    """Whether no seed has left on the wrong side of right: above it for `sign` 1, below it for -1, equality allowed."""
    gaps = sign * (left - right)
    if len(gaps) < 2:
        return Judged(0, 1.0, interval(left - right))
    return Judged(1 if bool(np.all(gaps >= 0)) else -1, 0.0, interval(left - right), certain=True)


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


def best_of(choices: Sequence[Sequence[Sample]]) -> tuple[int, float, int | None]:
    """Side, p-value and needed seeds where one of several sets of samples has to hold; Bonferroni over the choices."""
    tested = [holding(samples) for samples in choices]
    good = [item for item in tested if item[0] > 0]
    if good:
        side, p, needed = min(good, key=lambda item: item[1])
        return side, min(1.0, p * len(choices)), needed
    if not tested or any(item[0] == 0 for item in tested):
        return 0, 1.0, None
    return max(tested, key=lambda item: item[1])


def finite(value: float | None) -> float | None:
    """The number, or None where it is not finite."""
    return value if value is not None and math.isfinite(value) else None
