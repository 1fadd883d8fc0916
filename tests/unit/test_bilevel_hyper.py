"""Hypernetworks, searches, learnt data and a million weight decays in the arena `bilevel`."""

from __future__ import annotations

import functools
import importlib.util
import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from methods.base import Method, NotApplicable
from methods.bilevel._hypernet import Hypernet, hypernet, teach
from methods.bilevel._loop import Steps, descend, settle
from methods.bilevel.bayesian_optimisation import BayesianOptimisation
from methods.bilevel.grid_search import GridSearch, refined
from methods.bilevel.hypernet_global import GlobalHypernet
from methods.bilevel.hypernet_stochastic_hpo import LocalHypernet
from methods.bilevel.ift_million_hyperparameters import NeumannImplicit
from methods.bilevel.unrolled import Unrolled
from runners.hardware import Hardware
from runners.preparing import ensure
from runners.run import AttemptRun, Nobody, Offers
from tasks.base import Invalid
from tasks.bilevel import Solution
from tasks.bilevel.judging import hyper_gradient, minimised
from tasks.bilevel.oracles import fit, value
from tasks.bilevel.quadratic import hyper_objective
from tasks.bilevel.tables import Source, draw, left_over
from tasks.metering import PRICED, BudgetSpent, Ledger
from tests.bilevel_examples import (
    DECAY,
    DISTILLATION,
    NOISE,
    QUADRATIC,
    STEP,
    WIDE,
    differences,
    point,
)

TOP = Path(__file__).resolve().parents[2]
LOCAL = LocalHypernet(steps=10, warm=200, samples=2, spread=0.3, dense=100, width=10, learning_rate=0.01, rate=0.1)
GLOBAL = GlobalHypernet(share=0.8, samples=2, spread=0.75, width=20, learning_rate=0.01, rate=0.1)
MakeRun = Callable[[Any], AttemptRun]
learnt = pytest.mark.parametrize("task", [DISTILLATION, NOISE], ids=lambda task: task.name)
with_models = pytest.mark.parametrize("task", [DECAY, DISTILLATION, NOISE], ids=lambda task: task.name)


@pytest.fixture
def make_run(one_core: Hardware, tmp_path: Any) -> MakeRun:
    def make(problem: Any) -> AttemptRun:
        return AttemptRun(np.random.default_rng(0), problem.ledger, one_core, tmp_path, offers=Offers())

    return make


def last(method: Method, problem: Any, run: AttemptRun) -> Solution:
    """What counts: what `solve` returns, or the last offer."""
    try:
        solution = method.solve(problem, run)
    except BudgetSpent:
        assert run.offers is not None
        assert run.offers.last is not None
        solution = run.offers.last.solution
    assert isinstance(solution, Solution)
    return solution


def offered(run: AttemptRun) -> list[Solution]:
    assert run.offers is not None
    return [it.solution for it in run.offers.curve()]


# --- hypernetworks ---


def nets() -> list[Hypernet]:
    """Of 4 entries of x and 6 weights: one matrix, two linear layers, rectified units; none of them zero."""
    made = []
    for hidden, rectified in ((None, False), (3, False), (5, True)):
        rng = np.random.default_rng(1)
        net = hypernet(torch.from_numpy(rng.normal(size=6)), 4, hidden, rectified=rectified, rng=rng)
        net.outer.data += torch.from_numpy(rng.normal(size=net.outer.shape))
        made.append(net)
    return made


def written_out(net: Hypernet, e: Tensor) -> Tensor:
    """y(e), entry by entry."""
    net = Hypernet(*(it.detach() for it in net.parameters()))
    hidden = [float(it) for it in e]
    if net.inner is not None:
        hidden = [sum(float(v) * float(it) for v, it in zip(row, e, strict=True)) for row in net.inner]
    if net.shift is not None:
        hidden = [max(0.0, one + float(b)) for one, b in zip(hidden, net.shift, strict=True)]
    rows = zip(net.base, net.outer, strict=True)
    return torch.tensor(
        [float(c) + sum(float(u) * h for u, h in zip(row, hidden, strict=True)) for c, row in rows], dtype=e.dtype
    )


