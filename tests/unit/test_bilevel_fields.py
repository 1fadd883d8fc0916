"""Inverse mean-field games: the game against loops and other solvers, the judge against differences, the methods."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize
from torch import Tensor

from methods.base import Diverged, Method
from methods.bilevel._loop import Steps
from methods.bilevel.implicit_cg import ImplicitCG
from methods.bilevel.inverse_mfg_bilevel import InverseMFG
from methods.bilevel.inverse_mfg_implicit import InverseMFGImplicit
from methods.bilevel.lv_hba import LVHBA
from methods.bilevel.residual_least_squares import ResidualLeastSquares
from methods.bilevel.unrolled import Unrolled
from results.record import Record, Status
from runners.hardware import Hardware
from runners.preparing import ensure
from runners.run import AttemptRun, Nobody, Offers
from tasks.base import Invalid, Run
from tasks.bilevel import ARENA, SPACE_TIME_SOLVES, UNITS, EquilibriumBilevel, Solution
from tasks.bilevel.equilibria import Solver, Unknown, closest
from tasks.bilevel.fields import Field
from tasks.bilevel.inverse_games import MetricField, ObstacleField
from tasks.bilevel.mean_field_games import Array, Continuity, Game, entropy, inverse
from tasks.bilevel.oracles import fit
from tasks.metering import PRICED, BudgetSpent

PRICES = dict.fromkeys(UNITS, 0.1) | {SPACE_TIME_SOLVES: 1.0, "second_order_products": 0.2, "lower_values": 0.05}
COMMON: dict[str, Any] = {
    "version": 1,
    "steps": 4,
    "cells": 5,
    "congestion": 0.1,
    "terminal": 1.0,
    "floor": 0.3,
    "noise": 0.0,
    "smoothness": 1.0,
    "prices": PRICES,
    "budget": 400.0,
}
OBSTACLE = ObstacleField(name="bilevel/field_obstacle", radius=0.04, height=0.15, **COMMON)
METRIC = MetricField(name="bilevel/field_metric", radius=0.3, example=False, lowest=0.2, highest=3.0, **COMMON)
EXAMPLE = replace(METRIC, example=True, cells=6)  # with a cell in the middle, nobody moves there and g does not show
NOISY = replace(OBSTACLE, noise=0.05)
NOISY_METRIC = replace(METRIC, noise=0.05)
ROUND = tuple(replace(task, noise=0.05, congestion=1.0, floor=0.5) for task in (OBSTACLE, METRIC))  # well conditioned
EVERY: tuple[Field, ...] = (OBSTACLE, METRIC, EXAMPLE, NOISY, NOISY_METRIC, *ROUND)
both = pytest.mark.parametrize("task", [OBSTACLE, METRIC], ids=lambda task: task.name)
noisy = pytest.mark.parametrize("task", [NOISY, NOISY_METRIC], ids=lambda task: task.name)
MakeRun = Callable[[Any], AttemptRun]
CONVERGED = InverseMFGImplicit(steps=5000, tolerance=1e-12, iterations=500, linear_tolerance=1e-12, rate=1.0)


@pytest.fixture(scope="module", autouse=True)
def prepared(one_core: Hardware) -> None:
    for task in EVERY:
        for seed in (0,):
            ensure(task.ceiling, seed, one_core, Nobody())


@pytest.fixture
def make_run(one_core: Hardware, tmp_path: Any) -> MakeRun:
    def make(problem: Any) -> AttemptRun:
        return AttemptRun(np.random.default_rng(0), problem.ledger, one_core, tmp_path, offers=Offers())

    return make


@pytest.fixture
def direction(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> Callable[[Method, Any], Tensor]:
    """The first direction of a method: with a step size of 1 and no set of x it is what x moved by."""
    monkeypatch.setattr(Steps, "size", lambda steps, given: 1.0)

    def first(method: Method, problem: Any) -> Tensor:
        problem = replace(problem, outer_steps=1, project_upper=lambda x: x)
        return torch.as_tensor(problem.upper_start - method.solve(problem, make_run(problem)).upper)

    return first


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


def run() -> Run:
    return cast("Run", SimpleNamespace(rng=np.random.default_rng(0)))


def endless(task: Field) -> EquilibriumBilevel:
    return replace(task, budget=1e9).problem(0)


def another(task: Field, key: int = 0) -> tuple[Tensor, Tensor]:
    """A legal x and a y near an equilibrium."""
    rng, truth = np.random.default_rng(key), task.ceiling.artefact(0)["truth"]
    x = task.trivial(0).upper + 0.05 * torch.from_numpy(rng.normal(size=task.cells))
    return x, torch.from_numpy(truth + 0.03 * rng.normal(size=len(truth)))


def solver(task: Field) -> Solver:
    return Solver(task.drawn(0).game, task.unknown)


def equilibrium(task: Field, x: Tensor) -> Tensor:
    return torch.from_numpy(solver(task).solve(x.numpy(), task.ceiling.artefact(0)["truth"]).y)


def differences(function: Callable[[Tensor], float], at: Tensor, width: float = 1e-6) -> Tensor:
    rows = [function(at + width * unit) - function(at - width * unit) for unit in torch.eye(len(at), dtype=at.dtype)]
    return torch.tensor(rows, dtype=at.dtype) / (2 * width)


# --- the game ---


def looped(game: Game, metric: Array, obstacle: Array, y: Array) -> float:
    """The energy as sums over cells, for densities above the floor."""
    nt, nx = game.steps, game.cells
    rho, m = y[: nt * nx].reshape(nt, nx), y[nt * nx :].reshape(nt, nx - 1)
    total = 0.0
    for k in range(nt):
        for i in range(nx):
            before = game.first[i] if k == 0 else rho[k - 1, i]
            flux = ((m[k, i - 1] if i else 0.0) + (m[k, i] if i < nx - 1 else 0.0)) / 2
            total += metric[i] * flux**2 / (2 * (before + rho[k, i]) / 2) / (nt * nx)
            if k < nt - 1:
                total += (obstacle[i] * rho[k, i] + game.congestion * rho[k, i] * np.log(rho[k, i])) / (nt * nx)
            else:
                total += game.terminal * rho[k, i] * np.log(rho[k, i] / game.goal[i]) / nx
    return total


def continuity(game: Game) -> tuple[Array, Array]:
    """A and c, entry by entry."""
    nt, nx = game.steps, game.cells
    matrix, right = np.zeros((nt * nx, game.size)), np.zeros(nt * nx)
    for k in range(nt):
        for i in range(nx):
            row = matrix[k * nx + i]
            row[k * nx + i] += nt
            if k:
                row[(k - 1) * nx + i] -= nt
            else:
                right[i] = nt * game.first[i]
            if i < nx - 1:
                row[nt * nx + k * (nx - 1) + i] += nx
            if i:
                row[nt * nx + k * (nx - 1) + i - 1] -= nx
    return matrix, right


@both
def test_the_energy_is_the_sum_over_cells(task: Field) -> None:
    game, (x, y) = task.drawn(0).game, another(task)
    metric, obstacle = (np.broadcast_to(it, (task.cells,)) for it in task.unknown.fields(x.numpy()))
    energy = float(game.energy(*task.unknown.fields(x), y))
    assert energy == pytest.approx(looped(game, metric, obstacle, y.numpy()), rel=1e-12)
    assert endless(task).lower_value(x, y) == pytest.approx(energy, rel=1e-12)


def test_energies_go_on_smoothly_below_the_floor() -> None:
    at = torch.tensor([0.2, 0.3 - 1e-9, 0.3, 0.3 + 1e-9, 0.7], dtype=torch.float64, requires_grad=True)
    for continued, plain in ((inverse, lambda it: 1 / it), (entropy, lambda it: it * it.log())):
        jets = []
        for function in (functools.partial(continued, floor=0.3), plain):
            (slope,) = torch.autograd.grad(function(at).sum(), at, create_graph=True)
            (curved,) = torch.autograd.grad(slope.sum(), at)
            jets.append(torch.stack([function(at), slope, curved]).detach())
        torch.testing.assert_close(jets[0][:, 1:], jets[1][:, 1:], rtol=1e-6, atol=1e-6)
        below = 0.2 - 0.3
        value, slope_, curved_ = jets[1][:, 2]
        torch.testing.assert_close(jets[0][0, 0], value + slope_ * below + curved_ * below**2 / 2)


def test_projections_are_those_of_the_continuity_equation() -> None:
    game = OBSTACLE.drawn(0).game
    matrix, right = continuity(game)
    parts = Continuity(game.steps, game.cells, game.first)
    y = torch.from_numpy(np.random.default_rng(0).normal(size=game.size))
    inverted = np.linalg.pinv(matrix)
    np.testing.assert_allclose(
        parts.project(y).numpy(), y.numpy() - inverted @ (matrix @ y.numpy() - right), atol=1e-10
    )
    np.testing.assert_allclose(parts.tangent(y).numpy(), y.numpy() - inverted @ (matrix @ y.numpy()), atol=1e-10)
    np.testing.assert_allclose(parts.residual(y).numpy().ravel(), matrix @ y.numpy() - right, atol=1e-12)


@given(st.integers(2, 20), st.integers(4, 40), st.integers(0, 1000))
def test_projected_crowds_keep_their_mass(steps: int, cells: int, key: int) -> None:
    rng = np.random.default_rng(key)
    first = rng.uniform(0.5, 1.5, size=cells)
    parts, y = Continuity(steps, cells, first), torch.from_numpy(rng.normal(size=steps * (2 * cells - 1)))
    projected = parts.project(y)
    assert float(parts.residual(projected).abs().max()) < 1e-9
    masses = projected[: steps * cells].view(steps, cells).sum(dim=1)
    torch.testing.assert_close(masses, torch.full_like(masses, first.sum()))
    torch.testing.assert_close(parts.project(projected), projected)
    moved = parts.tangent(y)
    assert abs(float(moved @ (y - moved))) < 1e-9


# --- oracles and the meter ---


@both
def test_oracles_agree_with_differences(task: Field) -> None:
    problem = endless(replace(task, noise=0.05))
    (x, y), v = another(task), another(task, 1)[1]
    for level in ("lower", "upper"):
        valued, sloped = getattr(problem, f"{level}_value"), getattr(problem, f"{level}_gradient")
        g_x, g_y = sloped(x, y)
        torch.testing.assert_close(g_x, differences(functools.partial(valued, y=y), x), atol=1e-8, rtol=1e-6)
        torch.testing.assert_close(g_y, differences(functools.partial(valued, x), y), atol=1e-8, rtol=1e-6)
    own, cross = problem.second_order(x, y, v)
    along = (problem.lower_gradient(x, y + 1e-6 * v)[1] - problem.lower_gradient(x, y - 1e-6 * v)[1]) / 2e-6
    torch.testing.assert_close(own, along, atol=1e-7, rtol=1e-6)
    slopes = differences(lambda it: float(problem.lower_gradient(it, y)[1] @ v), x)
    torch.testing.assert_close(cross, slopes, atol=1e-7, rtol=1e-6)


@both
def test_gradients_are_no_steeper_than_stated(task: Field) -> None:
    problem = endless(task)
    for key in range(5):
        (x, y), there = another(task, key), another(task, key + 50)[1]
        for level in ("lower", "upper"):
            slope, steepest = getattr(problem, f"{level}_gradient"), getattr(problem, f"{level}_smoothness")(x)
            assert (slope(x, y)[1] - slope(x, there)[1]).norm() <= steepest * (y - there).norm() * (1 + 1e-9)


def test_every_projection_has_its_price() -> None:
    problem = endless(OBSTACLE)
    x, y = another(OBSTACLE)
    for count, project in enumerate((problem.project_lower, problem.tangent), 1):
        assert not project(y.requires_grad_()).requires_grad
        assert problem.ledger.total(SPACE_TIME_SOLVES) == problem.ledger.total(PRICED) == count
    to_x, to_y = problem.project_joint(x, y)
    assert problem.ledger.total(PRICED) == 3
    torch.testing.assert_close(to_y, problem.project_lower(y))
    torch.testing.assert_close(to_x, x - x.mean())
    problem.lower_gradient(x, y)
    problem.second_order(x, y, y)
    assert problem.ledger.total(PRICED) == pytest.approx(4.3)


@pytest.mark.parametrize("missing", [SPACE_TIME_SOLVES, "lower_values"])
def test_a_price_list_with_a_gap_is_refused(missing: str) -> None:
    prices = {unit: price for unit, price in PRICES.items() if unit != missing}
    with pytest.raises(ValueError, match=f"prices must name .*{missing}"):
        replace(OBSTACLE, prices=prices)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 steps and 4 cells"):
        replace(OBSTACLE, cells=3)
    with pytest.raises(ValueError, match="floor and radius must be above"):
        replace(OBSTACLE, floor=0.0)
    with pytest.raises(ValueError, match="or planted metrics do not fit"):
        replace(METRIC, lowest=0.5)
    with pytest.raises(Invalid, match="outside its set"):
        OBSTACLE.evaluate(Solution(torch.ones(5, dtype=torch.float64)), 0, run())
    with pytest.raises(Invalid, match="outside its set"):
        METRIC.evaluate(Solution(METRIC.trivial(0).upper + 0.1), 0, run())
    with pytest.raises(Diverged, match="equilibrium could not be found"):
        solver(OBSTACLE).solve(np.full(5, np.nan), OBSTACLE.ceiling.artefact(0)["truth"])


# --- the judge ---


@pytest.mark.parametrize("task", [OBSTACLE, METRIC, EXAMPLE], ids=["obstacle", "metric", "example"])
def test_an_equilibrium_is_what_another_solver_finds(task: Field) -> None:
    """SLSQP on the sums over cells under A y = c, both written out anew."""
    small = replace(task, steps=3, cells=4)
    drawn = small.drawn(0)
    game, x = drawn.game, 1.2 * drawn.planted
    metric, obstacle = (np.broadcast_to(it, (4,)) for it in small.unknown.fields(x))
    matrix, right = continuity(game)
    own = Solver(game, small.unknown)
    start = own.between()
    np.testing.assert_allclose(matrix @ start, right, atol=1e-10)
    found = optimize.minimize(
        functools.partial(looped, game, metric, obstacle),
        start,
        method="SLSQP",
        bounds=[(0.05, None)] * 12 + [(None, None)] * 9,
        constraints={"type": "eq", "fun": lambda y: matrix @ y - right, "jac": lambda y: matrix},
        options={"ftol": 1e-14, "maxiter": 500},
    )
    solved = own.solve(x, start)
    np.testing.assert_allclose(matrix @ solved.y, right, atol=1e-10)
    assert solved.value == pytest.approx(looped(game, metric, obstacle, solved.y), rel=1e-12)
    np.testing.assert_allclose(solved.y, found.x, atol=2e-4)
    assert solved.value <= found.fun + 1e-10


@both
def test_an_equilibrium_is_where_accelerated_steps_end(task: Field) -> None:
    x = another(task)[0]
    landscape = task.landscape(0)[0]
    solved = equilibrium(task, x)
    torch.testing.assert_close(fit(replace(landscape, lower_start=equilibrium(task, 0.9 * x)), x, 3000), solved)
    problem = endless(task)
    assert float(problem.tangent(problem.lower_gradient(x, solved)[1]).abs().max()) < 1e-10
    assert problem.lower_value(x, solved) == pytest.approx(solver(task).solve(x.numpy(), solved.numpy()).value)


def phi(task: Field, x: Tensor) -> float:
    return endless(task).upper_value(x, equilibrium(task, x))


@noisy
def test_the_judge_differentiates_what_it_solves(task: Field) -> None:
    x = another(task)[0]
    solved = solver(task).solve(x.numpy(), task.ceiling.artefact(0)["truth"])
    seen = task.observation(0, task.ceiling.artefact(0)["truth"])
    assert seen.value(x.numpy(), solved.y) == pytest.approx(phi(task, x))
    slope = torch.from_numpy(seen.hyper_gradient(x.numpy(), solved))
    torch.testing.assert_close(slope, differences(lambda it: phi(task, it), x, 1e-4), rtol=1e-5, atol=1e-9)
    columns = [
        (equilibrium(task, x + 1e-4 * unit) - equilibrium(task, x - 1e-4 * unit)) / 2e-4
        for unit in torch.eye(task.cells, dtype=x.dtype)
    ]
    torch.testing.assert_close(torch.from_numpy(solved.response()), torch.stack(columns, dim=1), rtol=1e-4, atol=1e-6)


@both
def test_the_start_scores_1_and_the_planted_field_0(task: Field) -> None:
    scores = task.evaluate(task.trivial(0), 0, run())
    assert scores["regret"] == pytest.approx(1)
    assert scores["stationarity"] == pytest.approx(1)
    best = task.evaluate(task.best(0), 0, run())
    assert best["regret"] == pytest.approx(0, abs=1e-9)
    assert best["field_error"] == pytest.approx(0, abs=1e-9)
    assert task.score_offer(task.trivial(0), 0, run()).items() <= scores.items()


def test_the_mean_of_an_obstacle_does_not_show() -> None:
    x = another(OBSTACLE)[0]
    torch.testing.assert_close(equilibrium(OBSTACLE, x), equilibrium(OBSTACLE, x + 3))
    assert OBSTACLE.evaluate(OBSTACLE.trivial(0), 0, run())["field_error"] == pytest.approx(1)


@noisy
def test_no_field_is_better_than_the_best_one(task: Field) -> None:
    scores = task.evaluate(task.best(0), 0, run())
    assert scores["regret"] == pytest.approx(0, abs=1e-9)
    assert scores["stationarity"] < 1e-6
    assert scores["field_error"] > 0
    rng, best = np.random.default_rng(0), task.best(0).upper
    for _ in range(20):
        near = best + torch.from_numpy(task.basis() @ rng.normal(scale=0.03, size=task.basis().shape[1]))
        assert task.evaluate(Solution(near), 0, run())["regret"] > 0


def test_noise_is_the_same_draws_at_every_level() -> None:
    truth = NOISY.ceiling.artefact(0)["truth"]
    np.testing.assert_allclose(truth, OBSTACLE.ceiling.artefact(0)["truth"])
    seen = [replace(NOISY, noise=noise).observation(0, truth).observed - truth for noise in (0.05, 0.1)]
    np.testing.assert_allclose(2 * seen[0], seen[1])
    inside = NOISY.steps * NOISY.cells
    assert np.std(seen[0][:inside]) == pytest.approx(0.05, rel=0.4)  # a density is about 1


def test_the_returned_pair_is_measured() -> None:
    x, y = another(OBSTACLE)
    x = x - x.mean()
    solved = equilibrium(OBSTACLE, x)
    scores = OBSTACLE.evaluate(Solution(x, solved), 0, run())
    assert scores["lower_gap"] == pytest.approx(0, abs=1e-12)
    assert scores["infeasibility"] < 1e-10
    problem = endless(OBSTACLE)
    moved = problem.project_lower(y)
    assert OBSTACLE.evaluate(Solution(x, moved), 0, run())["lower_gap"] > 1e-6
    assert OBSTACLE.evaluate(Solution(x, y), 0, run())["infeasibility"] > 1e-3


def test_the_work_to_the_field_is_that_of_the_first_offer_below_it() -> None:
    points = [
        {"metrics": {"regret": regret, "field_error": error}, "cost": {"work": work}}
        for regret, error, work in ((1.0, 1.0, 0.0), (0.04, 0.3, 3.0), (0.01, 0.1, 7.0), (0.0, 0.05, 9.0))
    ]
    assert OBSTACLE.score_curve(points) == {"work_to_tolerance": 3.0, "work_to_field": 7.0}
    assert OBSTACLE.score_curve(points[:2]) == {"work_to_tolerance": 3.0}
    assert OBSTACLE.score_curve([{"metrics": {}, "cost": {"work": 1.0}}]) == {}


def test_the_best_field_is_found_from_elsewhere() -> None:
    own = solver(NOISY)
    truth = NOISY.ceiling.artefact(0)["truth"]
    start = NOISY.first_guess(NOISY.drawn(0).planted)
    seen = NOISY.observation(0, truth)
    point, least = closest(own, seen.residual, NOISY.basis(), (start, own.solve(start, truth)))
    np.testing.assert_allclose(point, NOISY.ceiling.artefact(0)["point"], atol=1e-6)
    assert least == pytest.approx(NOISY.ceiling.artefact(0)["scale"].best)
    assert own.solve(start, truth).y.shape == truth.shape
    assert Unknown.METRIC.fields(2.0) == (2.0, 0.0)


# --- hyper-gradients of methods ---


@pytest.mark.parametrize(
    "method",
    [
        CONVERGED,
        InverseMFG(steps=400, longest=1.0, halvings=0, rate=1.0),
        Unrolled(steps=400, differentiated=None, rate=1.0),
        ImplicitCG(steps=400, iterations=100, tolerance=1e-12, rate=1.0),
    ],
    ids=lambda it: type(it).__name__,
)
@pytest.mark.parametrize("task", ROUND, ids=lambda task: task.name)
def test_converged_methods_give_differences_of_full_solves(task: Field, method: Method, direction: Any) -> None:
    problem = endless(task)
    slopes = differences(lambda it: phi(task, it), problem.upper_start, 1e-4)
    torch.testing.assert_close(direction(method, problem), slopes, rtol=1e-4, atol=1e-8)


@noisy
def test_few_steps_are_differentiated_as_they_were_taken(task: Field, direction: Any) -> None:
    problem = endless(task)
    size = 1 / problem.lower_smoothness(problem.upper_start)

    def after(x: Tensor) -> float:
        y = problem.lower_start
        for _ in range(4):
            y = problem.project_lower(y - size * problem.lower_gradient(x, y)[1])
        return float(problem.upper_value(x, y))

    estimate = direction(InverseMFG(steps=4, longest=1.0, halvings=0, rate=1.0), problem)
    torch.testing.assert_close(estimate, differences(after, problem.upper_start), rtol=1e-5, atol=1e-9)
    generic = direction(Unrolled(steps=4, differentiated=None, rate=1.0), problem)
    torch.testing.assert_close(estimate, generic, rtol=1e-9, atol=1e-12)


def test_without_projections_the_hyper_gradient_is_another_one(direction: Any) -> None:
    problem = endless(ROUND[0])
    wrong = replace(problem, tangent=lambda v: v)
    method = ImplicitCG(steps=400, iterations=100, tolerance=1e-12, rate=1.0)
    right, off = direction(method, problem), direction(method, wrong)
    assert float((off - right).norm()) > 0.1 * float(right.norm())


# --- whole methods ---


def test_long_steps_are_halved_until_the_energy_falls_enough(make_run: MakeRun) -> None:
    problem = endless(OBSTACLE)
    x, y = problem.upper_start, another(OBSTACLE)[1]
    method = InverseMFG(steps=6, longest=64.0, halvings=8, rate=1.0)
    path, last = method._descend(problem, x, problem.project_lower(y))
    energies = [problem.lower_value(x, it) for it in (*(at for at, _ in path), last)]
    assert all(later < earlier for earlier, later in itertools.pairwise(energies))
    longest = 64 / problem.lower_smoothness(x)
    assert all(size < longest for _, size in path)
    given_up = InverseMFG(steps=1, longest=64.0, halvings=0, rate=1.0)._descend(problem, x, problem.project_lower(y))
    assert given_up[0][0][1] == longest


@pytest.mark.parametrize("task", [OBSTACLE, METRIC, EXAMPLE], ids=["obstacle", "metric", "example"])
def test_least_squares_finds_the_field_of_an_exact_observation(task: Field, make_run: MakeRun) -> None:
    problem = task.problem(0)
    found = answer(ResidualLeastSquares(penalty=None), problem, make_run(problem))
    assert task.evaluate(found, 0, run())["field_error"] < 1e-4


def test_least_squares_is_penalised_as_stated() -> None:
    rng = np.random.default_rng(0)
    matrix, right = torch.from_numpy(rng.normal(size=(9, 4))), torch.from_numpy(rng.normal(size=9))
    size = 0.3 * torch.linalg.matrix_norm(matrix, 2)
    stacked = torch.cat([matrix, size * torch.eye(4, dtype=matrix.dtype)])
    padded = torch.cat([right, torch.zeros(4, dtype=matrix.dtype)])
    expected = torch.linalg.lstsq(stacked, padded[:, None]).solution[:, 0]
    torch.testing.assert_close(ResidualLeastSquares(penalty=0.3)._fitted(matrix, right), expected)


def test_cross_validation_is_leave_one_out_rotated() -> None:
    """The penalty chosen minimises n norm(r)^2 / trace(I - influence)^2, written out."""
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(30, 5)) * np.array([1, 0.5, 0.2, 0.1, 0.05])
    right = matrix @ np.ones(5) + 0.3 * rng.normal(size=30)
    shares = np.logspace(-6, 1, 71)

    def score(share: float) -> float:
        size = share * np.linalg.norm(matrix, 2)
        influence = matrix @ np.linalg.solve(matrix.T @ matrix + size**2 * np.eye(5), matrix.T)
        return float(np.sum((right - influence @ right) ** 2) / np.trace(np.eye(30) - influence) ** 2)

    best = float(min(shares, key=score))
    tensors = torch.from_numpy(matrix), torch.from_numpy(right)
    torch.testing.assert_close(
        ResidualLeastSquares(penalty=None)._fitted(*tensors), ResidualLeastSquares(penalty=best)._fitted(*tensors)
    )


GOOD = [
    InverseMFG(steps=5, longest=2.0, halvings=3, rate=1.0),
    InverseMFGImplicit(steps=5, tolerance=0.0, iterations=10, linear_tolerance=0.0, rate=0.1),
    InverseMFGImplicit(steps=5000, tolerance=1e-5, iterations=500, linear_tolerance=1e-4, rate=1.0),
    ImplicitCG(steps=5, iterations=3, tolerance=1e-10, rate=1.0),
    Unrolled(steps=5, differentiated=None, rate=1.0),
]


@pytest.mark.parametrize("method", GOOD, ids=repr)
@both
def test_methods_get_most_of_the_way(task: Field, method: Method, make_run: MakeRun) -> None:
    problem = replace(task, budget=1500.0).problem(0)
    made = make_run(problem)
    scores = task.evaluate(answer(method, problem, made), 0, made)
    assert scores["regret"] < 0.1
    assert scores["infeasibility"] < 1e-9
    assert problem.ledger.total(PRICED) <= 1500


def test_methods_for_coupled_problems_pay_for_projections_too(make_run: MakeRun) -> None:
    problem = OBSTACLE.problem(0)
    method = LVHBA(c=1.0, power=0.3, alpha=0.02, beta=0.05, eta=0.05, proximal=1.0, clip=1000.0)
    made = make_run(problem)
    answer(method, problem, made)
    assert made.offers is not None
    assert problem.ledger.total(SPACE_TIME_SOLVES) >= made.offers.count - 1


def test_a_cell_has_all_metrics(execute: Callable[..., Record]) -> None:
    record = execute(GOOD[0], replace(OBSTACLE, budget=600.0), ARENA.board(EquilibriumBilevel))
    assert record.status is Status.OK, record.reason + record.traceback
    named = {metric.name for metric in ARENA.board(EquilibriumBilevel).metrics}
    assert set(record.metrics) == named - {"validation_regret", "overfitting", "work_to_field"} | (
        set(record.metrics) & {"work_to_field"}
    )
    assert record.metrics["work_to_tolerance"] <= 600
