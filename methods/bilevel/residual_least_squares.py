"""Least squares on the optimality residual: the field under which the observation comes nearest to an equilibrium."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from methods.base import Method, Run
from tasks.bilevel import EquilibriumBilevel, Solution


@dataclass(frozen=True, kw_only=True)
class ResidualLeastSquares(Method):
    """The x that minimises norm(P g_y(x, y'))^2 + p^2 norm(x - x0)^2 with y' = P_A(observed): no game is solved.

    A rival in the card of arXiv 2401.05539: inverse problems of games and of optimal control are often put so, with
    the optimality conditions in the place of the game (Keshavarz, Wang and Boyd 2011). g is linear in both fields, so
    that the residual is affine in x: its matrix has a column for each cell, found by differences, which are exact, and
    the answer is one singular value decomposition away. The penalty p is that of generalised cross-validation (Golub,
    Heath and Wahba 1979) or the given one.

    Args:
        penalty: p, as a share of the largest singular value; None for cross-validation.
    """

    penalty: float | None

    def solve(self, problem: EquilibriumBilevel, run: Run) -> Solution:
        """Answer at once."""
        start = problem.upper_start
        run.offer(Solution(start, problem.lower_start))
        y = problem.project_lower(problem.observed)
        slope = problem.lower_gradient(start, y)[1]
        base = problem.tangent(slope)
        width = 0.1 * problem.upper_radius / len(start) ** 0.5
        moves, columns = [], []
        for unit in torch.eye(len(start), dtype=start.dtype):
            move = problem.project_upper(start + width * unit) - start
            if not move.any():  # a value that is known
                continue
            moved = problem.lower_gradient(start + move, y)[1] - slope
            moves.append(move / width)
            columns.append(problem.tangent(moved) / width)
        answer = start + torch.stack(moves, dim=1) @ self._fitted(torch.stack(columns, dim=1), -base)
        solution = Solution(problem.project_upper(answer), y)
        run.offer(solution)
        return solution

    def _fitted(self, matrix: Tensor, right: Tensor) -> Tensor:
        """The penalised solution (k,) of matrix (m, k) times it = right (m,)."""
        left, values, rows = torch.linalg.svd(matrix, full_matrices=False)
        kept = values > 1e-10 * values[0]  # a constant obstacle has no column
        left, values, rows = left[:, kept], values[kept], rows[kept]
        seen = left.T @ right
        unseen = float(right @ right - seen @ seen)
        shares = [self.penalty] if self.penalty is not None else torch.logspace(-6, 1, 71).tolist()

        def score(share: float) -> float:
            """Of generalised cross-validation."""
            lost = (share * values[0]) ** 2 / (values**2 + (share * values[0]) ** 2)
            free = len(right) - len(values) + float(lost.sum())
            return (float((lost * seen).square().sum()) + max(unseen, 0.0)) / free**2

        best = min(shares, key=score)
        fitted: Tensor = rows.T @ (values / (values**2 + (best * values[0]) ** 2) * seen)
        return fitted
