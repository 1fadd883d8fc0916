"""What `docs/statistics.md` says about coverage and false alarms, by smaller simulations."""

import numpy as np
import pytest

from results.aggregates import interquartile_mean, mean_of_tasks
from results.stats import mean_interval, paired_p_value, ranks
from tests.bench.coverage import ALIKE, SCORES, aggregate_coverage, coverage, false_alarms, intervals

ROUGHLY_NORMAL = "normal", "Beta(5, 2)", "accuracy 0.9, 200 items", "success 0.8, 10 episodes"


@pytest.mark.parametrize("n", [3, 5, 10, 30])
@pytest.mark.parametrize("name", ROUGHLY_NORMAL)
def test_the_t_interval_covers_what_it_promises_on_scores_that_are_roughly_normal(name: str, n: int) -> None:
    assert 0.93 - 0.007 <= coverage(*SCORES[name], n, 4000, resamples=20)["t"] <= 0.97  # two standard errors below


@pytest.mark.parametrize("name", SCORES)
def test_at_three_seeds_no_interval_errs_less_than_t(name: str) -> None:
    found = coverage(*SCORES[name], 3, 4000, resamples=400)
    assert found["t"] == max(found.values())


@pytest.mark.parametrize("name", ["exponential", "lognormal, sigma 1"])
def test_on_long_tails_t_covers_less_than_it_promises_and_bootstrap_t_more(name: str) -> None:
    found = coverage(*SCORES[name], 10, 4000, resamples=400)
    assert found["t"] < 0.92
    assert found["bootstrap t"] > found["t"] + 0.02


def test_bca_and_percentiles_cover_too_little_at_five_seeds() -> None:
    found = coverage(*SCORES["normal"], 5, 4000, resamples=400)
    assert 0.8 < found["percentile"] < 0.87
    assert 0.8 < found["BCa"] < 0.87


def test_the_intervals_simulated_are_those_of_the_boards() -> None:
    rng = np.random.default_rng(1)
    samples = rng.normal(size=(3, 6))
    low, high = intervals(samples, 10, rng)["t"]
    made = [mean_interval(sample) for sample in samples]
    assert [one.low for one in made] == pytest.approx(low.tolist())
    assert [one.high for one in made] == pytest.approx(high.tolist())


@pytest.mark.parametrize("n", [2, 3, 5, 7, 10])
@pytest.mark.parametrize("name", [name for name in ALIKE if name != "Beta(0.1, 0.1)"])
def test_one_method_under_two_names_is_rarely_told_apart(name: str, n: int) -> None:
    assert false_alarms(ALIKE[name], n, 2, 10_000) <= 0.05 + 0.0065  # three standard errors


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("methods", [5, 10, 30])
@pytest.mark.parametrize("name", ["normal", "lognormal, sigma 1", "Beta(5, 2)", "success 0.5, 5 episodes"])
def test_one_method_under_many_names_is_rarely_told_apart(name: str, methods: int, n: int) -> None:
    boards = {5: 3000, 10: 1500, 30: 500}[methods]
    assert false_alarms(ALIKE[name], n, methods, boards) <= 0.05 + 3 * (0.05 * 0.95 / boards) ** 0.5


def test_scores_piled_at_both_ends_need_ten_seeds() -> None:
    assert false_alarms(ALIKE["Beta(0.1, 0.1)"], 3, 10, 1000) > 0.15  # known, and said in the documentation
    assert false_alarms(ALIKE["Beta(0.1, 0.1)"], 10, 10, 1500) <= 0.06


def test_the_alarms_simulated_are_those_of_the_boards() -> None:
    rng = np.random.default_rng(4)
    draw = ALIKE["accuracy 0.8, 20 items"]
    boards = [{name: dict(enumerate(draw(rng, (5,)).tolist())) for name in "abc"} for _ in range(1500)]
    alarms = np.mean([max(ranks(board).values()) > 1 for board in boards])
    assert alarms == pytest.approx(false_alarms(draw, 5, 3, 10_000), abs=0.018)  # three standard errors
    assert alarms <= 0.05 + 0.011  # two


def test_the_rule_for_coarse_scores_leaves_scores_that_never_tie_their_power() -> None:
    differences = np.random.default_rng(8).normal(2.13, 1.0, (4000, 4))  # what four seeds detect with power 80 %
    found = np.mean([paired_p_value(sample) < 0.05 for sample in differences])
    coarse = np.mean([paired_p_value(sample) < 0.05 for sample in np.round(differences * 10)])
    assert found == pytest.approx(0.8, abs=0.02)
    assert coarse > found - 0.02


@pytest.mark.parametrize("statistic", [mean_of_tasks, interquartile_mean])
def test_twenty_tasks_of_five_seeds_are_enough_for_a_stratified_interval(statistic: object) -> None:
    found = aggregate_coverage(SCORES["normal"][0], 20, 5, 400)
    assert 0.92 <= found[statistic is interquartile_mean] <= 0.98
