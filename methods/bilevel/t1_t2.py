"""T1-T2: implicit differentiation with the identity in place of the inverse Hessian."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from methods.base import Method, Run
from methods.bilevel._loop import follow, settle
from tasks.bilevel import SecondOrderBilevel, Solution


@dataclass(frozen=True, kw_only=True)
class IdentityImplicit(Method):
    """T1-T2 (Luketina et al. 2016, arXiv 1511.06727), as compared with by Lorraine et al. 2020 (arXiv 1911.02590).

        grad = f_x - g_xy' f_y

    after T lower steps from where y was. Deviation: the step in x is the arena's; see `methods/bilevel/_loop.py`.

    Args:
        steps: T.
        rate: of the steps in x.
    """

    steps: int
    rate: float

    def solve(self, problem: SecondOrderBilevel, run: Run) -> Solution:
        """Go down the estimates until the budget is spent."""

        def estimate(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            y = settle(problem, x, y, self.steps, run)
            f_x, f_y = problem.upper_gradient(x, y)
            return f_x - problem.second_order(x, y, problem.tangent(f_y))[1], y

        return follow(problem, run, self.rate, estimate)
