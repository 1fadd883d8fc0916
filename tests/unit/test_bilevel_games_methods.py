"""Methods for games: penalties and their gradients against plain sweeps, and what whole methods reach."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from methods.base import Method
from methods.bilevel._game import answering, bellman_gap, nothing_known, risen, tracked, value_gap
from methods.bilevel.independent_gradient import IndependentGradient
from methods.bilevel.pbrl import PBRL, Penalty
from methods.bilevel.pbrl_nikaido_isoda import PBRLNikaidoIsoda, nikaido_isoda_gap
from methods.bilevel.reward_fit import RewardFit
from methods.bilevel.unrolled_follower import UnrolledFollower, through
from runners.hardware import Hardware
from runners.preparing import ensure
from runners.run import AttemptRun, Nobody, Offers
from tasks.bilevel import Rows, Solution
from tasks.bilevel.judging import minimised
from tasks.metering import BudgetSpent
from tests.game_examples import (
    FOLLOWED,
    GAME,
    GRID,
    PREFERENCE,
    ZERO_SUM,
    Played,
    deviations,
    differences,
    endless,
    point,
)

MakeRun = Callable[[Any], AttemptRun]
followed = pytest.mark.parametrize("task", FOLLOWED, ids=lambda task: task.name)


@pytest.fixture
def make_run(one_core: Hardware, tmp_path: Any) -> MakeRun:
    def make(problem: Any) -> AttemptRun:
        return AttemptRun(np.random.default_rng(0), problem.ledger, one_core, tmp_path, offers=Offers())

    return make


def answer(method: Method, problem: Any, run: AttemptRun) -> Solution:
    """What counts: what `solve` returns, or the last offer."""
    try:
        solution = method.solve(problem, run)
    except BudgetSpent:
        assert run.offers is not None
        assert run.offers.last is not None
        solution = run.offers.last.solution
    assert isinstance(solution, Solution)
    return solution


# --- penalties ---


@pytest.mark.parametrize("key", range(3))
@pytest.mark.parametrize("name", ["value", "bellman"])
def test_gradients_of_penalties_agree_with_differences_of_plain_sweeps(name: str, key: int) -> None:
    problem, played, (x, y) = endless(GAME), Played(0), point(GAME, key)
    q = tracked(problem, x, nothing_known(problem), 300)
    gap = {"value": value_gap, "bellman": bellman_gap}[name](problem, x, y, q)
    penalty = getattr(played, f"{name}_penalty")
    in_x = differences(lambda it: penalty(it.numpy(), y.numpy()), x)
    in_y = differences(lambda it: penalty(x.numpy(), it.numpy()), y)
    torch.testing.assert_close(gap.upper, in_x, rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(gap.lower, in_y, rtol=1e-5, atol=1e-8)


@followed
def test_the_value_gap_by_two_evaluations_is_what_autograd_says(task: Any) -> None:
    problem, game, (x, y) = endless(task), task.game(0), point(task)
    q = tracked(problem, x, nothing_known(problem), 300)
    gap = value_gap(problem, x, y, q)
    x, y = x.requires_grad_(), y.requires_grad_()
    best = game.answer(x.detach())  # held fixed, as by Danskin's theorem
    in_x, in_y = torch.autograd.grad(game.lower(x, y) - game.lower(x, best), (x, y))
    torch.testing.assert_close(gap.upper, in_x, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(gap.lower, in_y, rtol=1e-8, atol=1e-10)


@followed
def test_the_bellman_gap_is_what_autograd_says(task: Any) -> None:
    problem, game, (x, y) = endless(task), task.game(0), point(task)
    gap = bellman_gap(problem, x, y, tracked(problem, x, nothing_known(problem), 300))
    x, y = x.requires_grad_(), y.requires_grad_()
    q, own = game.decision(x).best(), game.log_policy(y)
    apart = task.temperature * (own.exp() * (own - torch.log_softmax(q / task.temperature, dim=1))).sum(dim=1)
    in_x, in_y = torch.autograd.grad(game.start @ apart, (x, y))
    torch.testing.assert_close(gap.upper, in_x, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(gap.lower, in_y, rtol=1e-8, atol=1e-10)


@settings(max_examples=30, deadline=None)
@given(key=st.integers(0, 10**6), scale=st.floats(1e-2, 5.0))
def test_penalties_are_zero_at_the_best_answer_and_positive_elsewhere(key: int, scale: float) -> None:
    problem, played, x = endless(GAME), Played(0), point(GAME, key)[0]
    q = tracked(problem, x, nothing_known(problem), 300)
    best, off = answering(problem, q), scale * point(GAME, key)[1]
    for name, gap in (("value", value_gap), ("bellman", bellman_gap)):
        penalty = getattr(played, f"{name}_penalty")
        assert abs(penalty(x.numpy(), best.numpy())) < 1e-12
        assert penalty(x.numpy(), (best + off).numpy()) > 0
        there = gap(problem, x, best, q)
        assert max(float(there.upper.norm()), float(there.lower.norm())) < 1e-10


def test_the_bellman_gap_is_no_steeper_than_stated() -> None:
    problem = endless(GAME)
    for key in range(10):
        x, y = point(GAME, key)
        q = tracked(problem, x, nothing_known(problem), 300)
        here, there = bellman_gap(problem, x, y, q), bellman_gap(problem, x, y + 1e-3 * point(GAME, key + 50)[1], q)
        moved = (there.lower - here.lower).norm() / (1e-3 * point(GAME, key + 50)[1]).norm()
        assert float(moved) <= here.curvature * 1.01


@pytest.mark.parametrize("key", range(3))
def test_the_gradient_of_the_gap_of_two_players_agrees_with_differences(key: int) -> None:
    problem, (x, y) = endless(ZERO_SUM), point(ZERO_SUM, key)
    tables = [torch.zeros(3, 2, dtype=torch.float64) for _ in range(2)]
    for player in (0, 1):
        for _ in range(300):
            tables[player] = problem.respond(x, y, player, tables[player])
    in_x, in_y = nikaido_isoda_gap(problem, x, y, tables)
    torch.testing.assert_close(in_x, differences(lambda it: sum(deviations(it, y)), x), rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(in_y, differences(lambda it: sum(deviations(x, it)), y), rtol=1e-5, atol=1e-8)


def test_where_all_is_solved_the_gap_falls_with_the_square_of_the_multiplier() -> None:
    game, x = GAME.game(0), point(GAME)[0]
    gaps = []
    for weight in (100.0, 1000.0):

        def penalised(x: Tensor, y: Tensor, rows: Rows, weight: float = weight) -> Tensor:
            ridge = (y - game.centre(y)).square().sum()  # logits that only shift are held
            return game.payoff(x, y) / weight + game.lower(x, y) + ridge

        y = minimised(penalised, x, game.answer(x), 1e-11)
        gaps.append(float(game.lower(x, y)) - game.least(x))
    assert gaps[0] / gaps[1] == pytest.approx(100, rel=0.1)


def test_backups_are_differentiated_as_they_were_taken() -> None:
    problem, x = endless(GAME), point(GAME)[0]

    def after(x: Tensor) -> float:
        return float(problem.upper_value(x, answering(problem, tracked(problem, x, nothing_known(problem), 4))))

    path = [nothing_known(problem)]
    for _ in range(4):
        path.append(problem.backup(x, path[-1]))
    f_x, f_y = problem.upper_gradient(x, answering(problem, path[-1]))
    slope = f_x + through(problem, x, path[:-1], f_y)
    torch.testing.assert_close(slope, differences(after, x), rtol=1e-6, atol=1e-8)


@followed
def test_many_backups_give_the_gradient_of_phi(task: Any) -> None:
    problem, x = endless(task), point(task)[0]
    path = [nothing_known(problem)]
    for _ in range(150):
        path.append(problem.backup(x, path[-1]))
    f_x, f_y = problem.upper_gradient(x, answering(problem, path[-1]))
    slope = f_x + through(problem, x, path[:-1], f_y)
    torch.testing.assert_close(slope, task.game(0).reached(x).slope, rtol=1e-6, atol=1e-9)


# --- whole methods ---


def pbrl(penalty: Penalty, largest: float) -> PBRL:
    return PBRL(penalty=penalty, largest=largest, ramp=0.5, backups=5, rate=1.0)


def scored(method: Method, task: Any, make_run: MakeRun, one_core: Hardware) -> dict[str, float]:
    ensure(task.ceiling, 0, one_core, Nobody())
    problem = task.problem(0)
    run = make_run(problem)
    found = answer(method, problem, run)
    assert problem.ledger.total("work") <= task.budget
    return dict(task.evaluate(found, 0, run))


@pytest.mark.parametrize("penalty", list(Penalty))
def test_the_leader_is_within_2_percent_of_the_oracle(penalty: Penalty, make_run: MakeRun, one_core: Hardware) -> None:
    task = replace(GAME, budget=3000.0)
    scores = scored(pbrl(penalty, 100.0), task, make_run, one_core)
    best = task.evaluate(task.best(0), 0, make_run(task.problem(0)))["leader_value"]
    assert scores["leader_value"] >= 0.98 * best
    assert task.evaluate(task.trivial(0), 0, make_run(task.problem(0)))["leader_value"] < 0.98 * best


@pytest.mark.parametrize("penalty", list(Penalty))
def test_the_gap_of_the_follower_falls_with_the_multiplier(
    penalty: Penalty, make_run: MakeRun, one_core: Hardware
) -> None:
    task = replace(GAME, budget=4000.0)
    gaps = [scored(pbrl(penalty, it), task, make_run, one_core)["lower_gap"] for it in (10.0, 100.0)]
    assert 0 < gaps[1] < gaps[0] / 5


def test_who_forgets_that_the_follower_answers_stays_where_it_is(make_run: MakeRun, one_core: Hardware) -> None:
    assert scored(IndependentGradient(rate=1.0), GRID, make_run, one_core)["regret"] == pytest.approx(1)


@pytest.mark.parametrize("task", [GAME, GRID], ids=lambda task: task.name)
def test_the_unrolled_follower_gets_most_of_the_way(task: Any, make_run: MakeRun, one_core: Hardware) -> None:
    task = replace(task, budget=3000.0)
    assert scored(UnrolledFollower(backups=10, rate=1.0), task, make_run, one_core)["regret"] < 0.1


def test_two_players_are_led(make_run: MakeRun, one_core: Hardware) -> None:
    task = replace(ZERO_SUM, budget=1500.0)
    method = PBRLNikaidoIsoda(largest=3.0, ramp=0.5, backups=5, rate=1.0)
    scores = scored(method, task, make_run, one_core)
    assert scores["regret"] < 0.2
    assert scores["lower_gap"] < 0.1


def test_a_reward_is_fitted_to_the_first_policy_or_to_the_last(make_run: MakeRun, one_core: Hardware) -> None:
    task = replace(PREFERENCE, budget=600.0)
    first = RewardFit(iterated=False, share=0.8, backups=60, rate=1.0)
    problem = task.problem(0)
    found = answer(first, problem, make_run(problem))
    assert found.lower is not None
    still = endless(task).upper_gradient(found.upper, problem.lower_start)[0].norm()
    assert float(still) < 0.01 * float(endless(task).upper_gradient(problem.upper_start, problem.lower_start)[0].norm())
    again = RewardFit(iterated=True, share=1.0, backups=5, rate=1.0)
    problem = task.problem(0)
    found = answer(again, problem, make_run(problem))
    assert found.lower is not None
    still = endless(task).upper_gradient(found.upper, task.game(0).answer(found.upper))[0].norm()
    assert float(still) < 0.05
    for method in (first, again):
        assert scored(method, task, make_run, one_core)["true_return"] > 0.3


def test_the_multiplier_rises_with_the_work(make_run: MakeRun) -> None:
    problem = replace(GAME, budget=10.0).problem(0)
    run = make_run(problem)
    assert risen(run, 10.0, 0.5) == 0
    x, y = point(GAME)
    problem.lower_gradient(x, y)
    assert risen(run, 10.0, 0.5) == pytest.approx(0.2)
    for _ in range(6):
        problem.lower_gradient(x, y)
    assert risen(run, 10.0, 0.5) == 1
    assert risen(make_run(replace(GAME, budget=10.0).problem(0)), 10.0, 0.0) == 1
    assert risen(run, None, 0.5) == 1
