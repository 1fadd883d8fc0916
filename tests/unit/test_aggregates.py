"""Aggregates over tasks, against SciPy, published tables, and what they must be by hand."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from results.aggregates import (
    cliques,
    critical_difference,
    friedman,
    improvement,
    interquartile_mean,
    mean_of_tasks,
    mean_ranks,
    optimality_gap,
    pareto_front,
    performance_profile,
    stratified_interval,
)
from results.stats import Interval, Sample, probability_of_improvement

# Demsar (2006), table 6: ranks of C4.5, C4.5+m, C4.5+cf and C4.5+m+cf on 14 data sets
DEMSAR = np.array(
    [
        [4, 3, 2, 1],
        [1, 2, 3, 4],
        [4, 1, 2, 3],
        [4, 1, 3, 2],
        [4, 2, 3, 1],
        [1, 2.5, 4, 2.5],
        [3, 2, 4, 1],
        [2.5, 2.5, 4, 1],
        [4, 3, 2, 1],
        [2.5, 2.5, 2.5, 2.5],
        [4, 2.5, 1, 2.5],
        [3, 2, 4, 1],
        [4, 1, 2, 3],
        [3, 1, 4, 2],
    ]
)

runs = st.lists(st.floats(-100, 100), min_size=1, max_size=6).map(np.array)


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def bounds(interval: Interval) -> tuple[float, float]:
    assert interval.low is not None
    assert interval.high is not None
    return interval.low, interval.high


@given(st.integers(1, 5), st.integers(1, 9), st.integers(0, 1000))
def test_the_interquartile_mean_is_scipys_trimmed_mean(tasks: int, seeds: int, seed: int) -> None:
    values = np.random.default_rng(seed).lognormal(size=(tasks, seeds))
    assert interquartile_mean(list(values)) == pytest.approx(reference.trim_mean(values, 0.25, axis=None))


def test_the_interquartile_mean_gives_tasks_the_same_weight() -> None:
    few, many = np.array([1.0, 5.0]), np.array([2.0, 3.0, 4.0, 6.0])
    # of 6 runs one is cut at each end, 1/6 of the weight; runs weigh 1/4 in the first task and 1/8 in the second:
    # what is left of 1 is 1/4 - 1/6, and of 6 and 5 at the other end 0 and 3/8 - 1/6
    by_hand = ((1 / 4 - 1 / 6) * 1 + (2 + 3 + 4) / 8 + (3 / 8 - 1 / 6) * 5) / (2 / 3)
    assert interquartile_mean([few, many]) == pytest.approx(by_hand)
    assert interquartile_mean([few, np.tile(many, 2)]) != pytest.approx(reference.trim_mean([1, 5, *many, *many], 0.25))


@given(st.lists(runs, min_size=1, max_size=4))
def test_the_interquartile_mean_lies_within_the_runs(tasks: list[Sample]) -> None:
    pooled = np.concatenate(tasks)
    assert pooled.min() - 1e-9 <= interquartile_mean(tasks) <= pooled.max() + 1e-9


def test_the_interquartile_mean_does_not_hear_a_wild_run() -> None:
    tasks = [np.arange(5.0), np.arange(5.0)]
    wild = [np.array([0.0, 1, 2, 3, 4e9]), np.arange(5.0)]
    assert interquartile_mean(wild) == interquartile_mean(tasks)
    assert mean_of_tasks(wild) > 1e8


def test_the_mean_of_tasks_and_the_optimality_gap_count_tasks_alike() -> None:
    tasks = [np.array([0.5]), np.array([0.8, 1.0, 3.0])]
    assert mean_of_tasks(tasks) == pytest.approx((0.5 + 1.6) / 2)
    assert optimality_gap(tasks) == pytest.approx((0.5 + 0.2 / 3) / 2)
    assert optimality_gap(tasks, target=2.0) == pytest.approx((1.5 + (1.2 + 1.0) / 3) / 2)


def test_one_task_has_the_variance_of_its_mean() -> None:
    sample = np.random.default_rng(1).normal(size=50)
    low, high = bounds(stratified_interval({"a": sample}, mean_of_tasks, resamples=20_000, rng=generator()))
    half = 1.96 * float(np.std(sample, ddof=1)) / 50**0.5
    assert (low, high) == pytest.approx((sample.mean() - half, sample.mean() + half), abs=0.06 * half)


def test_tasks_are_resampled_apart() -> None:
    # far apart and without spread of their own: pooling the runs would give a wide interval
    scores = {"a": np.zeros(5), "b": np.full(5, 100.0)}
    assert bounds(stratified_interval(scores, mean_of_tasks, rng=generator())) == (50, 50)


def test_two_seeds_on_each_task_give_bounds_and_one_does_not() -> None:
    two, one = np.array([1.0, 2.0]), np.array([3.0])
    assert bounds(stratified_interval({"a": two}, rng=generator())) == (1, 2)
    assert stratified_interval({"a": two, "b": one}, mean_of_tasks, rng=generator()) == Interval(2.25, None, None)
    assert improvement({"a": two}, {"a": one}, rng=generator()) == Interval(0.0, None, None)
    profile = performance_profile({"a": two, "b": one}, np.array([1.5]), rng=generator())
    assert (profile.value.tolist(), profile.low, profile.high) == ([0.75], None, None)


def test_resamples_are_cut_like_the_runs_that_they_are_drawn_from() -> None:
    scores = {"a": np.array([0.0, 0.0, 0.1, 100.0])}
    # of three drawn runs a quarter of the weight is cut at each end: three quarters of the outer ones
    _, high = bounds(stratified_interval(scores, rng=generator()))
    assert high == pytest.approx((100 / 12 + 100 / 3 + 0.1 / 12) / 0.5)
    assert interquartile_mean([np.array([0.0, 0.1, 100.0])], cut=0.25) == pytest.approx((0.1 / 3 + 100 / 12) / 0.5)
    assert interquartile_mean([scores["a"]]) == interquartile_mean([scores["a"]], cut=0.25)


def test_the_order_of_the_tasks_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    scores = {name: rng.normal(size=4) for name in "abc"}
    turned = dict(reversed(scores.items()))
    assert stratified_interval(scores, rng=generator()) == stratified_interval(turned, rng=generator())
    assert improvement(scores, turned, rng=generator()) == improvement(turned, scores, rng=generator())


@pytest.mark.parametrize("scores", [{}, {"a": np.array([])}, {"a": np.array([1.0, np.nan])}])
def test_tasks_without_runs_or_with_numbers_that_are_not_finite_are_refused(scores: dict[str, Sample]) -> None:
    with pytest.raises(ValueError, match=r"no task|finite numbers"):
        stratified_interval(scores, rng=generator())
    with pytest.raises(ValueError, match=r"no task|finite numbers"):
        improvement(scores, scores, rng=generator())
    with pytest.raises(ValueError, match=r"no task|finite numbers"):
        performance_profile(scores, np.array([0.0]), rng=generator())


def test_improvement_is_averaged_over_the_tasks_that_both_have() -> None:
    rng = np.random.default_rng(3)
    left = {name: rng.normal(0.5, 1, 6) for name in "abc"}
    right = {name: rng.normal(size=8) for name in "bcd"}
    made = improvement(left, right, rng=generator())
    assert made.value == pytest.approx(np.mean([probability_of_improvement(left[name], right[name]) for name in "bc"]))
    low, high = bounds(made)
    assert 0 <= low < made.value < high <= 1
    with pytest.raises(ValueError, match="no task"):
        improvement({"a": left["a"]}, {"b": right["b"]}, rng=generator())


def test_improvement_has_the_standard_error_of_scipys_bootstrap() -> None:
    rng = np.random.default_rng(4)
    left, right = rng.normal(0.4, 1, 40), rng.normal(size=50)
    low, high = bounds(improvement({"a": left}, {"a": right}, resamples=10_000, rng=generator()))

    def chance(a: Sample, b: Sample, axis: int) -> Sample:
        return np.asarray(
            np.mean(np.moveaxis(a, axis, -1)[..., None] > np.moveaxis(b, axis, -1)[..., None, :], (-2, -1))
        )

    expected = reference.bootstrap(
        (left, right), chance, method="percentile", n_resamples=2000, batch=200, rng=np.random.default_rng(5)
    )
    assert (high - low) / 3.92 == pytest.approx(expected.standard_error, rel=0.06)


def test_the_profile_counts_the_runs_above_each_threshold() -> None:
    scores = {"a": np.array([0.0, 0.5, 1.0, 1.0]), "b": np.array([0.2, 0.4])}
    profile = performance_profile(scores, np.array([-1.0, 0.2, 0.5, 1.0]), rng=generator())
    assert profile.value.tolist() == [1.0, (3 / 4 + 1 / 2) / 2, (1 / 2 + 0) / 2, 0.0]
    assert profile.low is not None
    assert profile.high is not None
    assert np.all(profile.low <= profile.value)
    assert np.all(profile.value <= profile.high)
    assert (profile.low[1], profile.high[1]) == (1 / 6, 1.0)


def test_the_table_of_demsar_gives_its_statistics() -> None:
    assert mean_ranks(-DEMSAR) == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    made = friedman(-DEMSAR)
    ties = 1 - (6 + 6 + 60 + 6) / (14 * 60)  # which the published value, 9.28, does not correct for
    assert made.chi_squared * ties == pytest.approx(9.28, abs=0.005)
    assert made.chi_squared == pytest.approx(reference.friedmanchisquare(*DEMSAR.T).statistic)
    published = 13 * 9.28 / (14 * 3 - 9.28)  # 3.69
    assert published == pytest.approx(3.69, abs=0.005)
    assert made.f > published


@given(st.integers(3, 6), st.integers(3, 9), st.integers(0, 1000))
def test_friedmans_test_is_scipys(methods: int, tasks: int, seed: int) -> None:
    table = np.random.default_rng(seed).integers(0, 9, (tasks, methods)) + np.arange(methods) / 2
    made, expected = friedman(table), reference.friedmanchisquare(*table.T)
    assert (made.chi_squared, made.p_value) == pytest.approx((expected.statistic, expected.pvalue))
    assert mean_ranks(table) == pytest.approx(reference.rankdata(-table, axis=1).mean(axis=0))


def test_imans_and_davenports_f_holds_its_level() -> None:
    rng = np.random.default_rng(6)
    alarms = np.mean([friedman(rng.normal(size=(10, 4))).f_p_value < 0.05 for _ in range(3000)])
    assert alarms == pytest.approx(0.05, abs=0.013)


def test_imans_and_davenports_f_is_the_analysis_of_variance_of_the_ranks() -> None:
    ranks = reference.rankdata(np.random.default_rng(7).normal(size=(9, 4)), axis=1)
    rows, columns = ranks.mean(axis=1, keepdims=True), ranks.mean(axis=0)
    between = 9 * np.sum((columns - ranks.mean()) ** 2) / 3
    within = np.sum((ranks - rows - columns + ranks.mean()) ** 2) / 24
    assert friedman(ranks).f == pytest.approx(between / within)
    assert friedman(ranks).f_p_value == pytest.approx(reference.f.sf(between / within, 3, 24))


def test_friedmans_test_at_its_edges() -> None:
    assert friedman(np.ones((3, 3))).p_value == friedman(np.ones((3, 3))).f_p_value == 1
    agreed = friedman(np.tile([1.0, 2.0, 3.0], (4, 1)))
    assert (agreed.chi_squared, agreed.f, agreed.f_p_value) == (8, float("inf"), 0)
    with pytest.raises(ValueError, match="two methods and two tasks"):
        friedman(np.ones((1, 3)))
    with pytest.raises(ValueError, match="complete"):
        friedman(np.array([[1.0, np.nan], [1.0, 2.0]]))
    with pytest.raises(ValueError, match="complete"):
        mean_ranks(np.zeros((0, 2)))


@pytest.mark.parametrize(
    ("methods", "quantile"),
    [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (8, 3.031), (9, 3.102), (10, 3.164)],
)
def test_the_critical_difference_is_the_published_one(methods: int, quantile: float) -> None:
    # Demsar (2006), table 5
    assert critical_difference(methods, 14) == pytest.approx(quantile * (methods * (methods + 1) / 84) ** 0.5, rel=4e-4)


def test_the_critical_difference_of_demsars_example() -> None:
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)
    assert critical_difference(4, 14, level=0.1) == pytest.approx(1.12, abs=0.005)


def test_cliques_are_the_bars_of_the_diagram() -> None:
    assert cliques(np.array([3.0, 1.0, 2.0, 5.0]), 1.5) == [(1, 2), (2, 0)]
    assert cliques(np.array([1.0, 2.0, 3.0]), 9.0) == [(0, 1, 2)]
    assert cliques(np.array([1.0, 2.0]), 1.0) == []
    assert cliques(np.array([]), 1.0) == []


@given(st.lists(st.integers(0, 12), max_size=7), st.integers(1, 5))
def test_cliques_hold_every_pair_not_told_apart_and_no_other(places: list[int], difference: int) -> None:
    groups = cliques(np.array(places, float), difference)
    found = {frozenset(pair) for group in groups for pair in combinations(group, 2)}
    near = {frozenset(p) for p in combinations(range(len(places)), 2) if abs(places[p[0]] - places[p[1]]) < difference}
    assert found == near
    assert not any(set(a) < set(b) for a in groups for b in groups)


def test_equal_points_share_the_front_and_nan_is_never_on_it() -> None:
    cost = np.array([1.0, 1.0, 1.0, 2.0, 3.0, 0.0, np.nan])
    quality = np.array([5.0, 5.0, 4.0, 5.0, 9.0, np.nan, 99.0])
    assert pareto_front(cost, quality).tolist() == [True, True, False, False, True, False, False]


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from([-np.inf, 0.0, 1.0, 2.0, np.inf, np.nan])), max_size=12))
def test_the_front_is_what_no_point_dominates(points: list[tuple[int, float]]) -> None:
    def dominated(cost: float, quality: float) -> bool:
        return any(c <= cost and q >= quality and (c, q) != (cost, quality) for c, q in points)

    expected = [not np.isnan(quality) and not dominated(cost, quality) for cost, quality in points]
    costs, qualities = np.array([c for c, _ in points], float), np.array([q for _, q in points], float)
    assert pareto_front(costs, qualities).tolist() == expected
