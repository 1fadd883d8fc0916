"""From numbers by seed to what they show of one relation: an estimate, its interval, and a side that it is on.

A relation is turned into samples whose mean is above zero just where the relation holds; each is tested by
`results.stats.paired_p_value`. A relation with several samples, such as lying in a band, needs all of them.

Differences of two methods that are alike are symmetric, so that the t test keeps its word on them from few seeds on.
Numbers that are compared with a constant may be skewed, and then it does not: for these (`single`) the test that Hall
(1992) corrected for skewness has to agree.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from results.stats import (
    LEVEL,
    Interval,
    Sample,
    paired_interval,
    paired_p_value,
    seeds_needed,
    t_quantile,
    t_two_sided,
)

_ROUNDING = 1e-12  # a difference below this part of the two numbers is zero
_SMALLEST = 1e-3  # effects, in standard deviations, and skewness that do not matter


@dataclass(frozen=True)
class Judged:
    """What one sample, or several, show.

    Args:
        side: 1 where the relation holds in the mean, -1 where it does not, 0 where nothing can be said.
        p: two-sided p-value of being on that side.
        estimate: the number that the relation is about, with its interval; None where there is none.
        direction: side and p-value of the weaker relation without its size; None where the relation has no size.
        effect: the mean in standard deviations, of the sample that says least; infinite where all seeds agree and only
            their number is wanting; None where none would be enough.
        certain: the relation is not of means: it holds in every seed, or was broken in one.
        trouble: why nothing can be said although there are numbers; empty where something can.
    """

    side: int
    p: float
    estimate: Interval | None
    direction: tuple[int, float] | None = None
    effect: float | None = None
    certain: bool = False
    trouble: str = ""


def gap(left: Sample | float, right: Sample | float) -> Sample:
    """Left minus right (...); what rounding leaves of two equal numbers is zero."""
    left, right = np.asarray(left, float), np.asarray(right, float)
    result = left - right
    return np.where(np.abs(result) <= _ROUNDING * np.maximum(np.abs(left), np.abs(right)), 0.0, result)


def skew_p_value(sample: Sample) -> float:
    """Two-sided p-value of a mean (n,) above or below zero, on the side of the mean, by the t statistic that a cubic
    rids of skewness (Hall 1992); 0, so that it says nothing, with fewer than three values or with equal ones."""
    n, spread, skewness = _moments(sample)
    if skewness is None:
        return 0.0
    mean = float(np.mean(sample)) / spread
    cubic = mean + skewness * mean**2 / 3 + skewness**2 * mean**3 / 27 + skewness / (6 * n)
    return t_two_sided(cubic * n**0.5, n - 1) if cubic * mean > 0 else 1.0


def _moments(sample: Sample) -> tuple[int, float, float | None]:
    """Count, standard deviation and skewness of a sample; None for what has none."""
    n = len(sample)
    spread = float(np.std(sample, ddof=1)) if n > 1 else 0.0
    away = sample - np.mean(sample)
    if n < 3 or spread <= _ROUNDING * float(np.max(np.abs(sample))):
        return n, spread, None
    return n, spread, float(np.sum(away**3)) * n / ((n - 1) * (n - 2)) / spread**3


def holding(samples: Sequence[Sample], *, single: bool = False) -> tuple[int, float, float | None]:
    """Side, p-value and effect of samples (n,) all of whose means have to be above zero; `single` where they are not
    differences of two methods.

    That all are is as sure as the least sure of them (the intersection-union test, Berger 1982); that not all are is as
    sure as the surest of those that are not.
    """
    if not samples or min(len(sample) for sample in samples) < 2:
        return 0, 1.0, None
    tested = [
        (float(np.mean(sample)), max(paired_p_value(sample), skew_p_value(sample) if single else 0.0), sample)
        for sample in samples
    ]
    against = [item for item in tested if item[0] <= 0]
    mean, p, sample = min(against, key=lambda item: item[1]) if against else max(tested, key=lambda item: item[1])
    return (-1 if against else 1), p, _effect(mean, sample)


def _effect(mean: float, sample: Sample) -> float | None:
    spread = float(np.std(sample, ddof=1))
    if mean == 0 or abs(mean) < _SMALLEST * spread:
        return None
    return math.inf if spread <= _ROUNDING * abs(mean) else abs(mean) / spread


def needed(effect: float | None, comparisons: int = 1) -> int | None:
    """The seeds that show an effect, in standard deviations, with a chance of 80 %; None where none would.

    Args:
        effect: as in `Judged`.
        comparisons: over how many the level is shared.
    """
    if effect is None:
        return None
    level = LEVEL / comparisons
    if math.isinf(effect):  # the sign-flip test of equal differences, 2^(1 - n)
        return math.floor(1 - math.log2(level)) + 1
    return seeds_needed(effect, level)


def judged(
    samples: Sequence[Sample],
    estimate: Interval | None,
    direction: Sequence[Sample] | None = None,
    *,
    single: bool = False,
) -> Judged:
    """What samples show, and the weaker relation of `direction` where there is one."""
    side, p, effect = holding(samples, single=single)
    weaker = holding(direction, single=single)[:2] if direction is not None else None
    return Judged(side, p, estimate, weaker, effect)


def interval(sample: Sample, *, single: bool = False) -> Interval | None:
    """The mean of a sample (n,) with its t interval, which for `single` ones also holds what the corrected test allows;
    None where it is empty."""
    if not len(sample):
        return None
    found = paired_interval(dict(enumerate(sample.tolist())), dict.fromkeys(range(len(sample)), 0.0))
    n, spread, skewness = _moments(sample)
    if not single or found.low is None or found.high is None or skewness is None or abs(skewness) < _SMALLEST:
        return found
    ends = [end * t_quantile(0.975, n - 1) / n**0.5 for end in (-1, 1)]
    bounds = [found.value - spread * 3 / skewness * (np.cbrt(1 + skewness * (end - skewness / (6 * n))) - 1)
              for end in ends]  # fmt: skip
    return Interval(found.value, min(found.low, float(bounds[1])), max(found.high, float(bounds[0])))


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
    return Interval(value, float((half - root**0.5) / square), float((half + root**0.5) / square))


def rated(left: Sample, right: Sample, sign: float, limit: float) -> Judged:
    """Whether the mean of left (n,) is at least (`sign` 1), or at most (-1), `limit` times that of right (n,).

    The weaker relation is that left is above right, or below it; a limit that asks for less than that has none.
    """
    estimate = ratio(left, right)
    if float(np.mean(right)) <= 0:
        return Judged(0, 1.0, estimate, trouble="the lower side of the ratio is not above zero")
    weaker = [sign * gap(left, right)] if sign * (limit - 1) > 0 else None
    return judged([sign * gap(left, limit * right)], estimate, weaker)


def bound(left: Sample, right: Sample, sign: float) -> Judged:
    """Whether no seed on any task has left on the wrong side of right, (tasks, n) both: above it for `sign` 1, below it
    for -1, equality allowed."""
    gaps: NDArray[np.float64] = gap(left, right)
    estimate = interval(np.mean(gaps, axis=0))
    if gaps.shape[-1] < 2:
        return Judged(0, 1.0, estimate)
    return Judged(1 if bool(np.all(sign * gaps >= 0)) else -1, 0.0, estimate, certain=True)


def best_of(choices: Sequence[Sequence[Sample]], *, single: bool = False) -> tuple[int, float, float | None]:
    """Side, p-value and effect where one of several sets of samples has to hold; Bonferroni over the choices."""
    tested = [holding(samples, single=single) for samples in choices]
    good = [item for item in tested if item[0] > 0]
    if good:
        side, p, effect = min(good, key=lambda item: item[1])
        return side, min(1.0, p * len(choices)), effect
    if not tested or any(item[0] == 0 for item in tested):
        return 0, 1.0, None
    return max(tested, key=lambda item: item[1])


def finite(value: float | None) -> float | None:
    """The number, or None where it is not finite."""
    return value if value is not None and math.isfinite(value) else None
