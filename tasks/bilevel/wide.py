"""One hyper-gradient for as many hyperparameters as weights, and a million of both."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tasks.base import Run, Task
from tasks.bilevel import SingleStep, Solution
from tasks.bilevel.images import decayed
from tasks.bilevel.judging import fitting, hyper_gradient, polished
from tasks.bilevel.oracles import Landscape, check_prices, fit, pose, unchanged
from tasks.bilevel.quadratic import cosine
from tasks.bilevel.tables import CLASSES, Source, Table, check, draw
from tasks.preparation import Preparation

EXACT = 1e-5  # norm of the gradient at y0, and residual of the hyper-gradient's linear system
Rowed = tuple[Tensor, Tensor]  # features (rows, F) and labels (rows,)


@dataclass(frozen=True, kw_only=True)
class WideDecayStep(Task):
    """One step in x from y0 = y*(x0), x0 drawn, where exp(x) are the decays of each weight; the direction is judged.

    Softmax regression on random features sqrt(2 / F) max(A'z, 0) of the images z (Rahimi and Recht 2008), A normal, so
    that there are 10 F weights however small the images are. y0 and the exact hyper-gradient come from a preparation,
    and the judge makes nothing of that size but the start: peak memory is what the method needs.

    Args:
        source: of the images.
        pool: images are averaged over squares of this width.
        train: lower examples.
        validation: upper examples.
        features: F.
        start: mean of x0.
        spread: standard deviation of x0.
        prices: of every unit, in full gradients of g.
        budget: in units of work, for one direction.
    """

    source: Source
    pool: int
    train: int
    validation: int
    features: int
    start: float
    spread: float
    prices: dict[str, float]
    budget: float

    def __post_init__(self) -> None:
        check_prices(self.prices)
        if self.features < 1:
            raise ValueError("features must be at least 1")

    @property
    def solved(self) -> Solved:
        """y0 and the exact direction; the budget has no part in them."""
        return Solved(version=1, task=replace(self, budget=0.0))

    def preparations(self) -> dict[str, Preparation]:
        """Where the lower problem is solved."""
        return {"solved": self.solved}

    def check(self) -> None:
        """Say whether the images are here."""
        check(self.source)

    def landscape(self, seed: int) -> Landscape:
        """As functions; x has no set, and the start is drawn."""
        table = draw(self.source, self.stream(seed, "rows"), self.pool, (self.train, self.validation, 0))
        rng = self.stream(seed, "features")
        mixing = torch.from_numpy(rng.normal(size=(table.train[0].shape[1], self.features)))

        def lifted(rows: Rowed) -> Rowed:
            return (rows[0] @ mixing).clamp_(min=0).mul_((2 / self.features) ** 0.5), rows[1]

        wide = Table(lifted(table.train), lifted(table.validation), lifted(table.test))
        landscape = decayed(wide, self.features * CLASSES, self.start, None)
        return replace(landscape, upper_start=self.drawn(seed))

    def drawn(self, seed: int) -> Tensor:
        """x0 (10 F,)."""
        return self.start + torch.from_numpy(
            self.stream(seed, "start").normal(scale=self.spread, size=self.features * CLASSES)
        )

    def problem(self, seed: int) -> SingleStep:
        """The problem of a seed."""
        give_back()
        landscape = replace(self.landscape(seed), lower_start=self.solved.artefact(seed).weights())
        return pose(SingleStep, landscape, self.prices, self.budget, outer_steps=1, tangent=unchanged)

    def evaluate(self, solution: Solution, seed: int, run: Run) -> Mapping[str, float]:
        """The cosine; 0 for no step."""
        start = self.drawn(seed)
        solution = fitting(solution, start, start)  # as many weights as hyperparameters
        return {"gradient_cosine": cosine(start - solution.upper, self.solved.artefact(seed).direction())}

    def trivial(self, seed: int) -> Solution:
        """No step."""
        return Solution(self.drawn(seed))

    def best(self, seed: int) -> Solution:
        """A step down the exact hyper-gradient."""
        return Solution(self.drawn(seed) - self.solved.artefact(seed).direction())


@dataclass(frozen=True)
class Found:
    """y0 and the exact hyper-gradient at x0, read from files when they are asked for."""

    folder: Path

    def weights(self) -> Tensor:
        """y0 (m,)."""
        return torch.from_numpy(np.load(self.folder / "weights.npy"))

    def direction(self) -> Tensor:
        """The gradient of f(x, y*(x)) at x0, (n,)."""
        return torch.from_numpy(np.load(self.folder / "direction.npy"))


@dataclass(frozen=True, kw_only=True)
class Solved(Preparation):
    """The lower solution at x0, and the exact hyper-gradient there.

    Args:
        task: whose problem is solved.
    """

    per_seed = True
    task: WideDecayStep

    def build(self, seed: int, run: Run) -> None:
        """Solve and differentiate."""
        landscape = self.task.landscape(seed)
        near = fit(landscape, landscape.upper_start, 30)
        solved = polished(landscape.lower, landscape.upper_start, near, EXACT)
        slope = hyper_gradient(landscape, landscape.upper, landscape.upper_start, solved, EXACT)
        np.save(run.folder / "weights.npy", solved.numpy())
        np.save(run.folder / "direction.npy", slope.numpy())

    def load(self, folder: Path) -> Found:
        """Where both are kept."""
        return Found(folder)


def give_back() -> None:
    """Hand free memory back to the system, where the C library can.

    Else the peak of an attempt would hold what an attempt before it in the same process had needed and has freed.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
