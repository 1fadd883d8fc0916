"""Statistics of one task's scores: means over seeds, paired differences, and ranks that do not claim too much.

A sample is a one-dimensional array of finite numbers, one a seed. How often the intervals cover and how often the tests
raise a false alarm is measured in `docs/statistics.md`.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

Sample = NDArray[np.float64]
Statistic = Callable[[Sample], Sample]

LEVEL = 0.05  # of all tests, those behind ranks and verdicts among them
_EQUAL = 1e-9  # numbers that agree to this part of the largest are equal: the rest is rounding
_ZERO = 1e-12  # a difference below this part of the two values is zero


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval; the bounds are None where the sample is too small to give any."""

    value: float
    low: float | None
    high: float | None


def t_quantile(probability: float, freedom: int) -> float:
    """Quantile of Student's t distribution."""
    return float(special.stdtrit(freedom, probability))


def t_two_sided(statistic: float, freedom: int) -> float:
    """Two-sided p-value of Student's t statistic."""
    return float(2 * special.stdtr(freedom, -abs(statistic)))


def mean(values: Sample) -> Sample:
    """Mean over the last axis: values (..., n) to (...)."""
    return np.asarray(np.mean(values, axis=-1))


def mean_interval(sample: Sample, confidence: float = 0.95) -> Interval:
    """Mean of `sample` (n,) with Student's t interval (Student 1908); no bounds at n = 1.

    It keeps its word on scores that are roughly normal, from two seeds on, where the bootstrap covers far less than it
    promises. A sample that is constant but for rounding gives an interval without width.
    """
    n, value = len(_checked(sample)), float(np.mean(sample))
    if n == 1:
        return Interval(value, None, None)
    spread = float(np.std(sample, ddof=1))
    constant = spread <= _EQUAL * float(np.max(np.abs(sample)))
    half = 0.0 if constant else t_quantile(0.5 + confidence / 2, n - 1) * spread / n**0.5
    return Interval(value, value - half, value + half)


def bootstrap_interval(
    sample: Sample,
    statistic: Statistic = mean,
    *,
    kind: Literal["bca", "percentile"] = "bca",
    confidence: float = 0.95,
    resamples: int = 10_000,
    rng: np.random.Generator,
) -> Interval:
    """`statistic`, which maps (..., n) to (...), of `sample` (n,) with a bootstrap interval: percentile, or BCa, which
    mends bias and skewness with the jackknife (Efron 1987; Efron & Tibshirani 1993, chapter 14).

    For statistics without a t interval, from about ten seeds on: the bounds never leave what resampling can give, so at
    n = 2 they hold the truth half of the time. No bounds at n = 1; without width where the sample is constant."""
    n, value = len(_checked(sample)), np.asarray(statistic(sample))
    if n == 1:
        return Interval(float(value), None, None)
    estimates = statistic(sample[rng.integers(n, size=(resamples, n))])  # (resamples,)
    places = np.arange(n - 1) + (np.arange(n - 1) >= np.arange(n)[:, None])  # (n, n - 1), row i leaves out seed i
    jackknife = statistic(sample[places]) if kind == "bca" else None
    low, high = bootstrap_bounds(estimates, value, jackknife, confidence)
    return Interval(float(value), float(low), float(high))


def bootstrap_bounds(
    estimates: Sample, value: Sample, jackknife: Sample | None, confidence: float = 0.95
) -> tuple[Sample, Sample]:
    """Lower and upper bounds (...) from resampled `estimates` (..., resamples) of `value` (...): percentiles, or BCa
    where the values without one seed each, `jackknife` (..., n), are given."""
    tail = float(special.ndtri(0.5 + confidence / 2))
    tails = np.array([-tail, tail]).reshape(2, *[1] * value.ndim)
    bias = acceleration = np.zeros(value.shape)
    if jackknife is not None:
        away = np.mean(jackknife, axis=-1, keepdims=True) - jackknife
        largest = np.max(np.abs(away), axis=-1, keepdims=True)
        away = away / np.where(largest > 0, largest, 1.0)  # cubes of tiny numbers would vanish
        acceleration = np.sum(away**3, axis=-1) / (6 * np.maximum(np.sum(away**2, axis=-1), 1.0) ** 1.5)
        margin = _ZERO * np.max(np.abs(estimates), axis=-1)  # the order of summation moves the last bit
        below = np.mean(estimates < (value - margin)[..., None], axis=-1)
        above = np.mean(estimates > (value + margin)[..., None], axis=-1)
        least = 0.5 / estimates.shape[-1]  # at 0 and 1 the normal quantile is infinite
        bias = special.ndtri(np.clip((below + 1 - above) / 2, least, 1 - least))
    probability = special.ndtr(bias + (bias + tails) / np.maximum(1 - acceleration * (bias + tails), 1e-3))
    places = np.rint(probability * (estimates.shape[-1] - 1)).astype(int)  # (2, ...)
    low, high = np.take_along_axis(np.sort(estimates, axis=-1), np.moveaxis(places, 0, -1), axis=-1).T
    return low.T, high.T


