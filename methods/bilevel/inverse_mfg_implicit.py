"""Accelerated lower steps and implicit differentiation for inverse mean-field games, a few or to convergence."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from methods.base import Method, Run
from methods.bilevel._implicit import conjugate_gradients
from methods.bilevel._loop import finite, follow
from tasks.bilevel import EquilibriumBilevel, Solution


@dataclass(frozen=True, kw_only=True)
class InverseMFGImplicit(Method):
    """Projected, accelerated lower steps; then P H P u = P f_y by conjugate gradients; grad = f_x - g_xy' u.

    H = g_yy, and P projects onto the directions of the continuity equation: implicit differentiation on its null
    space. y and u go on from where they were. The lower steps are those of the forward solver of the authors
    of arXiv 2401.05539 (solve_mfg_fista.m of jiajia-yu/invMFG_BLO, 0c52f93; Beck and Teboulle 2009), with
    momentum that begins anew where it points uphill (O'Donoghue and Candes 2015, arXiv 1204.3982).

    With few steps it alternates as AiPOD does (Xiao et al. 2023, arXiv 2211.07096), which shares an author with the
    paper; with a tolerance it is the nested loop, the forward problem solved for each x.

    Args:
        steps: at most, of y.
        tolerance: length of a step in y, as a share of that of y, at which the lower problem counts as solved.
        iterations: of conjugate gradients, at most.
        linear_tolerance: of the linear system, relative.
        rate: of the steps in x; see `methods/bilevel/_loop.py`.
    """

    steps: int
    tolerance: float
    iterations: int
    linear_tolerance: float
    rate: float

    def solve(self, problem: EquilibriumBilevel, run: Run) -> Solution:
        """Go down the gradients until the budget is spent."""
        kept: list[Tensor] = []

        def estimate(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            y = self._equilibrium(problem, x, y)
            f_x, f_y = problem.upper_gradient(x, y)

            def products(v: Tensor) -> tuple[Tensor, Tensor]:
                own, cross = problem.second_order(x, y, v)
                return problem.tangent(own), cross

            start = kept.pop() if kept else None
            right = problem.tangent(f_y)
            solved, crossed = conjugate_gradients(products, right, start, self.iterations, self.linear_tolerance)
            kept.append(solved if torch.isfinite(solved).all() else torch.zeros_like(solved))
            return f_x - crossed, y

        return follow(problem, run, self.rate, estimate)

    def _equilibrium(self, problem: EquilibriumBilevel, x: Tensor, y: Tensor) -> Tensor:
        """Steps from y, which meets the continuity equation."""
        size, before, momentum = 1 / problem.lower_smoothness(x), y, 1.0
        for _ in range(self.steps):
            following = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
            ahead = y + (momentum - 1) / following * (y - before)
            reached = problem.project_lower(ahead - size * problem.lower_gradient(x, ahead)[1])
            finite(reached)
            moved = reached - y
            momentum = 1.0 if float((ahead - reached) @ moved) > 0 else following
            before, y = y, reached
            if float(moved.norm()) <= self.tolerance * float(y.norm()):
                break
        return y
