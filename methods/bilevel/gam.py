"""GAM: hyper-gradients for each way in which constraints that are nearly active may turn out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import optimize
from torch import Tensor

from methods.base import Method, Run
from methods.bilevel._implicit import conjugate_gradients
from methods.bilevel._linear import Fibre
from methods.bilevel._loop import follow
from tasks.bilevel import ProgramBilevel, Solution


@dataclass(frozen=True, kw_only=True)
class GAM(Method):
    """The gradient approximation method (Xu and Zhu, AAAI 2023, arXiv 2302.01970), as far as its rival has it.

    y*(x) has kinks where constraints become active. With y and the multipliers w of a solved lower problem, constraints
    of which both slack and multiplier are small may be active or not nearby. Each choice among these gives a gradient

        f_x + D'f_y - (g_xy' + D'H) u,   u = (P H P)^+ P f_y

    with D and P as in `methods/bilevel/_linear.py` for the constraints that are taken as active. The direction is the
    shortest vector in the convex hull of these gradients, the approximate Clarke subdifferential's. Where no constraint
    is near to a change, this is the differentiation of the KKT conditions.

    Deviations:
        1. The body of the paper was not at hand. It judges nearness by how far x would have to move, from derivatives
           of slacks and multipliers in all of x; here the distance itself counts, as a share of the largest multiplier
           for those that are active, and the `most` nearest are taken. In the released code of LV-HBA, whose rival it
           is, there are none.
        2. The step in x is the arena's (see `methods/bilevel/_loop.py`); the paper searches along the line, and the
           code of LV-HBA has a constant step of 0.03.
        3. The linear system is solved by conjugate gradients, whose products are paid for; the code inverts a matrix.

    Args:
        near: a slack, or share of the largest multiplier, up to which a constraint may change.
        most: constraints that may change at a time, so that there are at most 2^most gradients.
        iterations: of conjugate gradients, a product each.
        tolerance: of conjugate gradients, relative.
        rate: of the steps in x.
    """

    near: float
    most: int
    iterations: int
    tolerance: float
    rate: float

    def solve(self, problem: ProgramBilevel, run: Run) -> Solution:
        """Go down the gradients until the budget is spent."""

        def estimate(x: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
            y, multipliers = problem.solve_lower(x)
            slacks = problem.offset - problem.lower_matrix @ y - problem.upper_matrix @ x
            upper = problem.upper_gradient(x, y)
            choices = active_sets(slacks, multipliers, self.near, self.most)
            gradients = [self._gradient(problem, x, y, upper, active) for active in choices]
            return shortest(gradients), y

        return follow(problem, run, self.rate, estimate)

    def _gradient(
        self, problem: ProgramBilevel, x: Tensor, y: Tensor, upper: tuple[Tensor, Tensor], active: Tensor
    ) -> Tensor:
        """The gradient (n,) if just these constraints hold with equality around x."""
        matrix, moving = problem.lower_matrix[active], problem.upper_matrix[active]
        inverse = matrix.T @ torch.linalg.pinv(matrix @ matrix.T, hermitian=True)
        given = Fibre(inverse, matrix, moving, problem.offset[active])

        def products(v: Tensor) -> tuple[Tensor, Tensor]:
            """P H v, and what belongs to v in the hyper-gradient."""
            own, cross = problem.second_order(x, y, v)
            return given.tangent(own), cross + given.carried(own)

        right = given.tangent(upper[1])
        through = conjugate_gradients(products, right, None, self.iterations, self.tolerance)[1]
        return upper[0] + given.carried(upper[1]) - through


def active_sets(slacks: Tensor, multipliers: Tensor, near: float, most: int) -> Iterator[Tensor]:
    """Masks (k,) of the constraints that may be active nearby, first of those that are.

    Args:
        slacks: (k,), 0 where active.
        multipliers: (k,), 0 where not active.
        near: see `GAM`.
        most: see `GAM`.
    """
    active = multipliers > 0
    largest = float(multipliers.max()) or 1.0
    distance = torch.where(active, multipliers / largest, slacks)
    order = torch.argsort(distance, stable=True)[:most]
    changing = [int(index) for index in order if distance[index] <= near]
    for turned in itertools.product((False, True), repeat=len(changing)):
        chosen = active.clone()
        chosen[changing] ^= torch.tensor(turned, dtype=torch.bool)
        yield chosen


def shortest(vectors: Sequence[Tensor]) -> Tensor:
    """The shortest vector (n,) in the convex hull of some: non-negative least squares with weights that sum to 1."""
    if len(vectors) == 1:
        return vectors[0]
    matrix = torch.stack(list(vectors), dim=1).numpy()
    scale = float(np.linalg.norm(matrix, axis=0).max())
    if not scale:
        return vectors[0]
    held = np.concatenate([matrix / scale, np.full((1, matrix.shape[1]), 1e4)])
    weights = optimize.nnls(held, np.append(np.zeros(len(matrix)), 1e4))[0]
    return torch.from_numpy(matrix @ (weights / weights.sum()))
