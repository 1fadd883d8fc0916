"""Games of the arena `bilevel`: oracles, judges and equilibria against plain sweeps, loops and differences."""

from __future__ import annotations

import functools
import itertools
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from runners.hardware import Hardware
from runners.match import posed_type
from runners.preparing import ensure
from runners.run import Nobody
from tasks.base import Diverged, Run
from tasks.bilevel import Solution, StackelbergGame
from tasks.bilevel.games import Decision
from tasks.bilevel.grids import reached_cells, walk
from tasks.bilevel.incentive_grid import Cost
from tasks.bilevel.judging import hyper_gradient
from tasks.bilevel.preference_grid import segments
from tests.game_examples import (
    EVERY,
    FOLLOWED,
    GAME,
    GRID,
    PREFERENCE,
    PRICES,
    ZERO_SUM,
    Played,
    deviations,
    differences,
    endless,
    point,
    soft_best,
    softmax,
    swept,
)

every_task = pytest.mark.parametrize("task", EVERY, ids=lambda task: task.name)
followed = pytest.mark.parametrize("task", FOLLOWED, ids=lambda task: task.name)


def run() -> Run:
    return cast("Run", SimpleNamespace(rng=np.random.default_rng(0)))


# --- oracles ---


@every_task
def test_gradients_agree_with_differences_of_values(task: Any) -> None:
    problem = endless(task)
    x, y = point(task)
    for level in ("lower", "upper"):
        valued, sloped = getattr(problem, f"{level}_value"), getattr(problem, f"{level}_gradient")
        g_x, g_y = sloped(x, y)
        torch.testing.assert_close(g_x, differences(functools.partial(valued, y=y), x), atol=1e-7, rtol=1e-5)
        torch.testing.assert_close(g_y, differences(functools.partial(valued, x), y), atol=1e-7, rtol=1e-5)


@every_task
def test_second_order_products_agree_with_differences_of_gradients(task: Any) -> None:
    problem = endless(task)
    (x, y), v = point(task), point(task, 1)[1]
    own, cross = problem.second_order(x, y, v)
    along = (problem.lower_gradient(x, y + 1e-5 * v)[1] - problem.lower_gradient(x, y - 1e-5 * v)[1]) / 2e-5
    torch.testing.assert_close(own, along, atol=1e-6, rtol=1e-5)
    slopes = differences(lambda it: float(problem.lower_gradient(it, y)[1] @ v), x)
    torch.testing.assert_close(cross, slopes, atol=1e-6, rtol=1e-5)


def test_values_are_those_of_plain_sweeps() -> None:
    problem, played = endless(GAME), Played(0)
    x, y = point(GAME)
    assert -problem.upper_value(x, y) == pytest.approx(played.value(x.numpy(), y.numpy(), 0), rel=1e-12)
    assert -problem.lower_value(x, y) == pytest.approx(played.value(x.numpy(), y.numpy(), 1), rel=1e-12)
    q = torch.zeros(4, 2, dtype=torch.float64)
    for _ in range(300):
        q = problem.backup(x, q)
    np.testing.assert_allclose(q.numpy(), played.q(x.numpy()), rtol=1e-12)


@followed
def test_a_policy_is_evaluated_with_its_visits(task: Any) -> None:
    problem, given_ = endless(task), task.game(0)
    x, y = point(task)
    ahead, values, visits = problem.evaluate_policy(x, y)
    assert -float(problem.start @ values) == pytest.approx(problem.lower_value(x, y))
    assert float(visits.sum()) == pytest.approx(1 / (1 - task.discount))
    decision, own = given_.decision(x), softmax(y.reshape(ahead.shape).numpy())
    reward = (own * (decision.reward.numpy() - task.temperature * np.log(own))).sum(axis=1)
    moved = np.einsum("sb,sbt->st", own, decision.transition.numpy())
    np.testing.assert_allclose(values.numpy(), swept(reward, moved, task.discount), rtol=1e-10)
    assert float(visits @ torch.from_numpy(reward)) == pytest.approx(float(problem.start @ values))
    np.testing.assert_allclose(
        ahead.numpy(), decision.reward.numpy() + task.discount * decision.transition.numpy() @ values.numpy()
    )
    u = torch.linspace(-1, 1, task.game(0).start.numel(), dtype=torch.float64)
    signed = problem.evaluate_policy(x, y, start=u)[2]
    assert float(signed @ torch.from_numpy(reward)) == pytest.approx(float(u @ values))


