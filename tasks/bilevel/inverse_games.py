"""The tasks of inverse mean-field games: what is planted, and what a method is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from scipy.linalg import null_space
from torch import Tensor

from tasks.bilevel.equilibria import Unknown
from tasks.bilevel.fields import Drawn, Field
from tasks.bilevel.mean_field_games import Array


@dataclass(frozen=True, kw_only=True)
class ObstacleField(Field):
    """The obstacle b, of two bumps, with g = 1; only b without its mean shows, so that methods keep that at 0.

    The crowd moves from one end to the other, with densities from 0.6 to 1.4 at first.

    Args:
        height: of the higher bump at most.
    """

    unknown: ClassVar[Unknown] = Unknown.OBSTACLE
    height: float

    def drawn(self, seed: int) -> Drawn:
        """Bumps with heights from half of `height`, one in each half."""
        rng = self.stream(seed)
        first, goal = _densities(rng, self.cells)
        centres, widths = rng.uniform((0.2, 0.6), (0.4, 0.8)), rng.uniform(0.06, 0.12, size=2)
        heights = self.height * rng.uniform(0.5, 1, size=2)
        bumps = heights[:, None] * np.exp(-(((_middles(self.cells) - centres[:, None]) / widths[:, None]) ** 2) / 2)
        return Drawn(self.game(first, goal), bumps.sum(axis=0))

    def kept(self, x: Tensor, planted: Array) -> Tensor:
        """Without its mean."""
        return x - x.mean()

    def first_guess(self, planted: Array) -> Array:
        """No obstacle."""
        return np.zeros(self.cells)

    def basis(self) -> Array:
        """Fields of mean 0."""
        spanned: Array = null_space(np.ones((1, self.cells)))
        return spanned


@dataclass(frozen=True, kw_only=True)
class MetricField(Field):
    """The metric g, with b = 0; its value in the first cell is known, as in the experiments of the paper.

    Args:
        example: g = 1 - 0.6 sin^2(pi x), densities from 1 + 0.5 sin^2(2 pi x) to 1 + 0.5 sin^2(pi x), over their means
            (Ding, Li, Osher and Yin 2022, repository LisangDing/Mean-Field-Game-Inverse-Problem, 37055d0; the paper
            takes it over). Else g is drawn from 0.5 to 1.5 and the crowd moves from one end to the other.
        lowest, highest: bounds of g.
    """

    unknown: ClassVar[Unknown] = Unknown.METRIC
    example: bool
    lowest: float
    highest: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.lowest <= 0.4 or self.highest < 1.5:
            raise ValueError("lowest must be from 0 to 0.4, and highest at least 1.5, or planted metrics do not fit")

    def drawn(self, seed: int) -> Drawn:
        """A metric with three waves, or the example."""
        rng, at = self.stream(seed), np.pi * _middles(self.cells)
        if self.example:
            first, goal = (1 + 0.5 * np.sin(rate * at) ** 2 for rate in (2, 1))
            return Drawn(self.game(first / first.mean(), goal / goal.mean()), 1 - 0.6 * np.sin(at) ** 2)
        first, goal = _densities(rng, self.cells)
        return Drawn(self.game(first, goal), 1 + _waves(rng, self.cells, 0.5))

    def kept(self, x: Tensor, planted: Array) -> Tensor:
        """Within bounds, with the first value as it is known to be."""
        return torch.cat([torch.from_numpy(planted[:1].copy()), x[1:].clamp(self.lowest, self.highest)])

    def first_guess(self, planted: Array) -> Array:
        """The known value everywhere."""
        return np.full(self.cells, planted[0])

    def basis(self) -> Array:
        """All values but the first."""
        return np.eye(self.cells)[:, 1:]


def _middles(cells: int) -> Array:
    """Of the cells of [0, 1]."""
    return (np.arange(cells) + 0.5) / cells


def _waves(rng: np.random.Generator, cells: int, size: float) -> Array:
    """Three cosines with drawn weights, no larger than `size` anywhere; the mean is 0."""
    weights = rng.normal(size=3)
    waves = np.cos(np.pi * np.arange(1, 4)[:, None] * _middles(cells))
    drawn: Array = size * weights @ waves / np.abs(weights).sum()
    return drawn


def _densities(rng: np.random.Generator, cells: int) -> tuple[Array, Array]:
    """The first density and the goal: the crowd stands at one end and wants to the other, so that there is flux."""
    side = rng.choice([-1, 1]) * 0.25 * np.cos(np.pi * _middles(cells))
    return 1 + side + _waves(rng, cells, 0.15), 1 - side + _waves(rng, cells, 0.15)
