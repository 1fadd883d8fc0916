"""Sums of squared hinges, convex and piecewise quadratic: what a support vector machine solves and projects onto."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.base import Diverged

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Hinges:
    """sum_i d_i max(0, a_i - s_i't)^2 / 2 + sum_j r_j (t_j - c_j)^2 / 2, convex in t (p,).

    Args:
        rows: s (k, p).
        levels: a (k,).
        weights: d (k,), each above 0.
        ridge: r (p,), none below 0.
        centre: c (p,).
    """

    rows: Array
    levels: Array
    weights: Array
    ridge: Array
    centre: Array

    def value(self, point: Array) -> float:
        """At t."""
        left = self.left(point)
        return float(self.weights @ left**2 + self.ridge @ (point - self.centre) ** 2) / 2

    def left(self, point: Array) -> Array:
        """max(0, a - s't) (k,)."""
        short: Array = np.maximum(0.0, self.levels - self.rows @ point)
        return short

    def slope(self, point: Array) -> Array:
        """The gradient (p,)."""
        gradient: Array = self.ridge * (point - self.centre) - self.rows.T @ (self.weights * self.left(point))
        return gradient

    def curvature(self, point: Array) -> Array:
        """The Hessian (p, p) of the piece that holds t."""
        seen = self.rows[self.left(point) > 0]
        curved: Array = np.diag(self.ridge) + seen.T @ (self.weights[self.left(point) > 0, None] * seen)
        return curved

    def descended(self, point: Array, steps: int) -> Array:
        """t after at most so many steps of Newton's method with a line search, fewer where the minimum is reached.

        On the piece of the minimum a step of length 1 is exact, so that the active set settles and the method ends.
        """
        for _ in range(steps):
            slope = self.slope(point)
            if self._flat(point, slope):
                break
            tiny = 1e-12 * np.eye(len(point))  # a direction may be free of ridge while no hinge is active
            step = -np.linalg.solve(self.curvature(point) + tiny, slope)
            before, length, fall = self.value(point), 1.0, float(slope @ step)
            while self.value(point + length * step) > before + 1e-4 * length * fall + 1e-14 * before and length > 1e-9:
                length /= 2
            point = point + length * step
        return point

    def least(self, point: Array) -> Array:
        """The t that minimises, from a start.

        Raises:
            Diverged: it was not found.
        """
        found = self.descended(point, 200)
        if not self._flat(found, self.slope(found)):
            raise Diverged("the quadratic program could not be solved")
        return found

    def _flat(self, point: Array, slope: Array) -> bool:
        pulls = np.abs(self.rows).T @ (self.weights * self.left(point)) + self.ridge * np.abs(point - self.centre)
        return float(np.abs(slope).max()) <= 1e-11 * (1 + float(pulls.max()))
