"""Optimising millions of hyperparameters by implicit differentiation: the inverse Hessian by a Neumann series."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from methods.base import Method, Run
from methods.bilevel._implicit import neumann
from methods.bilevel._loop import follow, settle
from tasks.bilevel import SecondOrderBilevel, Solution


@dataclass(frozen=True, kw_only=True)
class NeumannImplicit(Method):
    """IFT with a Neumann series (Lorraine, Vicol and Duvenaud, AISTATS 2020, arXiv 1911.02590).

        grad = f_x - g_xy' u,   u = a sum_j<K (I - a g_yy)^j f_y

    after T lower steps from where y was. With K terms this is what K unrolled steps from the optimum would give.

    Deviations:
        1. u keeps its factor a. The paper's pseudo-code returns the bare sum, which only a scale-free optimiser, and
           only with f_x = 0, forgives.
        2. The step in x is the arena's (see `methods/bilevel/_loop.py`), where the paper has RMSprop or Adam; and
           lower steps are gradient steps of size a = 1 / L.

    Args:
        steps: T.
        terms: K.
        rate: of the steps in x.
    """

    steps: int
    terms: int
    rate: float

    def solve(self, problem: SecondOrderBilevel, run: Run) -> Solution:
        """Go down the gradients until the budget is spent."""

        def estimate(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            y = settle(problem, x, y, self.steps, run)
            f_x, f_y = problem.upper_gradient(x, y)

            def products(v: Tensor) -> tuple[Tensor, Tensor]:
                own, cross = problem.second_order(x, y, v)
                return problem.tangent(own), cross

            step = 1 / problem.lower_smoothness(x)
            return f_x - neumann(products, problem.tangent(f_y), self.terms, step)[1], y

        return follow(problem, run, self.rate, estimate)
