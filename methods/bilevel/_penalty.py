"""The penalty form of a bilevel problem, psi_s(x) = (min_y (s f + g) - min_y g) / s, and steps towards both minimisers.

Its gradient is f_x(x, w) + (g_x(x, w) - g_x(x, z)) / s with w = argmin s f + g and z = argmin g: no second derivatives.
With a multiplier l = 1 / s it is the gradient of f + l (g - min g).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from methods.base import Run
from methods.bilevel._loop import lower_rows, upper_rows
from tasks.bilevel import CoupledBilevel, Rows


@dataclass(frozen=True)
class Gradients:
    """All first derivatives at (x, w) and (x, z), which one pass brings: f and g at w, g at z, in x and in y."""

    upper_x: Tensor
    upper_y: Tensor
    lower_x: Tensor
    lower_y: Tensor
    solved_x: Tensor
    solved_y: Tensor

    def direction(self, s: float) -> Tensor:
        """grad psi_s (n,) if w and z are the minimisers."""
        return self.upper_x + (self.lower_x - self.solved_x) / s

    def penalised(self, s: float) -> Tensor:
        """The gradient (m,) of s f + g in w."""
        return s * self.upper_y + self.lower_y


def gradients(problem: CoupledBilevel, x: Tensor, w: Tensor, z: Tensor, rows: tuple[Rows, Rows]) -> Gradients:
    """Ask for them; costs two gradients of g and one of f.

    Args:
        problem, x, w, z: where.
        rows: of a minibatch for f, and of one for g, which serves w and z.
    """
    upper_x, upper_y = problem.upper_gradient(x, w, rows=rows[0])
    lower_x, lower_y = problem.lower_gradient(x, w, rows=rows[1])
    solved_x, solved_y = problem.lower_gradient(x, z, rows=rows[1])
    return Gradients(upper_x, upper_y, lower_x, lower_y, solved_x, solved_y)


def drawn(problem: CoupledBilevel, run: Run, share: float) -> tuple[Rows, Rows]:
    """Rows of a minibatch for f, and of one for g."""
    return upper_rows(problem, run, share), lower_rows(problem, run, share)


def curvature(problem: CoupledBilevel, x: Tensor, s: float) -> float:
    """Lipschitz constant of the gradient of s f + g in y."""
    return s * problem.upper_smoothness(x) + problem.lower_smoothness(x)


def towards_both(
    problem: CoupledBilevel, run: Run, x: Tensor, w: Tensor, z: Tensor, s: float, count: int, share: float, rho: float
) -> tuple[Tensor, Tensor]:
    """Projected steps of w down s f + g and of z down g, each held near where it was by norm(. - start)^2 / (2 rho).

    Args:
        problem, x, w, z: where to begin.
        run: draws minibatches.
        s: of the penalty.
        count: steps of each.
        share: of a minibatch.
        rho: of the proximal term; infinite for none.
    """
    here_w, here_z = w, z
    size_w, size_z = 1 / (curvature(problem, x, s) + 1 / rho), 1 / (problem.lower_smoothness(x) + 1 / rho)
    for _ in range(count):
        rows = drawn(problem, run, share)
        slope_z = problem.lower_gradient(x, here_z, rows=rows[1])[1]
        slope_w = problem.lower_gradient(x, here_w, rows=rows[1])[1]
        slope_w = slope_w + s * problem.upper_gradient(x, here_w, rows=rows[0])[1]
        here_z = problem.project_lower(here_z - size_z * (slope_z + (here_z - z) / rho))
        here_w = problem.project_lower(here_w - size_w * (slope_w + (here_w - w) / rho))
    return here_w, here_z
