"""V-PBGD: descent on f plus a growing multiple of the value gap."""

from __future__ import annotations

from dataclasses import dataclass

from methods.base import Method, Run
from methods.bilevel._loop import Steps, descend, finite, outer_rounds
from tasks.bilevel import Bilevel, Solution
from tasks.metering import PRICED


@dataclass(frozen=True, kw_only=True)
class ValuePenalty(Method):
    """V-PBGD (Shen and Chen, ICML 2023, arXiv 2302.05185): gradient steps in x and y on

        min(1 / l, 1) (f(x, y) + l (g(x, y) - g(x, w))),   w after T more lower steps from where it was

    where w is held fixed in the gradient and l rises linearly from 0 to its largest value.

    Deviations:
        1. The step in x is the arena's (see `methods/bilevel/_loop.py`); that in y is 1 / (L of f + l L of g), and with
           it the factor min(1 / l, 1), which keeps a fixed step stable, is of no use and is left out of y.
        2. l rises over a share of the budget of work; the authors' code counts steps.

    Args:
        largest: multiplier.
        ramp: share of the budget over which it rises.
        steps: T.
        rate: of the steps in x.
    """

    largest: float
    ramp: float
    steps: int
    rate: float

    def solve(self, problem: Bilevel, run: Run) -> Solution:
        """Go down until the budget is spent."""
        x, y, w = problem.upper_start, problem.lower_start, problem.lower_start
        steps, budget = Steps(problem, self.rate), run.ledger.left(PRICED)
        run.offer(Solution(x, y))
        for _ in outer_rounds(problem):
            left = run.ledger.left(PRICED)
            risen = 1.0 if budget is None or left is None else min(1.0, (1 - left / budget) / self.ramp)
            weight = self.largest * risen
            w = descend(problem, x, w, self.steps, run)[-1]
            f_x, f_y = problem.upper_gradient(x, y)
            g_x, g_y = problem.lower_gradient(x, y)
            gap_x = g_x - problem.lower_gradient(x, w)[0]
            size = 1 / (problem.upper_smoothness(x) + weight * problem.lower_smoothness(x))
            x = steps.take(x, min(1 / weight, 1.0) * (f_x + weight * gap_x) if weight else f_x)
            y = problem.project_lower(y - size * (f_y + weight * g_y))
            finite(x, y, w)
            run.offer(Solution(x, y))
        return Solution(x, y)
