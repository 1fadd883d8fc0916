"""Samplers in the arena `bilevel`: exact integrals against differences, estimators against both, and the meter."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods.base import Diverged, Method, NotApplicable
from methods.bilevel._loop import Steps
from methods.bilevel._sampler import Chain, Moments, at, chain, covariance, pathwise, score_function, walk
from methods.bilevel.implicit_diffusion import ImplicitDiffusion
from methods.bilevel.implicit_diffusion_queue import ImplicitDiffusionQueue, _Backward, _Forward
from methods.bilevel.nested_sampler import NestedSampler
from methods.bilevel.reinforce_sampler import ReinforceSampler
from methods.bilevel.unrolled import Unrolled
from methods.bilevel.unrolled_sampler import UnrolledSampler
from runners.hardware import Hardware
from runners.match import needed_type, posed_type, refusal, satisfies
from runners.preparing import ensure
from runners.run import AttemptRun, Nobody, Offers
from tasks.base import Invalid, Run
from tasks.bilevel import ARENA, Solution
from tasks.bilevel.brightness import Brightest, DigitsBrightness, Judge, pose
from tasks.bilevel.denoiser import PIXELS, Denoiser, TrainedDenoiser, brightness, digits
from tasks.bilevel.langevin import LangevinModes, grid
from tasks.bilevel.quadratic import Quadratic
from tasks.bilevel.samplers import (
    BOARD,
    DENOISING_UNITS,
    DEPTH,
    LANGEVIN_UNITS,
    DenoisingBilevel,
    LangevinBilevel,
    SamplerBilevel,
)
from tasks.metering import PRICED, BudgetSpent, Ledger
from tasks.training import Recipe

PRICES = {
    "drifts": 1.0,
    "drift_pullbacks": 2.0,
    "potential_values": 0.5,
    "potential_gradients": 1.0,
    "rewards": 0.25,
    "reward_gradients": 0.5,
}
MODES = LangevinModes(
    name="bilevel/langevin_modes",
    version=1,
    particles=200,
    radius=3.0,
    spread=1.0,
    weight=0.3,
    cold=False,
    prices=PRICES,
    budget=1000.0,
)
RECIPE = Recipe(steps=60, batch_size=16, lr=2e-3, weight_decay=0.0, clip=1.0, warmup=0.05, floor=0.01)
START = TrainedDenoiser(version=1, denoiser=Denoiser(width=8, horizon=4), recipe=RECIPE)
BEST = Brightest(version=1, start=START, weight=0.02, recipe=replace(RECIPE, steps=40, lr=3e-3))
DIGITS = DigitsBrightness(
    name="bilevel/digits_brightness",
    version=1,
    judge=Judge(version=1, best=BEST, paths=40, purpose="use"),
    particles=8,
    radius=1.0,
    prices={unit: PRICES[unit] for unit in DENOISING_UNITS},
    budget=600.0,
)
X = torch.tensor([0.3, -0.5, 1.0, 0.2, -1.2, 0.6], dtype=torch.float64)
Array = NDArray[np.float64]
MakeRun = Callable[[Any], AttemptRun]


@pytest.fixture
def make_run(one_core: Hardware, tmp_path: Any) -> MakeRun:
    def make(problem: Any) -> AttemptRun:
        return AttemptRun(np.random.default_rng(0), problem.ledger, one_core, tmp_path, offers=Offers(10**6))

    return make


@pytest.fixture
def prepared(one_core: Hardware) -> DigitsBrightness:
    for seed in (0, 1):
        ensure(DIGITS.judge, seed, one_core, Nobody())
    return DIGITS


def use() -> Run:
    return cast("Run", SimpleNamespace(rng=np.random.default_rng(0)))


def langevin(**changes: Any) -> LangevinBilevel:
    return replace(MODES, budget=1e12, **changes).problem(0)


def denoising(particles: int = 6, horizon: int = 4, width: int = 5) -> tuple[DenoisingBilevel, torch.nn.Sequential]:
    """A problem in float64 over a network with drawn weights, and that network."""
    torch.manual_seed(0)
    network = Denoiser(width=width, horizon=horizon)
    built = network.build().double()
    start = torch.nn.utils.parameters_to_vector(built.parameters()).detach()
    first = torch.from_numpy(np.random.default_rng(1).normal(size=(particles, PIXELS)))
    return pose(Ledger(prices=DIGITS.prices), network, start, first, 0.02, 1.0), built


def differences(function: Callable[[Tensor], float], point: Tensor, width: float = 1e-6) -> Tensor:
    """Central differences in every entry."""
    flat, slopes = point.reshape(-1), []
    for unit in torch.eye(len(flat), dtype=point.dtype):
        there, here = ((flat + sign * width * unit).view(point.shape) for sign in (1, -1))
        slopes.append((function(there) - function(here)) / (2 * width))
    return torch.tensor(slopes, dtype=point.dtype).view(point.shape)


# --- Langevin: an independent form of everything, by numpy ---


def densities(points: Array, logits: Array, radius: float = 3.0) -> Array:
    """Of the mixture, written out."""
    weights = np.exp(logits) / np.exp(logits).sum()
    total = np.zeros(len(points))
    for k in range(6):
        centre = radius * np.array([math.cos(k * math.pi / 3), math.sin(k * math.pi / 3)])
        total += weights[k] * np.exp(-((points - centre) ** 2).sum(axis=1) / 2) / (2 * math.pi)
    return total


def rewards(points: Array, angle: float) -> Array:
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    back = points @ turn  # each row is turned by minus the angle
    bump = np.exp(-((back[:, 0] - 3) ** 2 + (back[:, 1] - 2.85) ** 2) / 20)
    return np.asarray(bump / (1 + np.exp(-2 * back[:, 0])) / 0.7)


def phi(logits: Array, angle: float, side: int = 300, edge: float = 10.0) -> float:
    """The objective on another grid than the judge's."""
    line = (np.arange(side) + 0.5) * 2 * edge / side - edge
    points = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    now, first = densities(points, logits), densities(points, np.array([1.5, 0, 1.5, 0, 1.5, 0]))
    return float((now * (0.3 * np.log(now / first) - rewards(points, angle))).sum() * (2 * edge / side) ** 2)


