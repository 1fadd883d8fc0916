"""A small denoiser of the digits that scikit-learn carries, and the sampler that it makes: x are its weights.

The variance-preserving diffusion of Song et al. 2021 (arXiv 2011.13456) in T steps, sampled as by Ho et al. 2020 (arXiv
2006.11239, equation 7) with the larger of their two variances, so that every step is Gaussian with a spread above 0 in
which x has no part. The network says the velocity of Salimans and Ho 2022 (arXiv 2202.00512): where it said the noise,
few steps would explode, and where it said the image, late steps would make Phi far steeper than early ones.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import linear, silu

from tasks.base import Run
from tasks.preparation import Preparation
from tasks.training import Recipe, fit

PIXELS = 64
FEATURES = 8  # of time
SLOW, FAST = 0.1, 20.0  # rates of the diffusion at its two ends, Song et al. 2021


@dataclass(frozen=True, kw_only=True)
class Denoiser:
    """A network with two hidden layers that says which image a noised one was, at T levels of noise.

    Args:
        width: of a hidden layer.
        horizon: T.
    """

    width: int
    horizon: int

    def __post_init__(self) -> None:
        if min(self.width, self.horizon) < 1:
            raise ValueError(f"a denoiser has a width and a horizon of at least 1, got {self}")

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of the layers, the input first."""
        return PIXELS + FEATURES, self.width, self.width, PIXELS

    @property
    def weights(self) -> int:
        """n, how many numbers x has."""
        return sum((one + 1) * other for one, other in itertools.pairwise(self.sizes))

    def build(self) -> nn.Sequential:
        """A network with fresh weights; x is its parameters one after the other."""
        layers = [nn.Linear(one, other) for one, other in itertools.pairwise(self.sizes)]
        return nn.Sequential(layers[0], nn.SiLU(), layers[1], nn.SiLU(), layers[2])

    def image(self, x: Tensor, particles: Tensor, levels: Tensor) -> Tensor:
        """The image (K, 64) that the network of weights x (n,) sees in particles at levels (K,)."""
        hidden, place = self.inputs(particles, levels), 0
        for number, (one, other) in enumerate(itertools.pairwise(self.sizes)):
            matrix = x[place : place + one * other].view(other, one)
            place += one * other
            hidden = linear(hidden if not number else silu(hidden), matrix, x[place : place + other])
            place += other
        left = self.left().to(particles.dtype)[levels][:, None]
        return left.sqrt() * particles - (1 - left).sqrt() * hidden

    def inputs(self, particles: Tensor, levels: Tensor) -> Tensor:
        """What the network is given: particles and waves of time (K, 72)."""
        turns = (levels.to(particles.dtype) + 0.5) / self.horizon * (math.pi / 2)
        waves = turns[:, None] * (2.0 ** torch.arange(FEATURES // 2, dtype=particles.dtype))
        return torch.cat([particles, waves.cos(), waves.sin()], dim=1)

    def kept(self) -> Tensor:
        """alpha (T,) float64, the share of the variance that stays at each level."""
        levels = (torch.arange(self.horizon, dtype=torch.float64) + 0.5) / self.horizon
        return torch.exp(-(SLOW + (FAST - SLOW) * levels) / self.horizon)

    def left(self) -> Tensor:
        """The product of the alphas up to each level (T,) float64."""
        return self.kept().cumprod(0)

    def spreads(self) -> Tensor:
        """Of the noise of each step (T,) float64; steps go from the highest level to the lowest."""
        return (1 - self.kept()).sqrt().flip(0)

    def drift(self, x: Tensor, particles: Tensor, times: Tensor) -> Tensor:
        """The mean of each row's next step, less where it is (K, 64)."""
        levels = self.horizon - 1 - times
        kept, left = self.kept(), self.left()
        before = torch.cat([torch.ones(1, dtype=left.dtype), left[:-1]])
        seen, own = before.sqrt() * (1 - kept) / (1 - left), kept.sqrt() * (1 - before) / (1 - left)
        shares = torch.stack([seen, own - 1], dim=1).to(particles.dtype)[levels]
        return shares[:, :1] * self.image(x, particles, levels) + shares[:, 1:] * particles

    def divergence(self, moved: Tensor, other: Tensor, times: Tensor) -> Tensor:
        """KL (K,) of the next step under one drift (K, 64) from that under another."""
        return ((moved - other) ** 2).sum(dim=1) / (2 * self.spreads().to(moved.dtype)[times] ** 2)


@dataclass(frozen=True, kw_only=True)
class TrainedDenoiser(Preparation):
    """The weights x0 of a denoiser of all 1,797 digits, one for all seeds.

    Args:
        denoiser: what is trained.
        recipe: how.
    """

    denoiser: Denoiser
    recipe: Recipe

    def build(self, seed: int, run: Run) -> None:
        """Learn to see digits in noised ones, at levels drawn anew each step."""
        images, levels = digits(), self.denoiser.left().float()
        network = self.denoiser.build()
        batch, horizon = self.recipe.batch_size, self.denoiser.horizon

        def draw(step: int) -> tuple[Tensor, Tensor, Tensor]:
            rows = torch.from_numpy(run.rng.integers(len(images), size=batch))
            at = torch.from_numpy(run.rng.integers(horizon, size=batch))
            return images[rows], at, torch.from_numpy(run.rng.normal(size=(batch, PIXELS))).float()

        def objective(drawn: tuple[Tensor, Tensor, Tensor]) -> Tensor:
            clean, at, noise = drawn
            share = levels[at][:, None]
            noised = share.sqrt() * clean + (1 - share).sqrt() * noise
            seen: Tensor = network(self.denoiser.inputs(noised, at))
            return ((seen - share.sqrt() * noise + (1 - share).sqrt() * clean) ** 2).mean()

        fit(run, network, self.recipe, draw, objective)
        weights = nn.utils.parameters_to_vector(network.parameters()).detach().cpu().numpy()
        np.save(run.folder / "weights.npy", weights)

    def load(self, folder: Path) -> Tensor:
        """x0 (n,) float32, a copy of its own."""
        return torch.from_numpy(np.load(folder / "weights.npy", allow_pickle=False))


def digits() -> Tensor:
    """All images (1797, 64) float32, from -1 to 1."""
    from sklearn.datasets import load_digits  # its package takes a second to import

    return torch.from_numpy(load_digits(return_X_y=True)[0] / 8 - 1).float()


def brightness(particles: Tensor) -> Tensor:
    """The reward (K,): the mean pixel, 0 for black and 1 for white."""
    return (particles.mean(dim=1) + 1) / 2
