"""Brighter digits from a denoiser that stays near the one it was (Marion et al., arXiv 2402.05468)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from tasks.base import Run
from tasks.bilevel import Solution
from tasks.bilevel.denoiser import PIXELS, Denoiser, TrainedDenoiser, brightness
from tasks.bilevel.judging import Scale
from tasks.bilevel.oracles import unchanged
from tasks.bilevel.sampled import Meter, Sampled, checked_upper
from tasks.bilevel.samplers import (
    DENOISING_UNITS,
    DRIFT_PULLBACKS,
    DRIFTS,
    REWARD_GRADIENTS,
    REWARDS,
    DenoisingBilevel,
)
from tasks.metering import PRICED, Ledger, Limit, random_stream
from tasks.preparation import Preparation
from tasks.training import Recipe, fit


@dataclass(frozen=True, kw_only=True)
class Brightest(Preparation):
    """The best weights that are known: Adam with exact gradients through whole paths, on large fresh batches.

    Args:
        start: where it begins, and what divergence is from.
        weight: l.
        recipe: of the search.
    """

    start: TrainedDenoiser
    weight: float
    recipe: Recipe

    def build(self, seed: int, run: Run) -> None:
        """Search."""
        network, first = self.start.denoiser, self.start.artefact(seed)
        held = nn.ParameterList([nn.Parameter(first.clone())])
        shape = (network.horizon + 1, self.recipe.batch_size, PIXELS)

        def objective(noise: Tensor) -> Tensor:
            reward, divergence = walk(network, held[0], first, noise)
            return (self.weight * divergence - reward).mean()

        fit(run, held, self.recipe, lambda step: torch.from_numpy(run.rng.normal(size=shape)).float(), objective)
        np.save(run.folder / "weights.npy", held[0].detach().cpu().numpy())

    def load(self, folder: Path) -> Tensor:
        """x (n,) float32, a copy of its own."""
        return torch.from_numpy(np.load(folder / "weights.npy", allow_pickle=False))


@dataclass(frozen=True, kw_only=True)
class Judge(Preparation):
    """The judge's paths of a seed: Phi of the start and of the best weights under the noise that all answers meet.

    Args:
        best: weights.
        paths: how many.
        purpose: of the noise; validation has its own.
    """

    per_seed = True

    best: Brightest
    paths: int
    purpose: str

    def noise(self, seed: int) -> Tensor:
        """Where paths begin, and the noise of each step (T + 1, paths, 64) float32."""
        shape = (self.best.start.denoiser.horizon + 1, self.paths, PIXELS)
        return torch.from_numpy(random_stream("judge", self.purpose, self.version, seed).normal(size=shape)).float()

    def terms(self, x: Tensor, seed: int) -> tuple[float, float]:
        """Mean reward and divergence of paths under x (n,)."""
        with torch.no_grad():
            reward, divergence = walk(self.best.start.denoiser, x, self.best.start.artefact(seed), self.noise(seed))
        return float(reward.double().mean()), float(divergence.double().mean())

    def phi(self, terms: tuple[float, float]) -> float:
        """From mean reward and divergence."""
        return self.best.weight * terms[1] - terms[0]

    def build(self, seed: int, run: Run) -> None:
        """Judge both."""
        points = self.best.start.artefact(seed), self.best.artefact(seed)
        values = [self.phi(self.terms(x, seed)) for x in points]
        (run.folder / "scale.json").write_text(json.dumps(values), encoding="utf-8")

    def load(self, folder: Path) -> Scale:
        """What regret is a share of."""
        return Scale(*json.loads((folder / "scale.json").read_text(encoding="utf-8")))


@dataclass(frozen=True, kw_only=True)
class DigitsBrightness(Sampled):
    """A denoiser of 8 x 8 digits is to sample brighter ones. R is the mean pixel. Seeds draw noise, not denoisers.

    Args:
        judge: with the denoiser at the start, the best one known, and the weight of the divergence.
        particles: N.
        radius: of x, in the norm of weights.
    """

    units: ClassVar[tuple[str, ...]] = DENOISING_UNITS
    judge: Judge
    particles: int
    radius: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.particles < 2 or self.radius <= 0:
            raise ValueError("at least 2 particles and a radius above 0 are needed")

    @property
    def network(self) -> Denoiser:
        """What x are the weights of."""
        return self.judge.best.start.denoiser

    @property
    def validating(self) -> Judge:
        """The same with other noise."""
        return Judge(version=self.judge.version, best=self.judge.best, paths=self.judge.paths, purpose="validate")

    def validation_preparations(self) -> dict[str, Preparation]:
        """The judge of trials."""
        return {"validation_judge": self.validating}

    def problem(self, seed: int) -> DenoisingBilevel:
        """The problem of a seed."""
        first = self.stream(seed, "particles").normal(size=(self.particles, PIXELS))
        ledger = Ledger(Limit(PRICED, self.budget), prices=self.prices)
        return pose(
            ledger, self.network, self.start(seed), torch.from_numpy(first), self.judge.best.weight, self.radius
        )

    def evaluate(self, solution: Solution, seed: int, run: Run) -> Mapping[str, float]:
        """By fresh paths under the judge's noise, the same for all answers."""
        return self._score(solution, seed, self.judge)

    def validate(self, solution: Solution, seed: int, run: Run) -> Mapping[str, float]:
        """Likewise under other noise."""
        return self._score(solution, seed, self.validating)

    def trivial(self, seed: int) -> Solution:
        """The start."""
        return Solution(self.start(seed))

    def best(self, seed: int) -> Solution:
        """The best weights that are known."""
        return Solution(self.judge.best.artefact(seed))

    def start(self, seed: int) -> Tensor:
        """x0 (n,)."""
        first: Tensor = self.judge.best.start.artefact(seed)
        return first

    def _score(self, solution: Solution, seed: int, judge: Judge) -> Mapping[str, float]:
        terms = judge.terms(checked_upper(solution, self.network.weights), seed)
        known: Scale = judge.artefact(seed)
        return {"regret": known.regret(judge.phi(terms)), "reward": terms[0], "divergence": terms[1]}


