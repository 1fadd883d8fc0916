"""The statistics, against SciPy, a published example, and simulation."""

import numpy as np
import pytest
from scipy import stats as reference

from results.stats import holm, mean_interval, minimum_detectable, paired_p_value, ranks, shared


def test_the_mean_interval_is_scipys() -> None:
    sample = np.array([0.81, 0.79, 0.86, 0.83])
    interval = mean_interval(sample)
    expected = reference.t.interval(0.95, 3, loc=sample.mean(), scale=reference.sem(sample))
    assert (interval.low, interval.high) == pytest.approx(expected)


def test_one_value_has_no_interval_and_none_no_mean() -> None:
    assert mean_interval(np.array([2.0])).low is None
    with pytest.raises(ValueError, match="empty"):
        mean_interval(np.array([]))


@pytest.mark.parametrize("n", [3, 5, 10])
def test_the_interval_covers_what_it_promises(n: int) -> None:
    rng = np.random.default_rng(1)
    intervals = [mean_interval(rng.normal(3, 2, n)) for _ in range(4000)]
    covered = np.mean([i.low <= 3 <= i.high for i in intervals if i.low is not None and i.high is not None])
    assert 0.94 <= covered <= 0.96


def test_the_paired_test_is_scipys() -> None:
    rng = np.random.default_rng(2)
    left, right = rng.normal(size=8), rng.normal(size=8)
    assert paired_p_value(left - right) == pytest.approx(reference.ttest_rel(left, right).pvalue)


@pytest.mark.parametrize(("differences", "expected"), [([0.3], 1.0), ([0.0, 0.0], 1.0), ([0.2, 0.2], 0.0)])
def test_the_paired_test_at_its_edges(differences: list[float], expected: float) -> None:
    assert paired_p_value(np.array(differences)) == expected


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


def test_one_method_under_three_names_is_rarely_told_apart() -> None:
    rng = np.random.default_rng(4)
    boards = [{name: dict(enumerate(rng.normal(size=5))) for name in "abc"} for _ in range(1500)]
    alarms = np.mean([max(ranks(board).values()) > 1 for board in boards])
    assert alarms <= 0.06  # 5 %, and two standard errors of this simulation


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
