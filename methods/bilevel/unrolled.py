"""Unrolled differentiation: the hyper-gradient through the lower steps that were taken."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from methods.base import Method, Run
from methods.bilevel._implicit import unrolled
from methods.bilevel._loop import descend, follow
from tasks.bilevel import SecondOrderBilevel, Solution


@dataclass(frozen=True, kw_only=True)
class Unrolled(Method):
    """Iterative differentiation in reverse mode (Maclaurin et al. 2015, Franceschi et al. 2017, arXiv 1703.01785).

        y_t = P(y_t-1 - a g_y(x, y_t-1)), t = 1..T;   grad = f_x + (dy_T / dx)' f_y

    Truncated (Shaban et al. 2019, arXiv 1810.10667): only the last K of the T steps are differentiated.

    Deviations:
        1. y is warm-started from step to step in x, as in truncated and practical variants; the start of y does not
           count as a function of x.
        2. The step in x is the arena's; see `methods/bilevel/_loop.py`. a = 1 / L.

    Args:
        steps: T.
        differentiated: K; None for all.
        rate: of the steps in x.
    """

    steps: int
    differentiated: int | None
    rate: float

    def solve(self, problem: SecondOrderBilevel, run: Run) -> Solution:
        """Go down the gradients until the budget is spent."""

        def estimate(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            *path, last = descend(problem, x, y, self.steps, run)
            f_x, f_y = problem.upper_gradient(x, last)
            kept = path if self.differentiated is None else path[-self.differentiated :]

            def products(at: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
                return problem.second_order(x, at, problem.tangent(v))

            step = 1 / problem.lower_smoothness(x)
            return f_x + unrolled(products, kept, f_y, step), last

        return follow(problem, run, self.rate, estimate)
