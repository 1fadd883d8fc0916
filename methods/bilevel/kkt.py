"""Differentiation of the optimality conditions of a lower problem under linear equalities."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from methods.base import Method, Run
from methods.bilevel._implicit import least_squares
from methods.bilevel._linear import descend_within, fibre
from methods.bilevel._loop import follow
from tasks.bilevel import LinearBilevel, Solution


@dataclass(frozen=True, kw_only=True)
class KKT(Method):
    """Implicit differentiation of the KKT conditions (Gould et al. 2016, arXiv 1607.05447), a rival of LV-HBA.

        grad = f_x + D' f_y - (g_xy' + D' H) u,   u = (P H P)^+ P f_y

    with D and P as in `methods/bilevel/_linear.py`. The pseudo-inverse is that of conjugate gradients on the normal
    equations, so that a lower problem without strong convexity gives a gradient too, which need not be right.

    Deviation: the step in x is the arena's; see `methods/bilevel/_loop.py`.

    Args:
        steps: lower steps within the fibre over x, from where y was.
        iterations: of the linear system, two products each.
        tolerance: of the linear system, relative.
        rate: of the steps in x.
    """

    steps: int
    iterations: int
    tolerance: float
    rate: float

    def solve(self, problem: LinearBilevel, run: Run) -> Solution:
        """Go down the gradients until the budget is spent."""
        given = fibre(problem)

        def estimate(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            y = descend_within(problem, given, x, y, self.steps)
            upper = problem.upper_gradient(x, y)

            def operator(v: Tensor) -> Tensor:
                return given.tangent(problem.second_order(x, y, given.tangent(v))[0])

            solved = given.tangent(least_squares(operator, given.tangent(upper[1]), self.iterations, self.tolerance))
            return given.hyper_gradient(upper, *problem.second_order(x, y, solved)), y

        return follow(problem, run, self.rate, estimate)