@pytest.mark.parametrize("net", nets(), ids=["dense", "linear", "rectified"])
def test_a_map_and_its_pullback_are_what_they_say(net: Hypernet) -> None:
    rng = np.random.default_rng(2)
    e, v = torch.from_numpy(rng.normal(size=4)), torch.from_numpy(rng.normal(size=6))
    torch.testing.assert_close(net.answer(e), written_out(net, e))
    slopes = differences(lambda it: float(written_out(net, it) @ v), e)
    torch.testing.assert_close(net.pullback(e, v), slopes, rtol=1e-7, atol=1e-8)
    assert not net.answer(e).requires_grad


@pytest.mark.parametrize("net", nets()[:2], ids=["dense", "linear"])
def test_another_centre_leaves_the_map_as_it_is(net: Hypernet) -> None:
    rng = np.random.default_rng(3)
    e, moved = torch.from_numpy(rng.normal(size=4)), torch.from_numpy(rng.normal(size=4))
    before = net.answer(e)
    net.recentre(moved)
    torch.testing.assert_close(net.answer(e - moved), before)


def test_at_first_a_map_gives_the_start_everywhere() -> None:
    rng = np.random.default_rng(4)
    start = torch.from_numpy(rng.normal(size=6))
    for hidden, rectified in ((None, False), (3, False), (5, True)):
        net = hypernet(start, 4, hidden, rectified=rectified, rng=rng)
        assert torch.equal(net.answer(torch.from_numpy(rng.normal(size=4))), start)


@pytest.mark.parametrize(("hidden", "rectified"), [(None, False), (3, False), (4, True)])
def test_a_step_of_the_map_goes_down_the_mean_of_g_over_sampled_x(
    hidden: int | None, rectified: bool, make_run: MakeRun
) -> None:
    """With plain descent at step 1 the parameters move by the gradient, here by differences of values of g."""
    problem = replace(QUADRATIC, budget=1e9).problem(0)
    rng, centre = np.random.default_rng(5), problem.upper_start
    net = hypernet(problem.lower_start, 5, hidden, rectified=rectified, rng=rng)
    net.outer.data += torch.from_numpy(rng.normal(size=net.outer.shape))
    before = [it.detach().clone() for it in net.parameters()]
    teach(net, torch.optim.SGD(net.parameters(), lr=1.0), problem, make_run(problem), centre, 0.4, 3)
    again = np.random.default_rng(0)  # the run's stream
    sampled = [centre + torch.from_numpy(again.normal(scale=0.4, size=5)) for _ in range(3)]
    landscape = QUADRATIC.drawn(0).landscape()
    for number, (was, now) in enumerate(zip(before, net.parameters(), strict=True)):

        def mean(flat: Tensor, number: int = number) -> float:
            parts = [*before]
            parts[number] = flat.view_as(before[number])
            moved = Hypernet(*parts)
            return float(np.mean([value(landscape.lower, x, written_out(moved, x - centre)) for x in sampled]))

        slopes = differences(mean, was.flatten())
        torch.testing.assert_close((was - now.detach()).flatten(), slopes, rtol=1e-6, atol=1e-7)
    assert problem.ledger.totals() == {"lower_gradients": 3.0, PRICED: 3.0}


