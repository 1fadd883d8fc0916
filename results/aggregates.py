"""Statistics over several tasks: aggregates with stratified intervals, profiles, mean ranks and Pareto fronts.

The scores of a method are a mapping from task to a sample (n_seeds,), higher better and on one scale for all tasks.
Numbers of seeds may differ; every task counts alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import special

from results.stats import LEVEL, Interval, Sample

Tasks = Sequence[Sample]  # one array (..., n_seeds) a task
Scores = Mapping[str, Sample]


@dataclass(frozen=True)
class Profile:
    """Fraction of runs above each threshold (thresholds,), with a pointwise band where every task has two seeds."""

    value: Sample
    low: Sample | None
    high: Sample | None


@dataclass(frozen=True)
class Friedman:
    """Friedman's chi-squared and the F of Iman and Davenport, with their p-values."""

    chi_squared: float
    p_value: float
    f: float
    f_p_value: float


def mean_of_tasks(values: Tasks) -> Sample:
    """Mean over tasks of the mean over seeds: arrays (..., n_seeds) to (...)."""
    return np.asarray(np.mean([np.mean(task, axis=-1) for task in values], axis=0))


def interquartile_mean(values: Tasks, cut: float | None = None) -> Sample:
    """Mean of the middle half of the runs of all tasks pooled: arrays (..., n_seeds) to (...).

    As Agarwal et al. (2021) compute it, floor(N / 4) of the N runs are cut at each end (`scipy.stats.trim_mean` at
    25 %). Where tasks have different numbers of seeds a run weighs one part in its task's number, so that tasks count
    alike, and the cut takes the same share of the weight, splitting a run where it must. A resample, which has fewer
    runs, needs the share of the runs that it is drawn from, `cut`: its own would be of another statistic.
    """
    pooled = np.concatenate(values, axis=-1)  # (..., N)
    weights = np.concatenate([np.full(task.shape[-1], 1 / task.shape[-1] / len(values)) for task in values])
    order = np.argsort(pooled, axis=-1)
    cut = pooled.shape[-1] // 4 / pooled.shape[-1] if cut is None else cut
    upper = np.cumsum(weights[order], axis=-1)
    lower = upper - weights[order]
    kept = np.maximum(np.minimum(upper, 1 - cut) - np.maximum(lower, cut), 0)
    return np.asarray(np.sum(kept * np.take_along_axis(pooled, order, axis=-1), axis=-1) / np.sum(kept, axis=-1))


def optimality_gap(values: Tasks, target: float = 1.0) -> Sample:
    """How far runs stay below `target` on average, those above it counting as zero (Agarwal et al. 2021): arrays
    (..., n_seeds) to (...), lower better."""
    return mean_of_tasks([np.maximum(target - task, 0) for task in values])


