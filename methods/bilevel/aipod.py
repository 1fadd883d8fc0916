"""AiPOD: alternating projected descent for lower problems under linear equalities."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from methods.base import Method, Run
from methods.bilevel._implicit import neumann
from methods.bilevel._linear import descend_within, fibre
from methods.bilevel._loop import follow
from tasks.bilevel import LinearBilevel, Solution


@dataclass(frozen=True, kw_only=True)
class AiPOD(Method):
    """AiPOD (Xiao, Shen, Yin and Chen, AISTATS 2023, arXiv 2211.07096).

        S projected lower steps y <- P_x(y - a g_y);  u = a sum_j<N (P (I - a H))^j P f_y;
        grad = f_x + D' f_y - (g_xy' + D' H) u

    with D and P as in `methods/bilevel/_linear.py`, P_x the projection onto the fibre over x. The body of the
    paper was not at hand, so S and N are ours. `e_aipod` is its variant that projects more rarely.

    Deviations:
        1. All N terms are summed; a random cut gives the same on average and more noise.
        2. The step in x is the arena's (see `methods/bilevel/_loop.py`), and a = 1 / L.

    Args:
        steps: S.
        terms: N.
        rate: of the steps in x.
    """

    steps: int
    terms: int
    rate: float

    def solve(self, problem: LinearBilevel, run: Run) -> Solution:
        """Go down the gradients until the budget is spent."""
        given = fibre(problem)

        def estimate(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            y = descend_within(problem, given, x, y, self.steps)
            upper = problem.upper_gradient(x, y)

            def products(v: Tensor) -> tuple[Tensor, Tensor]:
                """P H v, and what belongs to v in the hyper-gradient."""
                own, cross = problem.second_order(x, y, v)
                return given.tangent(own), cross + given.carried(own)

            step = 1 / problem.lower_smoothness(x)
            through = neumann(products, given.tangent(upper[1]), self.terms, step)[1]
            return upper[0] + given.carried(upper[1]) - through, y

        return follow(problem, run, self.rate, estimate)
