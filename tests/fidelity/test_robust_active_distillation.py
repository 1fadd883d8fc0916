"""The game of robust active distillation against a linear programme, and against brute force over the adversary."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import linprog

from methods.classifier_distillation._query import Pool
from methods.classifier_distillation.robust_active_distillation import RobustActiveDistillation, optimum


def by_programme(gains: NDArray[np.float64], wrong: int) -> float:
    """max t, with t at most the sum of p_i g_i outside of every set of `wrong` inputs, p a law."""
    count = len(gains)
    rows = []
    for chosen in itertools.combinations(range(count), wrong):
        left = np.where(np.isin(np.arange(count), chosen), 0.0, gains)
        rows.append([*-left, 1.0])
    found = linprog(
        [*np.zeros(count), -1.0], A_ub=rows, b_ub=np.zeros(len(rows)), A_eq=[[*np.ones(count), 0.0]], b_eq=[1.0],
        bounds=[(0, None)] * count + [(None, None)],
    )  # fmt: skip
    assert found.status == 0
    return float(-found.fun)


@pytest.mark.parametrize("wrong", [0, 1, 2, 4, 6])
@pytest.mark.parametrize("number", range(6))
def test_law_and_value_are_those_of_the_linear_programme(wrong: int, number: int) -> None:
    rng = np.random.default_rng(number)
    gains = rng.uniform(0.01, 1, 7)
    law, value = optimum(gains, wrong)
    assert law.sum() == pytest.approx(1)
    assert law.min() >= 0
    assert value == pytest.approx(by_programme(gains, wrong), rel=1e-7)
    shares = np.sort(law * gains)  # the adversary takes the largest ones
    assert shares[: 7 - wrong].sum() == pytest.approx(value, rel=1e-12), "the law secures the value"


def test_a_perfect_teacher_is_asked_where_most_can_be_gained() -> None:
    law, value = optimum(np.array([0.2, 0.9, 0.5]), 0)
    assert law.tolist() == [0, 1, 0]
    assert value == pytest.approx(0.9)


def test_within_the_support_less_informative_inputs_are_drawn_more_often() -> None:
    law, _ = optimum(np.array([0.5, 1.0, 0.8]), 2)
    assert law.tolist() == pytest.approx([2 / 4.25, 1 / 4.25, 1.25 / 4.25])


def test_draws_follow_the_law_and_never_repeat() -> None:
    """Margins 0.5, 0 and 0.2 make the gains above; a teacher right in a third of all cases is wrong in two of three."""
    probabilities = np.array([[0.75, 0.25], [0.5, 0.5], [0.6, 0.4]], np.float32)
    pool = Pool(
        np.arange(3), probabilities, np.zeros((3, 1), np.float32), np.zeros((1, 1), np.float32), 1 / 3,
        np.random.default_rng(0),
    )  # fmt: skip
    method = RobustActiveDistillation(rounds=1, least=1e-6)
    first = np.bincount([method.choose(pool, 1)[0] for _ in range(4000)], minlength=3) / 4000
    assert first == pytest.approx([2 / 4.25, 1 / 4.25, 1.25 / 4.25], abs=0.03)
    assert sorted(method.choose(pool, 3)) == [0, 1, 2]


def test_a_support_that_is_too_small_is_filled_up_from_outside() -> None:
    probabilities = np.array([[0.5, 0.5], [0.9, 0.1], [0.95, 0.05], [0.99, 0.01]], np.float32)
    pool = Pool(
        np.arange(4), probabilities, np.zeros((4, 1), np.float32), np.zeros((1, 1), np.float32), 1.0,
        np.random.default_rng(0),
    )  # fmt: skip
    seconds = {int(RobustActiveDistillation(rounds=1, least=1e-6).choose(pool, 2)[1]) for _ in range(100)}
    assert RobustActiveDistillation(rounds=1, least=1e-6).choose(pool, 2)[0] == 0
    assert seconds == {1, 2, 3}
