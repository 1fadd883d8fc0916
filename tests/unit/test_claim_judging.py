"""What numbers show of one relation, against SciPy, against searches, and against numbers worked out by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import optimize
from scipy import stats as reference

from results.claims import shapes
from results.claims.chances import alike, binary, share
from results.claims.judging import (
    best_of,
    bound,
    finite,
    gap,
    holding,
    interval,
    judged,
    needed,
    rated,
    ratio,
    skew_p_value,
)
from results.claims.spreads import of_statistic, statistic
from results.stats import Interval, Sample, minimum_detectable

rng = np.random.default_rng


def draws(seed: int, *shape: int, mean: float = 0.0) -> Sample:
    return rng(seed).normal(mean, 1.0, shape)


@pytest.mark.parametrize("seed", range(5))
def test_one_sample_is_judged_by_the_paired_t_test(seed: int) -> None:
    left, right = draws(seed, 8), draws(seed + 100, 8, mean=0.3)
    told = judged([gap(left, right)], interval(gap(left, right)))
    expected = reference.ttest_rel(left, right)
    assert told.p == pytest.approx(expected.pvalue)
    assert told.side == np.sign(expected.statistic)
    assert told.estimate is not None
    limits = expected.confidence_interval()
    assert (told.estimate.low, told.estimate.high) == pytest.approx((limits.low, limits.high))
    assert told.effect == pytest.approx(abs(expected.statistic) / 8**0.5)


def test_several_samples_are_as_sure_as_the_least_sure_of_them() -> None:
    good, better = draws(1, 9, mean=1.0), draws(2, 9, mean=3.0)
    side, p, _ = holding([good, better])
    assert side == 1
    assert p == pytest.approx(reference.ttest_1samp(good, 0).pvalue)


def test_a_relation_of_several_samples_is_broken_as_surely_as_the_worst_of_them() -> None:
    good, bad, worse = draws(1, 9, mean=2.0), draws(2, 9, mean=-0.5), draws(3, 9, mean=-3.0)
    side, p, _ = holding([good, bad, worse])
    assert side == -1
    assert p == pytest.approx(reference.ttest_1samp(worse, 0).pvalue)


@pytest.mark.parametrize("size", [0, 1])
def test_fewer_than_two_seeds_show_nothing(size: int) -> None:
    sample = np.ones(size)
    assert holding([sample]) == (0, 1.0, None)
    assert holding([]) == (0, 1.0, None)
    assert bound(np.ones((1, size)), np.zeros((1, size)), 1.0).side == 0


def test_one_seed_shows_nothing_of_a_statistic() -> None:
    told = statistic(np.ones((1, 1)), np.zeros((1, 1)), "median", 1.0, rng(0), higher=True)
    assert (told.side, told.p, told.estimate) == (0, 1.0, Interval(1.0, None, None))


def test_what_rounding_leaves_of_equal_numbers_is_no_difference() -> None:
    left, right = np.full(10, 0.1 + 0.2), np.full(10, 0.3)
    assert holding([left - right])[:2] == (1, 2.0**-9)  # which is why `gap` is used everywhere
    assert holding([gap(left, right)])[1] == 1.0
    assert shapes.trend(np.tile([0.1 + 0.2, 0.3, 0.3], (10, 1)), "-", 0.0).p == 1.0
    assert bound(left[None], right[None], -1.0).side == 1
    assert bound(left[None] + 1e-6, right[None], -1.0).side == -1
    assert rated(left, right / 3, 1.0, 3.0).p == 1.0


def test_what_is_compared_with_a_number_has_to_pass_a_test_that_allows_for_skewness() -> None:
    """Hall (1992): the t statistic t = d sqrt(n) becomes that of d + g d^2 / 3 + g^2 d^3 / 27 + g / (6 n)."""
    sample = np.array([0.1, 0.2, 0.25, 0.3, 0.4, 2.9])
    n, d, g = 6, sample.mean() / sample.std(ddof=1), reference.skew(sample, bias=False)
    third = np.sum((sample - sample.mean()) ** 3) * n / ((n - 1) * (n - 2)) / sample.std(ddof=1) ** 3
    assert g == pytest.approx(third)  # the unbiased skewness, as SciPy has it
    cubic = ((1 + g * d / 3) ** 3 - 1) / g + g / (6 * n)
    assert skew_p_value(sample) == pytest.approx(2 * reference.t.sf(cubic * n**0.5, n - 1))
    assert skew_p_value(-sample) == pytest.approx(skew_p_value(sample))
    assert judged([sample], None).p == pytest.approx(reference.ttest_1samp(sample, 0).pvalue)
    assert judged([sample], None, single=True).p == max(judged([sample], None).p, skew_p_value(sample))
    assert skew_p_value(np.array([1.0, 2.0])) == skew_p_value(np.full(9, 2.0)) == 0.0  # the other test decides


@pytest.mark.parametrize("seed", range(40))
def test_a_number_is_outside_the_interval_just_where_the_test_says_so(seed: int) -> None:
    sample = rng(seed).lognormal(0, 1, 7) if seed % 2 else draws(seed, 7, mean=0.5)
    told = interval(sample, single=True)
    assert told is not None
    assert told.low is not None
    assert told.high is not None
    for limit in np.linspace(-1, 4, 101):
        inside = told.low <= limit <= told.high
        assert inside == (judged([gap(sample, limit)], None, single=True).p >= 0.05)


def test_equal_differences_take_six_seeds() -> None:
    for n in range(2, 8):
        p = judged([np.full(n, 2.0)], None).p
        assert (p < 0.05) == (n >= 6)
        assert p == 2.0 ** (1 - n)


@pytest.mark.parametrize("comparisons", [1, 2, 3])
def test_the_seeds_that_would_decide(comparisons: int) -> None:
    assert needed(None) is None
    effect = 0.8
    count = needed(effect, comparisons)
    assert count is not None
    level = 0.05 / comparisons
    assert minimum_detectable(count, level) <= effect < minimum_detectable(count - 1, level)
    equal = needed(math.inf, comparisons)
    assert equal is not None
    assert 2.0 ** (1 - equal) < level <= 2.0 ** (2 - equal)
    assert judged([np.full(4, 2.0)], None).effect == math.inf
    assert judged([np.zeros(4)], None).effect is None
    assert judged([1e-9 + np.array([1.0, -1.0, 1.0, -1.0])], None).effect is None


def test_equal_is_two_one_sided_tests() -> None:
    for seed in range(20):
        gaps, band = draws(seed, 10, mean=0.3) * 0.4, 0.5
        told = judged([gap(gaps, -band), gap(band, gaps)], interval(gaps))
        lower = reference.ttest_1samp(gaps, -band, alternative="greater").pvalue
        upper = reference.ttest_1samp(gaps, band, alternative="less").pvalue
        assert (told.side > 0 and told.p < 0.05) == (max(lower, upper) < 0.025)
        low, high = reference.ttest_1samp(gaps, 0).confidence_interval()
        assert (told.side > 0 and told.p < 0.05) == (-band < low and high < band)
        assert (told.side < 0 and told.p < 0.05) == (high < -band or band < low)


@pytest.mark.parametrize("seed", range(6))
def test_fiellers_interval_is_what_a_search_over_ratios_finds(seed: int) -> None:
    left, right = draws(seed, 7, mean=6.0), draws(seed + 50, 7, mean=3.0)

    def above(number: float) -> float:
        return float(reference.ttest_1samp(left - number * right, 0).pvalue) - 0.05

    found = ratio(left, right)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    middle = left.mean() / right.mean()
    assert found.value == pytest.approx(middle)
    assert found.low == pytest.approx(optimize.brentq(above, middle - 0.99 * abs(middle) - 5, middle), rel=1e-6)
    assert found.high == pytest.approx(optimize.brentq(above, middle, middle + 50), rel=1e-6)


def test_a_ratio_to_what_may_be_zero_has_no_bounds() -> None:
    left, right = draws(0, 6, mean=5.0), draws(1, 6, mean=0.1)
    found = ratio(left, right)
    assert found is not None
    assert (found.low, found.high) == (None, None)
    assert reference.ttest_1samp(right, 0).pvalue > 0.05
    assert ratio(left, np.zeros(6)) is None
    assert ratio(np.zeros(0), np.zeros(0)) is None
    alone = ratio(left[:1], np.array([2.0]))
    assert alone is not None
    assert (alone.value, alone.low) == (left[0] / 2, None)


def test_a_ratio_is_tested_as_a_difference_to_so_many_times_the_other_side() -> None:
    left, right = draws(3, 8, mean=9.0), draws(4, 8, mean=3.0)
    for sign, limit in itertools.product((1.0, -1.0), (0.5, 1.0, 2.0, 4.0)):
        told = rated(left, right, sign, limit)
        assert told.p == pytest.approx(reference.ttest_rel(left, limit * right).pvalue)
        assert told.side == sign * np.sign(left.mean() - limit * right.mean())
        assert (told.direction is not None) == (sign * (limit - 1) > 0)  # at least half is weaker than above
        if told.direction is not None:
            assert told.direction[1] == pytest.approx(reference.ttest_rel(left, right).pvalue)


@pytest.mark.parametrize("lower", [np.array([-1.0, -2.0, -1.5]), np.zeros(3), np.array([-3.0, 1.0, 1.0])])
def test_a_ratio_to_what_is_not_above_zero_says_so(lower: Sample) -> None:
    told = rated(np.array([5.0, 6.0, 7.0]), lower, 1.0, 2.0)
    assert (told.side, told.p) == (0, 1.0)
    assert "not above zero" in told.trouble


@pytest.mark.parametrize("chance", [0.1, 0.5, 0.83])
@pytest.mark.parametrize(("hits", "n"), [(0, 7), (3, 9), (9, 9), (19, 20), (1, 2)])
def test_a_share_is_tested_by_the_exact_binomial(hits: int, n: int, chance: float) -> None:
    values = np.array([1.0] * hits + [0.0] * (n - hits))
    limits = reference.binomtest(hits, n).proportion_ci(method="exact")
    for low, high in ((chance, None), (None, chance)):
        told = share(values, low, high)
        assert told.estimate is not None
        assert (told.estimate.low, told.estimate.high) == pytest.approx((limits.low, limits.high))
        over = reference.binomtest(hits, n, chance, alternative="greater").pvalue
        under = reference.binomtest(hits, n, chance, alternative="less").pvalue
        holds = hits / n >= chance if low is not None else hits / n <= chance
        assert told.side == (1 if holds else -1)
        assert told.p == pytest.approx(min(1.0, 2 * (over if holds == (low is not None) else under)))


def test_a_share_within_a_band_takes_both_tests_and_one_seed_shows_nothing() -> None:
    values = np.array([1.0, 0.0] * 100)
    assert share(values, 0.4, 0.6).p == pytest.approx(2 * reference.binomtest(100, 200, 0.6, alternative="less").pvalue)
    assert share(values, 0.6, 0.8).side == -1
    assert share(values[:1], 0.1, None).side == 0
    assert share(np.ones((4, 1)), 0.1, None).side == 0  # one seed on four tasks


def test_the_shares_of_several_tasks_count_alike() -> None:
    values = np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 1.0]])
    assert share(values, 0.5, None).p == pytest.approx(2 * reference.binomtest(5, 6, 0.5, alternative="greater").pvalue)


def test_a_certain_success_in_ten_seeds_is_no_chance_of_nine_in_ten() -> None:
    """A t test would say so, since all seeds agree."""
    assert share(np.ones(10), 0.9, None).p > 0.5
    assert judged([np.ones(10) - 0.9], None).p < 0.05


def test_two_chances_are_alike_only_as_far_as_their_disagreement_shows() -> None:
    agreeing = np.ones((1, 10))
    assert alike(agreeing, agreeing, 0.1).p > 0.05
    assert alike(agreeing, agreeing, 0.4).p < 0.05
    apart = alike(agreeing, 1 - agreeing, 0.4)
    assert (apart.side, apart.p) == (0, 1.0)  # ten disagreements may cancel out, so nothing is contradicted
    assert binary(agreeing)
    assert not binary(agreeing / 2)


def test_a_bound_is_broken_by_one_seed_on_one_task() -> None:
    left, right = np.array([[1.0, 2.0], [1.0, 2.0]]), np.array([[1.0, 1.0], [0.0, 2.0]])
    told = bound(left, right, 1.0)
    assert (told.side, told.certain) == (1, True)
    right[1, 1] = 2.5  # on average over tasks left is still above right in both seeds
    assert np.all(left.mean(axis=0) > right.mean(axis=0) - 1e-9)
    assert bound(left, right, 1.0).side == -1
    assert bound(right, left, -1.0).side == -1


@pytest.mark.parametrize("n", [3, 5, 8])
def test_a_statistic_is_tested_by_all_ways_to_swap_the_sides(n: int) -> None:
    known = {"median": np.median, "worst": np.min, "q25": lambda v, axis: np.quantile(v, 0.25, axis=axis)}
    for seed, (name, of) in enumerate(known.items()):
        left, right = draws(seed, n), draws(seed + 9, n, mean=0.7)
        told = statistic(left[None], right[None], name, -1.0, rng(0), higher=True)
        expected = reference.permutation_test(
            (left, right),
            lambda x, y, axis, of=of: of(x, axis=axis) - of(y, axis=axis),
            permutation_type="samples",
            n_resamples=np.inf,
            alternative="two-sided",
        )
        assert told.p == pytest.approx(expected.pvalue)
        assert told.estimate is not None
        assert told.estimate.value == pytest.approx(expected.statistic)


def test_a_spread_is_tested_by_distances_from_the_medians() -> None:
    left, right = draws(0, 10) * 0.1, draws(2, 10)
    told = statistic(left[None], right[None], "sd", -1.0, rng(0), higher=True)
    assert told.side == 1
    assert told.p < 0.05
    expected = reference.permutation_test(
        (np.abs(left - np.median(left)), np.abs(right - np.median(right))),
        lambda x, y, axis: np.mean(x, axis=axis) - np.mean(y, axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
    )
    assert told.p == pytest.approx(expected.pvalue)
    assert told.estimate is not None
    assert told.estimate.value == pytest.approx(np.std(left, ddof=1) - np.std(right, ddof=1))
    moved = statistic(left[None] + 100, right[None] - 7, "sd", -1.0, rng(0), higher=True)
    assert moved.p == told.p  # wherever the sides lie
    assert statistic(right[None], left[None], "sd", -1.0, rng(0), higher=True).side == -1


def test_a_spread_of_which_two_measures_disagree_shows_nothing() -> None:
    left, right = np.array([[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 9.0]]), np.array([[-3.0, 3.0, -3.0, 3.0, -3.0, 3.0, 0.0]])
    assert np.std(left, ddof=1) > np.std(right, ddof=1)
    assert np.mean(np.abs(left - np.median(left))) < np.mean(np.abs(right - np.median(right)))
    assert statistic(left, right, "sd", 1.0, rng(0), higher=True).side == 0


def test_many_seeds_are_swapped_at_random_and_the_same_each_time() -> None:
    left, right = draws(0, 30) * 0.1, draws(1, 30)
    told, again = (statistic(left[None], right[None], "sd", -1.0, rng(3), higher=True) for _ in range(2))
    assert told == again
    assert 0 < told.p < 0.05


def test_statistics_by_name() -> None:
    values = np.array([[3.0, 1.0, 2.0, 9.0]])
    assert of_statistic("worst", higher=True)(values) == [1.0]
    assert of_statistic("worst", higher=False)(values) == [9.0]
    assert of_statistic("median", higher=True)(values) == [2.5]
    assert of_statistic("q25", higher=True)(values) == [np.quantile(values, 0.25)]
    assert of_statistic("sd", higher=True)(values) == [np.std(values, ddof=1)]


def test_the_change_along_an_axis_is_that_of_the_straight_line() -> None:
    values = draws(0, 4, 5)
    expected = [np.polyfit(range(5), row, 1)[0] * 4 for row in values]
    assert shapes.changes(values) == pytest.approx(expected)
    assert shapes.changes(np.array([[1.0, 3.0]])) == pytest.approx([2.0])


def test_trends() -> None:
    rising = np.arange(5) + draws(0, 8, 5) * 0.1
    assert shapes.trend(rising, "+", 0.0).side == 1
    assert shapes.trend(rising, "-", 0.0).side == -1
    assert shapes.trend(rising, "+", 0.0).p == shapes.trend(rising, "-", 0.0).p < 0.001
    flat = draws(1, 8, 5) * 0.1
    assert shapes.trend(flat, "flat<=", 0.5).side == 1
    assert shapes.trend(flat, "flat<=", 0.5).p < 0.05
    assert shapes.trend(rising, "flat<=", 0.5).side == -1


def test_a_hump_has_an_inner_point_above_both_ends() -> None:
    hump = np.array([0.0, 1.0, 3.0, 1.0]) + draws(0, 8, 4) * 0.3
    told = shapes.trend(hump, "hump", 0.0)
    ends = [reference.ttest_rel(hump[:, 2], hump[:, end]).pvalue for end in (0, 3)]
    assert told.side == 1
    assert told.p == pytest.approx(2 * max(ends))  # two inner points could have been it
    assert told.estimate is not None
    assert told.estimate.value == pytest.approx(np.mean(hump[:, 2] - hump[:, 3]))
    limits = reference.ttest_rel(hump[:, 2], hump[:, 3]).confidence_interval()
    assert told.estimate.low == pytest.approx(limits.low)
    rising = np.arange(4) + draws(1, 8, 4) * 0.1
    assert shapes.trend(rising, "hump", 0.0).side == -1
    assert shapes.trend(rising, "hump", 0.0).p < 0.05
    assert "three points" in shapes.trend(rising[:, :2], "hump", 0.0).trouble


def test_slopes_of_power_laws_are_their_exponents() -> None:
    points, exponents = [1.0, 4.0, 10.0, 100.0], np.array([-0.5, 2.0, 0.0])
    values = 3.7 * np.asarray(points) ** exponents[:, None]
    assert shapes.slopes(values, points) == pytest.approx(exponents)
    told = shapes.slope(values[:1].repeat(6, axis=0) * np.exp(draws(0, 6, 4) * 0.01), points, -0.6, -0.4)
    assert (told.side, told.p < 0.05) == (1, True)
    assert shapes.slope(values[:1].repeat(6, axis=0), points, 0.4, 0.6).side == -1
    assert "not all values are above zero" in shapes.slope(values - 1, points, 0.4, 0.6).trouble


def test_a_crossing_is_shown_at_both_ends() -> None:
    values = np.array([-1.0, 0.5, 2.0]) + draws(0, 8, 3) * 0.2
    told = shapes.crossing(values, 0.0)
    ends = [reference.ttest_1samp(values[:, end], 0.0).pvalue for end in (0, 2)]
    assert told.side == 1
    assert told.p == pytest.approx(2 * max(ends))
    assert shapes.crossing(-values, 0.0).side == 1  # from either side
    assert shapes.crossing(values, -3.0).side == -1
    assert shapes.crossing(values, -3.0).p < 0.05


def test_one_of_several_choices_takes_bonferroni_and_none_takes_all() -> None:
    good, bad = draws(0, 8, mean=2.0), draws(1, 8, mean=-2.0)
    assert best_of([[good], [bad], [bad]])[1] == pytest.approx(3 * holding([good])[1])
    assert best_of([[good], [bad], [bad]])[0] == 1
    assert best_of([[bad], [bad * 0.1 - 0.01]])[1] == pytest.approx(
        max(holding([bad])[1], holding([bad * 0.1 - 0.01])[1])
    )
    assert best_of([]) == (0, 1.0, None)
    assert best_of([[good[:1]], [bad[:1]]]) == (0, 1.0, None)


def test_rank_correlations_are_scipys() -> None:
    one, other = draws(0, 6, 7), draws(1, 6, 7)
    one[0, :3], other[1, 2:5], one[2, :] = 1.0, 0.0, 5.0
    expected = [reference.spearmanr(x, y).statistic for x, y in zip(one, other, strict=True) if np.ptp(x) > 0]
    found = shapes.correlations(one, other)
    assert np.delete(found, 2) == pytest.approx(expected)
    assert found[2] == 0.0  # of what is constant


def test_the_gain_of_a_square_is_worked_out_by_hand() -> None:
    x = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    y = np.array([0.0, 1.0, 4.0, 9.0, 16.0, 26.0])
    # by normal equations the straight line leaves a sum of squares of 934 / 21, and the square one of 5 / 28
    scores = [6 * math.log(934 / 21 / 6) + 18, 6 * math.log(5 / 28 / 6) + 48]
    assert shapes.gains(x[None], y[None]) == pytest.approx([scores[0] - scores[1]])
    assert scores[0] > scores[1]
    straight = 2 * x + np.array([0.1, -0.1, 0.1, -0.1, 0.1, -0.1])
    assert shapes.gains(x[None], straight[None])[0] < 0


def test_only_finite_numbers_are_told() -> None:
    assert finite(math.inf) is None
    assert finite(None) is None
    assert finite(1.5) == 1.5


def test_what_follows_an_axis_more_closely_is_found() -> None:
    rng = np.random.default_rng(0)
    rising = np.arange(5) + 0.01 * rng.standard_normal((8, 5))
    noise = rng.standard_normal((8, 5))
    told = shapes.closer(-rising, noise)  # falling follows as well as rising
    assert (told.side, told.p < 0.05) == (1, True)
    assert shapes.closer(noise, rising).side == -1
    assert told.estimate is not None
    expected = [1 - abs(reference.spearmanr(row, range(5)).statistic) for row in noise]
    assert told.estimate.value == pytest.approx(np.mean(expected))
