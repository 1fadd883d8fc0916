"""AmIGO: implicit differentiation whose lower problem and linear system are both warm-started."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from methods.base import Method, Run
from methods.bilevel._loop import descend, follow, lower_rows, upper_rows
from tasks.bilevel import SecondOrderBilevel, Solution


@dataclass(frozen=True, kw_only=True)
class AmIGO(Method):
    """AmIGO with gradient steps (Arbel and Mairal, ICLR 2022, arXiv 2111.14580).

        T steps y <- y - a g_y,  N steps u <- u - a (g_yy u - f_y),  x <- x - step (f_x - g_xy' u)

    y and u go on from where they were. Deviation: a = 1 / L, and the step in x is the arena's; see
    `methods/bilevel/_loop.py`.

    Args:
        steps: T.
        iterations: N.
        share: of the examples in a minibatch; above 1 where draws are noisy and never end.
        rate: of the steps in x.
    """

    steps: int
    iterations: int
    share: float
    rate: float

    def solve(self, problem: SecondOrderBilevel, run: Run) -> Solution:
        """Go down the estimates until the budget is spent."""
        kept = [torch.zeros_like(problem.lower_start)]

        def estimate(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            y = descend(problem, x, y, self.steps, run, self.share)[-1]
            f_x, f_y = problem.upper_gradient(x, y, rows=upper_rows(problem, run, self.share))
            u, size = kept[0], 1 / problem.lower_smoothness(x)
            for _ in range(self.iterations):
                product = problem.second_order(x, y, u, rows=lower_rows(problem, run, self.share))[0]
                u = problem.tangent(u - size * (product - f_y))
            kept[0] = u
            return f_x - problem.second_order(x, y, u, rows=lower_rows(problem, run, self.share))[1], y

        return follow(problem, run, self.rate, estimate)
