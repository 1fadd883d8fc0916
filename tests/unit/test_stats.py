"""The statistics, against SciPy, a published example, and simulation."""

import time
from itertools import product
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from results.stats import (
    Sample,
    Statistic,
    bootstrap_interval,
    holm,
    mean,
    mean_interval,
    minimum_detectable,
    paired_differences,
    paired_interval,
    paired_p_value,
    probability_of_improvement,
    ranks,
    seeds_needed,
    shared,
    t_two_sided,
)

Kind = Literal["bca", "percentile"]
KINDS: tuple[Kind, Kind] = "bca", "percentile"

values = st.floats(-1e6, 1e6)
boards = st.dictionaries(
    st.sampled_from("abcdef"), st.dictionaries(st.integers(0, 7), st.integers(0, 5).map(float)), max_size=6
)


def test_the_mean_interval_is_scipys() -> None:
    sample = np.array([0.81, 0.79, 0.86, 0.83])
    interval = mean_interval(sample)
    expected = reference.t.interval(0.95, 3, loc=sample.mean(), scale=reference.sem(sample))
    assert (interval.low, interval.high) == pytest.approx(expected)


def test_what_rounding_leaves_of_equal_values_is_no_spread() -> None:
    for values in ([0.1] * 3, [1e9 + 0.1] * 7, [0.1 + 0.2, 0.3, 0.3]):
        interval = mean_interval(np.array(values))
        assert interval.low == interval.value == interval.high
    spread = mean_interval(np.array([0.1, 0.1, 0.1 + 1e-8]))
    assert spread.low is not None
    assert spread.low < spread.value


def test_one_value_has_no_interval_and_none_no_mean() -> None:
    assert mean_interval(np.array([2.0])).low is None
    with pytest.raises(ValueError, match="empty"):
        mean_interval(np.array([]))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_not_finite_never_enters(value: float) -> None:
    sample = np.array([1.0, value])
    with pytest.raises(ValueError, match="not finite"):
        mean_interval(sample)
    with pytest.raises(ValueError, match="not finite"):
        bootstrap_interval(sample, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="not finite"):
        paired_p_value(sample)
    with pytest.raises(ValueError, match="not finite"):
        paired_interval({0: 1.0, 1: value}, {0: 2.0, 1: 1.0})
    with pytest.raises(ValueError, match="not finite"):
        ranks({"a": {0: value}, "b": {0: 1.0}})
    with pytest.raises(ValueError, match="not finite"):
        probability_of_improvement(sample, sample)


