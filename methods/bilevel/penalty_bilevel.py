"""Penalty methods for bilevel optimisation with first-order oracles: the double loop."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from methods.base import Method, Run
from methods.bilevel._loop import follow
from methods.bilevel._penalty import drawn, gradients, towards_both
from tasks.bilevel import Bilevel, Solution


@dataclass(frozen=True, kw_only=True)
class PenaltyBilevel(Method):
    """The double-loop penalty method (Kwon, Kwon, Wright and Nowak, ICLR 2024, arXiv 2309.01753).

        h_s = s f + g,   psi_s(x) = (min_y h_s(x, y) - min_y g(x, y)) / s
        grad psi_s = f_x(x, w) + (g_x(x, w) - g_x(x, z)) / s,   w = argmin h_s,  z = argmin g

    w and z follow proximal points: T projected steps on h_s + norm(. - w_k)^2 / (2 rho), and likewise for g, from where
    they were; then x takes a step along grad psi_s, estimated with a minibatch of its own. The bias of grad psi_s is
    linear in s only while s is far below the least curvature of g.

    Deviations:
        1. s is a constant; the paper has s = eps, the accuracy aimed at.
        2. The step in x is the arena's (see `methods/bilevel/_loop.py`); the paper's depends on constants that are not
           known here. Steps in w and z are 1 / (L + 1 / rho), with L of h_s and of g.
        3. T and the minibatches do not grow with the number of steps.
        4. T and rho, which the paper leaves to constants of the problem, are those of a grid (5 and 20; 1 and 100) with
           the least geometric mean of regret on `quadratic` and `quadratic_flat`, seeds 100 and 101, at s = 0.1.
           With rho = 1 or s = 0.01, w and z lag behind x, and what they lag by is divided by s: regret above 1.

    Args:
        s: of the penalty.
        steps: T.
        rho: of the proximal terms, in units of 1 / L of g.
        share: of the examples in a minibatch of the inner loop; above 1 where draws are noisy and never end.
        outer_share: likewise of the step in x.
        rate: of the steps in x.
    """

    s: float
    steps: int
    rho: float
    share: float
    outer_share: float
    rate: float

    def solve(self, problem: Bilevel, run: Run) -> Solution:
        """Go down the gradients of psi_s until the budget is spent."""
        solved = [problem.lower_start]

        def estimate(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
            rho = self.rho / problem.lower_smoothness(x)
            w, z = towards_both(problem, run, x, w, solved[0], self.s, self.steps, self.share, rho)
            solved[0] = z
            return gradients(problem, x, w, z, drawn(problem, run, self.outer_share)).direction(self.s), w

        return follow(problem, run, self.rate, estimate)
