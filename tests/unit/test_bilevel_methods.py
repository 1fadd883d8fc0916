"""Methods of the arena `bilevel`: their hyper-gradients against closed forms and differences, and their loops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from methods.base import Diverged, Method, NotApplicable
from methods.bilevel._implicit import conjugate_gradients, least_squares, neumann, unrolled
from methods.bilevel._linear import fibre
from methods.bilevel._loop import Steps, finite, lower_rows, upper_rows
from methods.bilevel._penalty import towards_both
from methods.bilevel.aipod import AiPOD
from methods.bilevel.alternating import Alternating
from methods.bilevel.amigo import AmIGO
from methods.bilevel.bome import BOME
from methods.bilevel.f2sa import F2SA
from methods.bilevel.forward import Forward
from methods.bilevel.gaussian_process import GaussianProcess
from methods.bilevel.ift_million_hyperparameters import NeumannImplicit
from methods.bilevel.implicit_cg import ImplicitCG
from methods.bilevel.joint_sum import JointSum
from methods.bilevel.kkt import KKT
from methods.bilevel.lv_hba import LVHBA
from methods.bilevel.penalty_bilevel import PenaltyBilevel
from methods.bilevel.penalty_single_loop import PenaltySingleLoop
from methods.bilevel.random_search import RandomSearch
from methods.bilevel.soba import SOBA
from methods.bilevel.stocbio import StocBiO
from methods.bilevel.t1_t2 import IdentityImplicit
from methods.bilevel.unrolled import Unrolled
from methods.bilevel.value_penalty import ValuePenalty
from runners.hardware import Hardware
from runners.run import AttemptRun, Offers
from tasks.bilevel import UNITS, Solution
from tasks.bilevel.coupled import CoupledPlane, CoupledStrong, _strong
from tasks.bilevel.images import Decay
from tasks.bilevel.judging import hyper_gradient, minimised
from tasks.bilevel.oracles import pose, unchanged, value
from tasks.bilevel.quadratic import Quadratic, QuadraticStep, hyper_objective
from tasks.bilevel.tables import Source
from tasks.metering import BudgetSpent

PRICES = dict.fromkeys(UNITS, 1.0)
STEP = QuadraticStep(name="bilevel/step", version=1, size=5, kappa=10.0, prices=PRICES, budget=1e9)
QUADRATIC = Quadratic(name="bilevel/quadratic", version=1, size=5, kappa=10.0, noise=0.0, prices=PRICES, budget=400.0)
PLANE = CoupledPlane(name="bilevel/coupled_plane", version=1, size=4, prices=PRICES, budget=200.0)
STRONG = CoupledStrong(
    name="bilevel/coupled_strong", version=1, size=8, constraints=5, fixed=2, prices=PRICES, budget=2000.0
)
DECAY = Decay(
    name="bilevel/decay",
    version=1,
    source=Source.DIGITS,
    pool=2,
    train=30,
    validation=40,
    test=50,
    corrupted=0.2,
    lowest=-4.0,
    highest=2.0,
    start=0.0,
    warm_steps=30,
    hyperparameters=10,
    prices=PRICES,
    budget=600.0,
)
LV_HBA = LVHBA(c=10.0, power=0.3, alpha=0.02, beta=0.05, eta=0.05, proximal=10.0, clip=1000.0)  # as the sheet tuned it
MakeRun = Callable[[Any], AttemptRun]


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


@pytest.fixture
def direction(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> Callable[[Method, Any], Tensor]:
    """The first direction of a method: with a step size of 1 it is what x moved by."""
    monkeypatch.setattr(Steps, "size", lambda steps, given: 1.0)

    def first(method: Method, problem: Any) -> Tensor:
        problem = replace(problem, outer_steps=1)
        return torch.as_tensor(problem.upper_start - answer(method, problem, make_run(problem)).upper)

    return first


def true(task: QuadraticStep | Quadratic = STEP) -> Tensor:
    given = task.drawn(0)
    return torch.from_numpy(hyper_objective(given).gradient(given.start))


# --- hyper-gradients ---


@pytest.mark.parametrize(
    "method",
    [
        Unrolled(steps=400, differentiated=None, rate=1.0),
        Unrolled(steps=400, differentiated=300, rate=1.0),
        ImplicitCG(steps=1, iterations=10, tolerance=1e-12, rate=1.0),
        NeumannImplicit(steps=1, terms=400, rate=1.0),
        StocBiO(steps=1, terms=400, share=1.0, rate=1.0),
        AmIGO(steps=1, iterations=400, share=1.0, rate=1.0),
    ],
    ids=repr,
)
def test_converged_second_order_methods_give_the_closed_form(method: Method, direction: Any) -> None:
    torch.testing.assert_close(direction(method, STEP.problem(0)), true(), rtol=1e-8, atol=1e-8)


def test_forward_mode_gives_what_reverse_mode_gives(direction: Any) -> None:
    for task in (QUADRATIC, DECAY):
        problem = replace(task, budget=1e9).problem(0)
        reverse = direction(Unrolled(steps=9, differentiated=None, rate=1.0), problem)
        forward = direction(Forward(steps=9, difference=1e-5, most=10, rate=1.0), problem)
        torch.testing.assert_close(forward, reverse, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("task", [QUADRATIC, DECAY], ids=lambda task: task.name)
def test_unrolling_differentiates_the_steps_that_were_taken(task: Any, direction: Any) -> None:
    problem = replace(task, budget=1e9).problem(0)
    steps = 6

    def after(x: Tensor, size: float) -> float:
        y = problem.lower_start
        for _ in range(steps):
            y = y - size * problem.lower_gradient(x, y)[1]
        return float(problem.upper_value(x, y))

    size = 1 / problem.lower_smoothness(problem.upper_start)  # held fixed, as reverse mode holds it
    x, slopes = problem.upper_start, []
    for unit in torch.eye(len(x), dtype=x.dtype):
        slopes.append((after(x + 1e-6 * unit, size) - after(x - 1e-6 * unit, size)) / 2e-6)
    estimate = direction(Unrolled(steps=steps, differentiated=None, rate=1.0), problem)
    torch.testing.assert_close(estimate, torch.tensor(slopes, dtype=x.dtype), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("terms", [1, 5, 20])
def test_unrolling_from_the_optimum_is_as_many_terms_of_the_neumann_series(terms: int) -> None:
    problem = STEP.problem(0)
    x, y = problem.upper_start, problem.lower_start
    f_y = problem.upper_gradient(x, y)[1]
    backwards = unrolled(lambda at, v: problem.second_order(x, at, v), [y] * terms, f_y, 0.7)
    series = neumann(lambda v: problem.second_order(x, y, v), f_y, terms, 0.7)[1]
    torch.testing.assert_close(backwards, -series, rtol=1e-12, atol=1e-12)


def test_the_identity_is_the_inverse_of_a_hessian_that_is_one(direction: Any) -> None:
    round_ = replace(STEP, kappa=1.0)
    exact = true(round_)
    torch.testing.assert_close(direction(IdentityImplicit(steps=1, rate=1.0), round_.problem(0)), exact)
    skewed = direction(IdentityImplicit(steps=1, rate=1.0), STEP.problem(0))
    assert (skewed - true()).norm() > 0.1 * true().norm()


def test_hyper_gradients_of_a_network_agree_with_the_judge(direction: Any) -> None:
    world = DECAY.world(0)
    landscape = world.landscape
    solved = minimised(landscape.lower, landscape.upper_start, landscape.lower_start, 1e-9)
    exact = hyper_gradient(landscape, landscape.upper, landscape.upper_start, solved)
    start = replace(landscape, lower_start=solved)
    from tasks.bilevel import SecondOrderBilevel

    problem = pose(SecondOrderBilevel, start, PRICES, 1e9, tangent=unchanged)
    for method in (
        ImplicitCG(steps=1, iterations=60, tolerance=1e-12, rate=1.0),
        NeumannImplicit(steps=1, terms=200, rate=1.0),
        Unrolled(steps=200, differentiated=None, rate=1.0),
    ):
        torch.testing.assert_close(direction(method, problem), exact, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    "method",
    [
        KKT(steps=1, iterations=10, tolerance=1e-12, rate=1.0),
        AiPOD(steps=1, terms=3, rate=1.0),
    ],
    ids=repr,
)
def test_methods_for_linear_constraints_give_the_closed_form(method: Method, direction: Any) -> None:
    problem, given = replace(STRONG, budget=1e9).problem(0), STRONG.drawn(0)
    exact = torch.from_numpy(_strong(given, given.response(), given.start)[1])
    torch.testing.assert_close(direction(method, problem), exact, rtol=1e-6, atol=1e-8)


def test_the_penalty_gradient_is_off_by_a_multiple_of_s(make_run: MakeRun, direction: Any) -> None:
    scales = np.array([1e-4, 1e-3, 1e-2])
    errors = []
    for s in scales:
        method = PenaltyBilevel(s=float(s), steps=4000, rho=1e12, share=1.0, outer_share=1.0, rate=1.0)
        errors.append(float((direction(method, STEP.problem(0)) - true()).norm() / true().norm()))
    slope = np.polyfit(np.log(scales), np.log(errors), 1)[0]
    assert 0.9 <= slope <= 1.1
    assert errors[-1] < 0.2


def test_both_minimisers_are_found(make_run: MakeRun) -> None:
    problem = STEP.problem(0)
    x, zero, s = problem.upper_start, torch.zeros(5, dtype=torch.float64), 0.3
    w, z = towards_both(problem, make_run(problem), x, zero, zero, s, 500, 1.0, float("inf"))
    assert problem.lower_gradient(x, z)[1].norm() < 1e-8
    assert (problem.lower_gradient(x, w)[1] + s * problem.upper_gradient(x, w)[1]).norm() < 1e-8


# --- parts ---


def test_linear_systems() -> None:
    rng = np.random.default_rng(0)
    basis = torch.from_numpy(np.linalg.qr(rng.normal(size=(6, 6)))[0])
    right = torch.from_numpy(rng.normal(size=6))
    crossing = torch.from_numpy(rng.normal(size=(4, 6)))
    spectrum = torch.tensor([0.1, 0.2, 0.5, 0.6, 0.9, 1.0], dtype=torch.float64)
    matrix = (basis * spectrum) @ basis.T
    solved = torch.linalg.solve(matrix, right)
    for start in (None, torch.ones(6, dtype=torch.float64), solved):
        found, crossed = conjugate_gradients(lambda v: (matrix @ v, crossing @ v), right, start, 6, 1e-13)
        torch.testing.assert_close(found, solved)
        torch.testing.assert_close(crossed, crossing @ solved)
    singular = (basis * spectrum.where(spectrum > 0.3, 0.0)) @ basis.T
    shortest = least_squares(lambda v: singular @ v, right, 20, 1e-14)
    torch.testing.assert_close(shortest, torch.linalg.pinv(singular, rtol=1e-10) @ right)
    assert not least_squares(lambda v: 0 * v, right, 20, 1e-14).any()


def test_a_hessian_that_is_not_positive_stops_conjugate_gradients() -> None:
    right = torch.ones(3, dtype=torch.float64)
    found, crossed = conjugate_gradients(lambda v: (-v, v), right, None, 5, 1e-10)
    assert not found.any()
    assert not crossed.any()


def test_a_fibre_is_what_the_constraints_say() -> None:
    problem = STRONG.problem(0)
    given = fibre(problem)
    x, v = problem.upper_start, torch.from_numpy(np.random.default_rng(1).normal(size=8))
    y = given.project(x, v)
    assert problem.constraint(x, y).abs().max() < 1e-10
    assert (problem.lower_matrix @ given.tangent(v)).abs().max() < 1e-10
    moved = given.project(x + v, y)  # along D the fibre over x goes to that over x + v
    torch.testing.assert_close(float(given.carried(v) @ v), float((moved - y) @ v))


def test_steps_keep_the_direction_and_are_blind_to_its_scale() -> None:
    problem = QUADRATIC.problem(0)
    x, d = problem.upper_start, torch.arange(1.0, 6.0, dtype=torch.float64)
    one, other = Steps(problem, 0.5), Steps(problem, 0.5)
    for factor in (1.0, 3.0, 0.1):
        torch.testing.assert_close(one.take(x, factor * d), other.take(x, 1000 * factor * d))
    first = Steps(problem, 0.5).take(x, d)
    assert float((first - x).norm()) == pytest.approx(0.5 * problem.upper_radius)
    assert Steps(problem, 1.0).size(0 * d) == 0
    with pytest.raises(Diverged, match="direction in x is not finite"):
        one.take(x, d / 0)
    with pytest.raises(Diverged, match="iterate is not finite"):
        finite(x, d / 0)


def test_minibatches_are_shares(make_run: MakeRun) -> None:
    problem = DECAY.problem(0)
    run = make_run(problem)
    assert lower_rows(problem, run, 1.0) is None
    rows = lower_rows(problem, run, 0.5)
    assert rows is not None
    assert len(set(rows.tolist())) == 15
    held = upper_rows(problem, run, 0.1)
    assert held is not None
    assert len(held) == 4
    noisy = replace(QUADRATIC, noise=0.1).problem(0)
    names = lower_rows(noisy, run, 3.0)
    assert names is not None
    assert len(names) == 3


# --- whole methods ---

GOOD = [
    Unrolled(steps=10, differentiated=None, rate=1.0),
    ImplicitCG(steps=10, iterations=5, tolerance=1e-10, rate=1.0),
    NeumannImplicit(steps=10, terms=10, rate=1.0),
    AmIGO(steps=10, iterations=10, share=1.0, rate=1.0),
    StocBiO(steps=10, terms=10, share=1.0, rate=1.0),
    SOBA(share=1.0, rate=0.1),
    F2SA(multiplier=1.0, power=1 / 3, steps=5, share=1.0, rate=1.0),
    BOME(steps=10, control=0.5, rate=1.0),
    ValuePenalty(largest=10.0, ramp=0.5, steps=1, rate=1.0),
    PenaltyBilevel(s=0.1, steps=5, rho=100.0, share=1.0, outer_share=1.0, rate=1.0),
    PenaltySingleLoop(s=0.1, momentum=1.0, share=1.0, inner_rate=1.0, rate=0.1),
    PenaltySingleLoop(s=0.1, momentum=0.5, share=1.0, inner_rate=1.0, rate=0.1),
]


@pytest.mark.parametrize("method", GOOD, ids=repr)
def test_methods_get_most_of_the_way_on_an_easy_problem(method: Method, make_run: MakeRun) -> None:
    problem = replace(QUADRATIC, budget=2000.0).problem(0)
    run = make_run(problem)
    found = answer(method, problem, run)
    assert QUADRATIC.evaluate(found, 0, run)["regret"] < 0.1
    assert problem.ledger.total("work") <= 2000


def test_momentum_with_exact_gradients_changes_nothing(make_run: MakeRun) -> None:
    answers = []
    for momentum in (1.0, 0.3):
        method = PenaltySingleLoop(s=0.1, momentum=momentum, share=1.0, inner_rate=1.0, rate=0.1)
        problem = replace(replace(QUADRATIC, budget=1e9).problem(0), outer_steps=30)
        answers.append(answer(method, problem, make_run(problem)).upper)
    torch.testing.assert_close(*answers)


def test_without_coupling_x_stays_where_f_does_not_move_it(make_run: MakeRun) -> None:
    problem = DECAY.problem(0)
    found = answer(Alternating(steps=3, rate=1.0), problem, make_run(problem))
    torch.testing.assert_close(found.upper, problem.upper_start)


def test_the_joint_sum_goes_down_the_sum(make_run: MakeRun) -> None:
    problem = replace(DECAY.problem(0), outer_steps=20)
    found = answer(JointSum(weight=1.0, rate=0.1), problem, make_run(problem))
    assert found.lower is not None
    landscape = DECAY.world(0).landscape

    def total(x: Tensor, y: Tensor) -> float:
        return value(landscape.upper, x, y) + value(landscape.lower, x, y)

    assert total(found.upper, found.lower) < total(problem.upper_start, problem.lower_start)


def test_lv_hba_reaches_the_planted_optimum(make_run: MakeRun) -> None:
    posed = replace(PLANE, budget=1e9).problem(0)
    problem = replace(posed, outer_steps=5000, upper_start=0 * posed.upper_start, lower_start=0 * posed.lower_start)
    run = make_run(problem)
    found, planted = answer(LV_HBA, problem, run), PLANE.best(0)
    off = (found.upper - planted.upper).norm() / planted.upper.norm()
    assert float(off) == pytest.approx(0.047, abs=5e-4)  # of another implementation, n = 100: entries are all alike
    scores = PLANE.evaluate(found, 0, run)
    assert scores["regret"] < 1e-3
    assert scores["infeasibility"] < 1e-9


def test_projected_implicit_methods_miss_it(make_run: MakeRun) -> None:
    answers = []
    for budget in (3000.0, 6000.0):
        problem = replace(PLANE, budget=budget).problem(0)
        run = make_run(problem)
        found = answer(KKT(steps=5, iterations=10, tolerance=1e-8, rate=1.0), problem, run)
        answers.append(PLANE.evaluate(found, 0, run)["regret"])
    assert answers[1] > 0.01
    assert answers[1] == pytest.approx(answers[0], rel=0.01)  # it has converged, to another point


def test_lv_hba_answers_without_constraints_too(make_run: MakeRun) -> None:
    problem = replace(QUADRATIC, budget=3000.0).problem(0)
    run = make_run(problem)
    assert QUADRATIC.evaluate(answer(LV_HBA, problem, run), 0, run)["regret"] < 0.5
    assert "constraints" not in problem.ledger.totals() or problem.ledger.totals()["constraints"] == 0


def test_forward_mode_refuses_many_hyperparameters(make_run: MakeRun) -> None:
    problem = QUADRATIC.problem(0)
    with pytest.raises(NotApplicable, match="each of 5 entries of x"):
        Forward(steps=3, difference=1e-5, most=4, rate=1.0).solve(problem, make_run(problem))


@pytest.mark.parametrize(
    "method",
    [RandomSearch(fit_steps=None), GaussianProcess(first=4, candidates=50, nearby=0.1, fit_steps=None)],
    ids=lambda method: type(method).__name__,
)
def test_searches_stay_within_bounds_and_offer_improvements(method: Method, make_run: MakeRun) -> None:
    problem = DECAY.problem(0)
    run = make_run(problem)
    with pytest.raises(BudgetSpent):
        method.solve(problem, run)
    assert run.offers is not None
    offered = run.offers.curve()
    landscape = DECAY.world(0).landscape
    reached = [value(landscape.upper, it.solution.upper, it.solution.lower) for it in offered]
    assert reached == sorted(reached, reverse=True)
    low, high = problem.bounds.T
    for it in offered:
        assert (it.solution.upper >= low).all()
        assert (it.solution.upper <= high).all()


def test_one_step_is_one_step(make_run: MakeRun) -> None:
    for method in GOOD:
        problem = STEP.problem(0)
        run = make_run(problem)
        found = method.solve(problem, run)
        assert run.offers is not None
        assert run.offers.count == 2
        length = float((found.upper - problem.upper_start).norm())
        assert length <= problem.upper_radius * (1 + 1e-9)
