"""What methods that steer samplers share: chains of steps, three estimators of the gradient, and the loop.

With L the loss of the last particles and c_k what step k costs, Phi = E[L(P_T) + sum_k l c_k(P_k)] up to what has no
gradient. Its gradient is

    -Cov(L, V_x)                       where P is drawn from exp(-V) / Z,
    E[sum_k A_k+1 . drift_x + l c_k,x] along a path with its noise held fixed, where A_T = L_P and
                                       A_k = A_k+1 + (drift_P)' A_k+1 + l c_k,P,
    E[sum_k C_k s_k + l c_k,x]         where s_k = noise_k . drift_x / spread_k, and C_k is what comes after step k.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from methods.base import Run
from methods.bilevel._loop import Steps, finite
from tasks.bilevel import Solution
from tasks.bilevel.samplers import DenoisingBilevel, LangevinBilevel, SamplerBilevel

FIRST, SECOND, TINY = 0.9, 0.999, 1e-12  # of Adam; the last is small beside gradients of any scale


@dataclass(frozen=True)
class Chain:
    """P_k+1 = P_k + size drift(x, P_k, k) + spread_k noise_k.

    Args:
        problem: whose sampler it is.
        spreads: (T,).
        size: of a step.
    """

    problem: SamplerBilevel
    spreads: Tensor
    size: float

    def __len__(self) -> int:
        return len(self.spreads)

    def fresh(self, run: Run) -> Tensor:
        """Standard normal numbers (N, d)."""
        like = self.problem.particles_start
        return torch.from_numpy(run.rng.normal(size=tuple(like.shape))).to(like.dtype)

    def moved(self, x: Tensor, particles: Tensor, times: Tensor, noise: Tensor) -> Tensor:
        """Particles (K, d) after the step at times (K,)."""
        drift = self.problem.drift(x, particles, times)
        return particles + self.size * drift + self.spreads[times][:, None] * noise

    def pulled(self, x: Tensor, particles: Tensor, times: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        """The gradients in x (n,) and P (K, d) of sum w . (P moved without noise) and of what steps cost, a mean."""
        own, through = self.problem.drift_pullback(x, particles, times, self.size * w, self._tolls(len(particles)))
        return own, w + through

    def _tolls(self, rows: int) -> Tensor | None:
        like = self.problem.particles_start
        if not isinstance(self.problem, DenoisingBilevel):
            return None
        return like.new_full((rows,), self.problem.weight / len(like))


@dataclass(frozen=True)
class Path:
    """Particles P_0 .. P_T and the noise of each step, (N, d) each."""

    particles: list[Tensor]
    noises: list[Tensor]


def chain(problem: SamplerBilevel, steps: int, size: float) -> Chain:
    """Langevin dynamics of so many steps of a size, or all the steps of a denoiser, which has its own."""
    if isinstance(problem, DenoisingBilevel):
        return Chain(problem, problem.spreads, 1.0)
    return Chain(problem, problem.particles_start.new_full((steps,), (2 * size) ** 0.5), size)


def walk(given: Chain, run: Run, x: Tensor, start: Tensor) -> Path:
    """All steps from a start (N, d), at one x; costs a drift each."""
    path = Path([start], [])
    for step in range(len(given)):
        noise = given.fresh(run)
        path.particles.append(given.moved(x, path.particles[-1], at(step, start), noise))
        path.noises.append(noise)
    finite(path.particles[-1])
    return path


def at(step: int, particles: Tensor) -> Tensor:
    """The number of a step for every row (K,)."""
    return torch.full((len(particles),), step)


def covariance(problem: LangevinBilevel, x: Tensor, particles: Tensor) -> Tensor:
    """-Cov(L, V_x) (n,) over particles."""
    loss, slopes = problem.loss(x, particles), problem.potential_gradient_upper(x, particles)
    return -((loss - loss.mean()) @ slopes) / len(particles)


def pathwise(given: Chain, x: Tensor, particles: list[Tensor], last: int) -> Tensor:
    """Reverse differentiation (n,) along P_0 .. P_T with the noise held fixed, through the last steps only."""
    adjoint = given.problem.loss_gradient(x, particles[-1]) / len(particles[-1])
    total = torch.zeros_like(x)
    for step in reversed(range(len(given) - last, len(given))):
        own, adjoint = given.pulled(x, particles[step], at(step, adjoint), adjoint)
        total = total + own
    return total


def score_function(given: Chain, x: Tensor, path: Path) -> Tensor:
    """REINFORCE (n,): each step is credited with what follows it, less what follows it for the other particles."""
    problem, rows, count = given.problem, len(path.particles[0]), len(given)
    after = problem.loss(x, path.particles[-1]).expand(count, rows)
    before, times = torch.cat(path.particles[:-1]), torch.arange(count).repeat_interleave(rows)
    if isinstance(problem, DenoisingBilevel):
        tolls = problem.weight * problem.penalty(x, before, times).view(count, rows)
        after = after + tolls.flip(0).cumsum(0).flip(0) - tolls
    credit = (after - after.mean(dim=1, keepdim=True)) / (rows - 1)
    w = (credit / given.spreads[:, None]).reshape(-1, 1) * torch.cat(path.noises)
    return given.pulled(x, before, times, w)[0]


class Moments:
    """Steps in the weights of a network: Adam (Kingma and Ba 2015), the first a tenth of rate times radius long.

    They do not shorten, so that none may be as long as the first of `Steps`. The rule of `Steps`, one number times the
    gradient, was tried and stalls half way there: weights of a network differ too much in how steep Phi is.

    Args:
        problem: gives the radius and the set of x.
        rate: of a tenth of the radius, the length of the first step.
    """

    def __init__(self, problem: DenoisingBilevel, rate: float) -> None:
        start = problem.upper_start
        self._problem, self._count = problem, 0
        self._length = rate * problem.upper_radius / 10 / len(start) ** 0.5  # of the step in each coordinate
        self._mean, self._square = torch.zeros_like(start), torch.zeros_like(start)

    def take(self, x: Tensor, direction: Tensor) -> Tensor:
        """x after a step against a direction (n,).

        Raises:
            Diverged: the direction is not finite.
        """
        finite(direction)
        self._count += 1
        self._mean = FIRST * self._mean + (1 - FIRST) * direction
        self._square = SECOND * self._square + (1 - SECOND) * direction**2
        mean, square = self._mean / (1 - FIRST**self._count), self._square / (1 - SECOND**self._count)
        return self._problem.project_upper(x - self._length * mean / (square.sqrt() + TINY))


def follow(problem: SamplerBilevel, run: Run, rate: float, estimate: Callable[[Tensor], Tensor | None]) -> Solution:
    """Go down estimates of the gradient, offering every x.

    Args:
        problem: gives the start.
        run: takes the offers.
        rate: see `Steps`, or `Moments` where x are the weights of a network.
        estimate: x -> an estimate (n,) of the gradient there, or None where there is none yet.

    Raises:
        BudgetSpent: the last offer is the answer.
        Diverged: a direction is not finite.
    """
    x = problem.upper_start
    steps = Moments(problem, rate) if isinstance(problem, DenoisingBilevel) else Steps(problem, rate)
    run.offer(Solution(x))
    while True:
        direction = estimate(x)
        if direction is not None:
            x = steps.take(x, direction)
            run.offer(Solution(x))