@followed
def test_pullbacks_agree_with_differences(task: Any) -> None:
    problem, game = endless(task), task.game(0)
    x, rng = point(task)[0], np.random.default_rng(3)
    values = torch.from_numpy(rng.normal(size=problem.states))
    weights = torch.from_numpy(rng.normal(size=(problem.states, problem.actions)))

    def total(x: Tensor, values: Tensor) -> float:
        decision = game.decision(x)
        return float((weights * (decision.reward + task.discount * decision.transition @ values)).sum())

    in_x, in_values = problem.pullback(x, values, weights)
    torch.testing.assert_close(in_x, differences(lambda it: total(it, values), x), atol=1e-7, rtol=1e-6)
    torch.testing.assert_close(in_values, differences(lambda it: total(x, it), values), atol=1e-7, rtol=1e-6)


@every_task
def test_gradients_are_no_steeper_than_stated(task: Any) -> None:
    problem = endless(task)
    for key in range(5):
        (x, y), there = point(task, key), point(task, key + 50)[1]
        x = task.game(0).upper_radius * x / x.norm()
        for level in ("lower", "upper"):
            slope = getattr(problem, f"{level}_gradient")
            steepest = getattr(problem, f"{level}_smoothness")(x)
            assert (slope(x, y)[1] - slope(x, there)[1]).norm() <= steepest * (y - there).norm()


@every_task
def test_what_oracles_return_cannot_be_differentiated(task: Any) -> None:
    problem = endless(task)
    x, y = (it.requires_grad_() for it in point(task))
    answers = [*problem.lower_gradient(x, y), *problem.upper_gradient(x, y)]
    if isinstance(problem, StackelbergGame):
        table = torch.ones(problem.states, problem.actions, dtype=x.dtype, requires_grad=True)
        answers += [problem.backup(x, table), *problem.evaluate_policy(x, y)]
        answers += problem.pullback(x, table[:, 0], table)
    else:
        table = torch.ones(problem.states, problem.actions[0], dtype=x.dtype, requires_grad=True)
        answers += [problem.respond(x, y, 0, table), *problem.value_gradient(x, y)]
    assert not any(answer.requires_grad for answer in answers)


def test_prices_are_charged() -> None:
    problem = GAME.problem(0)
    x, y = point(GAME)
    q = problem.backup(x, torch.zeros(4, 2, dtype=torch.float64))
    problem.evaluate_policy(x, y)
    problem.pullback(x, q[:, 0], q)
    problem.lower_gradient(x, y)
    problem.second_order(x, y, y)
    assert problem.ledger.total("work") == 0.25 + 0.5 + 0.5 + 1 + 2
    rivals = ZERO_SUM.problem(0)
    x, y = point(ZERO_SUM)
    rivals.respond(x, y, 1, torch.zeros(3, 2, dtype=torch.float64))
    rivals.value_gradient(x, y)
    assert rivals.ledger.total("work") == 0.75


@every_task
def test_a_problem_is_posed_by_each_task_as_it_says(task: Any) -> None:
    assert type(task.problem(0)) is posed_type(type(task))


# --- best answers ---


@followed
def test_the_best_answer_is_that_of_value_iteration(task: Any) -> None:
    game, x = task.game(0), point(task)[0]
    decision = game.decision(x)
    q = soft_best(decision.reward.numpy(), decision.transition.numpy(), task.discount, task.temperature)
    np.testing.assert_allclose(decision.solved().numpy(), q, rtol=1e-9)
    y = game.answer(x)
    np.testing.assert_allclose(softmax(y.reshape(q.shape).numpy()), softmax(q / task.temperature), rtol=1e-8)
    assert endless(task).lower_gradient(x, y)[1].norm() < 1e-9
    assert endless(task).lower_value(x, y) == pytest.approx(game.least(x), abs=1e-11)


