"""Lower problems under A y = offset - B x: the directions that are free, and the y that moves along with x.

With D = -A^+ B and P = I - A^+ A, dy / dx = D - P (P H P)^+ P (g_yx + H D), where H = g_yy, so that

    grad = f_x + D' f_y - g_xy' u - D' H u,   u = (P H P)^+ P f_y.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tasks.bilevel import LinearBilevel


@dataclass(frozen=True)
class Fibre:
    """The lower set over x, as matrices: known, so that products with them are free.

    Args:
        inverse: A^+ (m, k).
        matrix: A (k, m).
        moving: B (k, n).
        offset: (k,).
    """

    inverse: Tensor
    matrix: Tensor
    moving: Tensor
    offset: Tensor

    def project(self, x: Tensor, y: Tensor) -> Tensor:
        """The nearest y' with A y' + B x = offset."""
        return y - self.inverse @ (self.matrix @ y + self.moving @ x - self.offset)

    def tangent(self, v: Tensor) -> Tensor:
        """P v."""
        return v - self.inverse @ (self.matrix @ v)

    def carried(self, v: Tensor) -> Tensor:
        """D' v (n,)."""
        return -(self.moving.T @ (self.inverse.T @ v))

    def hyper_gradient(self, upper: tuple[Tensor, Tensor], product: Tensor, crossed: Tensor) -> Tensor:
        """The formula above from (f_x, f_y), H u and g_xy' u."""
        return upper[0] + self.carried(upper[1]) - crossed - self.carried(product)


def fibre(problem: LinearBilevel) -> Fibre:
    """Factorised once."""
    inverse = torch.linalg.pinv(problem.lower_matrix)
    return Fibre(inverse, problem.lower_matrix, problem.upper_matrix, problem.offset)


def descend_within(problem: LinearBilevel, given: Fibre, x: Tensor, y: Tensor, count: int) -> Tensor:
    """Projected gradient steps of size 1 / L on g(x, .) within the fibre over x."""
    y, size = given.project(x, y), 1 / problem.lower_smoothness(x)
    for _ in range(count):
        y = given.project(x, y - size * problem.lower_gradient(x, y)[1])
    return y
