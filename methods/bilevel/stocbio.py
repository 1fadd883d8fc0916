"""stocBiO: implicit differentiation by a Neumann series over fresh minibatches."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from methods.base import Method, Run
from methods.bilevel._implicit import neumann
from methods.bilevel._loop import descend, follow, lower_rows, upper_rows
from tasks.bilevel import SecondOrderBilevel, Solution


@dataclass(frozen=True, kw_only=True)
class StocBiO(Method):
    """stocBiO (Ji, Yang and Liang, ICML 2021, arXiv 2010.07962).

        T stochastic steps of y from where it was; u = a sum_j<Q prod_i<j (I - a g_yy(rows_i)) f_y; grad = f_x - g_xy' u

    Each factor of the product has a minibatch of its own. Deviations:

    1. g_xy' u is summed up from the same products; the paper asks for it once more, on another minibatch.
    2. All minibatches have one size; the paper's shrink along the product.
    3. a = 1 / L, and the step in x is the arena's; see `methods/bilevel/_loop.py`.

    Args:
        steps: T.
        terms: Q.
        share: of the examples in a minibatch; above 1 where draws are noisy and never end.
        rate: of the steps in x.
    """

    steps: int
    terms: int
    share: float
    rate: float

    def solve(self, problem: SecondOrderBilevel, run: Run) -> Solution:
        """Go down the estimates until the budget is spent."""

        def estimate(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            y = descend(problem, x, y, self.steps, run, self.share)[-1]
            f_x, f_y = problem.upper_gradient(x, y, rows=upper_rows(problem, run, self.share))

            def products(v: Tensor) -> tuple[Tensor, Tensor]:
                own, cross = problem.second_order(x, y, v, rows=lower_rows(problem, run, self.share))
                return problem.tangent(own), cross

            step = 1 / problem.lower_smoothness(x)
            return f_x - neumann(products, problem.tangent(f_y), self.terms, step)[1], y

        return follow(problem, run, self.rate, estimate)