def stratified_interval(
    scores: Scores,
    statistic: Callable[[Tasks], Sample] = interquartile_mean,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    rng: np.random.Generator,
) -> Interval:
    """`statistic` of all tasks with a stratified percentile bootstrap: seeds are drawn anew within each task (Agarwal
    et al. 2021).

    Of n seeds n - 1 are drawn (McCarthy & Snowden 1985): drawing n makes the variance too small by (n - 1) / n, which
    more tasks do not mend. The tasks are no sample of more tasks. No bounds where one has a single seed.

    Raises:
        ValueError: there is no task, or one without runs or with a number that is not finite.
    """
    tasks = _tasks(scores)
    value = float(statistic(tasks))
    if min(map(len, tasks)) < 2:
        return Interval(value, None, None)
    if statistic is interquartile_mean and (runs := sum(map(len, tasks))):
        statistic = partial(statistic, cut=runs // 4 / runs)
    drawn = [task[rng.integers(len(task), size=(resamples, len(task) - 1))] for task in tasks]
    return Interval(value, *_limits(statistic(drawn), confidence).tolist())


def improvement(
    left: Scores, right: Scores, *, confidence: float = 0.95, resamples: int = 2000, rng: np.random.Generator
) -> Interval:
    """Probability that a run of `left` scores above one of `right`, ties by half, averaged over the tasks that both
    have, with a stratified bootstrap interval (Agarwal et al. 2021) as in `stratified_interval`.

    Raises:
        ValueError: no task is shared, or one is without runs or with a number that is not finite.
    """
    names = sorted(set(left) & set(right))
    ours, theirs = (_tasks({name: scores[name] for name in names}) for scores in (left, right))
    above = [(np.sign(a[:, None] - b) + 1) / 2 for a, b in zip(ours, theirs, strict=True)]  # (n_left, n_right) a task
    value = float(np.mean([np.mean(chances) for chances in above]))
    if min(min(chances.shape) for chances in above) < 2:
        return Interval(value, None, None)
    drawn = [
        np.sum((_shares(len(chances), resamples, rng) @ chances) * _shares(chances.shape[1], resamples, rng), axis=-1)
        for chances in above
    ]
    return Interval(value, *_limits(np.mean(drawn, axis=0), confidence).tolist())


def performance_profile(
    scores: Scores,
    thresholds: Sample,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    rng: np.random.Generator,
) -> Profile:
    """Fraction of runs above each threshold (thresholds,), averaged over tasks: the run-score distribution of Agarwal
    et al. (2021) after the profiles of Dolan & More (2002), with a pointwise band as in `stratified_interval`.
    """
    above = [(task[:, None] > thresholds).astype(float) for task in _tasks(scores)]  # (n_seeds, thresholds) a task
    value = np.mean([np.mean(task, axis=0) for task in above], axis=0)
    if min(map(len, above)) < 2:
        return Profile(value, None, None)
    drawn = np.mean([_shares(len(task), resamples, rng) @ task for task in above], axis=0)
    return Profile(value, *_limits(drawn, confidence))


def _tasks(scores: Scores) -> list[Sample]:
    """The samples in the order of the tasks' names, so that a table does not depend on the order of its records."""
    if not scores:
        raise ValueError("no task to aggregate over")
    for name, task in scores.items():
        if not len(task) or not np.all(np.isfinite(task)):
            raise ValueError(f"the scores on {name} must be finite numbers, at least one")
    return [np.asarray(scores[name], float) for name in sorted(scores)]


def _shares(n: int, resamples: int, rng: np.random.Generator) -> Sample:
    """The share of each of n runs in resamples of n - 1 runs, (resamples, n)."""
    return np.asarray(rng.multinomial(n - 1, np.full(n, 1 / n), size=resamples) / (n - 1))


def _limits(estimates: Sample, confidence: float) -> Sample:
    """Percentile bounds (2, ...) of resampled estimates (resamples, ...)."""
    return np.asarray(np.quantile(estimates, [0.5 - confidence / 2, 0.5 + confidence / 2], axis=0))


def _task_ranks(table: Sample) -> Sample:
    """Ranks (tasks, methods) within each task from scores, 1 for the highest, ties averaged."""
    if table.ndim != 2 or not table.size or np.isnan(table).any():
        raise ValueError("ranks need a complete table: a score of every method on every task")
    higher = np.sum(table[:, None, :] > table[:, :, None], axis=-1)
    equal = np.sum(table[:, None, :] == table[:, :, None], axis=-1)
    return np.asarray(higher + (equal + 1) / 2)


def mean_ranks(table: Sample) -> Sample:
    """Mean rank (methods,) over the tasks of `table` (tasks, methods), 1 for the highest score, ties averaged.

    Raises:
        ValueError: a cell is missing (NaN).
    """
    return np.asarray(np.mean(_task_ranks(table), axis=0))


def friedman(table: Sample) -> Friedman:
    """Whether methods differ over tasks, from scores `table` (tasks, methods): Friedman's chi-squared (1937), corrected
    for ties, and the less conservative F of Iman & Davenport (1980); Demsar (2006). Where every method has the same
    rank on all tasks nothing differs (p = 1); where all tasks agree, F is infinite.

    Raises:
        ValueError: a cell is missing (NaN), or there are fewer than two methods or tasks.
    """
    ranks = _task_ranks(table)
    tasks, methods = ranks.shape
    if tasks < 2 or methods < 2:
        raise ValueError("Friedman's test needs two methods and two tasks")
    middle = (methods + 1) / 2
    spread = float(np.sum((ranks - middle) ** 2))
    if spread == 0:
        return Friedman(0.0, 1.0, 0.0, 1.0)
    chi_squared = (methods - 1) * float(np.sum(np.sum(ranks - middle, axis=0) ** 2)) / spread
    p_value = float(special.chdtrc(methods - 1, chi_squared))
    left = tasks * (methods - 1) - chi_squared
    if left <= 1e-9 * chi_squared:
        return Friedman(chi_squared, p_value, float("inf"), 0.0)
    f = (tasks - 1) * chi_squared / left
    return Friedman(chi_squared, p_value, f, float(special.fdtrc(methods - 1, (methods - 1) * (tasks - 1), f)))


def critical_difference(methods: int, tasks: int, level: float = LEVEL) -> float:
    """The difference of mean ranks from which two of several methods are told apart (Nemenyi 1963; Demsar 2006)."""
    from scipy.stats import studentized_range  # slow to import, and needed nowhere else

    quantile = float(studentized_range.ppf(1 - level, methods, np.inf)) / 2**0.5
    return float(quantile * (methods * (methods + 1) / (6 * tasks)) ** 0.5)


def cliques(mean_ranks: Sample, difference: float) -> list[tuple[int, ...]]:
    """The largest groups of two and more methods whose mean ranks (methods,) lie less than the critical `difference`
    apart, best first: the bars of a critical-difference diagram."""
    order = np.argsort(mean_ranks, kind="stable")
    ends = np.searchsorted(mean_ranks[order], mean_ranks[order] + difference, side="left")  # first one told apart
    groups: list[tuple[int, ...]] = []
    reached = 0
    for start, end in enumerate(ends.tolist()):
        if end - start > 1 and end > reached:
            groups.append(tuple(order[start:end].tolist()))
            reached = end
    return groups


def pareto_front(cost: Sample, quality: Sample) -> NDArray[np.bool_]:
    """Which points (n,) no other one dominates: none costs at most as much, is at least as good, and better in one of
    these. Equal points are on the front together; points with NaN never are."""
    known = np.flatnonzero(~(np.isnan(cost) | np.isnan(quality)))
    order = known[np.lexsort((-quality[known], cost[known]))]  # cheapest first, of those the best first
    front = np.zeros(len(cost), bool)
    best: tuple[float, float] | None = None
    for index in order.tolist():
        if best is None or quality[index] > best[1] or (cost[index], quality[index]) == best:
            front[index], best = True, (float(cost[index]), float(quality[index]))
    return front
