"""Alternating gradients: steps in y down g and in x down f, as if y did not depend on x."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from methods.base import Method, Run
from methods.bilevel._loop import follow, settle
from tasks.bilevel import Bilevel, Solution


@dataclass(frozen=True, kw_only=True)
class Alternating(Method):
    """grad = f_x after T lower steps: what is left of a bilevel method without the term that couples the levels.

    The simplest heuristic, as in first-order variants of architecture search (Liu et al. 2019, arXiv 1806.09055).
    Where f does not depend on x, it stays at the start.

    Args:
        steps: T.
        rate: of the steps in x; see `methods/bilevel/_loop.py`.
    """

    steps: int
    rate: float

    def solve(self, problem: Bilevel, run: Run) -> Solution:
        """Go down f_x until the budget is spent."""

        def estimate(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            y = settle(problem, x, y, self.steps, run)
            return problem.upper_gradient(x, y)[0], y

        return follow(problem, run, self.rate, estimate)