def shared(left: Mapping[int, float], right: Mapping[int, float]) -> tuple[Sample, Sample]:
    """The values of two methods on the seeds that both have, in the order of the seeds."""
    seeds = sorted(set(left) & set(right))
    return np.array([left[seed] for seed in seeds]), np.array([right[seed] for seed in seeds])


def paired_differences(left: Mapping[int, float], right: Mapping[int, float]) -> Sample:
    """Left minus right on the seeds that both have (n,); what rounding leaves of two equal values is zero."""
    return _difference(*(_checked(values, least=0) for values in shared(left, right)))


def paired_interval(left: Mapping[int, float], right: Mapping[int, float], confidence: float = 0.95) -> Interval:
    """Mean of left minus right over the seeds that both have, with the interval that belongs to `paired_p_value`: zero
    is inside just where that is above 1 - confidence.

    Only shared seeds count; ValueError where none is. No bounds with one, nor with equal differences on fewer than
    six (at 95 %): these do not show how much the next seed may differ."""
    differences = _checked(paired_differences(left, right))
    n = len(differences)
    value, spread, _ = (float(part) for part in paired_moments(differences, np.ones(n, bool)))
    if n == 1 or (spread == 0 and 2.0 ** (1 - n) > 1 - confidence):
        return Interval(value, None, None)
    half = t_quantile(0.5 + confidence / 2, n - 1) * spread / n**0.5
    return Interval(value, value - half, value + half)


def paired_p_value(differences: Sample) -> float:
    """Two-sided p-value of the paired t test on `differences` (n,); 1 where nothing can be told (n < 2).

    Coarse scores, such as the success of a few episodes, make differences of equal size, whose spread is too small by
    chance. Where two sizes agree, the variance is therefore raised by step^2 / 6, the rounding of two scores to the
    smallest step between sizes (Sheppard 1898). Where all are one number other than zero the spread says nothing: the
    p-value is the sign-flip test's, 2^(1 - n) (Fisher 1935), so that six seeds are needed at 5 %."""
    _checked(differences, least=0)
    return float(paired_p_values(*paired_moments(differences, np.ones(len(differences), bool))))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values that hold the chance of any false alarm among them (Holm 1979), in the order given."""
    order = np.argsort(p_values, kind="stable")
    steps = np.arange(len(p_values), 0, -1) * np.asarray(p_values, float)[order]
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.maximum.accumulate(np.minimum(steps, 1.0))
    return [float(value) for value in adjusted]


def ranks(scores: Mapping[str, Mapping[int, float]], level: float = LEVEL) -> dict[str, int]:
    """Rank groups of methods by scores a seed, higher better.

    The rank of a row is 1 plus the number of rows that are told apart from it as better: by `paired_p_value` over the
    seeds that the two share, with Holm's control over all pairs. Rows that cannot be told apart so share a rank."""
    names, seeds = list(scores), sorted({seed for values in scores.values() for seed in values})
    present = np.array([[seed in scores[name] for seed in seeds] for name in names], bool)  # (methods, seeds)
    values = _checked(np.array([[scores[name].get(seed, 0.0) for seed in seeds] for name in names], float), least=0)
    if len(names) < 2:
        return dict.fromkeys(names, 1)
    moments = [  # each row against all after it, since all pairs at once would need too much memory
        paired_moments(_difference(values[row], values[row + 1 :]), present[row] & present[row + 1 :])
        for row in range(len(names) - 1)
    ]
    differences, spreads, counts = (np.concatenate(parts) for parts in zip(*moments, strict=True))
    apart = np.array(holm(paired_p_values(differences, spreads, counts).tolist())) < level
    left, right = np.triu_indices(len(names), 1)
    behind = np.where(differences > 0, right, left)[apart]
    return dict(zip(names, (1 + np.bincount(behind, minlength=len(names))).tolist(), strict=True))