def median(sample: Sample) -> Sample:
    return np.asarray(np.median(sample, axis=-1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("statistic", "draw"), [(mean, "lognormal"), (median, "normal")])
def test_the_bootstrap_is_scipys(kind: Kind, statistic: Statistic, draw: str) -> None:
    sample = getattr(np.random.default_rng(11), draw)(size=24)
    made = bootstrap_interval(
        sample,
        statistic,
        kind=kind,
        confidence=0.9,
        resamples=40_000,
        rng=np.random.default_rng(12),
    )
    expected = reference.bootstrap(
        (sample,), statistic, method=kind, confidence_level=0.9, n_resamples=40_000, rng=np.random.default_rng(13)
    )
    # 1 % of the standard error is what 40,000 resamples leave to chance, 5 % for the median, which takes few values
    tolerance = 0.05 * expected.standard_error
    assert made.low == pytest.approx(expected.confidence_interval.low, abs=tolerance)
    assert made.high == pytest.approx(expected.confidence_interval.high, abs=tolerance)


def test_bca_moves_with_the_skew_and_the_percentiles_do_not() -> None:
    sample = np.random.default_rng(14).lognormal(0, 1.5, 20)
    bca, percentile = (bootstrap_interval(sample, kind=kind, rng=np.random.default_rng(0)) for kind in KINDS)
    assert bca.low is not None
    assert percentile.low is not None
    assert bca.high is not None
    assert percentile.high is not None
    assert bca.low > percentile.low
    assert bca.high > percentile.high


@pytest.mark.parametrize("kind", KINDS)
def test_the_bootstrap_at_its_edges(kind: Kind) -> None:
    def bounds(*sample: float) -> tuple[float, float | None, float | None]:
        made = bootstrap_interval(np.array(sample), kind=kind, rng=np.random.default_rng(0))
        return made.value, made.low, made.high

    assert bounds(2.0) == (2.0, None, None)
    assert bounds(1.0, 3.0) == (2.0, 1.0, 3.0)
    assert bounds(0.1, 0.1, 0.1) == pytest.approx((0.1, 0.1, 0.1))
    assert bounds(0.0, 0.0) == (0.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="empty"):
        bounds()


def distinct(sample: Sample) -> Sample:
    return np.asarray(1.0 + np.sum(np.diff(np.sort(sample, axis=-1)) > 0, axis=-1))


def test_a_value_that_no_resample_reaches_still_has_bounds() -> None:
    made = bootstrap_interval(np.arange(20.0), distinct, rng=np.random.default_rng(0))
    assert made.value == 20
    assert made.low is not None
    assert made.high is not None
    assert 10 < made.low <= made.high < 20


def test_the_same_generator_gives_the_same_interval() -> None:
    sample = np.random.default_rng(15).normal(size=9)
    first, second = (bootstrap_interval(sample, rng=np.random.default_rng(7)) for _ in range(2))
    assert first == second


@given(st.lists(values, min_size=2, max_size=8))
def test_bootstrap_bounds_of_a_mean_stay_within_the_sample(sample: list[float]) -> None:
    made = bootstrap_interval(np.array(sample), resamples=200, rng=np.random.default_rng(0))
    assert made.low is not None
    assert made.high is not None
    margin = 1e-9 * max(map(abs, sample))
    assert min(sample) - margin <= made.low <= made.high <= max(sample) + margin


def test_the_paired_test_is_scipys() -> None:
    rng = np.random.default_rng(2)
    left, right = rng.normal(size=8), rng.normal(size=8)
    assert paired_p_value(left - right) == pytest.approx(reference.ttest_rel(left, right).pvalue)


@pytest.mark.parametrize(
    ("differences", "expected"),
    [([], 1.0), ([0.3], 1.0), ([0.0, 0.0], 1.0), ([0.2, 0.2], 0.5), ([-4.0] * 3, 0.25), ([0.1 + 0.2, 0.3] * 3, 1 / 32)],
)
def test_the_paired_test_at_its_edges(differences: list[float], expected: float) -> None:
    assert paired_p_value(np.array(differences)) == expected


@pytest.mark.parametrize("n", [2, 3, 6, 10])
def test_equal_differences_have_the_p_value_of_the_sign_flip_test(n: int) -> None:
    flipped = [abs(np.mean(signs)) for signs in product([-1.0, 1.0], repeat=n)]  # all that chance could have made
    assert paired_p_value(np.full(n, 0.7)) == pytest.approx(np.mean(np.array(flipped) >= 1 - 1e-12))


def test_coarse_differences_have_their_rounding_in_the_spread() -> None:
    differences = np.array([3.0, 3.0, 3.0, 4.0, -2.0]) / 10  # the smallest step is a tenth
    raised = float(np.var(differences, ddof=1)) + 0.1**2 / 6
    assert paired_p_value(differences) == pytest.approx(t_two_sided(0.22 / (raised / 5) ** 0.5, 4))
    assert paired_p_value(differences) > reference.ttest_1samp(differences, 0).pvalue


@given(st.lists(values, max_size=9), st.floats(0.01, 100))
def test_the_paired_test_knows_neither_units_nor_sides(differences: list[float], factor: float) -> None:
    sample = np.array([round(value, 3) for value in differences])
    p_value = paired_p_value(sample)
    assert 0 <= p_value <= 1
    assert paired_p_value(-sample) == p_value
    assert paired_p_value(sample * factor) == pytest.approx(p_value, rel=1e-6)


def test_the_paired_interval_is_the_t_interval_of_shared_seeds() -> None:
    left, right = {0: 1.0, 1: 5.0, 2: 3.1, 9: 100.0}, {2: 2.0, 1: 4.2, 0: 0.5, 7: -100.0}
    made, expected = paired_interval(left, right), mean_interval(np.array([0.5, 0.8, 1.1]))
    assert (made.value, made.low, made.high) == pytest.approx((expected.value, expected.low, expected.high))


def test_the_paired_interval_at_its_edges() -> None:
    def bounds(left: list[float]) -> tuple[float | None, ...]:
        made = paired_interval(dict(enumerate(left)), dict.fromkeys(range(9), 1.0))
        return made.value, made.low, made.high

    assert bounds([3.0]) == (2.0, None, None)
    assert bounds([3.0] * 5) == (2.0, None, None)
    assert bounds([3.0] * 6) == (2.0, 2.0, 2.0)
    assert bounds([1.0 + 2e-16] * 3) == (0.0, None, None)
    with pytest.raises(ValueError, match="empty"):
        bounds([])


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=9))
def test_zero_is_in_the_paired_interval_just_where_the_test_tells_nothing(pairs: list[tuple[int, int]]) -> None:
    left, right = ({seed: pair[side] / 4 for seed, pair in enumerate(pairs)} for side in (0, 1))
    made = paired_interval(left, right)
    outside = made.low is not None and made.high is not None and not made.low <= 0 <= made.high
    assert outside == (paired_p_value(paired_differences(left, right)) < 0.05)


