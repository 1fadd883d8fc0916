"""Independent policy gradients: leader and follower each go down their own objective, at the same time."""

from __future__ import annotations

from dataclasses import dataclass

from methods.base import Method, Run
from methods.bilevel._loop import Steps, finite, outer_rounds
from tasks.bilevel import Solution, StackelbergGame


@dataclass(frozen=True, kw_only=True)
class IndependentGradient(Method):
    """Independent policy gradient (Daskalakis, Foster and Golowich, NeurIPS 2020, arXiv 2101.04233), both with entropy.

        x <- x - step f_x(x, y),   y <- y - g_y(x, y) / L,   both at the same (x, y)

    Neither knows that the other learns, so that x heads for an equilibrium of simultaneous play. Deviations: exact
    gradients; the paper's two players have opposite interests and steps of unlike size, here the one in x is the
    arena's (see `methods/bilevel/_loop.py`).

    Args:
        rate: of the steps in x.
    """

    rate: float

    def solve(self, problem: StackelbergGame, run: Run) -> Solution:
        """Move both until the budget is spent."""
        x, y, steps = problem.upper_start, problem.lower_start, Steps(problem, self.rate)
        run.offer(Solution(x, y))
        for _ in outer_rounds(problem):
            f_x = problem.upper_gradient(x, y)[0]
            g_y = problem.lower_gradient(x, y)[1]
            size = 1 / problem.lower_smoothness(x)
            x, y = steps.take(x, f_x), problem.project_lower(y - size * g_y)
            finite(x, y)
            run.offer(Solution(x, y))
        return Solution(x, y)
