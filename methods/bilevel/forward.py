"""Unrolled differentiation in forward mode, for few hyperparameters."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from methods.base import Method, NotApplicable, Run
from methods.bilevel._loop import follow
from tasks.bilevel import Bilevel, Solution


@dataclass(frozen=True, kw_only=True)
class Forward(Method):
    """Iterative differentiation in forward mode (Franceschi et al. 2017, arXiv 1703.01785): z_j = dy / dx_j goes on as

        z_j <- z_j - a (g_yy z_j + g_yx e_j)

    beside y, at a price that grows with n and a memory that does not grow with the number of steps.

    Deviations:
        1. The bracket is a difference of two lower gradients, at (x + h e_j, y + h z_j) and at (x, y): an oracle for
           g_yx e_j alone does not exist, and this needs no second derivatives at all.
        2. As in `unrolled`: y is warm-started, and z begins at 0 with each step in x.

    Args:
        steps: T, of lower steps.
        difference: h, as a share of 1 + norm(x) + norm(y).
        most: the largest n that is attempted.
        rate: of the steps in x.
    """

    steps: int
    difference: float
    most: int
    rate: float

    def solve(self, problem: Bilevel, run: Run) -> Solution:
        """Go down the gradients until the budget is spent.

        Raises:
            NotApplicable: x has more than `most` entries.
        """
        size = len(problem.upper_start)
        if size > self.most:
            raise NotApplicable(f"forward mode costs a gradient a step for each of {size} entries of x")
        axes = torch.eye(size, dtype=problem.upper_start.dtype)

        def estimate(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            tangents = torch.zeros(size, len(y), dtype=y.dtype)
            step = 1 / problem.lower_smoothness(x)
            for _ in range(self.steps):
                slope = problem.lower_gradient(x, y)[1]
                width = self.difference * float(1 + x.norm() + y.norm())
                moved = []
                for axis, tangent in zip(axes, tangents, strict=True):
                    scale = width / float(1 + tangent.norm())
                    there = problem.lower_gradient(x + scale * axis, y + scale * tangent)[1]
                    moved.append(tangent - step * (there - slope) / scale)
                tangents, y = torch.stack(moved), problem.project_lower(y - step * slope)
            f_x, f_y = problem.upper_gradient(x, y)
            return f_x + tangents @ f_y, y

        return follow(problem, run, self.rate, estimate)
