"""The joint sum: x and y go down f + w g together, one shot, as if there were one level."""

from __future__ import annotations

from dataclasses import dataclass

from methods.base import Method, Run
from methods.bilevel._loop import Steps, finite, outer_rounds
from tasks.bilevel import Bilevel, Solution


@dataclass(frozen=True, kw_only=True)
class JointSum(Method):
    """Gradient steps in x and y on f(x, y) + w g(x, y): the fixed-weight sum that two-level methods must beat.

    Args:
        weight: w.
        rate: of the steps in x, see `methods/bilevel/_loop.py`; those in y are 1 / (L of f + w L of g).
    """

    weight: float
    rate: float

    def solve(self, problem: Bilevel, run: Run) -> Solution:
        """Go down the sum until the budget is spent."""
        x, y, steps = problem.upper_start, problem.lower_start, Steps(problem, self.rate)
        run.offer(Solution(x, y))
        for _ in outer_rounds(problem):
            f_x, f_y = problem.upper_gradient(x, y)
            g_x, g_y = problem.lower_gradient(x, y)
            size = 1 / (problem.upper_smoothness(x) + self.weight * problem.lower_smoothness(x))
            x = steps.take(x, f_x + self.weight * g_x)
            y = problem.project_lower(y - size * (f_y + self.weight * g_y))
            finite(x, y)
            run.offer(Solution(x, y))
        return Solution(x, y)
