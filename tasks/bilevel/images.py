"""Hyperparameters of softmax regression on images: weight decay, and data hyper-cleaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from tasks.base import Run, Task
from tasks.bilevel import Rows, SingleStep, Solution
from tasks.bilevel.hyperparameters import Hyperparameters, World
from tasks.bilevel.judging import checked, hyper_gradient, minimised
from tasks.bilevel.oracles import Landscape, check_prices, pose, unchanged
from tasks.bilevel.quadratic import cosine
from tasks.bilevel.tables import CLASSES, Source, Table, check, draw


@dataclass(frozen=True, kw_only=True)
class Decay(Hyperparameters):
    """g = cross-entropy of the training rows + sum exp(x) w^2 / 2, f = cross-entropy of the validation rows.

    As in Lorraine and Duvenaud (arXiv 1802.09419) and Lorraine et al. (arXiv 1911.02590): exp(x) is the decay of all
    weights, of those of a class, or of each weight.

    Args:
        hyperparameters: n: 1, 10, or 10 for each feature.
    """

    hyperparameters: int

    def world(self, seed: int) -> World:
        """The landscape and the judge's loss."""
        table = self.tables(seed)
        lowest = torch.full((self.hyperparameters,), self.lowest, dtype=torch.float64)
        landscape = decayed(table, self.hyperparameters, self.start, (self.lowest, self.highest))
        landscape = replace(landscape, lower_start=self.first_weights(seed, len(landscape.lower_start)))
        bounds = torch.stack([lowest, torch.full_like(lowest, self.highest)], dim=1)
        return World(landscape, self.part(table.test), bounds)


@dataclass(frozen=True, kw_only=True)
class Cleaning(Hyperparameters):
    """Data hyper-cleaning: g = mean of sigmoid(x_i) times the cross-entropy of example i, f on clean rows.

    A share of the training labels is drawn anew from all ten classes, so that about a tenth of these stay right, as in
    the experiments of V-PBGD (arXiv 2302.05185). A small ridge makes the lower problem strongly convex: few rows
    can be separated, and without it there is no minimiser.

    Args:
        ridge: g holds ridge / 2 norm(w)^2.
    """

    ridge: float

    def world(self, seed: int) -> World:
        """The landscape and the judge's loss."""
        table = self.tables(seed)
        features, labels = table.train
        steep, held_steep, ridge = steepness(features), steepness(table.validation[0]), self.ridge

        def lower(x: Tensor, y: Tensor, rows: Rows) -> Tensor:
            some = slice(None) if rows is None else torch.from_numpy(rows)
            losses = cross_entropy(features[some] @ y.view(-1, CLASSES), labels[some], reduction="none")
            return (torch.sigmoid(x[some]) * losses).mean() + ridge / 2 * (y**2).sum()

        bounds = torch.tensor([self.lowest, self.highest], dtype=torch.float64).repeat(self.train, 1)
        landscape = Landscape(
            upper=self.part(table.validation),
            lower=lower,
            upper_start=torch.full((self.train,), self.start, dtype=torch.float64),
            lower_start=self.first_weights(seed, features.shape[1] * CLASSES),
            upper_radius=2 * self.train**0.5,
            lower_smoothness=lambda x: steep * float(torch.sigmoid(x).max()) + ridge,
            upper_smoothness=lambda x: held_steep,
            project_upper=lambda x: x.clamp(self.lowest, self.highest),
            lower_examples=self.train,
            upper_examples=self.validation,
        )
        return World(landscape, self.part(table.test), bounds)