def exact() -> Tensor:
    """grad Phi at X by differences of that."""
    angle = MODES.modes(0).angle
    return differences(lambda x: phi(x.numpy(), angle), X, 1e-5)


def test_the_grid_is_the_objective_and_its_gradient() -> None:
    judge, angle = grid(MODES.modes(0)), MODES.modes(0).angle
    assert judge.value(X.numpy()) == pytest.approx(phi(X.numpy(), angle), abs=1e-10)
    np.testing.assert_allclose(judge.gradient(X.numpy()), exact().numpy(), atol=1e-9)
    reward, divergence = judge.terms(judge.start)
    assert divergence == pytest.approx(0, abs=1e-12)
    assert judge.parts.sum(axis=0) == pytest.approx(np.ones(6), abs=1e-9)
    assert 0 < reward < 1


def test_the_covariance_of_the_oracles_is_the_gradient_exactly() -> None:
    problem, modes = langevin(), MODES.modes(0)
    side = torch.linspace(-10, 10, 301, dtype=torch.float64)
    points = torch.cartesian_prod(side, side)
    mass = torch.from_numpy(densities(points.numpy(), X.numpy())) * float(side[1] - side[0]) ** 2
    assert float(mass.sum()) == pytest.approx(1, abs=1e-10)
    loss, slopes = problem.loss(X, points), problem.potential_gradient_upper(X, points)
    crossed = (mass * loss) @ slopes - (mass @ loss) * (mass @ slopes)
    torch.testing.assert_close(-crossed, exact(), atol=1e-9, rtol=0)
    torch.testing.assert_close((mass @ slopes).abs().max(), torch.tensor(0.0).double(), atol=1e-10, rtol=0)
    assert modes.weight == problem.weight


def sampled(count: int, key: int) -> Tensor:
    """Particles (count, 2) from the law of X."""
    rng = np.random.default_rng(key)
    modes = rng.choice(6, size=count, p=torch.softmax(X, 0).numpy())
    centres = 3 * np.stack([np.cos(modes * math.pi / 3), np.sin(modes * math.pi / 3)], axis=1)
    return torch.from_numpy(centres + rng.normal(size=(count, 2)))


def test_the_covariance_over_particles_is_the_gradient_within_the_error_of_sampling() -> None:
    problem = langevin()
    estimates = torch.stack([covariance(problem, X, sampled(5000, key)) for key in range(20)])
    error = estimates.std(dim=0) / 20**0.5
    assert ((estimates.mean(dim=0) - exact()).abs() < 4 * error).all()
    assert (error < 0.1 * exact().norm()).all()