def test_a_map_that_has_learnt_gives_the_exact_hyper_gradient(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer of a quadratic problem is linear in x, so that a linear map can be exact."""
    monkeypatch.setattr(Steps, "size", lambda steps, given: 1.0)
    problem, drawn = STEP.problem(0), STEP.drawn(0)
    method = replace(LOCAL, warm=4000, spread=1.0)
    found = last(method, problem, make_run(problem))
    exact = torch.from_numpy(hyper_objective(drawn).gradient(drawn.start))
    torch.testing.assert_close(problem.upper_start - found.upper, exact, rtol=0.02, atol=0.02)
    assert found.lower is not None
    solved = torch.from_numpy(np.linalg.solve(drawn.hessian, drawn.coupling @ found.upper.numpy() + drawn.offset))
    torch.testing.assert_close(found.lower, solved, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("method", [LOCAL, GLOBAL, replace(LOCAL, dense=2, width=5)], ids=["local", "global", "layers"])
def test_hypernetworks_get_most_of_the_way_on_an_easy_problem(method: Method, make_run: MakeRun) -> None:
    task = replace(QUADRATIC, budget=4000.0)
    problem = task.problem(0)
    run = make_run(problem)
    found = last(method, problem, run)
    scores = task.evaluate(found, 0, run)
    assert scores["regret"] < 0.2
    assert scores["lower_gap"] >= 0
    assert problem.ledger.total(PRICED) <= 4000
    assert set(problem.ledger.totals()) == {"lower_gradients", "upper_gradients", PRICED}, "no second derivatives"


def test_the_global_map_is_learnt_with_its_share_of_the_budget(make_run: MakeRun) -> None:
    problem = replace(QUADRATIC, budget=1000.0).problem(0)
    run = make_run(problem)
    last(GLOBAL, problem, run)
    totals = problem.ledger.totals()
    assert totals["lower_gradients"] == 800
    assert totals["upper_gradients"] == 200
    assert len({tuple(it.upper.tolist()) for it in offered(run)}) > 2


def test_a_global_map_needs_a_budget(make_run: MakeRun) -> None:
    problem = replace(QUADRATIC.problem(0), ledger=Ledger())
    with pytest.raises(NotApplicable, match="there is no budget"):
        GLOBAL.solve(problem, make_run(problem))


def test_sampled_points_are_legal(make_run: MakeRun) -> None:
    problem = DECAY.problem(0)
    asked: list[Tensor] = []
    gradient = problem.lower_gradient

    def watched(x: Tensor, y: Tensor, rows: Any = None) -> tuple[Tensor, Tensor]:
        asked.append(x)
        return gradient(x, y, rows)

    watching: Any = watched
    problem = replace(problem, lower_gradient=watching)
    last(replace(LOCAL, spread=5.0), problem, make_run(problem))
    assert len(asked) > 100
    low, high = problem.bounds.T
    assert all(((x >= low) & (x <= high)).all() for x in asked)
    assert any((x == high).any() for x in asked)


# --- searches ---


@given(axes=st.integers(1, 3), halvings=st.integers(0, 2), seed=st.integers(0, 9))
def test_grids_are_refined_without_a_point_twice(axes: int, halvings: int, seed: int) -> None:
    marks = np.linspace(0, 1, 2**halvings + 1)
    whole = set(itertools.product(marks.tolist(), repeat=axes))
    shares = refined(axes, np.random.default_rng(seed))
    first = [tuple(share.tolist()) for share in itertools.islice(shares, len(whole))]
    assert len(first) == len(whole)
    assert set(first) == whole


@pytest.mark.parametrize("entries", [1, 10])
def test_the_grid_finds_the_best_of_its_points(entries: int, make_run: MakeRun) -> None:
    task = replace(DECAY, hyperparameters=entries, budget=17 * 33.0)
    problem = task.problem(0)
    found = last(GridSearch(most=2, fit_steps=None), problem, make_run(problem))
    landscape = task.world(0).landscape
    levels = [torch.full((entries,), level, dtype=torch.float64) for level in np.linspace(-4, 2, 9)]
    losses = [value(landscape.upper, x, fit(landscape, x, 30)) for x in [landscape.upper_start, *levels]]
    assert found.lower is not None
    assert value(landscape.upper, found.upper, found.lower) <= min(losses) + 1e-12
    assert (found.upper == found.upper[0]).all()


@pytest.mark.parametrize(
    "method",
    [
        GridSearch(most=2, fit_steps=None),
        BayesianOptimisation(first=4, candidates=24, most=20, fit_steps=None),
    ],
    ids=lambda method: type(method).__name__,
)
def test_searches_stay_within_bounds_and_offer_improvements(method: Method, make_run: MakeRun) -> None:
    problem = DECAY.problem(0)
    run = make_run(problem)
    with pytest.raises(BudgetSpent):
        method.solve(problem, run)
    landscape, (low, high) = DECAY.world(0).landscape, problem.bounds.T
    answers = offered(run)
    torch.testing.assert_close(answers[0].upper, problem.upper_start)
    reached = [value(landscape.upper, it.upper, it.lower) for it in answers if it.lower is not None]
    assert reached == sorted(reached, reverse=True)
    assert len(reached) == len(answers) > 1
    for it in answers:
        assert (it.upper >= low - 1e-12).all()
        assert (it.upper <= high + 1e-12).all()


def test_the_parzen_estimator_is_seeded_by_the_run_and_learns(make_run: MakeRun) -> None:
    method = BayesianOptimisation(first=10, candidates=24, most=20, fit_steps=None)
    task = replace(DECAY, budget=31 * 60.0)
    answers = []
    for _ in range(2):
        problem = task.problem(0)
        answers.append(last(method, problem, make_run(problem)))
    assert torch.equal(answers[0].upper, answers[1].upper)
    blind = replace(method, first=1000)
    problem = task.problem(0)
    other = last(blind, problem, make_run(problem))
    landscape = task.world(0).landscape
    losses = [value(landscape.upper, it.upper, it.lower) for it in (answers[0], other) if it.lower is not None]
    assert losses[0] < losses[1]


def test_the_parzen_estimator_says_what_it_lacks(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = DECAY.problem(0)
    with pytest.raises(NotApplicable, match="each of 10 entries of x"):
        BayesianOptimisation(first=4, candidates=24, most=9, fit_steps=None).solve(problem, make_run(problem))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NotApplicable, match="needs the package Optuna"):
        BayesianOptimisation(first=4, candidates=24, most=10, fit_steps=None).solve(problem, make_run(problem))


# --- tasks with learnt data ---


@learnt
def test_derivatives_agree_with_differences(task: Any) -> None:
    problem = replace(task, budget=1e9).problem(0)
    x, y = point(problem)
    v = point(problem, 1)[1]
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


@learnt
def test_gradients_are_no_steeper_than_stated_and_minibatches_average_to_the_whole(task: Any) -> None:
    problem = replace(task, budget=1e9).problem(0)
    (x, y), there = point(problem), point(problem, 1)[1]
    for level in ("lower", "upper"):
        slope = getattr(problem, f"{level}_gradient")
        steepest = getattr(problem, f"{level}_smoothness")(x)
        assert (slope(x, y)[1] - slope(x, there)[1]).norm() <= steepest * (y - there).norm() * (1 + 1e-9)
    rows = np.split(np.arange(problem.lower_examples), 5)
    parts = [problem.lower_gradient(x, y, rows=some) for some in rows]
    whole = problem.lower_gradient(x, y)
    for which in (0, 1):
        torch.testing.assert_close(torch.stack([it[which] for it in parts]).mean(dim=0), whole[which])


@learnt
def test_the_judge_differentiates_through_learnt_data(task: Any) -> None:
    landscape = task.world(0).landscape
    x = landscape.upper_start + 0.3 * point(task.problem(0))[0]

    def phi(at: Tensor) -> float:
        return value(landscape.upper, at, minimised(landscape.lower, at, landscape.lower_start, 1e-9))

    solved = minimised(landscape.lower, x, landscape.lower_start, 1e-9)
    slope = hyper_gradient(landscape, landscape.upper, x, solved)
    some = torch.arange(0, len(x), max(1, len(x) // 6))
    for entry in some.tolist():
        unit = torch.zeros_like(x)
        unit[entry] = 1e-3  # wide enough that the tolerance of phi is small beside it
        assert float(slope[entry]) == pytest.approx((phi(x + unit) - phi(x - unit)) / 2e-3, rel=1e-4, abs=2e-6)


def test_learnt_images_are_fitted_as_images_are() -> None:
    """With real images as x the model is that of these images, by another library."""
    from sklearn.linear_model import LogisticRegression

    table = draw(Source.DIGITS, np.random.default_rng(0), 2, (200, 1, 1))
    labels = table.train[1].numpy()
    chosen = [np.flatnonzero(labels == number % 10)[number // 10] for number in range(20)]
    task = replace(DISTILLATION, train=20, ridge=0.1)
    images = table.train[0][chosen]
    landscape = task.world(0).landscape
    solved = minimised(landscape.lower, images[:, :-1].flatten(), landscape.lower_start).view(-1, 10)
    known = LogisticRegression(C=1 / (20 * 0.1), fit_intercept=False, tol=1e-10, max_iter=10_000)
    known.fit(images.numpy(), labels[chosen])  # the constant pixel has a weight that decays as the others do
    np.testing.assert_allclose(solved.T.numpy(), known.coef_, atol=1e-5)


def test_noise_of_no_size_is_no_augmentation() -> None:
    task = replace(NOISE, lowest=-40.0, start=-30.0)
    landscape, table = task.world(0).landscape, task.tables(0)
    y = point(task.problem(0))[1]
    plain = torch.nn.functional.cross_entropy(table.train[0] @ y.view(-1, 10), table.train[1])
    assert value(landscape.lower, landscape.upper_start, y) == pytest.approx(float(plain + 0.005 * (y**2).sum()))
    loud = value(landscape.lower, landscape.upper_start + 30, y)
    assert abs(loud - float(plain + 0.005 * (y**2).sum())) > 1e-3


@with_models
def test_hyper_gradients_lower_the_loss_of_learnt_data(task: Any, make_run: MakeRun, one_core: Hardware) -> None:
    ensure(task.ceiling, 0, one_core, Nobody())
    problem = replace(task, budget=2000.0).problem(0)
    run = make_run(problem)
    found = last(NeumannImplicit(steps=20, terms=20, rate=1.0), problem, run)
    scores = task.evaluate(found, 0, run)
    assert scores["validation_regret"] < (0.95 if task is NOISE else 0.6)  # noise is learnt slowly: 30 steps
    assert task.evaluate(task.trivial(0), 0, run)["validation_regret"] == pytest.approx(1)


@with_models
def test_overfitting_is_the_difference_of_the_two_losses(task: Any, make_run: MakeRun, one_core: Hardware) -> None:
    ensure(task.ceiling, 0, one_core, Nobody())
    world, x = task.world(0), task.problem(0).upper_start
    y = minimised(world.landscape.lower, x, world.landscape.lower_start)
    expected = value(world.test, x, y) - value(world.landscape.upper, x, y)
    assert task.evaluate(Solution(x), 0, make_run(task.problem(0)))["overfitting"] == pytest.approx(expected)


@with_models
def test_values_are_chosen_on_rows_that_nobody_else_has(task: Any, make_run: MakeRun, one_core: Hardware) -> None:
    ensure(task.tuning_ceiling, -1, one_core, Nobody())
    run = make_run(task.problem(-1))
    task.check_validation()
    assert task.validate(task.trivial(-1), -1, run) == {"regret": pytest.approx(1)}
    sizes = (task.train, task.validation, task.test)
    table = draw(task.source, task.stream(0, "rows"), task.pool, sizes)
    rest = left_over(task.source, task.stream(0, "rows"), task.pool, sizes, 1797)
    assert len(rest[0]) == 1797 - sum(sizes)
    every = torch.cat([table.train[0], table.validation[0], table.test[0], rest[0]])
    whole = draw(task.source, np.random.default_rng(0), task.pool, (1797, 0, 0)).train[0]
    torch.testing.assert_close(every.sum(dim=0), whole.sum(dim=0))  # each row once
    with pytest.raises(NotApplicable, match="leave none of digits for validation"):
        replace(task, test=1797 - sum(sizes[:2])).check_validation()


@pytest.mark.usefixtures("mnist")
def test_rows_of_mnist_for_tuning_are_not_from_its_test_part() -> None:
    sizes = (100, 100, 10_000)
    table = draw(Source.MNIST, np.random.default_rng(0), 4, sizes)
    rest = left_over(Source.MNIST, np.random.default_rng(0), 4, sizes, 40_000)
    assert len(rest[0]) == 30_000 - 200
    every = torch.cat([table.train[0], table.validation[0], table.test[0], rest[0]])
    assert len(torch.unique(every, dim=0)) > 39_000


@pytest.fixture
def mnist() -> None:
    """Skips where MNIST is not here."""
    from tasks.bilevel.tables import check

    try:
        check(Source.MNIST)
    except NotApplicable as error:
        pytest.skip(str(error))


def test_nonsense_about_learnt_data_is_refused() -> None:
    with pytest.raises(ValueError, match="train must be a multiple of 10"):
        replace(DISTILLATION, train=15)
    with pytest.raises(ValueError, match="corrupted must be 0"):
        replace(DISTILLATION, corrupted=0.1)
    with pytest.raises(ValueError, match="ridge must be above 0"):
        replace(DISTILLATION, ridge=0.0)
    with pytest.raises(ValueError, match="copies must be at least 1"):
        replace(NOISE, copies=0)
    with pytest.raises(ValueError, match="features must be at least 1"):
        replace(WIDE, features=0)
    with pytest.raises(ValueError, match="prices must name"):
        replace(WIDE, prices={})


# --- a million ---


def test_the_wide_step_is_judged_by_the_exact_direction(make_run: MakeRun, one_core: Hardware) -> None:
    ensure(WIDE.solved, 0, one_core, Nobody())
    problem = WIDE.problem(0)
    run, landscape = make_run(problem), WIDE.landscape(0)
    x = problem.upper_start
    assert problem.lower_gradient(x, problem.lower_start)[1].norm() < 1e-5

    def phi(at: Tensor) -> float:
        return value(landscape.upper, at, minimised(landscape.lower, at, landscape.lower_start, 1e-10))

    exact = differences(phi, x, 1e-4)
    torch.testing.assert_close(x - WIDE.best(0).upper, exact, rtol=1e-3, atol=1e-7)
    assert WIDE.evaluate(WIDE.best(0), 0, run)["gradient_cosine"] == pytest.approx(1)
    assert WIDE.evaluate(WIDE.trivial(0), 0, run)["gradient_cosine"] == 0
    with pytest.raises(Invalid, match="x must be a tensor of 120 numbers"):
        WIDE.evaluate(Solution(torch.zeros(3)), 0, run)
    found = last(NeumannImplicit(steps=20, terms=300, rate=1.0), problem, run)
    assert WIDE.evaluate(found, 0, run)["gradient_cosine"] > 0.999


def test_settling_keeps_the_last_of_the_same_steps(make_run: MakeRun) -> None:
    problem = replace(DECAY, budget=1e9).problem(0)
    x, y = problem.upper_start, problem.lower_start
    for count in (0, 1, 7):
        path = descend(problem, x, y, count, make_run(problem), 0.5)
        assert len(path) == count + 1
        assert torch.equal(settle(problem, x, y, count, make_run(problem), 0.5), path[-1])


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from Linux")
def test_a_million_hyperparameters_fit_into_two_gibibytes() -> None:
    """One hyper-gradient of the paper's method, 10^6 decays and 10^6 weights, in a fresh process."""
    script = TOP / "tests" / "bench" / "bilevel_size.py"
    command = [sys.executable, str(script), "--method", "ift_million_hyperparameters", "--features", "100000"]
    done = subprocess.run([*command, "--steps", "5"], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["hyperparameters"] == 10**6
    assert found["moved"] > 0
    assert 0 < found["peak"] < 2048


def test_unrolling_stores_the_path_and_a_series_does_not(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many y are alive when the last lower gradient is asked for."""
    import gc
    import weakref

    problem = replace(DECAY, budget=1e9).problem(0)
    counts = {}
    for method in (Unrolled(steps=12, differentiated=None, rate=1.0), NeumannImplicit(steps=12, terms=12, rate=1.0)):
        seen: list[weakref.ref[Tensor]] = []
        gradient = problem.lower_gradient

        def watched(x: Tensor, y: Tensor, rows: Any = None, seen: Any = seen, gradient: Any = gradient) -> Any:
            seen.append(weakref.ref(y))
            return gradient(x, y, rows)

        watching: Any = watched
        watched_problem = replace(problem, lower_gradient=watching, outer_steps=1)
        upper = problem.upper_gradient

        def counted(
            x: Tensor, y: Tensor, rows: Any = None, seen: Any = seen, method: Any = method, upper: Any = upper
        ) -> Any:
            gc.collect()
            counts[type(method)] = sum(one() is not None for one in seen)
            return upper(x, y, rows)

        counting: Any = counted
        last(method, replace(watched_problem, upper_gradient=counting), make_run(problem))
    assert counts[Unrolled] == 12
    assert counts[NeumannImplicit] <= 2