@followed
@settings(max_examples=20, deadline=None)
@given(key=st.integers(0, 10**6), scale=st.floats(1e-3, 10.0))
def test_no_policy_is_better_than_the_best(task: Any, key: int, scale: float) -> None:
    game, x = task.game(0), point(task)[0]
    off = scale * point(task, key)[1]
    assert float(game.lower(x, game.answer(x) + off)) > game.least(x)


def test_phi_and_its_gradient_agree_with_plain_sweeps() -> None:
    played, game, x = Played(0), GAME.game(0), point(GAME)[0]
    reached = game.reached(x)
    assert reached.phi == pytest.approx(played.phi(x.numpy()), rel=1e-11)
    slopes = differences(lambda it: played.phi(it.numpy()), x)
    torch.testing.assert_close(reached.slope, slopes, rtol=1e-5, atol=1e-7)


@every_task
def test_the_gradient_of_phi_agrees_with_differences_and_with_conjugate_gradients(task: Any) -> None:
    game, x = task.game(0), point(task)[0]
    reached = game.reached(x)
    torch.testing.assert_close(
        reached.slope, differences(lambda it: game.reached(it).phi, x, 1e-5), rtol=1e-5, atol=1e-7
    )
    landscape = game.landscape()
    other = hyper_gradient(landscape, landscape.upper, x, reached.answer)
    torch.testing.assert_close(reached.slope, other, rtol=1e-5, atol=1e-7)


def test_a_follower_that_cannot_be_solved_says_so() -> None:
    decision = Decision(torch.full((2, 2), float("nan")), torch.full((2, 2, 2), 0.5), 0.9, 0.1)
    with pytest.raises(Diverged, match="could not be solved"):
        decision.solved()


# --- two players ---


@pytest.mark.parametrize("key", range(3))
def test_the_gap_is_what_both_players_could_gain(key: int) -> None:
    game, (x, y) = ZERO_SUM.game(0), point(ZERO_SUM, key)
    gains = deviations(x, y)
    assert min(gains) > 0
    assert float(game.lower(x, y)) == pytest.approx(sum(gains), rel=1e-10)


@pytest.mark.parametrize("key", range(3))
def test_in_equilibrium_nobody_gains(key: int) -> None:
    game, x = ZERO_SUM.game(0), point(ZERO_SUM, key)[0]
    y = game.equilibrium(x)
    assert max(np.abs(deviations(x, y))) < 1e-10
    assert abs(float(game.lower(x, y))) < 1e-10
    for other in range(3):
        assert float(game.lower(x, y + 0.1 * point(ZERO_SUM, other)[1])) > 1e-6


# --- tasks ---


def test_walks_end_at_walls() -> None:
    there = reached_cells(3)
    assert there[0].tolist() == [0, 3, 0, 1]
    assert there[4].tolist() == [1, 7, 3, 5]
    moves = walk(3, 0.2)
    torch.testing.assert_close(moves.sum(dim=2), torch.ones(9, 4, dtype=moves.dtype))
    assert moves[4, 0, 1] == pytest.approx(0.8 + 0.05)
    assert moves[0, 0, 0] == pytest.approx(0.8 + 0.1)


@pytest.mark.parametrize("cost", list(Cost))
def test_a_leader_pays_for_bonuses_and_counts_visits_to_the_goal(cost: Cost) -> None:
    task = replace(GRID, cost=cost)
    x, y = point(task)
    own = softmax(y.reshape(9, 4).numpy())
    moved = np.einsum("sb,sbt->st", own, walk(3, 0.1).numpy())
    goal = task.stream(0).choice(9, size=2, replace=False)[0]
    earned = task.begins(0, 9).numpy() @ swept(np.eye(9)[goal], moved, 0.8)
    paid = float(x.sum() if cost is Cost.ABSOLUTE else (x**2).sum() / 2)
    assert endless(task).upper_value(x, y) == pytest.approx(0.3 * paid - earned)


def test_segments_are_all_that_there_are() -> None:
    found = segments(2, 2)
    assert found.cells.shape == (64, 2)
    there = reached_cells(2)
    rows = {(*cells, *moves) for cells, moves in zip(found.cells.tolist(), found.moves.tolist(), strict=True)}
    assert len(rows) == 64
    for cells, moves, entered in zip(found.cells, found.moves, found.entered, strict=True):
        assert there[cells[0], moves[0]] == entered[0] == cells[1]
        assert there[cells[1], moves[1]] == entered[1]