def test_oracles_of_langevin_agree_with_differences() -> None:
    problem, angle = langevin(), MODES.modes(0).angle
    particles, first = sampled(4, 3), problem.upper_start

    def potential(x: Tensor, here: Tensor) -> Tensor:
        return -torch.from_numpy(np.log(densities(here.numpy(), x.numpy())))

    slopes = differences(lambda it: float(potential(X, it).sum()), particles)
    torch.testing.assert_close(problem.drift(X, particles, None), -slopes, atol=1e-7, rtol=1e-6)
    upper = torch.stack([differences(lambda it: float(potential(it, row[None])), X) for row in particles])  # noqa: B023
    torch.testing.assert_close(problem.potential_gradient_upper(X, particles), upper, atol=1e-7, rtol=1e-6)

    def loss(here: Tensor) -> Tensor:
        excess = potential(first, here) - potential(X, here)
        return 0.3 * excess - torch.from_numpy(rewards(here.numpy(), angle))

    torch.testing.assert_close(problem.loss(X, particles), loss(particles))
    slopes = differences(lambda it: float(loss(it).sum()), particles)
    torch.testing.assert_close(problem.loss_gradient(X, particles), slopes, atol=1e-7, rtol=1e-6)
    w = torch.from_numpy(np.random.default_rng(5).normal(size=(4, 2)))
    own, through = problem.drift_pullback(X, particles, None, w, None)
    along = differences(lambda it: float((problem.drift(it, particles, None) * w).sum()), X)
    torch.testing.assert_close(own, along, atol=1e-7, rtol=1e-6)
    along = differences(lambda it: float((problem.drift(X, it, None) * w).sum()), particles)
    torch.testing.assert_close(through, along, atol=1e-7, rtol=1e-6)


def test_langevin_steps_keep_the_law_that_they_tend_to(make_run: MakeRun) -> None:
    problem = langevin(particles=4000)
    given = chain(problem, 60, 0.05)
    path = walk(given, make_run(problem), problem.upper_start, problem.particles_start)
    for particles in (path.particles[0], path.particles[-1]):
        shares = MODES.modes(0).shares(problem.upper_start, particles).mean(dim=0)
        torch.testing.assert_close(shares, torch.softmax(problem.upper_start, 0), atol=0.03, rtol=0)
    still = chain(problem, 400, 0.2)  # from the law of x0 to that of X
    reached = walk(still, make_run(problem), X, problem.particles_start).particles[-1]
    shares = MODES.modes(0).shares(X, reached).mean(dim=0)
    torch.testing.assert_close(shares, torch.softmax(X, 0), atol=0.04, rtol=0)


def test_pathwise_gradients_of_langevin_agree_with_differences_along_the_same_noise(make_run: MakeRun) -> None:
    problem = langevin(particles=5)
    given = chain(problem, 6, 0.2)
    path = walk(given, make_run(problem), X, problem.particles_start)
    for last in (6, 2):

        def end(x: Tensor, last: int = last) -> float:
            here = path.particles[6 - last]
            for noise in path.noises[6 - last :]:
                here = here + 0.2 * problem.drift(x, here, None) + 0.4**0.5 * noise
            return float(problem.loss(X, here).mean())

        found = pathwise(given, X, path.particles, last)
        torch.testing.assert_close(found, differences(end, X), atol=1e-8, rtol=1e-6)


# --- a denoiser ---


def paths(problem: DenoisingBilevel, built: torch.nn.Sequential, x: Tensor, noises: list[Tensor]) -> Tensor:
    """Phi over given noise as a differentiable function of x, by equation 7 of Ho et al. 2020, written anew."""
    horizon, first = problem.horizon, problem.upper_start
    names = [name for name, _ in built.named_parameters()]
    shapes = [parameter.shape for parameter in built.parameters()]

    def seen(flat: Tensor, inputs: Tensor) -> Tensor:
        parts = torch.split(flat, [shape.numel() for shape in shapes])
        given = {name: part.view(shape) for name, part, shape in zip(names, parts, shapes, strict=True)}
        out: Tensor = torch.func.functional_call(built, given, (inputs,))
        return out

    rates = [0.1 + 19.9 * (level + 0.5) / horizon for level in range(horizon)]
    alpha = [math.exp(-rate / horizon) for rate in rates]
    here, total = problem.particles_start, torch.zeros((), dtype=x.dtype)
    for step, noise in enumerate(noises):
        level = horizon - 1 - step
        left, before = math.prod(alpha[: level + 1]), math.prod(alpha[:level])
        beta = 1 - alpha[level]
        turns = [2.0**k * (level + 0.5) / horizon * math.pi / 2 for k in range(4)]
        waves = torch.tensor([math.cos(it) for it in turns] + [math.sin(it) for it in turns], dtype=x.dtype)
        inputs = torch.cat([here, waves.expand(len(here), 8)], dim=1)
        images = [math.sqrt(left) * here - math.sqrt(1 - left) * seen(flat, inputs) for flat in (x, first)]
        own = math.sqrt(alpha[level]) * (1 - before) * here
        means = [(math.sqrt(before) * beta * image + own) / (1 - left) for image in images]
        total = total + problem.weight * ((means[0] - means[1]) ** 2).sum() / (2 * beta) / len(here)
        here = means[0] + math.sqrt(beta) * noise
    return total - ((here.mean(dim=1) + 1) / 2).mean()


