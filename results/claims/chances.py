"""Chances: what attempts show of which each succeeded, 1, or did not, 0."""

from __future__ import annotations

import numpy as np
from scipy import special

from results.claims.judging import Judged, interval
from results.stats import Interval, Sample


def binary(values: Sample) -> bool:
    """Whether all numbers are 0 or 1."""
    return bool(np.all(np.isin(values, (0.0, 1.0))))


def share(values: Sample, low: float | None, high: float | None) -> Judged:
    """Whether a chance is at least `low` and at most `high`, from values (..., n) of 0 and 1: exact binomial tests,
    with the interval of Clopper and Pearson (1934). One of the two may be None.

    Of several tasks all attempts count alike. Where their chances differ, the sum spreads less than the binomial says,
    and the test errs on the safe side (Hoeffding 1956).
    """
    n, hits = values.size, float(np.sum(values))
    tested = []  # whether it holds, and the chance of as many hits, or as few, at the limit
    if low is not None:
        tested.append((hits / n >= low, _at_least(hits, n, low) if hits / n >= low else _at_most(hits, n, low)))
    if high is not None:
        tested.append((hits / n <= high, _at_most(hits, n, high) if hits / n <= high else _at_least(hits, n, high)))
    broken = [p for holds, p in tested if not holds]
    p = min(1.0, 2 * (min(broken) if broken else max(p for _, p in tested)))
    side = (-1 if broken else 1) if values.shape[-1] > 1 else 0
    lowest = float(special.betaincinv(hits, n - hits + 1, 0.025)) if hits else 0.0
    highest = float(special.betaincinv(hits + 1, n - hits, 0.975)) if hits < n else 1.0
    return Judged(side, p, Interval(hits / n, lowest, highest))


def _at_least(hits: float, n: int, chance: float) -> float:
    """The chance of as many hits or more among n."""
    return float(special.betainc(hits, n - hits + 1, chance)) if hits else 1.0


def _at_most(hits: float, n: int, chance: float) -> float:
    """The chance of as many hits or fewer among n."""
    return float(special.betaincc(hits + 1, n - hits, chance)) if hits < n else 1.0


def alike(left: Sample, right: Sample, limit: float) -> Judged:
    """Whether two chances differ by no more than `limit`, from paired values (tasks, n) of 0 and 1.

    They cannot differ by more than the chance that the two disagree, which is tested. A t test on seeds that all agree
    would know nothing of those that may not.
    """
    apart = share(np.abs(left - right), None, limit)
    estimate = interval(np.mean(left - right, axis=0))
    return Judged(max(apart.side, 0), apart.p if apart.side > 0 else 1.0, estimate)