def test_the_loss_of_preferences_is_that_of_a_loop_over_pairs() -> None:
    true, features = (it.numpy() for it in PREFERENCE.tables(0))
    x, y = point(PREFERENCE)
    own, there = softmax(y.reshape(4, 4).numpy()), reached_cells(2).numpy()
    start = PREFERENCE.begins(0, 4).numpy()
    seen = []
    for begin, one, two in itertools.product(range(4), range(4), range(4)):
        middle = there[begin, one]
        end = there[middle, two]
        seen.append(
            (
                start[begin] * own[begin, one] * own[middle, two],
                true[middle] + true[end],
                features[middle] + features[end],
            )
        )
    assert sum(it[0] for it in seen) == pytest.approx(1)
    loss = 0.0
    for (p, earned, shown), (q, other, hidden) in itertools.product(seen, seen):
        odds = 1 / (1 + np.exp(-3.0 * (earned - other)))
        foretold = 1 / (1 + np.exp(-3.0 * (shown - hidden) @ x.numpy()))
        loss -= p * q * (odds * np.log(foretold) + (1 - odds) * np.log(1 - foretold))
    assert endless(PREFERENCE).upper_value(x, y) == pytest.approx(loss + 0.005 * float(x @ x))


def test_a_reward_that_is_right_gives_the_best_return() -> None:
    task = replace(PREFERENCE, features=4, temperature=1e-3)
    true, features = task.tables(0)
    game = task.game(0)
    assert task.further(0, game.reached(torch.linalg.solve(features, true)))["true_return"] == pytest.approx(1)
    assert task.further(0, game.reached(0 * game.upper_start))["true_return"] == pytest.approx(0, abs=1e-12)
    assert task.further(0, game.reached(-torch.linalg.solve(features, true)))["true_return"] < 0


@every_task
def test_ceilings_are_scored_as_0_and_starts_as_1(task: Any, one_core: Hardware) -> None:
    ensure(task.ceiling, 0, one_core, Nobody())
    first, best = task.evaluate(task.trivial(0), 0, run()), task.evaluate(task.best(0), 0, run())
    assert first["regret"] == pytest.approx(1)
    assert first["stationarity"] == pytest.approx(1)
    assert best["regret"] == pytest.approx(0, abs=1e-9)
    assert best["stationarity"] < 1e-3
    assert best["lower_gap"] == pytest.approx(0, abs=1e-9)
    assert best["infeasibility"] < 1e-9
    assert best["leader_value"] > first["leader_value"]
    for key in range(10):
        assert task.evaluate(Solution(point(task, key)[0]), 0, run())["regret"] > 0


def test_nonsense_is_refused() -> None:
    for changed, message in (
        ({"prices": {"lower_gradients": 1.0}}, "prices of a game must name lower_values"),
        ({"prices": PRICES | {"joint_projections": 1.0}}, "prices of a game must name lower_values"),
        ({"discount": 1.0}, "the discount must be above 0 and below 1"),
        ({"temperature": 0.0}, "the temperature must be above 0"),
        ({"starts": 0}, "starts must be at least 1"),
    ):
        for task in EVERY:
            with pytest.raises(ValueError, match=message):
                replace(task, **changed)
    for task, changed, message in (
        (GAME, {"states": 1}, "must be at least 2"),
        (GAME, {"concentration": 0.0}, "concentration must be above 0"),
        (GRID, {"side": 1}, "side of the grid must be at least 2"),
        (GRID, {"price": 0.0}, "most and price above 0"),
        (PREFERENCE, {"features": 5}, "features must be from 1 to the 4 cells"),
        (PREFERENCE, {"segment": 5}, "a segment has 1 to 4 moves"),
        (PREFERENCE, {"ridge": 0.0}, "sharpness and ridge must be above 0"),
        (ZERO_SUM, {"actions": 1}, "must be at least 2"),
        (ZERO_SUM, {"price": 0.0}, "concentration and price must be above 0"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(task, **changed)