def test_what_rounding_leaves_of_equal_values_is_no_difference() -> None:
    left = dict.fromkeys(range(10), 0.1 + 0.2)
    assert paired_differences(left, dict.fromkeys(range(10), 0.3)).tolist() == [0.0] * 10
    assert ranks({"a": left, "b": dict.fromkeys(range(10), 0.3)}) == {"a": 1, "b": 1}


def test_holm_gives_the_step_down_values() -> None:
    # by hand: 4 * .005, 3 * .01, then 2 * .03 and 1 * .04 raised to the largest before it
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def test_only_shared_seeds_are_compared() -> None:
    left, right = shared({0: 1.0, 2: 3.0, 5: 4.0}, {5: 1.0, 0: 2.0, 7: 9.0})
    assert left.tolist() == [1.0, 4.0]
    assert right.tolist() == [2.0, 1.0]


def test_rows_that_cannot_be_told_apart_share_a_rank() -> None:
    seeds = range(10)
    rng = np.random.default_rng(3)
    noise = {seed: rng.normal() for seed in seeds}
    scores = {
        "best": {seed: noise[seed] + 1.0 + 0.01 * rng.normal() for seed in seeds},
        "also best": {seed: noise[seed] + 1.0 + 0.01 * rng.normal() for seed in seeds},
        "worse": {seed: noise[seed] + 0.5 + 0.01 * rng.normal() for seed in seeds},
        "single": {0: noise[0]},
    }
    assert ranks(scores) == {"best": 1, "also best": 1, "worse": 3, "single": 1}


@given(boards)
def test_ranks_are_those_of_one_pair_at_a_time(scores: dict[str, dict[int, float]]) -> None:
    names = list(scores)
    pairs = [(a, b) for place, a in enumerate(names) for b in names[place + 1 :]]
    differences = [paired_differences(scores[a], scores[b]) for a, b in pairs]
    expected = dict.fromkeys(names, 1)
    adjusted = holm([paired_p_value(difference) for difference in differences])
    for (a, b), difference, p_value in zip(pairs, differences, adjusted, strict=True):
        if p_value < 0.05:
            expected[b if np.mean(difference) > 0 else a] += 1
    assert ranks(scores) == expected


def test_pairs_that_miss_seeds_are_ranked_by_those_they_share() -> None:
    rng = np.random.default_rng(16)
    noise = rng.normal(size=20)
    high = {seed: 5.0 + noise[seed] + 0.1 * rng.normal() for seed in range(12)}
    low = {seed: noise[seed] + 0.1 * rng.normal() for seed in range(6, 20)}
    apart = {seed: 100.0 + noise[seed] for seed in range(30, 40) for noise in [rng.normal(size=40)]}
    assert ranks({"high": high, "low": low, "apart": apart}) == {"high": 1, "low": 2, "apart": 1}