def pose(
    ledger: Ledger, network: Denoiser, start: Tensor, particles: Tensor, weight: float, radius: float
) -> DenoisingBilevel:
    """The problem over a denoiser, of the precision of its weights.

    Args:
        ledger: fresh.
        network: of weights x.
        start: x0 (n,).
        particles: the first ones (N, 64).
        weight: l.
        radius: of x.
    """
    oracle = Meter(ledger, len(particles)).oracle

    def drift(x: Tensor, particles: Tensor, times: Tensor) -> Tensor:
        with torch.no_grad():
            return network.drift(x, particles, times)

    def penalty(x: Tensor, particles: Tensor, times: Tensor) -> Tensor:
        return network.divergence(drift(x, particles, times), drift(start, particles, times), times)

    def pullback(x: Tensor, particles: Tensor, times: Tensor, w: Tensor, u: Tensor | None) -> tuple[Tensor, Tensor]:
        x, particles = x.requires_grad_(True), particles.requires_grad_(True)
        moved = network.drift(x, particles, times)
        total = (moved * w.detach()).sum()
        if u is not None:
            other = network.drift(start, particles, times)
            total = total + network.divergence(moved, other, times) @ u.detach()
        both = torch.autograd.grad(total, (x, particles))
        return both[0], both[1]

    return DenoisingBilevel(
        ledger=ledger,
        upper_start=start.clone(),
        upper_radius=radius,
        project_upper=unchanged,
        particles_start=particles.to(start.dtype),
        weight=weight,
        drift=oracle(DRIFTS, drift),
        drift_pullback=oracle(DRIFT_PULLBACKS, pullback),
        loss=oracle(REWARDS, lambda x, particles: -brightness(particles)),
        loss_gradient=oracle(REWARD_GRADIENTS, lambda x, particles: torch.full_like(particles, -0.5 / PIXELS)),
        horizon=network.horizon,
        spreads=network.spreads().to(start.dtype),
        penalty=oracle(DRIFTS, penalty, networks=2),
    )


def walk(network: Denoiser, x: Tensor, start: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Paths under x, differentiable.

    Args:
        network: of weights x.
        x, start: (n,).
        noise: (T + 1, K, 64), the first of which is where paths begin.

    Returns:
        Reward (K,) and divergence of the path (K,).
    """
    particles, total = noise[0], noise.new_zeros(noise.shape[1])
    for step, spread in enumerate(network.spreads().to(noise.dtype)):
        times = torch.full((len(particles),), step)
        moved = network.drift(x, particles, times)
        total = total + network.divergence(moved, network.drift(start, particles, times), times)
        particles = particles + moved + spread * noise[step + 1]
    return brightness(particles), total
