"""Hyperparameters that are data, or change them: distilled images, and the noise that is added to pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from tasks.bilevel import Rows
from tasks.bilevel.hyperparameters import Hyperparameters, World
from tasks.bilevel.images import steepness
from tasks.bilevel.oracles import Landscape, Objective
from tasks.bilevel.tables import CLASSES, Table

Smoothness: TypeAlias = Callable[[Tensor], float]


@dataclass(frozen=True, kw_only=True)
class Distillation(Hyperparameters):
    """Dataset distillation: x are the pixels of a few images, y is fitted to these alone, f is the loss of real images.

    g = mean cross-entropy of the learnt images, of which each class has as many, + ridge / 2 norm(y)^2. As in Lorraine
    et al. (arXiv 1911.02590), after Wang et al. 2018 (arXiv 1811.10959). All images begin grey and alike, and the lower
    examples are the learnt images: a unit of work is a pass over these few, and one over the real ones has its price.

    Args:
        train: learnt images, a multiple of ten.
        ridge: of the model.
    """

    ceiling_steps: ClassVar[int] = 40  # an L-BFGS that begins with no image at all
    ridge: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.train % CLASSES or self.train <= 0:
            raise ValueError(f"train must be a multiple of {CLASSES}, so that classes have as many images")
        if self.corrupted:
            raise ValueError("corrupted must be 0: learnt images have the labels that they are learnt for")
        if self.ridge <= 0:
            raise ValueError("ridge must be above 0: a few images can be separated, and have no best model without")

    def world(self, seed: int) -> World:
        """The landscape and the judge's loss."""
        table = self.tables(seed)  # its training rows are not used
        labels = torch.arange(self.train) % CLASSES
        pixels, ridge = table.validation[0].shape[1] - 1, self.ridge
        ones = torch.ones(self.train, 1, dtype=torch.float64)

        def features(x: Tensor) -> Tensor:
            return torch.cat([x.view(self.train, pixels), ones], dim=1)

        def lower(x: Tensor, y: Tensor, rows: Rows) -> Tensor:
            some = slice(None) if rows is None else torch.from_numpy(rows)
            return cross_entropy(features(x)[some] @ y.view(-1, CLASSES), labels[some]) + ridge / 2 * (y**2).sum()

        def smoothness(x: Tensor) -> float:
            return steepness(features(x)) + ridge

        landscape = _landscape(self, table, self.train * pixels, self.part(table.validation), lower, smoothness, seed)
        return World(landscape, self.part(table.test), _bounds(self, self.train * pixels))


@dataclass(frozen=True, kw_only=True)
class PixelNoise(Hyperparameters):
    """Augmentation that is learnt: exp(x_j) is the scale of Gaussian noise on pixel j of the training images.

    g = mean cross-entropy over rows and over `copies` of each with noise that is drawn once, + ridge / 2 norm(y)^2. A
    small case of what Lorraine et al. (arXiv 1911.02590) do with a network that augments. A pass over the lower
    examples is one over all copies.

    Args:
        copies: of each training image.
        ridge: of the model.
    """

    copies: int
    ridge: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.copies < 1 or self.ridge <= 0:
            raise ValueError("copies must be at least 1, and ridge above 0")

    def world(self, seed: int) -> World:
        """The landscape and the judge's loss."""
        table = self.tables(seed)
        images, labels, ridge = table.train[0][:, :-1], table.train[1], self.ridge
        pixels = images.shape[1]
        drawn = self.stream(seed, "noise").normal(size=(self.train, self.copies, pixels))
        noise, ones = torch.from_numpy(drawn), torch.ones(self.train, self.copies, 1, dtype=torch.float64)

        def features(x: Tensor) -> Tensor:
            return torch.cat([images[:, None] + x.exp() * noise, ones], dim=2)

        def lower(x: Tensor, y: Tensor, rows: Rows) -> Tensor:
            some = slice(None) if rows is None else torch.from_numpy(rows)
            logits = (features(x)[some] @ y.view(-1, CLASSES)).flatten(0, 1)
            return cross_entropy(logits, labels[some].repeat_interleave(self.copies)) + ridge / 2 * (y**2).sum()

        def smoothness(x: Tensor) -> float:
            return steepness(features(x).flatten(0, 1)) + ridge

        landscape = _landscape(self, table, pixels, self.part(table.validation), lower, smoothness, seed)
        return World(landscape, self.part(table.test), _bounds(self, pixels))


def _landscape(
    task: Hyperparameters,
    table: Table,
    entries: int,
    upper: Objective,
    lower: Objective,
    smoothness: Smoothness,
    seed: int,
) -> Landscape:
    """What both have in common."""
    held_steep = steepness(table.validation[0])
    return Landscape(
        upper=upper,
        lower=lower,
        upper_start=torch.full((entries,), task.start, dtype=torch.float64),
        lower_start=task.first_weights(seed, table.validation[0].shape[1] * CLASSES),
        upper_radius=(task.highest - task.lowest) / 4 * entries**0.5,
        lower_smoothness=smoothness,
        upper_smoothness=lambda x: held_steep,
        project_upper=lambda x: x.clamp(task.lowest, task.highest),
        lower_examples=task.train,
        upper_examples=task.validation,
    )


def _bounds(task: Hyperparameters, entries: int) -> Tensor:
    return torch.tensor([task.lowest, task.highest], dtype=torch.float64).repeat(entries, 1)