def test_a_large_board_is_ranked_at_once() -> None:
    rng = np.random.default_rng(17)
    scores = {f"m{method}": dict(enumerate(rng.normal(method, 1, 100))) for method in range(100)}
    start = time.perf_counter()
    found = ranks(scores)
    assert time.perf_counter() - start < 0.5  # 0.02 s on an idle core
    assert found["m99"] == 1
    assert found["m0"] > 90


def test_the_probability_of_improvement_is_mann_and_whitneys() -> None:
    rng = np.random.default_rng(18)
    left, right = rng.integers(0, 6, 7).astype(float), rng.integers(0, 6, 11).astype(float)
    assert probability_of_improvement(left, right) == pytest.approx(reference.mannwhitneyu(left, right).statistic / 77)
    assert probability_of_improvement(np.array([1.0, 2.0]), np.array([1.0])) == 0.75


@pytest.mark.parametrize(("n", "published"), [(3, 3.26), (5, 1.68), (10, 1.00), (20, 0.66), (30, 0.53), (100, 0.283)])
def test_the_minimum_detectable_difference_is_the_published_one(n: int, published: float) -> None:
    assert minimum_detectable(n) == pytest.approx(published, abs=0.005)


@pytest.mark.parametrize(("n", "level", "power"), [(2, 0.05, 0.8), (5, 0.05, 0.8), (10, 0.01, 0.9), (30, 0.05, 0.5)])
def test_the_minimum_detectable_difference_is_detected_as_often_as_said(n: int, level: float, power: float) -> None:
    samples = np.random.default_rng(5).normal(minimum_detectable(n, level, power), 1.0, (20_000, n))
    detected = np.mean(reference.ttest_1samp(samples, 0.0, axis=1).pvalue < level)
    assert detected == pytest.approx(power, abs=0.012)  # three standard errors and a little


def test_with_fewer_than_two_seeds_nothing_can_be_detected() -> None:
    assert minimum_detectable(1) == minimum_detectable(0) == float("inf")


def test_more_seeds_detect_less() -> None:
    differences = [minimum_detectable(n) for n in range(2, 200)]
    assert differences == sorted(differences, reverse=True)


# Cohen (1988) and G*Power 3.1, difference of two dependent means, two-sided
@pytest.mark.parametrize(
    ("effect", "level", "power", "published"),
    [(0.2, 0.05, 0.8, 199), (0.5, 0.05, 0.8, 34), (0.8, 0.05, 0.8, 15), (0.5, 0.05, 0.9, 44), (-0.5, 0.05, 0.95, 54)],
)
def test_the_seeds_needed_are_the_published_ones(effect: float, level: float, power: float, published: int) -> None:
    assert seeds_needed(effect, level, power) == published


@pytest.mark.parametrize(("effect", "level", "power"), [(1.0, 0.05, 0.8), (2.0, 0.01, 0.9), (0.7, 0.05, 0.5)])
def test_the_seeds_needed_are_enough_and_one_fewer_is_not(effect: float, level: float, power: float) -> None:
    rng, n = np.random.default_rng(19), seeds_needed(effect, level, power)
    enough, fewer = (
        np.mean(reference.ttest_1samp(rng.normal(effect, 1.0, (40_000, count)), 0.0, axis=1).pvalue < level)
        for count in (n, n - 1)
    )
    assert enough > power - 0.008  # three standard errors
    assert fewer < power + 0.008


@given(st.floats(0.05, 20), st.floats(0.2, 0.95))
def test_the_seeds_needed_are_the_first_that_detect(effect: float, power: float) -> None:
    n = seeds_needed(effect, power=power)
    assert n == 2 or minimum_detectable(n - 1, power=power) > effect
    assert minimum_detectable(n, power=power) <= effect


@pytest.mark.parametrize("effect", [0.0, np.nan, np.inf])
def test_no_number_of_seeds_shows_nothing(effect: float) -> None:
    with pytest.raises(ValueError, match="no number of seeds"):
        seeds_needed(effect)
