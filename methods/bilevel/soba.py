"""SOBA: x, y and the solution of the linear system move together, a step each."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from methods.base import Method, Run
from methods.bilevel._loop import Steps, finite, lower_rows, outer_rounds, upper_rows
from tasks.bilevel import SecondOrderBilevel, Solution


@dataclass(frozen=True, kw_only=True)
class SOBA(Method):
    """SOBA (Dagreou, Ablin, Vaiter and Moreau, NeurIPS 2022, arXiv 2201.13409).

        y <- y - a g_y,   u <- u - a (g_yy u - f_y),   x <- x - step (f_x - g_xy' u)

    all at once, at the same (x, y, u), on one minibatch for g and one for f. Deviations:

    1. a = 1 / L, and the step in x is the arena's (see `methods/bilevel/_loop.py`); the paper's fall with the number
       of rounds or are tuned.
    2. The sign of u is that of g_yy^-1 f_y; the paper's is the opposite.

    Args:
        share: of the examples in a minibatch; above 1 where draws are noisy and never end.
        rate: of the steps in x.
    """

    share: float
    rate: float

    def solve(self, problem: SecondOrderBilevel, run: Run) -> Solution:
        """Move all three until the budget is spent."""
        x, y, steps = problem.upper_start, problem.lower_start, Steps(problem, self.rate)
        u = torch.zeros_like(y)
        run.offer(Solution(x, y))
        for _ in outer_rounds(problem):
            rows, size = lower_rows(problem, run, self.share), 1 / problem.lower_smoothness(x)
            g_y = problem.lower_gradient(x, y, rows=rows)[1]
            f_x, f_y = problem.upper_gradient(x, y, rows=upper_rows(problem, run, self.share))
            product, crossed = problem.second_order(x, y, u, rows=rows)
            x = steps.take(x, f_x - crossed)
            y = problem.project_lower(y - size * g_y)
            u = problem.tangent(u - size * (product - f_y))
            finite(x, y, u)
            run.offer(Solution(x, y))
        return Solution(x, y)
