"""Grid search over hyperparameters."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from methods.base import Method, Run
from tasks.bilevel import HyperparameterBilevel, Solution


@dataclass(frozen=True, kw_only=True)
class GridSearch(Method):
    """Ever finer grids between the bounds, the best validated point is the answer (as in Bergstra and Bengio 2012).

    The first point is the start, then come the corners, and each grid halves the distances of the one before; its new
    points come in random order, so that a budget that ends within a grid has refined it evenly. A grid in many
    dimensions has more corners than a budget has fits: there all entries of x are equal, as where one weight decay is
    tuned for a whole model.

    Args:
        most: the largest n of which all combinations are tried.
        fit_steps: steps of a fit; None for what the problem says.
    """

    most: int
    fit_steps: int | None

    def solve(self, problem: HyperparameterBilevel, run: Run) -> Solution:
        """Refine until the budget is spent."""
        low, high = problem.bounds.T
        axes = len(low) if len(low) <= self.most else 1
        best = float("inf")
        shares = (low + torch.from_numpy(share) * (high - low) for share in refined(axes, run.rng))
        for x in itertools.chain([problem.upper_start], shares):
            reached, y = problem.fit_and_validate(x, self.fit_steps or problem.warm_steps)
            if reached < best:
                best = reached
                run.offer(Solution(x, y))
        raise AssertionError("only a spent budget ends the search")


def refined(axes: int, rng: np.random.Generator) -> Iterator[NDArray[np.float64]]:
    """Points (axes,) of the unit cube: those of each grid that are not in the one before, without end."""
    for halvings in itertools.count():
        marks = np.array(list(itertools.product(range(2**halvings + 1), repeat=axes)))
        fresh = marks if halvings == 0 else marks[(marks % 2).any(axis=1)]
        yield from rng.permutation(fresh) / 2**halvings
