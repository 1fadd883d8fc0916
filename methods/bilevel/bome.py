"""BOME: a first-order method that steps down f only as far as it also steps down the value gap."""

from __future__ import annotations

from dataclasses import dataclass

from methods.base import Method, Run
from methods.bilevel._loop import Steps, descend, finite, outer_rounds
from tasks.bilevel import Bilevel, Solution


@dataclass(frozen=True, kw_only=True)
class BOME(Method):
    """BOME (Liu, Ye, Wright, Stone and Liu, NeurIPS 2022, arXiv 2209.08709).

        q(x, y) = g(x, y) - g(x, y_T), y_T after T lower steps from y and held fixed in the gradient
        (x, y) <- (x, y) - step (df + l dq),   l = max((control norm(dq)^2 - <df, dq>) / norm(dq)^2, 0)

    Deviations:
        1. The step in x is the arena's (see `methods/bilevel/_loop.py`); that in y is 1 / (L of f + l L of g).
           The paper has one for both.
        2. Where dq is 0, l is 0.

    Args:
        steps: T.
        control: the share of dq that is gone down whatever f says.
        rate: of the steps in x.
    """

    steps: int
    control: float
    rate: float

    def solve(self, problem: Bilevel, run: Run) -> Solution:
        """Go down until the budget is spent."""
        x, y, steps = problem.upper_start, problem.lower_start, Steps(problem, self.rate)
        run.offer(Solution(x, y))
        for _ in outer_rounds(problem):
            tracked = descend(problem, x, y, self.steps, run)[-1]
            f_x, f_y = problem.upper_gradient(x, y)
            here_x, q_y = problem.lower_gradient(x, y)
            q_x = here_x - problem.lower_gradient(x, tracked)[0]
            square = float(q_x @ q_x + q_y @ q_y)
            along = float(f_x @ q_x + f_y @ q_y)
            weight = max(self.control - along / square, 0.0) if square else 0.0
            size = 1 / (problem.upper_smoothness(x) + weight * problem.lower_smoothness(x))
            x = steps.take(x, f_x + weight * q_x)
            y = problem.project_lower(y - size * (f_y + weight * q_y))
            finite(x, y)
            run.offer(Solution(x, y))
        return Solution(x, y)