def paired_moments(differences: Sample, present: NDArray[np.bool_]) -> tuple[Sample, Sample, NDArray[np.int64]]:
    """Mean, standard deviation and count (...) of the present differences (..., n). The deviation is raised for coarse
    scores as `paired_p_value` says, and exactly zero where the differences are equal or fewer than two."""
    count = np.sum(present, axis=-1)
    centre = np.sum(differences, axis=-1, where=present) / np.maximum(count, 1)
    variance = np.sum((differences - centre[..., None]) ** 2, axis=-1, where=present) / np.maximum(count - 1, 1)
    sizes = np.sort(np.where(present, np.abs(differences), 0.0), axis=-1)  # the missing come first, as zeros
    rounding = _EQUAL * np.max(sizes, axis=-1, keepdims=True, initial=0.0)
    gaps = np.diff(sizes, axis=-1, prepend=0.0)
    place = np.arange(sizes.shape[-1]) - (sizes.shape[-1] - count)[..., None]  # 0 at the first that is present
    tied = np.any((gaps <= rounding) & (place > 0), axis=-1)
    step = np.min(np.where(gaps > rounding, gaps, np.inf), axis=-1, initial=np.inf)
    raised = variance + np.where(tied & np.isfinite(step), step, 0.0) ** 2 / 6
    return centre, np.where(variance**0.5 <= rounding[..., 0], 0.0, raised**0.5), count


def paired_p_values(centre: Sample, spread: Sample, count: NDArray[np.int64]) -> Sample:
    """Two-sided p-values (...) from means, standard deviations and counts (...)."""
    statistic = np.abs(centre) * count**0.5 / np.where(spread > 0, spread, 1.0)
    usual = 2 * special.stdtr(np.maximum(count - 1, 1), -statistic)
    return np.where(spread > 0, usual, np.where((centre != 0) & (count > 1), 2.0 ** (1 - count), 1.0))


def _difference(left: Sample, right: Sample) -> Sample:
    result = left - right
    return np.where(np.abs(result) <= _ZERO * np.maximum(np.abs(left), np.abs(right)), 0.0, result)


def _checked(values: Sample, least: int = 1) -> Sample:
    if len(values) < least:
        raise ValueError("an empty sample has no statistics")
    if not np.all(np.isfinite(values)):
        raise ValueError("a sample holds a number that is not finite; such scores are left out before")
    return values


def probability_of_improvement(left: Sample, right: Sample) -> float:
    """Chance that a run from `left` (n,) scores above one from `right` (m,), ties by half; no seeds are paired (Mann &
    Whitney 1947: U over n m)."""
    return float(np.mean(np.sign(_checked(left)[:, None] - _checked(right)) + 1) / 2)


def minimum_detectable(n: int, level: float = LEVEL, power: float = 0.8) -> float:
    """The smallest mean paired difference that `n` seeds show with chance `power`, in units of the standard deviation
    of the paired differences, by a two-sided paired t test at `level`; infinite for fewer than two seeds.

    The statistic then follows the noncentral t distribution (Cohen 1988, chapter 2). Being told apart the wrong way
    round, which has a chance of less than 1e-4 where the power is at least a half, does not count."""
    if n < 2:
        return math.inf
    critical, root = t_quantile(1 - level / 2, n - 1), n**0.5
    low, high = 0.0, 1.0
    while special.nctdtr(n - 1, high * root, critical) > 1 - power:  # the chance to miss it
        low, high = high, 2 * high
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if special.nctdtr(n - 1, middle * root, critical) > 1 - power else (low, middle)
    return high


def seeds_needed(effect: float, level: float = LEVEL, power: float = 0.8) -> int:
    """The smallest number of seeds that show a mean paired difference of `effect` standard deviations of the paired
    differences with chance `power`, as `minimum_detectable`; ValueError where the effect is zero or not finite."""
    if effect == 0 or not math.isfinite(effect):
        raise ValueError(f"no number of seeds shows an effect of {effect}")
    high = 2
    while minimum_detectable(high, level, power) > abs(effect):
        high *= 2
    return bisect.bisect(range(high), -abs(effect), key=lambda n: -minimum_detectable(n, level, power))