@dataclass(frozen=True, kw_only=True)
class DecayStep(Task):
    """One step in x on the problem of `Decay`, from y0 = y*(x0), x0 drawn; the direction is judged.

    Args:
        source: of the images.
        pool: images are averaged over squares of this width.
        train: lower examples.
        validation: upper examples.
        hyperparameters: n: 1, 10, or 10 for each feature.
        start: mean of x0.
        spread: standard deviation of x0.
        prices: of every unit, in full gradients of g.
        budget: in units of work, for one direction.
    """

    source: Source
    pool: int
    train: int
    validation: int
    hyperparameters: int
    start: float
    spread: float
    prices: dict[str, float]
    budget: float

    def __post_init__(self) -> None:
        check_prices(self.prices)

    def check(self) -> None:
        """Say whether the images are here."""
        check(self.source)

    def landscape(self, seed: int) -> Landscape:
        """As functions; x has no set, and the start is drawn."""
        table = draw(self.source, self.stream(seed, "rows"), self.pool, (self.train, self.validation, 0))
        landscape = decayed(table, self.hyperparameters, self.start, None)
        moved = torch.from_numpy(self.stream(seed, "start").normal(scale=self.spread, size=self.hyperparameters))
        return replace(landscape, upper_start=landscape.upper_start + moved)

    def problem(self, seed: int) -> SingleStep:
        """The problem of a seed."""
        landscape = self.landscape(seed)
        solved = minimised(landscape.lower, landscape.upper_start, landscape.lower_start)
        landscape = replace(landscape, lower_start=solved)
        return pose(SingleStep, landscape, self.prices, self.budget, outer_steps=1, tangent=unchanged)

    def evaluate(self, solution: Solution, seed: int, run: Run) -> Mapping[str, float]:
        """The cosine; 0 for no step."""
        landscape = self.landscape(seed)
        solution = checked(solution, landscape)
        return {"gradient_cosine": cosine(landscape.upper_start - solution.upper, self._true(landscape))}

    def trivial(self, seed: int) -> Solution:
        """No step."""
        return Solution(self.landscape(seed).upper_start)

    def best(self, seed: int) -> Solution:
        """A step down the exact hyper-gradient."""
        landscape = self.landscape(seed)
        return Solution(landscape.upper_start - self._true(landscape))

    def _true(self, landscape: Landscape) -> Tensor:
        solved = minimised(landscape.lower, landscape.upper_start, landscape.lower_start)
        return hyper_gradient(landscape, landscape.upper, landscape.upper_start, solved)


def decayed(table: Table, hyperparameters: int, start: float, bounds: tuple[float, float] | None) -> Landscape:
    """Softmax regression whose weights decay by exp(x).

    Args:
        table: the rows.
        hyperparameters: n: 1, 10, or 10 for each feature.
        start: of every entry of x.
        bounds: of every entry of x; None for no set.

    Raises:
        ValueError: another n.
    """
    (features, labels), held = table.train, table.validation
    size = features.shape[1]
    if hyperparameters not in (1, CLASSES, size * CLASSES):
        raise ValueError(f"hyperparameters must be 1, {CLASSES} or {size * CLASSES}, got {hyperparameters}")
    shape = (size, CLASSES) if hyperparameters == size * CLASSES else (1, hyperparameters)
    steep, held_steep = steepness(features), steepness(held[0])

    def lower(x: Tensor, y: Tensor, rows: Rows) -> Tensor:
        some = slice(None) if rows is None else torch.from_numpy(rows)
        weights = y.view(size, CLASSES)
        return cross_entropy(features[some] @ weights, labels[some]) + (x.view(shape).exp() * weights**2).sum() / 2

    def upper(x: Tensor, y: Tensor, rows: Rows) -> Tensor:
        some = slice(None) if rows is None else torch.from_numpy(rows)
        return cross_entropy(held[0][some] @ y.view(size, CLASSES), held[1][some])

    return Landscape(
        upper=upper,
        lower=lower,
        upper_start=torch.full((hyperparameters,), start, dtype=torch.float64),
        lower_start=torch.zeros(size * CLASSES, dtype=torch.float64),
        upper_radius=2 * hyperparameters**0.5,
        lower_smoothness=lambda x: steep + float(x.max().exp()),
        upper_smoothness=lambda x: held_steep,
        project_upper=unchanged if bounds is None else lambda x: x.clamp(*bounds),
        lower_examples=len(labels),
        upper_examples=len(held[1]),
    )


def steepness(features: Tensor) -> float:
    """Lipschitz constant of the gradient of the mean cross-entropy: the covariance of a softmax is at most 1/2."""
    return float(torch.linalg.matrix_norm(features, 2) ** 2 / (2 * len(features)))