def test_the_adjoint_is_autograd_through_the_whole_path_and_differences(make_run: MakeRun) -> None:
    problem, built = denoising()
    x = problem.upper_start + 0.05 * torch.randn(len(problem.upper_start), dtype=torch.float64)
    given = chain(problem, 0, 1.0)
    path = walk(given, make_run(problem), x, problem.particles_start)
    leaf = x.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(paths(problem, built, leaf, path.noises), leaf)
    found = pathwise(given, x, path.particles, len(given))
    torch.testing.assert_close(found, slope, atol=1e-12, rtol=1e-9)
    way = torch.randn(len(x), dtype=torch.float64)
    ends = [float(paths(problem, built, x + sign * 1e-5 * way, path.noises).detach()) for sign in (1, -1)]
    assert float(found @ way) == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-6)


def test_the_penalty_is_the_divergence_of_the_next_step(make_run: MakeRun) -> None:
    problem, _ = denoising()
    x = problem.upper_start + 0.1
    here, times = problem.particles_start, torch.arange(6) % 4
    one = torch.distributions.Normal(problem.drift(x, here, times), problem.spreads[times][:, None])
    other = torch.distributions.Normal(problem.drift(problem.upper_start, here, times), problem.spreads[times][:, None])
    truth = torch.distributions.kl_divergence(one, other).sum(dim=1)
    torch.testing.assert_close(problem.penalty(x, here, times), truth)
    assert not problem.penalty(problem.upper_start, here, times).any()


