"""Implicit differentiation with conjugate gradients."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from methods.base import Method, Run
from methods.bilevel._implicit import conjugate_gradients
from methods.bilevel._loop import follow, settle
from tasks.bilevel import SecondOrderBilevel, Solution


@dataclass(frozen=True, kw_only=True)
class ImplicitCG(Method):
    """Approximate implicit differentiation (Pedregosa 2016, arXiv 1602.02355; AID of Ji et al. 2021, arXiv 2010.07962).

        T lower steps; solve g_yy u = f_y by conjugate gradients; grad = f_x - g_xy' u

    y and u are warm-started from step to step in x. Where the lower set has forbidden directions, all of this happens
    among the others. Deviation: the step in x is the arena's; see `methods/bilevel/_loop.py`.

    Args:
        steps: T.
        iterations: of conjugate gradients.
        tolerance: of the linear system, relative.
        rate: of the steps in x.
    """

    steps: int
    iterations: int
    tolerance: float
    rate: float

    def solve(self, problem: SecondOrderBilevel, run: Run) -> Solution:
        """Go down the gradients until the budget is spent."""
        warm: list[Tensor] = []

        def estimate(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            y = settle(problem, x, y, self.steps, run)
            f_x, f_y = problem.upper_gradient(x, y)

            def products(v: Tensor) -> tuple[Tensor, Tensor]:
                own, cross = problem.second_order(x, y, v)
                return problem.tangent(own), cross

            start = warm.pop() if warm else None
            solved, crossed = conjugate_gradients(
                products, problem.tangent(f_y), start, self.iterations, self.tolerance
            )
            warm.append(solved if torch.isfinite(solved).all() else torch.zeros_like(solved))
            return f_x - crossed, y

        return follow(problem, run, self.rate, estimate)
