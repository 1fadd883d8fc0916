"""F2SA: a fully first-order method with a growing multiplier."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from methods.base import Method, Run
from methods.bilevel._loop import follow
from methods.bilevel._penalty import drawn, gradients, towards_both
from tasks.bilevel import Bilevel, Solution


@dataclass(frozen=True, kw_only=True)
class F2SA(Method):
    """Fully first-order stochastic approximation (Kwon, Kwon, Wright and Nowak, ICML 2023, arXiv 2301.10945).

        x <- x - step (f_x(x, y) + l_k (g_x(x, y) - g_x(x, z))),   l_k = l_0 (k + 1)^power

    after a few steps of z down g and of y down f + l_k g.

    Deviations:
        1. Steps of y and z are 1 / L; the step in x is the arena's (see `methods/bilevel/_loop.py`).
        2. The multiplier grows by the paper's power; its start, and the steps of y and z, are those of a grid (0.1, 1
           and 10; 1 and 5) with the least geometric mean of regret on `quadratic` and `quadratic_flat`, seeds 100, 101.

    Args:
        multiplier: l_0.
        power: by which it grows.
        steps: of y and z for a step of x.
        share: of the examples in a minibatch; above 1 where draws are noisy and never end.
        rate: of the steps in x.
    """

    multiplier: float
    power: float
    steps: int
    share: float
    rate: float

    def solve(self, problem: Bilevel, run: Run) -> Solution:
        """Go down until the budget is spent."""
        solved = [problem.lower_start]
        rounds = [0]

        def estimate(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            rounds[0] += 1
            s = 1 / (self.multiplier * rounds[0] ** self.power)
            y, z = towards_both(problem, run, x, y, solved[0], s, self.steps, self.share, float("inf"))
            solved[0] = z
            return gradients(problem, x, y, z, drawn(problem, run, self.share)).direction(s), y

        return follow(problem, run, self.rate, estimate)
