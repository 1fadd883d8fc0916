"""Alternating gradients for inverse mean-field games: a few lower steps, differentiated in reverse, and a step in x."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from methods.base import Method, Run
from methods.bilevel._loop import finite, follow
from tasks.bilevel import EquilibriumBilevel, Solution


@dataclass(frozen=True, kw_only=True)
class InverseMFG(Method):
    """The alternating gradient method (Yu, Xiao, Chen and Lai 2024, arXiv 2401.05539).

        y_k = P(y_k-1 - a_k g_y(x, y_k-1)), k = 1..K, from where y was;   x <- P(x - step (f_x + (dy_K / dx)' f_y))

    P projects onto the continuity equation, and a_k is halved until the energy falls as a step of that size promises.
    In reverse, each step back is v <- (1 - a_k g_yy) P v. The body of the paper was not at hand; this is its authors'
    code (repository jiajia-yu/invMFG_BLO, 0c52f93: initaux.m and comp_backtrack.m in solveb_AGM and solveg1d_AGM).

    Deviations:
        1. The step in x is the arena's (see `methods/bilevel/_loop.py`); the authors' is a constant, from 0.01 to 150,
           of each experiment's own.
        2. a_k begins at a multiple of 1 / L; the authors' begins at 0.1, where the lower level has no weights in space.
        3. Three slips of that code are mended: for obstacles all terms of the sum have the step size a_K; g_yy takes
           kinetic energy from the step of time before; for metrics g_xy' takes the next cell for the next time.
        4. Their densities below 0.1 are set to that after a projection, and stopped in reverse; here the energy goes
           on below a floor.

    Args:
        steps: K.
        longest: first a_k to try, times 1 / L.
        halvings: at most, after which a step is taken anyway.
        rate: of the steps in x.
    """

    steps: int
    longest: float
    halvings: int
    rate: float

    def solve(self, problem: EquilibriumBilevel, run: Run) -> Solution:
        """Alternate until the budget is spent."""

        def estimate(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            path, last = self._descend(problem, x, y)
            f_x, adjoint = problem.upper_gradient(x, last)
            for at, size in reversed(path):
                adjoint = problem.tangent(adjoint)
                product, cross = problem.second_order(x, at, adjoint)
                f_x, adjoint = f_x - size * cross, adjoint - size * product
            return f_x, last

        return follow(problem, run, self.rate, estimate)

    def _descend(self, problem: EquilibriumBilevel, x: Tensor, y: Tensor) -> tuple[list[tuple[Tensor, float]], Tensor]:
        """Where each step began and how long it was, and where the last one ended."""
        path, energy = [], problem.lower_value(x, y)
        for _ in range(self.steps):
            slope = problem.lower_gradient(x, y)[1]
            size = self.longest / problem.lower_smoothness(x)
            for trial in range(self.halvings + 1):
                ahead = problem.project_lower(y - size * slope)
                finite(ahead)
                moved, reached = ahead - y, problem.lower_value(x, ahead)
                if reached <= energy + float(slope @ moved + moved @ moved / (2 * size)) or trial == self.halvings:
                    break
                size /= 2
            path.append((y, size))
            y, energy = ahead, reached
        return path, y
