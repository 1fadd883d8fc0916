"""Lower problems with inequalities and with networks in the arena `bilevel`, and the methods that came with them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize
from torch import Tensor

from methods.base import Method
from methods.bilevel._linear import fibre
from methods.bilevel._loop import Steps
from methods.bilevel.e_aipod import EAiPOD
from methods.bilevel.gam import GAM, active_sets, shortest
from methods.bilevel.kkt import KKT
from methods.bilevel.lv_hba import LVHBA
from methods.bilevel.random_search import RandomSearch
from runners.hardware import Hardware
from runners.match import needed_type, posed_type, refusal, satisfies
from runners.preparing import ensure
from runners.run import AttemptRun, Nobody, Offers
from tasks.base import Diverged
from tasks.bilevel import ProgramBilevel, Solution
from tasks.bilevel.coupled import _strong
from tasks.bilevel.hinges import Hinges
from tasks.bilevel.networks import CleaningNetwork
from tasks.bilevel.oracles import fit, value
from tasks.bilevel.slack import SlackBounds
from tasks.bilevel.tables import Source
from tasks.bilevel.two_class import TwoClasses, draw
from tasks.metering import PRICED, BudgetSpent
from tests.unit.test_bilevel import PRICES, STRONG, differences, endless, point

SLACK = SlackBounds(
    name="bilevel/svm_slack",
    version=1,
    source=TwoClasses.BREAST_CANCER,
    train=14,
    validation=20,
    test=30,
    tuning=10,
    flipped=0.2,
    lowest=-6.0,
    highest=2.0,
    start=1.0,
    warm_steps=10,
    prices=PRICES,
    budget=400.0,
)
NETWORK = CleaningNetwork(
    name="bilevel/cleaning_network",
    version=1,
    source=Source.DIGITS,
    pool=2,
    train=80,
    validation=40,
    test=200,
    tuning=30,
    corrupted=0.5,
    ridge=0.01,
    lowest=-5.0,
    highest=5.0,
    start=0.0,
    hidden=5,
    step=0.2,
    warm_steps=40,
    retrained=2,
    prices=PRICES,
    budget=200.0,
)
EXACT = GAM(near=1e-3, most=0, iterations=60, tolerance=1e-13, rate=1.0)  # no constraint may change
MakeRun = Callable[[Any], AttemptRun]
each = pytest.mark.parametrize("task", [SLACK, NETWORK], ids=lambda task: task.name)


@pytest.fixture
def make_run(one_core: Hardware, tmp_path: Any) -> MakeRun:
    def make(problem: Any) -> AttemptRun:
        return AttemptRun(np.random.default_rng(0), problem.ledger, one_core, tmp_path, offers=Offers())

    return make


@pytest.fixture
def direction(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> Callable[[Method, Any], Tensor]:
    """The first direction of a method: with a step size of 1 and no set it is what x moved by."""
    monkeypatch.setattr(Steps, "size", lambda steps, given: 1.0)

    def first(method: Method, problem: Any) -> Tensor:
        free = replace(problem, outer_steps=1, project_upper=lambda x: x)
        return torch.as_tensor(problem.upper_start - method.solve(free, make_run(free)).upper)

    return first


def spread(key: int = 0, task: SlackBounds = SLACK) -> Tensor:
    """Log weights (n,) that differ."""
    return torch.from_numpy(np.random.default_rng(key).uniform(-3, 1, size=task.train))


def by_slsqp(task: SlackBounds, x: Tensor) -> tuple[Tensor, float]:
    """y* by sequential least squares from arrays, and f there."""
    machine, problem = task.machine(0), task.problem(0)
    size = machine.rows.shape[1]
    weights, ridge = x.exp().numpy(), np.append(np.ones(size - 1), 0.0)
    curved = np.concatenate([ridge, weights])
    matrix, offset = problem.lower_matrix.numpy(), problem.offset.numpy()
    held = {"type": "ineq", "fun": lambda y: offset - matrix @ y, "jac": lambda y: -matrix}
    found = optimize.minimize(
        lambda y: (y @ (curved * y) / 2, curved * y),
        problem.lower_start.numpy(),
        jac=True,
        method="SLSQP",
        constraints=[held],
        options={"ftol": 1e-16, "maxiter": 500},
    )
    y = torch.from_numpy(np.array(found.x))
    return y, value(machine.landscape.upper, x, y)


# --- the program ---


@each
def test_gradients_and_products_agree_with_differences(task: Any) -> None:
    problem = endless(task).problem(0)
    (x, y), v = point(problem), point(problem, 1)[1]
    for level in ("lower", "upper"):
        valued, sloped = getattr(problem, f"{level}_value"), getattr(problem, f"{level}_gradient")
        g_x, g_y = sloped(x, y)
        torch.testing.assert_close(g_x, differences(functools.partial(valued, y=y), x), atol=1e-7, rtol=1e-6)
        torch.testing.assert_close(g_y, differences(functools.partial(valued, x), y), atol=1e-7, rtol=1e-6)
    own, cross = problem.second_order(x, y, v)
    along = (problem.lower_gradient(x, y + 1e-6 * v)[1] - problem.lower_gradient(x, y - 1e-6 * v)[1]) / 2e-6
    torch.testing.assert_close(own, along, atol=1e-7, rtol=1e-6)
    slopes = differences(lambda it: float(problem.lower_gradient(it, y)[1] @ v), x)
    torch.testing.assert_close(cross, slopes, atol=1e-7, rtol=1e-6)


@each
def test_minibatches_average_to_the_whole(task: Any) -> None:
    problem = endless(task).problem(0)
    (x, y), half = point(problem), task.train // 2
    parts = [problem.lower_gradient(x, y, rows=np.arange(start, start + half)) for start in (0, half)]
    whole = problem.lower_gradient(x, y)
    torch.testing.assert_close((parts[0][0] + parts[1][0]) / 2, whole[0])
    torch.testing.assert_close((parts[0][1] + parts[1][1]) / 2, whole[1])


def test_constraints_are_normalised_rows_and_their_pullbacks() -> None:
    problem = endless(SLACK).problem(0)
    x, y = point(problem)
    h = problem.constraint(x, y)
    torch.testing.assert_close(h, problem.lower_matrix @ y + problem.upper_matrix @ x - problem.offset)
    rows = torch.cat([problem.upper_matrix, problem.lower_matrix], dim=1)
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(14, dtype=x.dtype))
    w = torch.from_numpy(np.random.default_rng(2).normal(size=14))
    h_x, h_y = problem.constraint_pullback(x, y, w)
    torch.testing.assert_close((h_x, h_y), (0 * x, problem.lower_matrix.T @ w))
    assert not problem.equality


@pytest.mark.parametrize("key", range(3))
def test_the_solution_is_that_of_another_solver_and_of_the_kkt_conditions(key: int) -> None:
    problem, x = endless(SLACK).problem(0), spread(key)
    y, multipliers = problem.solve_lower(x)
    other = by_slsqp(SLACK, x)[0]
    torch.testing.assert_close(y, other, atol=1e-5, rtol=1e-4)
    assert problem.lower_value(x, y) <= problem.lower_value(x, other) + 1e-9
    slacks = -problem.constraint(x, y)
    assert slacks.min() > -1e-9
    assert multipliers.min() >= 0
    assert float((slacks * multipliers).abs().max()) < 1e-9
    pulled = problem.lower_gradient(x, y)[1] + problem.constraint_pullback(x, y, multipliers)[1]
    assert float(pulled.abs().max()) < 1e-8


def test_the_projection_is_the_nearest_point() -> None:
    problem, rng = endless(SLACK).problem(0), np.random.default_rng(0)
    for key in range(5):
        x, y = (4 * it for it in point(problem, key))
        to_x, to_y = problem.project_joint(x, y)
        assert problem.constraint(to_x, to_y).max() < 1e-9
        torch.testing.assert_close(to_x, x.clamp(-6, 2))
        torch.testing.assert_close(problem.project_joint(to_x, to_y), (to_x, to_y))
        for _ in range(20):  # every other feasible point is seen from there under an obtuse angle
            inner = point(problem, int(rng.integers(1000)))[1]
            inner[-14:] += problem.constraint(x, inner).clamp(min=0) * 20
            assert problem.constraint(x, inner).max() <= 1e-9
            assert float((y - to_y) @ (inner - to_y)) < 1e-7


@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 8))
def test_sums_of_hinges_are_minimised_whatever_they_are(seed: int, count: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    ridge = np.append(rng.uniform(0.1, 2, size=size - 1), rng.choice([0.0, 1.0]))
    rows, levels = rng.normal(size=(count, size)), rng.normal(size=count)
    program = Hinges(rows, levels, np.exp(3 * rng.normal(size=count)), ridge, rng.normal(size=size))
    found = program.least(10 * rng.normal(size=size))
    reached = program.value(found)
    for _ in range(20):
        assert program.value(found + 0.1 * rng.normal(size=size)) >= reached - 1e-9 * (1 + reached)
    sloped = optimize.approx_fprime(found + 0.1, program.value, 1e-7)
    np.testing.assert_allclose(program.slope(found + 0.1), sloped, rtol=1e-3, atol=1e-3 * (1 + reached))


def test_a_program_that_was_not_solved_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Hinges, "descended", lambda program, start, steps: start + 1)
    with pytest.raises(Diverged, match="quadratic program could not be solved"):
        SLACK.machine(0).solved(spread())


def test_exact_hyper_gradients_are_differences_of_another_solver(direction: Any) -> None:
    machine, x = SLACK.machine(0), spread(5)
    slopes = differences(lambda at: by_slsqp(SLACK, at)[1], x, 1e-3)
    own = torch.from_numpy(machine.slope(machine.landscape.upper, x)[1])
    torch.testing.assert_close(own, slopes, rtol=1e-3, atol=3e-6)
    problem = replace(endless(SLACK).problem(0), upper_start=x)
    torch.testing.assert_close(direction(EXACT, problem), own, rtol=1e-6, atol=1e-9)


def test_a_fit_of_enough_steps_is_the_solution_and_is_charged() -> None:
    problem, x = SLACK.problem(0), 0 * spread() + 2
    reached, y = problem.fit_and_validate(x, 10)
    judged = 0.5 * 20 / 14
    assert problem.ledger.total(PRICED) == pytest.approx(10 + judged)
    solved = problem.solve_lower(x)[0]
    assert problem.ledger.total(PRICED) == pytest.approx(20 + judged)
    torch.testing.assert_close(y, solved)
    assert reached == pytest.approx(problem.upper_value(x, solved))
    assert not torch.allclose(problem.fit_and_validate(x, 1)[1], solved)


def test_ceilings_of_a_machine_are_scored_as_0_and_starts_as_1(one_core: Hardware, make_run: MakeRun) -> None:
    ensure(SLACK.ceiling, 0, one_core, Nobody())
    ensure(SLACK.tuning_ceiling, 0, one_core, Nobody())
    run = make_run(SLACK.problem(0))
    scores = SLACK.evaluate(SLACK.trivial(0), 0, run)
    assert scores["regret"] == pytest.approx(1)
    assert scores["validation_regret"] == pytest.approx(1)
    assert SLACK.validate(SLACK.trivial(0), 0, run)["regret"] == pytest.approx(1)
    assert SLACK.evaluate(SLACK.best(0), 0, run)["regret"] == pytest.approx(0, abs=1e-9)
    x = spread()
    lower = SLACK.problem(0).solve_lower(x)[0]
    solved = SLACK.evaluate(Solution(x, lower), 0, run)
    assert solved["lower_gap"] == pytest.approx(0, abs=1e-9)
    assert solved["infeasibility"] == pytest.approx(0, abs=1e-9)
    lower[-1] -= 3
    broken = SLACK.evaluate(Solution(x, lower), 0, run)
    assert broken["infeasibility"] == pytest.approx(float(SLACK.problem(0).constraint(x, lower).max()))
    assert broken["regret"] == solved["regret"]  # a y that was returned is not judged


@pytest.mark.parametrize("source", list(TwoClasses))
def test_rows_are_standardised_and_apart(source: TwoClasses) -> None:
    replace(SLACK, source=source).check()
    parts = draw(source, np.random.default_rng(0), (60, 50, 40, 30), 0.25)
    assert [len(part) for part in parts] == [60, 50, 40, 30]
    features = np.concatenate([part.features for part in parts])
    assert len(np.unique(features, axis=0)) > 0.98 * len(features)
    known = parts[0].features[:, :-1]
    np.testing.assert_allclose(known.mean(axis=0), 0, atol=1e-12)
    assert set(np.round(known.std(axis=0) * known.shape[1] ** 0.5, 9)) <= {0.0, 1.0}
    assert (features[:, -1] == 1).all()
    clean = draw(source, np.random.default_rng(0), (60, 50, 40, 30), 0.0)
    assert [(a.signs != b.signs).sum() for a, b in zip(parts, clean, strict=True)] == [15, 0, 0, 0]
    assert set(features[:, -1]) == {1.0}
    with pytest.raises(ValueError, match="rows are wanted, but"):
        draw(source, np.random.default_rng(0), (600, 50, 40, 30), 0.0)


# --- GAM ---


def test_nearly_active_constraints_are_taken_both_ways() -> None:
    slacks = torch.tensor([0.0, 0.0, 0.0, 0.002, 0.5, 0.004])
    multipliers = torch.tensor([2.0, 0.002, 0.02, 0.0, 0.0, 0.0])
    sets = [tuple(it.nonzero().flatten().tolist()) for it in active_sets(slacks, multipliers, 0.003, 2)]
    assert sets == [(0, 1, 2), (0, 1, 2, 3), (0, 2), (0, 2, 3)]
    assert len(list(active_sets(slacks, multipliers, 0.02, 9))) == 16
    assert len(list(active_sets(slacks, multipliers, 0.02, 0))) == 1


def test_the_gradient_of_a_choice_is_that_of_its_equalities(direction: Any) -> None:
    problem = replace(endless(SLACK).problem(0), upper_start=spread(5))
    x, size = problem.upper_start, 31
    y, multipliers = problem.solve_lower(x)
    f_y, active = problem.upper_gradient(x, y)[1], multipliers > 0
    active[int(torch.argmin(multipliers))] = True  # one that is not active
    gradient = EXACT._gradient(problem, x, y, problem.upper_gradient(x, y), active)
    hessian = np.diag(np.concatenate([np.ones(size - 1), [0.0], x.exp().numpy()]))
    matrix = problem.lower_matrix[active].numpy()
    system = np.block([[hessian, matrix.T], [matrix, np.zeros((len(matrix), len(matrix)))]])
    cross = np.zeros((len(system), len(x)))
    cross[size : size + len(x)] = np.diag((x.exp() * y[size:]).numpy())
    moved = -np.linalg.solve(system, cross)[: len(y)]  # dy / dx, of the KKT conditions as one matrix
    torch.testing.assert_close(gradient, torch.from_numpy(moved.T @ f_y.numpy()), rtol=1e-6, atol=1e-9)


@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(1, 6))
def test_the_shortest_vector_of_a_hull(seed: int, count: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = [torch.from_numpy(rng.normal(size=size) + rng.choice([0.0, 1.0, 5.0])) for _ in range(count)]
    found = shortest(vectors)
    for vector in vectors:  # the condition of optimality; it also bounds what lies in the hull
        assert float(found @ (vector - found)) > -1e-5 * (1 + float(vector.norm()) ** 2)
    assert float(found.norm()) <= min(float(vector.norm()) for vector in vectors) + 1e-9


def test_the_shortest_vector_of_two_is_known() -> None:
    one, other = torch.tensor([2.0, 0.0]).double(), torch.tensor([0.0, 1.0]).double()
    torch.testing.assert_close(shortest([one, other]), torch.tensor([0.4, 0.8]).double())
    torch.testing.assert_close(shortest([one, 2 * one]), one)
    assert not shortest([one, -one]).abs().max() > 1e-6
    assert not shortest([0 * one, 0 * one]).any()


@pytest.mark.parametrize(
    "method",
    [
        GAM(near=1e-2, most=2, iterations=10, tolerance=1e-8, rate=0.1),
        LVHBA(c=1.0, power=0.3, alpha=0.05, beta=0.1, eta=0.05, proximal=1.0, clip=1000.0),
        RandomSearch(fit_steps=None),
    ],
    ids=lambda method: type(method).__name__,
)
def test_weights_of_slacks_are_improved(method: Method, make_run: MakeRun, one_core: Hardware) -> None:
    ensure(SLACK.ceiling, 0, one_core, Nobody())
    problem = replace(SLACK, budget=1500.0).problem(0)
    run = make_run(problem)
    with pytest.raises(BudgetSpent):
        method.solve(problem, run)
    assert run.offers is not None
    assert run.offers.last is not None
    answer = run.offers.last.solution
    assert SLACK.evaluate(answer, 0, run)["validation_regret"] < 1
    assert problem.ledger.total(PRICED) <= 1500


def test_who_may_enter() -> None:
    posed = posed_type(SlackBounds)
    assert posed is ProgramBilevel
    for kind in (GAM, LVHBA, RandomSearch):
        assert satisfies(posed, needed_type(kind))
    assert satisfies(posed_type(CleaningNetwork), needed_type(RandomSearch))
    assert not satisfies(posed, needed_type(KKT))  # which takes constraints for equalities
    assert refusal(("bilevel/random_search", RandomSearch), ("bilevel/strong", type(STRONG))) == (
        "bilevel/random_search needs HyperparameterBilevel or ProgramBilevel, but bilevel/strong poses LinearBilevel"
    )


# --- E-AiPOD ---


def test_with_every_projection_the_first_direction_has_the_closed_form(direction: Any) -> None:
    problem, drawn = endless(STRONG).problem(0), STRONG.drawn(0)
    exact = torch.from_numpy(_strong(drawn, drawn.response(), drawn.start)[1])
    method = EAiPOD(steps=1, terms=3, chance=1.0, interval=1, rate=1.0)
    kept = torch.from_numpy(drawn.kept)  # the closed form is that within the set of x
    torch.testing.assert_close(kept @ direction(method, problem), exact, rtol=1e-6, atol=1e-8)


def test_lower_steps_that_mostly_do_not_project_find_the_solution(make_run: MakeRun) -> None:
    problem, drawn = endless(STRONG).problem(0), STRONG.drawn(0)
    x, zero = problem.upper_start, torch.zeros(8, dtype=torch.float64)
    method = EAiPOD(steps=800, terms=1, chance=0.2, interval=1, rate=1.0)
    y, _ = method._descended(problem, make_run(problem), fibre(problem), x, zero + 1, zero)
    torch.testing.assert_close(y, torch.from_numpy(drawn.response() @ drawn.start), atol=1e-6, rtol=1e-6)


def test_an_x_that_is_offered_lies_in_its_set(make_run: MakeRun) -> None:
    problem = STRONG.problem(0)
    run = make_run(problem)
    with pytest.raises(BudgetSpent):
        EAiPOD(steps=2, terms=2, chance=0.5, interval=4, rate=0.1).solve(problem, run)
    assert run.offers is not None
    for offer in run.offers.curve():
        x = offer.solution.upper
        torch.testing.assert_close(problem.project_upper(x), x)


# --- networks ---


def test_a_network_is_judged_by_fresh_trainings(one_core: Hardware, make_run: MakeRun) -> None:
    ensure(NETWORK.scale, 0, one_core, Nobody())
    run = make_run(NETWORK.problem(0))
    start, best = NETWORK.trivial(0), NETWORK.best(0)
    assert NETWORK.evaluate(start, 0, run)["regret"] == pytest.approx(1)
    assert NETWORK.validate(start, 0, run)["regret"] == pytest.approx(1)
    assert NETWORK.evaluate(best, 0, run)["regret"] == pytest.approx(0, abs=1e-12)
    assert NETWORK.evaluate(best, 0, run)["validation_regret"] == pytest.approx(0, abs=1e-12)
    with_y = Solution(best.upper, torch.full_like(NETWORK.problem(0).lower_start, 9.0))
    assert NETWORK.evaluate(with_y, 0, run) == NETWORK.evaluate(best, 0, run)
    scale = NETWORK.scale.artefact(0)["test"]
    assert scale.best < scale.start  # wrong labels do harm
    assert 0.3 < float((best.upper > 0).double().mean()) < 0.8  # half are drawn anew, of which a tenth stays right


def test_the_recipe_trains_a_network_by_hand() -> None:
    """Accelerated steps, written out with torch's optimiser-free loop on another form of the same network."""
    world = NETWORK.world(0)
    x, landscape = world.landscape.upper_start, world.landscape
    first = NETWORK.first_weights(0, "training 0", 17)
    assert not torch.equal(first, landscape.lower_start)
    features, labels = NETWORK._tables(0)[0].train
    inner = torch.nn.Linear(17, 5, bias=False).double()
    outer = torch.nn.Linear(5, 10).double()
    with torch.no_grad():
        inner.weight.copy_(first[:85].view(17, 5).T)
        outer.weight.copy_(first[85:135].view(5, 10).T)
        outer.bias.copy_(first[135:])
    model = torch.nn.Sequential(inner, torch.nn.Tanh(), outer)
    size = 1 / (5 * 0.5 + 0.01)
    before = [it.detach().clone() for it in model.parameters()]
    for count in range(40):
        here = [it.detach().clone() for it in model.parameters()]
        with torch.no_grad():
            for it, old in zip(model.parameters(), before, strict=True):
                it.add_(count / (count + 3) * (it - old))
        loss = 0.5 * torch.nn.functional.cross_entropy(model(features), labels)
        loss = loss + 0.005 * sum((it**2).sum() for it in model.parameters())
        slopes = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            for it, slope in zip(model.parameters(), slopes, strict=True):
                it.sub_(size * slope)
        before = here
    trained = fit(replace(landscape, lower_start=first), x, 40)
    torch.testing.assert_close(NETWORK.scores(features, trained), model(features).detach())


def test_nonsense_about_programs_and_networks_is_refused() -> None:
    with pytest.raises(ValueError, match="the start must lie between"):
        replace(SLACK, start=9.0)
    with pytest.raises(ValueError, match="flipped must be a share"):
        replace(SLACK, flipped=1.0)
    with pytest.raises(ValueError, match="the start must lie between"):
        replace(NETWORK, start=9.0)
    with pytest.raises(ValueError, match="hidden and retrained must be at least 1"):
        replace(NETWORK, hidden=0)
    with pytest.raises(ValueError, match="chance must be above 0"):
        EAiPOD(steps=1, terms=1, chance=0.0, interval=1, rate=1.0)
