"""The arena `bilevel`: oracles against differences, judges against closed forms, the meter, and pairing."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from methods.bilevel.ift_million_hyperparameters import NeumannImplicit
from methods.bilevel.random_search import RandomSearch
from methods.bilevel.unrolled import Unrolled
from methods.bilevel.value_penalty import ValuePenalty
from results.record import Record, Status
from runners.hardware import Hardware
from runners.match import needed_type, posed_type, refusal, satisfies
from runners.preparing import ensure
from runners.run import Nobody
from tasks.base import Diverged, Invalid, Run, Task
from tasks.bilevel import (
    ARENA,
    UNITS,
    Bilevel,
    CoupledBilevel,
    HyperparameterBilevel,
    LinearBilevel,
    SecondOrderBilevel,
    SingleStep,
    Solution,
)
from tasks.bilevel.coupled import CoupledPlane, CoupledStrong
from tasks.bilevel.images import Cleaning, Decay, DecayStep
from tasks.bilevel.judging import hyper_gradient, minimised
from tasks.bilevel.oracles import fit, value
from tasks.bilevel.quadratic import FlatQuadratic, Quadratic, QuadraticStep, hyper_objective
from tasks.bilevel.tables import Source
from tasks.metering import PRICED, BudgetSpent

PRICES = dict.fromkeys(UNITS, 1.0) | {
    "lower_values": 0.5,
    "upper_values": 0.5,
    "second_order_products": 2.0,
    "constraints": 0.5,
    "constraint_pullbacks": 0.5,
    "joint_projections": 10.0,
}
QUADRATIC = Quadratic(name="bilevel/quadratic", version=1, size=5, kappa=10.0, noise=0.0, prices=PRICES, budget=200.0)
NOISY = replace(QUADRATIC, name="bilevel/quadratic_noisy", noise=0.1)
FLAT = FlatQuadratic(
    name="bilevel/quadratic_flat", version=1, size=10, kappa=10.0, flat=0.3, box=10.0, prices=PRICES, budget=200.0
)
STEP = QuadraticStep(name="bilevel/step", version=1, size=5, kappa=10.0, prices=PRICES, budget=300.0)
PLANE = CoupledPlane(name="bilevel/coupled_plane", version=1, size=4, prices=PRICES, budget=200.0)
STRONG = CoupledStrong(
    name="bilevel/coupled_strong", version=1, size=8, constraints=5, fixed=2, prices=PRICES, budget=200.0
)
IMAGES: dict[str, Any] = {
    "version": 1,
    "source": Source.DIGITS,
    "pool": 2,
    "train": 30,
    "validation": 40,
    "test": 50,
    "corrupted": 0.5,
    "lowest": -4.0,
    "highest": 2.0,
    "start": 0.0,
    "warm_steps": 30,
    "prices": PRICES,
    "budget": 200.0,
}
DECAY = Decay(name="bilevel/decay", hyperparameters=10, **IMAGES)
CLEANING = Cleaning(name="bilevel/cleaning", ridge=0.01, **IMAGES)
DECAY_STEP = DecayStep(
    name="bilevel/decay_step",
    version=1,
    source=Source.DIGITS,
    pool=2,
    train=30,
    validation=40,
    hyperparameters=10,
    start=-2.0,
    spread=1.0,
    prices=PRICES,
    budget=300.0,
)
EVERY: tuple[Any, ...] = (QUADRATIC, FLAT, STEP, PLANE, STRONG, DECAY, CLEANING, DECAY_STEP)
every_task = pytest.mark.parametrize("task", EVERY, ids=lambda task: task.name)


def point(problem: CoupledBilevel, key: int = 0) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(key)
    sizes = len(problem.upper_start), len(problem.lower_start)
    x, y = (torch.from_numpy(0.5 * rng.normal(size=size)) for size in sizes)
    return x, y


def differences(function: Callable[[Tensor], float], at: Tensor, width: float = 1e-6) -> Tensor:
    rows = [function(at + width * unit) - function(at - width * unit) for unit in torch.eye(len(at), dtype=at.dtype)]
    return torch.tensor(rows, dtype=at.dtype) / (2 * width)


def run() -> Run:
    return cast("Run", SimpleNamespace(rng=np.random.default_rng(0)))


def endless(task: Any) -> Any:
    return replace(task, budget=1e9)


# --- oracles ---


@every_task
def test_gradients_agree_with_differences_of_values(task: Any) -> None:
    problem = endless(task).problem(0)
    x, y = point(problem)
    for level in ("lower", "upper"):
        valued, sloped = getattr(problem, f"{level}_value"), getattr(problem, f"{level}_gradient")
        g_x, g_y = sloped(x, y)
        torch.testing.assert_close(g_x, differences(functools.partial(valued, y=y), x), atol=1e-7, rtol=1e-6)
        torch.testing.assert_close(g_y, differences(functools.partial(valued, x), y), atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize("task", [task for task in EVERY if task not in (FLAT, PLANE)], ids=lambda task: task.name)
def test_second_order_products_agree_with_differences_of_gradients(task: Any) -> None:
    problem = endless(task).problem(0)
    x, y = point(problem)
    v = point(problem, 1)[1]
    own, cross = problem.second_order(x, y, v)
    along = (problem.lower_gradient(x, y + 1e-6 * v)[1] - problem.lower_gradient(x, y - 1e-6 * v)[1]) / 2e-6
    torch.testing.assert_close(own, along, atol=1e-7, rtol=1e-6)
    slopes = differences(lambda it: float(problem.lower_gradient(it, y)[1] @ v), x)
    torch.testing.assert_close(cross, slopes, atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize("task", [PLANE, STRONG], ids=lambda task: task.name)
def test_constraints_their_pullbacks_and_projections(task: Any) -> None:
    problem = endless(task).problem(0)
    x, y = point(problem)
    h = problem.constraint(x, y)
    torch.testing.assert_close(h, problem.lower_matrix @ y + problem.upper_matrix @ x - problem.offset)
    rows = torch.cat([problem.upper_matrix, problem.lower_matrix], dim=1)
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(problem.constraints, dtype=x.dtype))
    w = torch.from_numpy(np.random.default_rng(2).normal(size=problem.constraints))
    h_x, h_y = problem.constraint_pullback(x, y, w)
    torch.testing.assert_close(
        h_x, differences(lambda it: float(problem.constraint(it, y) @ w), x), rtol=1e-6, atol=1e-8
    )
    torch.testing.assert_close(
        h_y, differences(lambda it: float(problem.constraint(x, it) @ w), y), rtol=1e-6, atol=1e-8
    )
    to_x, to_y = problem.project_joint(x, y)
    assert problem.constraint(to_x, to_y).abs().max() < 1e-10
    assert (problem.project_upper(to_x) - to_x).abs().max() < 1e-10
    again = problem.project_joint(to_x, to_y)
    torch.testing.assert_close(again, (to_x, to_y))
    moved = problem.project_joint(*point(problem, 3))  # any other feasible pair is seen under an obtuse angle
    inner = (x - to_x) @ (moved[0] - to_x) + (y - to_y) @ (moved[1] - to_y)
    assert abs(float(inner)) < 1e-9


@every_task
def test_gradients_are_no_steeper_than_stated(task: Any) -> None:
    problem = endless(task).problem(0)
    (x, y), there = point(problem), point(problem, 1)[1]
    for level in ("lower", "upper"):
        slope = getattr(problem, f"{level}_gradient")
        steepest = getattr(problem, f"{level}_smoothness")(x)
        assert (slope(x, y)[1] - slope(x, there)[1]).norm() <= steepest * (y - there).norm() * (1 + 1e-9)


@every_task
def test_what_oracles_return_cannot_be_differentiated(task: Any) -> None:
    problem = endless(task).problem(0)
    x, y = (it.requires_grad_() for it in point(problem))
    answers = [*problem.lower_gradient(x, y), *problem.upper_gradient(x, y), problem.constraint(x, y)]
    answers += [
        *problem.project_joint(x, y),
        *problem.constraint_pullback(x, y, torch.ones(problem.constraints).double()),
    ]
    assert not any(answer.requires_grad for answer in answers)


def test_a_projection_onto_nothing_is_that_of_the_simple_sets() -> None:
    problem = replace(FLAT, box=0.1).problem(0)
    x, y = point(problem)
    to_x, to_y = problem.project_joint(x, y)
    torch.testing.assert_close((to_x, to_y), (x, y.clamp(-0.1, 0.1)))
    assert problem.constraint(x, y).shape == (0,)
    assert problem.ledger.total(PRICED) == 0


# --- the meter ---


def test_prices_are_charged_once() -> None:
    problem = QUADRATIC.problem(0)
    x, y = point(problem)
    expected = 0.0
    for oracle, price in (
        (problem.lower_value, 0.5),
        (problem.lower_gradient, 1.0),
        (problem.upper_value, 0.5),
        (problem.upper_gradient, 1.0),
    ):
        oracle(x, y)
        expected += price
        assert problem.ledger.total(PRICED) == expected
    problem.second_order(x, y, y)
    assert problem.ledger.total(PRICED) == expected + 2
    assert problem.ledger.totals()["second_order_products"] == 1


def test_rows_are_priced_by_what_a_full_pass_of_the_lower_level_has() -> None:
    problem = DECAY.problem(0)
    x, y = point(problem)
    problem.lower_gradient(x, y, rows=np.arange(3))
    assert problem.ledger.total(PRICED) == pytest.approx(3 / 30)
    problem.upper_gradient(x, y)
    assert problem.ledger.total(PRICED) == pytest.approx(3 / 30 + 40 / 30)
    problem.second_order(x, y, y, rows=np.arange(15))
    assert problem.ledger.total(PRICED) == pytest.approx(3 / 30 + 40 / 30 + 1)
    before = problem.ledger.total(PRICED)
    problem.fit_and_validate(x, 7)
    assert problem.ledger.total(PRICED) - before == pytest.approx(7 + 0.5 * 40 / 30)


def test_coupling_has_a_price() -> None:
    problem = PLANE.problem(0)
    x, y = point(problem)
    problem.project_joint(x, y)
    problem.constraint(x, y)
    problem.constraint_pullback(x, y, torch.ones(1).double())
    assert problem.ledger.total(PRICED) == 11


def test_minibatches_average_to_the_whole() -> None:
    problem = endless(CLEANING).problem(0)
    x, y = point(problem)
    parts = [problem.lower_gradient(x, y, rows=np.arange(k, k + 10)) for k in (0, 10, 20)]
    whole = problem.lower_gradient(x, y)
    torch.testing.assert_close(torch.stack([it[0] for it in parts]).mean(dim=0), whole[0])
    torch.testing.assert_close(torch.stack([it[1] for it in parts]).mean(dim=0), whole[1])


def test_noise_belongs_to_the_row() -> None:
    problem, exact = endless(NOISY).problem(0), endless(replace(NOISY, noise=0.0)).problem(0)
    x, y = point(problem)
    there = point(problem, 1)[1]
    rows = np.array([3, 99])
    one, other = problem.lower_gradient(x, y, rows=rows)[1], problem.lower_gradient(x, there, rows=rows)[1]
    torch.testing.assert_close(one - other, exact.lower_gradient(x, y)[1] - exact.lower_gradient(x, there)[1])
    assert not torch.equal(problem.lower_gradient(x, y)[1], problem.lower_gradient(x, y)[1])
    again = endless(NOISY).problem(0)
    torch.testing.assert_close(again.lower_gradient(x, y, rows=rows)[1], one)
    many = problem.upper_gradient(x, y, rows=np.arange(4000))[1] - exact.upper_gradient(x, y)[1]
    assert float(many.abs().max()) < 5 * 0.1 / 4000**0.5


def test_a_price_list_with_a_gap_is_refused() -> None:
    with pytest.raises(ValueError, match="prices must name lower_values"):
        replace(QUADRATIC, prices={"lower_gradients": 1.0})


def test_the_budget_stops_a_method_and_its_last_offer_counts(execute: Callable[..., Record]) -> None:
    board = ARENA.board(SecondOrderBilevel)
    record = execute(Unrolled(steps=5, differentiated=None, rate=1.0), QUADRATIC, board)
    assert record.status is Status.OK
    assert record.reason == "the solve budget of 200 work is spent; the last offer counts"
    assert record.cost["solve"]["work"] <= 200 < record.cost["solve"]["work"] + 2
    assert record.metrics["regret"] == pytest.approx(record.curve[-1]["metrics"]["regret"])
    assert record.metrics["regret"] < 0.1
    assert record.prices == PRICES


def test_a_ledger_with_other_prices_is_refused(execute: Callable[..., Record], monkeypatch: pytest.MonkeyPatch) -> None:
    pose = Quadratic.problem
    monkeypatch.setattr(
        Quadratic,
        "problem",
        lambda task, seed: pose(replace(task, prices=dict(PRICES) | {"lower_gradients": 0.1}), seed),
    )
    record = execute(Unrolled(steps=5, differentiated=None, rate=1.0), QUADRATIC, ARENA.board(SecondOrderBilevel))
    assert record.status is Status.FAILED
    assert "the prices of the ledger are not those of the task" in record.reason


# --- judges ---


def test_the_closed_form_of_the_quadratic_is_its_hyper_objective() -> None:
    given = QUADRATIC.drawn(0)
    landscape, phi = given.landscape(), hyper_objective(given)
    x = point(QUADRATIC.problem(0))[0]
    solved = minimised(landscape.lower, x, landscape.lower_start)
    assert value(landscape.upper, x, solved) == pytest.approx(phi.value(x.numpy()))
    slope = hyper_gradient(landscape, landscape.upper, x, solved)
    torch.testing.assert_close(slope, torch.from_numpy(phi.gradient(x.numpy())), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(slope, differences(lambda it: phi.value(it.numpy()), x), rtol=1e-5, atol=1e-6)
    assert np.abs(phi.gradient(phi.best())).max() < 1e-10


def test_the_best_of_many_lower_solutions_counts() -> None:
    problem, given = FLAT.problem(0), FLAT.drawn(0)
    reached, solved = FLAT._phi(given, given.start)
    y = torch.from_numpy(solved)
    x = problem.upper_start
    assert problem.lower_gradient(x, y)[1].abs().max() < 1e-10
    values, vectors = np.linalg.eigh(given.hessian)
    for flat in vectors[:, values < 1e-9].T:
        other = y + 0.1 * torch.from_numpy(flat.copy())
        assert problem.lower_gradient(x, other)[1].abs().max() < 1e-10
        assert problem.upper_value(x, other) > problem.upper_value(x, y)
    assert problem.upper_value(x, y) == pytest.approx(reached)


def test_a_box_that_binds_is_judged_by_bounded_least_squares() -> None:
    tight = replace(FLAT, box=0.5)
    given, problem = tight.drawn(0), tight.problem(0)
    x = problem.upper_start
    solved = torch.from_numpy(tight._phi(given, given.start)[1])
    assert solved.abs().max() <= 0.5
    slope = problem.lower_gradient(x, solved)[1]
    assert (problem.project_lower(solved - slope) - solved).abs().max() < 1e-5


def test_no_x_is_better_than_the_planted_optimum_of_the_plane() -> None:
    assert PLANE.evaluate(PLANE.best(0), 0, run())["regret"] == pytest.approx(0, abs=1e-12)
    for key in range(20):
        x = point(PLANE.problem(0), key)[0]
        assert PLANE.evaluate(Solution(x), 0, run())["regret"] > 0
    x = PLANE.problem(0).upper_start
    best = PLANE.best(0)
    scores = PLANE.evaluate(best, 0, run())
    assert scores["lower_gap"] == pytest.approx(0, abs=1e-12)
    assert scores["infeasibility"] == pytest.approx(0, abs=1e-12)
    assert PLANE.evaluate(Solution(x), 0, run())["regret"] == pytest.approx(1)


def test_the_optimum_of_the_strong_problem_beats_many_descents() -> None:
    from scipy import optimize

    from tasks.bilevel.coupled import _strong

    given = STRONG.drawn(0)
    response, rng = given.response(), np.random.default_rng(0)
    best = _strong(given, response, STRONG.best(0).upper.numpy())[0]
    for _ in range(30):
        start = given.kept @ rng.normal(size=STRONG.size)
        found = optimize.minimize(lambda z: _strong(given, response, given.kept @ z), start, jac=True, method="BFGS")
        assert found.fun >= best - 1e-8
    x = point(STRONG.problem(0))[0].numpy()
    slopes = differences(
        lambda it: _strong(given, response, given.kept @ it.numpy())[0], torch.from_numpy(given.kept @ x)
    )
    np.testing.assert_allclose(_strong(given, response, given.kept @ x)[1], slopes.numpy(), atol=1e-6)


@pytest.mark.parametrize("task", [DECAY, CLEANING], ids=lambda task: task.name)
def test_the_judge_solves_and_differentiates_the_lower_problem(task: Any) -> None:
    world = task.world(0)
    landscape = world.landscape
    x = landscape.upper_start + 0.3 * point(task.problem(0))[0]

    def phi(at: Tensor) -> float:
        return value(landscape.upper, at, minimised(landscape.lower, at, landscape.lower_start, 1e-9))

    solved = minimised(landscape.lower, x, landscape.lower_start, 1e-9)
    slope = hyper_gradient(landscape, landscape.upper, x, solved)
    torch.testing.assert_close(slope, differences(phi, x, 1e-4), rtol=1e-4, atol=1e-6)
    far = fit(landscape, x, 3000)
    torch.testing.assert_close(far, solved, atol=1e-5, rtol=1e-4)


def test_ceilings_are_scored_as_0_and_starts_as_1(one_core: Hardware) -> None:
    ensure(DECAY.ceiling, 0, one_core, Nobody())
    scores = DECAY.evaluate(DECAY.trivial(0), 0, run())
    assert scores["regret"] == pytest.approx(1)
    assert scores["validation_regret"] == pytest.approx(1)
    assert DECAY.evaluate(DECAY.best(0), 0, run())["regret"] == pytest.approx(0, abs=1e-6)
    assert DECAY.score_offer(DECAY.best(0), 0, run())["regret"] == pytest.approx(0, abs=1e-5)


def test_a_step_down_the_exact_gradient_has_cosine_1() -> None:
    for task in (STEP, DECAY_STEP):
        assert task.evaluate(task.best(0), 0, run())["gradient_cosine"] == pytest.approx(1)
        assert task.evaluate(task.trivial(0), 0, run())["gradient_cosine"] == 0
        problem = task.problem(0)
        assert problem.lower_gradient(problem.upper_start, problem.lower_start)[1].norm() < 1e-7
        assert problem.outer_steps == 1


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (None, Invalid, "must be a Solution"),
        (Solution(torch.zeros(3)), Invalid, "x must be a tensor of 5 numbers"),
        (Solution(torch.zeros(5), torch.zeros(2)), Invalid, "y must be a tensor of 5 numbers"),
        (Solution(torch.full((5,), float("nan"))), Diverged, "x is not finite"),
    ],
)
def test_illegal_answers(answer: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        QUADRATIC.evaluate(answer, 0, run())


def test_an_x_outside_its_set_is_invalid() -> None:
    with pytest.raises(Invalid, match="x is 7 outside its set"):
        DECAY.evaluate(Solution(torch.full((10,), 9.0)), 0, run())


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="the start must lie between"):
        replace(DECAY, start=9.0)
    with pytest.raises(ValueError, match="hyperparameters must be 1, 10 or 170"):
        replace(DECAY, hyperparameters=7).world(0)
    with pytest.raises(ValueError, match="rows are wanted, but digits has 1797"):
        replace(DECAY, test=9999).tables(0)
    with pytest.raises(ValueError, match="constraints must be from 1"):
        replace(STRONG, constraints=8)


def test_rows_of_the_three_parts_are_apart() -> None:
    table = replace(DECAY, pool=1, train=500, validation=500, test=700).tables(0)
    rows = torch.cat([table.train[0], table.validation[0], table.test[0]])
    assert len(torch.unique(rows, dim=0)) > 1690  # the set itself has a few doubles
    assert (table.train[0][:, -1] == 1).all()


# --- pairing ---


def test_promises_are_kept_by_subclasses_only() -> None:
    second, coupled = needed_type(NeumannImplicit), posed_type(CoupledPlane)
    assert second is SecondOrderBilevel
    assert not satisfies(coupled, second)
    assert refusal(("bilevel/ift", NeumannImplicit), ("bilevel/coupled_plane", CoupledPlane)) == (
        "bilevel/ift needs SecondOrderBilevel, but bilevel/coupled_plane poses LinearBilevel"
    )
    assert not satisfies(posed_type(FlatQuadratic), second)
    assert not satisfies(coupled, needed_type(ValuePenalty))
    assert satisfies(posed_type(FlatQuadratic), needed_type(ValuePenalty))
    assert not satisfies(posed_type(DecayStep), needed_type(RandomSearch))
    for special, general in (
        (LinearBilevel, CoupledBilevel),
        (Bilevel, CoupledBilevel),
        (SecondOrderBilevel, Bilevel),
        (HyperparameterBilevel, SecondOrderBilevel),
        (SingleStep, SecondOrderBilevel),
    ):
        assert satisfies(special, general)
    assert not satisfies(LinearBilevel, Bilevel)


def test_a_problem_is_posed_by_each_task_as_it_says() -> None:
    for task in EVERY:
        assert type(cast("Task", task).problem(0)) is posed_type(type(task))


def test_the_last_oracle_call_beyond_the_budget_books_nothing() -> None:
    problem = replace(QUADRATIC, budget=1.5).problem(0)
    x, y = point(problem)
    problem.lower_gradient(x, y)
    with pytest.raises(BudgetSpent):
        problem.second_order(x, y, y)
    assert problem.ledger.total(PRICED) == 1


def test_the_work_to_the_tolerance_is_that_of_the_first_offer_below_it() -> None:
    points = [{"metrics": {"regret": regret}, "cost": {"work": work}} for regret, work in ((1.0, 0.0), (0.2, 3.0))]
    assert QUADRATIC.score_curve(points) == {}
    low = [{"metrics": {"regret": regret}, "cost": {"work": work}} for regret, work in ((0.05, 7.0), (0.01, 9.0))]
    assert QUADRATIC.score_curve([*points, {"metrics": {}, "cost": {"work": 5.0}}, *low]) == {"work_to_tolerance": 7.0}
