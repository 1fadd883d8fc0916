"""Langevin sampling from six modes whose weights are steered towards a reward (Marion et al., arXiv 2402.05468)."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize
from scipy.special import softmax
from torch import Tensor

from tasks.base import Run
from tasks.bilevel import Solution
from tasks.bilevel.judging import Scale
from tasks.bilevel.oracles import unchanged
from tasks.bilevel.sampled import Meter, Sampled, checked_upper
from tasks.bilevel.samplers import (
    DRIFT_PULLBACKS,
    DRIFTS,
    LANGEVIN_UNITS,
    POTENTIAL_GRADIENTS,
    POTENTIAL_VALUES,
    REWARD_GRADIENTS,
    REWARDS,
    LangevinBilevel,
    Times,
)
from tasks.metering import PRICED, Ledger, Limit

MODES = 6
START = (1.5, 0.0, 1.5, 0.0, 1.5, 0.0)  # theta of the released code
SHARPNESS, WIDTH, LEVEL, HEIGHT = 0.5, 20.0, 0.7, 0.95  # its smooth reward; the centre is at (4, 3.8) for radius 4
CELLS, MARGIN = 200, 6.0  # of the judge's grid: cells a side, and how many spreads it goes beyond the modes
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Modes:
    """V = -log sum_i softmax(x)_i N(mu_i, spread^2), mu_i on a circle, and a reward on one side of a line.

    R(p) = sigmoid(q_1 / 0.5) exp(-norm(q - c)^2 / 20) / 0.7, where q is p turned back by `angle` and c is radius times
    (1, 0.95): the smoothed reward of the released code, turned.

    Args:
        radius: of the circle.
        spread: standard deviation of a mode.
        angle: by which the reward is turned.
        weight: l.
    """

    radius: float
    spread: float
    angle: float
    weight: float

    @functools.cached_property
    def centres(self) -> Tensor:
        """mu (6, 2)."""
        turns = torch.arange(MODES, dtype=torch.float64) * (2 * math.pi / MODES)
        return self.radius * torch.stack([turns.cos(), turns.sin()], dim=1)

    def start(self) -> Tensor:
        """x0 (6,)."""
        return torch.tensor(START, dtype=torch.float64)

    def densities(self, particles: Tensor) -> Tensor:
        """log N(p; mu_i, spread^2) (K, 6)."""
        crossed = particles @ self.centres.T
        squares = (particles**2).sum(dim=1, keepdim=True) - 2 * crossed + self.radius**2
        return -squares / (2 * self.spread**2) - math.log(2 * math.pi * self.spread**2)

    def potential(self, x: Tensor, particles: Tensor) -> Tensor:
        """V (K,)."""
        return -torch.logsumexp(torch.log_softmax(x, 0) + self.densities(particles), dim=1)

    def shares(self, x: Tensor, particles: Tensor) -> Tensor:
        """The probability of each mode given the particle (K, 6)."""
        return torch.softmax(torch.log_softmax(x, 0) + self.densities(particles), dim=1)

    def drift(self, x: Tensor, particles: Tensor) -> Tensor:
        """-V_P (K, 2)."""
        return (self.shares(x, particles) @ self.centres - particles) / self.spread**2

    def potential_gradient_upper(self, x: Tensor, particles: Tensor) -> Tensor:
        """V_x (K, 6)."""
        return torch.softmax(x, 0) - self.shares(x, particles)

    def reward(self, particles: Tensor) -> Tensor:
        """R (K,)."""
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        one = cosine * particles[:, 0] + sine * particles[:, 1]
        two = cosine * particles[:, 1] - sine * particles[:, 0]
        away = (one - self.radius) ** 2 + (two - HEIGHT * self.radius) ** 2
        return torch.sigmoid(one / SHARPNESS) * torch.exp(-away / WIDTH) / LEVEL

    def reward_gradient(self, particles: Tensor) -> Tensor:
        """R_P (K, 2)."""
        leaf = particles.detach().requires_grad_(True)
        return torch.autograd.grad(self.reward(leaf).sum(), leaf)[0]

    def draw(self, rng: np.random.Generator, count: int) -> Tensor:
        """Particles (count, 2) from the law of x0."""
        modes = rng.choice(MODES, size=count, p=softmax(np.array(START)))
        noise = torch.from_numpy(rng.normal(size=(count, 2)))
        return self.centres[torch.from_numpy(modes)] + self.spread * noise


@dataclass(frozen=True)
class Grid:
    """Phi by quadrature on 200 x 200 points, on which sums of smooth functions that vanish at the edge are exact.

    With w = softmax(x), Phi = - w'r + l KL(sum_i w_i N_i, that of the start): convex in w.

    Args:
        parts: N_i times the area of a cell (40000, 6).
        rewards: R (40000,).
        first: log density of the start (40000,).
        weight: l.
        start: x0 (6,).
        area: of a cell.
    """

    parts: Array
    rewards: Array
    first: Array
    weight: float
    start: Array
    area: float

    def terms(self, x: Array) -> tuple[float, float]:
        """The mean reward and the divergence."""
        mass = self.parts @ softmax(x)
        return float(mass @ self.rewards), float(mass @ (np.log(mass / self.area) - self.first))

    def value(self, x: Array) -> float:
        """Phi(x)."""
        reward, divergence = self.terms(x)
        return self.weight * divergence - reward

    def gradient(self, x: Array) -> Array:
        """grad Phi(x) (6,)."""
        shares = softmax(x)
        excess = np.log(self.parts @ shares / self.area) - self.first
        slopes = self.parts.T @ (self.weight * excess - self.rewards)  # in w; what is alike in all w_i has no part
        found: Array = shares * (slopes - shares @ slopes)
        return found

    def best(self) -> Array:
        """The x that minimises Phi: no other stationary point is met, since Phi is convex in w."""
        options = {"gtol": 1e-10, "ftol": 1e-15, "maxiter": 500}
        found = optimize.minimize(self.value, self.start, jac=self.gradient, method="L-BFGS-B", options=options)
        point: Array = np.asarray(found.x, dtype=np.float64)
        return point


@functools.lru_cache(maxsize=4)
def grid(modes: Modes) -> Grid:
    """The judge's grid."""
    edge = modes.radius + MARGIN * modes.spread
    side = (torch.arange(CELLS, dtype=torch.float64) + 0.5) * (2 * edge / CELLS) - edge
    points, area = torch.cartesian_prod(side, side), (2 * edge / CELLS) ** 2
    return Grid(
        parts=modes.densities(points).exp().numpy() * area,
        rewards=modes.reward(points).numpy(),
        first=-modes.potential(modes.start(), points).numpy(),
        weight=modes.weight,
        start=modes.start().numpy(),
        area=area,
    )