def test_rows_of_one_call_may_be_at_different_steps() -> None:
    problem, _ = denoising()
    here, times = problem.particles_start, torch.tensor([0, 3, 1, 2, 0, 1])
    together = problem.drift(problem.upper_start, here, times)
    for row in range(6):
        alone = problem.drift(problem.upper_start, here[row : row + 1], times[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone)


@pytest.mark.parametrize("kind", ["langevin", "denoising"])
def test_reinforce_and_the_pathwise_gradient_have_one_mean(kind: str, make_run: MakeRun) -> None:
    if kind == "langevin":
        problem: SamplerBilevel = langevin(particles=4000)
        x, given = X, chain(problem, 3, 0.2)
    else:
        problem, _ = denoising(particles=3000)
        x, given = problem.upper_start + 0.01, chain(problem, 0, 1.0)
    run, gaps, sizes = make_run(problem), [], []
    for _ in range(16):
        start = given.fresh(run) if kind == "denoising" else problem.particles_start
        path = walk(given, run, x, start)
        pulled = pathwise(given, x, path.particles, len(given))
        gaps.append(score_function(given, x, path) - pulled)
        sizes.append(pulled)
    mean = torch.stack(sizes).mean(dim=0)
    along = torch.stack(gaps) @ (mean / mean.norm())
    assert abs(float(along.mean())) < 4 * float(along.std()) / 16**0.5
    assert float(along.std()) / 16**0.5 < 0.3 * float(mean.norm())


def test_the_noise_schedule_keeps_the_variance_and_ends_in_noise() -> None:
    for horizon in (4, 10, 50):
        network = Denoiser(width=4, horizon=horizon)
        kept, left = network.kept(), network.left()
        assert ((kept > 0) & (kept < 1)).all()
        assert float(left[-1]) == pytest.approx(math.exp(-0.1 - 19.9 / 2), rel=1e-9)
        torch.testing.assert_close(network.spreads() ** 2, (1 - kept).flip(0))


def test_images_are_the_digits() -> None:
    images = digits()
    assert images.shape == (1797, 64)
    assert (float(images.min()), float(images.max())) == (-1, 1)
    assert float(brightness(images).mean()) == pytest.approx(4.8842 / 16, rel=1e-4)  # scikit-learn: mean of 0 to 16


# --- the queue ---


def test_a_queue_of_one_batch_is_the_nested_loop(make_run: MakeRun, prepared: DigitsBrightness) -> None:
    answers = []
    nested = NestedSampler(steps=1, size=1.0, warm=False, rate=1.0)
    for method in (nested, *(ImplicitDiffusionQueue(queue=1, pipelined=it, rate=1.0) for it in (False, True))):
        problem = replace(prepared, budget=150.0).problem(0)
        answers.append((answer(method, problem, make_run(problem)).upper, problem.ledger.totals()))
    torch.testing.assert_close(answers[1], answers[0])
    torch.testing.assert_close(answers[2], answers[0])
    assert not torch.equal(answers[0][0], prepared.start(0))


@pytest.mark.parametrize("queue", [2, 4])
def test_the_way_back_of_a_queue_adds_up_to_whole_gradients(queue: int, make_run: MakeRun) -> None:
    problem, _ = denoising()
    x = problem.upper_start + 0.1
    given, run, steps = chain(problem, 0, 1.0), make_run(problem), 4 // queue
    forward, backward = _Forward(given), _Backward(given)
    whole, collected = torch.zeros_like(x), torch.zeros_like(x)
    for tick in range(queue + 5):
        if tick < 6:
            forward.add(given.fresh(run))
        done = forward.advance(x, run, steps) if forward.paths else None
        if done is not None:
            assert len(done) == 5
            whole = whole + pathwise(given, x, done, 4)
            backward.add(x, done)
        part = backward.advance(x, steps)
        assert (part is None) == (tick < queue - 1)
        collected = collected + (0 if part is None else part)
    while backward.paths:
        part = backward.advance(x, steps)
        assert part is not None
        collected = collected + part
    assert not forward.paths
    torch.testing.assert_close(collected, whole)


def test_a_queue_costs_the_work_of_a_nested_loop_and_a_share_of_its_depth() -> None:
    found = {}
    for queue, pipelined in ((1, False), (4, False), (4, True)):
        problem, _ = denoising()
        given, x = chain(problem, 0, 1.0), problem.upper_start
        run = cast("Run", SimpleNamespace(rng=np.random.default_rng(0)))
        forward, backward, spent = _Forward(given), _Backward(given), []
        for _ in range(10):
            forward.add(given.fresh(run))
            done = forward.advance(x, run, 4 // queue)
            if done is not None and pipelined:
                backward.add(x, done)
            elif done is not None:
                pathwise(given, x, done, 4)
            if pipelined:
                backward.advance(x, 4 // queue)
            spent.append((problem.ledger.total(PRICED), problem.ledger.total(DEPTH)))
        found[queue, pipelined] = tuple(np.subtract(spent[-1], spent[-2]))
    work = 4 * 1 + 4 * 2 * 2 + 0.5
    assert found == {(1, False): (work, 9), (4, False): (work, 6), (4, True): (work, 3)}


def test_a_queue_must_divide_the_steps(make_run: MakeRun, prepared: DigitsBrightness) -> None:
    problem = prepared.problem(0)
    with pytest.raises(NotApplicable, match="a queue of 3 does not divide 4 steps"):
        ImplicitDiffusionQueue(queue=3, pipelined=True, rate=1.0).solve(problem, make_run(problem))
    with pytest.raises(ValueError, match="at least 1 batch, got 0"):
        ImplicitDiffusionQueue(queue=0, pipelined=True, rate=1.0)


# --- the meter ---


def test_every_row_has_its_price_and_every_call_its_depth() -> None:
    problem = MODES.problem(0)
    some = problem.particles_start[:50]
    spent = [problem.ledger.total(PRICED)]
    for call in (
        lambda: problem.drift(X, some, None),
        lambda: problem.drift_pullback(X, some, None, some, None),
        lambda: problem.potential_gradient_upper(X, some),
        lambda: problem.loss(X, some),
        lambda: problem.loss_gradient(X, some),
    ):
        call()
        spent.append(problem.ledger.total(PRICED))
    assert np.diff(spent).tolist() == pytest.approx([0.25, 0.5, 0.25, (0.25 + 2 * 0.5) / 4, (0.5 + 2 * 1) / 4])
    assert problem.ledger.total(DEPTH) == 5
    assert DEPTH not in problem.ledger.prices()


def test_steps_that_cost_something_are_charged_for_both_networks(prepared: DigitsBrightness) -> None:
    problem = prepared.problem(0)
    x, here, times = problem.upper_start, problem.particles_start, torch.zeros(8, dtype=torch.int64)
    spent = [0.0]
    for call in (
        lambda: problem.drift(x, here[:4], times[:4]),
        lambda: problem.penalty(x, here, times),
        lambda: problem.drift_pullback(x, here, times, here, None),
        lambda: problem.drift_pullback(x, here, times, here, here[:, 0]),
        lambda: problem.loss(x, here),
        lambda: problem.loss_gradient(x, here),
    ):
        call()
        spent.append(problem.ledger.total(PRICED))
    assert np.diff(spent).tolist() == pytest.approx([0.5, 2.0, 2.0, 4.0, 0.25, 0.5])


def test_what_oracles_return_cannot_be_differentiated(prepared: DigitsBrightness) -> None:
    for problem, extra in ((MODES.problem(0), None), (prepared.problem(0), torch.zeros(8, dtype=torch.int64))):
        x, here = problem.upper_start.requires_grad_(), problem.particles_start.requires_grad_()
        answers = [problem.drift(x, here, extra), problem.loss(x, here), problem.loss_gradient(x, here)]
        answers += problem.drift_pullback(x, here, extra, here, None)
        if isinstance(problem, LangevinBilevel):
            answers.append(problem.potential_gradient_upper(x, here))
        assert not any(found.requires_grad for found in answers)


def test_the_budget_ends_a_method(make_run: MakeRun) -> None:
    problem = replace(MODES, budget=100.0).problem(0)
    with pytest.raises(BudgetSpent):
        ImplicitDiffusion(size=0.2, rate=0.1).solve(problem, make_run(problem))
    assert 96 < problem.ledger.total(PRICED) <= 100


@pytest.mark.parametrize(("task", "units"), [(MODES, LANGEVIN_UNITS), (DIGITS, DENOISING_UNITS)])
def test_a_price_list_with_a_gap_is_refused(task: Any, units: tuple[str, ...]) -> None:
    for prices in ({"drifts": 1.0}, dict(task.prices) | {"lower_gradients": 1.0}):
        with pytest.raises(ValueError, match=f"prices must name {', '.join(units)}"):
            replace(task, prices=prices)


def test_work_and_depth_to_the_tolerance_are_those_of_the_first_offer_below_it() -> None:
    rows = ((1.0, 0.0, 0.0), (0.2, 3.0, 5.0), (0.04, 7.0, 11.0), (0.01, 9.0, 13.0))
    points = [{"metrics": {"regret": regret}, "cost": {"work": work, "depth": depth}} for regret, work, depth in rows]
    assert MODES.score_curve(points) == {"work_to_tolerance": 7.0, "depth_to_tolerance": 11.0}
    assert MODES.score_curve(points[:2]) == {}
    assert MODES.score_curve([{"metrics": {"regret": 0.0}, "cost": {}}]) == {
        "work_to_tolerance": 0.0,
        "depth_to_tolerance": 0.0,
    }


# --- the judge ---


def test_the_start_of_the_modes_scores_1_and_their_optimum_0() -> None:
    first = MODES.evaluate(MODES.trivial(0), 0, use())
    assert [first["regret"], first["stationarity"]] == pytest.approx([1, 1])
    best = MODES.evaluate(MODES.best(0), 0, use())
    assert best["regret"] == pytest.approx(0, abs=1e-9)
    assert best["stationarity"] < 1e-4
    assert best["reward"] > first["reward"] + 0.05
    for key in range(20):
        x = torch.from_numpy(np.random.default_rng(key).normal(size=6))
        assert MODES.evaluate(Solution(x), 0, use())["regret"] > 0
    near = MODES.best(0).upper + 0.01 * X
    assert 0 < MODES.evaluate(Solution(near), 0, use())["regret"] < 0.01


def test_seeds_turn_the_reward() -> None:
    assert len({MODES.modes(seed).angle for seed in range(5)}) == 5
    assert not torch.allclose(MODES.best(0).upper, MODES.best(1).upper, atol=0.1)


def test_the_judge_of_the_denoiser(prepared: DigitsBrightness) -> None:
    first = prepared.evaluate(prepared.trivial(0), 0, use())
    assert first["regret"] == pytest.approx(1)
    assert first["divergence"] == 0
    best = prepared.evaluate(prepared.best(0), 0, use())
    assert best["regret"] == pytest.approx(0, abs=1e-6)
    assert best["reward"] > first["reward"]
    assert best["divergence"] > 0
    scale = prepared.judge.artefact(0)
    assert scale.best < scale.start
    assert 0.02 * best["divergence"] - best["reward"] == pytest.approx(scale.best, abs=1e-6)


def test_the_judge_walks_the_paths_of_the_problem(make_run: MakeRun, prepared: DigitsBrightness) -> None:
    problem, x = prepared.problem(0), prepared.best(0).upper
    noise = prepared.judge.noise(0)
    here, cost = noise[0], 0.0
    for step in range(4):
        times = at(step, here)
        cost += float(problem.penalty(x, here, times).mean())
        here = here + problem.drift(x, here, times) + problem.spreads[step] * noise[step + 1]
    scores = prepared.evaluate(Solution(x), 0, use())
    assert scores["divergence"] == pytest.approx(cost, rel=1e-4)
    assert scores["reward"] == pytest.approx(float(brightness(here).mean()), rel=1e-4)


def test_no_answer_beats_what_any_law_of_paths_could_have(prepared: DigitsBrightness, one_core: Hardware) -> None:
    """E[-R] + l KL is at least -l log E0 exp(R / l) (Donsker and Varadhan 1975)."""
    wide = replace(prepared.judge, paths=4000)
    ensure(wide, 0, one_core, Nobody())
    noise, first = wide.noise(0), prepared.start(0)
    network, here = prepared.network, noise[0]
    with torch.no_grad():
        for step, spread in enumerate(network.spreads().float()):
            here = here + network.drift(first, here, at(step, here)) + spread * noise[step + 1]
    bound = -0.02 * float((brightness(here).double() / 0.02).exp().mean().log())
    scale = wide.artefact(0)
    assert bound - 0.002 < scale.best < scale.start


def test_validation_has_noise_of_its_own(prepared: DigitsBrightness, one_core: Hardware) -> None:
    (other,) = prepared.validation_preparations().values()
    ensure(other, 0, one_core, Nobody())
    assert prepared.validate(prepared.trivial(0), 0, use())["regret"] == pytest.approx(1)
    answers = [verb(prepared.best(0), 0, use())["reward"] for verb in (prepared.evaluate, prepared.validate)]
    assert answers[0] != answers[1]


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (None, Invalid, "must be a Solution"),
        (Solution(torch.zeros(3)), Invalid, "x must be a tensor of 6 numbers"),
        (Solution(torch.full((6,), float("nan"))), Diverged, "x is not finite"),
    ],
)
def test_illegal_answers(answer: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        MODES.evaluate(answer, 0, use())


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 particles, and a radius"):
        replace(MODES, particles=1)
    with pytest.raises(ValueError, match="at least 2 particles and a radius above 0"):
        replace(DIGITS, radius=0.0)
    with pytest.raises(ValueError, match="a width and a horizon of at least 1"):
        Denoiser(width=0, horizon=4)
    problem = langevin()
    with pytest.raises(ValueError, match="so u must be None"):
        problem.drift_pullback(X, problem.particles_start, None, problem.particles_start, X)


# --- methods ---


def answer(method: Method, problem: Any, run: AttemptRun) -> Solution:
    """What counts: the last offer."""
    with pytest.raises(BudgetSpent):
        method.solve(problem, run)
    assert run.offers is not None
    assert run.offers.last is not None
    solution = run.offers.last.solution
    assert isinstance(solution, Solution)
    return solution


GOOD = [
    (ImplicitDiffusion(size=0.2, rate=0.1), 0.1),
    (NestedSampler(steps=20, size=0.2, warm=True, rate=1.0), 0.1),
    (NestedSampler(steps=20, size=0.2, warm=False, rate=1.0), 0.5),
    (UnrolledSampler(steps=20, size=0.2, differentiated=None, warm=True, rate=1.0), 0.9),
    (ReinforceSampler(steps=20, size=0.2, warm=True, rate=1.0), 0.9),
]


@pytest.mark.parametrize(("method", "most"), GOOD, ids=repr)
def test_methods_get_on_with_the_modes(method: Method, most: float, make_run: MakeRun) -> None:
    task = replace(MODES, particles=1000, budget=2000.0)
    problem = task.problem(0)
    found = answer(method, problem, make_run(problem))
    assert task.evaluate(found, 0, use())["regret"] < most
    assert problem.ledger.total(PRICED) <= 2000


@pytest.mark.parametrize(
    "method",
    [
        ImplicitDiffusionQueue(queue=2, pipelined=True, rate=1.0),
        ImplicitDiffusionQueue(queue=2, pipelined=False, rate=1.0),
        NestedSampler(steps=1, size=1.0, warm=False, rate=1.0),
        UnrolledSampler(steps=1, size=1.0, differentiated=2, warm=False, rate=1.0),
    ],
    ids=repr,
)
def test_methods_make_digits_brighter(method: Method, make_run: MakeRun, prepared: DigitsBrightness) -> None:
    problem = prepared.problem(0)
    found = answer(method, problem, make_run(problem))
    scores = prepared.evaluate(found, 0, use())
    assert scores["regret"] < 0.9
    assert scores["reward"] > prepared.evaluate(prepared.trivial(0), 0, use())["reward"]


def test_the_single_loop_takes_one_step_of_the_particles_for_each_of_x(make_run: MakeRun) -> None:
    problem = replace(MODES, budget=65.0).problem(0)
    run = make_run(problem)
    answer(ImplicitDiffusion(size=0.2, rate=0.1), problem, run)
    totals = problem.ledger.totals()
    assert totals["drifts"] == 20
    assert totals["potential_gradients"] == 20
    assert run.offers is not None
    assert run.offers.count == 21


def test_particles_go_on_or_restart(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    import methods.bilevel.nested_sampler as module

    for warm in (False, True):
        problem = replace(MODES, budget=100.0).problem(0)
        starts: list[Tensor] = []

        def watched(given: Chain, run: Run, x: Tensor, start: Tensor, starts: list[Tensor] = starts) -> Any:
            starts.append(start)
            return walk(given, run, x, start)

        monkeypatch.setattr(module, "walk", watched)
        answer(NestedSampler(steps=10, size=0.2, warm=warm, rate=1.0), problem, make_run(problem))
        assert len(starts) > 3
        assert all(torch.equal(one, other) != warm for one, other in itertools.pairwise(starts))


def test_steps_work_on_samplers() -> None:
    problem = MODES.problem(0)
    moved = Steps(problem, 0.5).take(problem.upper_start, X)
    assert float((moved - problem.upper_start).norm()) == pytest.approx(0.5 * 6**0.5)


def test_weights_of_a_network_move_by_adam() -> None:
    problem, _ = denoising()
    problem = replace(problem, upper_radius=3.0)
    x, held = problem.upper_start, problem.upper_start.clone().requires_grad_(True)
    adam = torch.optim.Adam([held], lr=0.5 * 0.3 / len(x) ** 0.5, eps=1e-12)
    moments = Moments(problem, 0.5)
    for key in range(5):
        held.grad = torch.from_numpy(np.random.default_rng(key).normal(size=len(x)))
        adam.step()
        x = moments.take(x, held.grad)
        torch.testing.assert_close(x, held.detach())
        assert key or float((x - problem.upper_start).norm()) == pytest.approx(0.15)
    with pytest.raises(Diverged, match="iterate is not finite"):
        moments.take(x, x / 0)


# --- pairing ---


def test_samplers_are_a_family_of_their_own() -> None:
    assert posed_type(LangevinModes) is LangevinBilevel
    assert posed_type(DigitsBrightness) is DenoisingBilevel
    assert ARENA.board(LangevinBilevel) is ARENA.board(DenoisingBilevel) is BOARD
    for method in (NestedSampler, UnrolledSampler, ReinforceSampler):
        assert satisfies(LangevinBilevel, needed_type(method))
        assert satisfies(DenoisingBilevel, needed_type(method))
    assert refusal(("bilevel/a", ImplicitDiffusion), ("bilevel/b", DigitsBrightness)) is not None
    assert refusal(("bilevel/a", ImplicitDiffusionQueue), ("bilevel/b", LangevinModes)) is not None
    assert refusal(("bilevel/a", Unrolled), ("bilevel/b", LangevinModes)) is not None
    assert refusal(("bilevel/a", NestedSampler), ("bilevel/b", Quadratic)) is not None