@functools.lru_cache(maxsize=4)
def scale(modes: Modes) -> Scale:
    """What regret is a share of."""
    judge = grid(modes)
    return Scale(judge.value(judge.start), judge.value(judge.best()))


@dataclass(frozen=True, kw_only=True)
class LangevinModes(Sampled):
    """Six modes of which some are rewarded; x are the logits of their weights. Seeds turn the reward.

    Args:
        particles: N.
        radius: of the circle of modes.
        spread: of a mode.
        weight: l.
        cold: whether particles start standard normal, as in the released code, and not from the law of x0.
    """

    units: ClassVar[tuple[str, ...]] = LANGEVIN_UNITS
    particles: int
    radius: float
    spread: float
    weight: float
    cold: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.particles < 2 or min(self.radius, self.spread, self.weight) <= 0:
            raise ValueError("at least 2 particles, and a radius, a spread and a weight above 0 are needed")

    def modes(self, seed: int) -> Modes:
        """The landscape of a seed."""
        angle = float(self.stream(seed).uniform(0, 2 * math.pi))
        return Modes(self.radius, self.spread, angle, self.weight)

    def problem(self, seed: int) -> LangevinBilevel:
        """The problem of a seed."""
        modes, ledger = self.modes(seed), Ledger(Limit(PRICED, self.budget), prices=self.prices)
        oracle = Meter(ledger, self.particles).oracle

        def drift(x: Tensor, particles: Tensor, times: Times = None) -> Tensor:
            return modes.drift(x, particles)

        def loss(x: Tensor, particles: Tensor) -> Tensor:
            ledger.spend(POTENTIAL_VALUES, 2 * len(particles) / self.particles)
            excess = modes.potential(modes.start(), particles) - modes.potential(x, particles)
            return modes.weight * excess - modes.reward(particles)

        def loss_gradient(x: Tensor, particles: Tensor) -> Tensor:
            ledger.spend(DRIFTS, 2 * len(particles) / self.particles)
            excess = modes.drift(x, particles) - modes.drift(modes.start(), particles)
            return modes.weight * excess - modes.reward_gradient(particles)

        return LangevinBilevel(
            ledger=ledger,
            upper_start=modes.start(),
            upper_radius=MODES**0.5,
            project_upper=unchanged,
            particles_start=self._first(modes, seed),
            weight=self.weight,
            drift=oracle(DRIFTS, drift),
            drift_pullback=oracle(DRIFT_PULLBACKS, functools.partial(_pullback, modes)),
            loss=oracle(REWARDS, loss),
            loss_gradient=oracle(REWARD_GRADIENTS, loss_gradient),
            potential_gradient_upper=oracle(POTENTIAL_GRADIENTS, modes.potential_gradient_upper),
        )

    def _first(self, modes: Modes, seed: int) -> Tensor:
        rng = self.stream(seed, "particles")
        return torch.from_numpy(rng.normal(size=(self.particles, 2))) if self.cold else modes.draw(rng, self.particles)

    def evaluate(self, solution: Solution, seed: int, run: Run) -> Mapping[str, float]:
        """By quadrature."""
        modes = self.modes(seed)
        x = checked_upper(solution, MODES).double().numpy()
        judge = grid(modes)
        reward, divergence = judge.terms(x)
        slope, first = (float(np.linalg.norm(judge.gradient(point))) for point in (x, judge.start))
        return {
            "regret": scale(modes).regret(judge.value(x)),
            "reward": reward,
            "divergence": divergence,
            "stationarity": slope / first,
        }

    def trivial(self, seed: int) -> Solution:
        """The start."""
        return Solution(self.modes(seed).start())

    def best(self, seed: int) -> Solution:
        """The optimum."""
        return Solution(torch.from_numpy(grid(self.modes(seed)).best()))


def _pullback(modes: Modes, x: Tensor, particles: Tensor, times: Times, w: Tensor, u: Any) -> tuple[Tensor, Tensor]:
    if u is not None:
        raise ValueError("steps of Langevin dynamics cost nothing, so u must be None")
    x, particles = x.detach().requires_grad_(True), particles.detach().requires_grad_(True)
    both = torch.autograd.grad((modes.drift(x, particles) * w.detach()).sum(), (x, particles))
    return both[0], both[1]
