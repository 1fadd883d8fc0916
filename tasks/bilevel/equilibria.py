"""Equilibria as the judge finds them: Newton's method on a stream function, with derivatives by hand.

The flux through a face is what has passed it, so that every (rho, m) with A y = c is y(psi) = reference + S psi for one
psi (nt, nx - 1): rho = first + psi_x and m = - psi_t, with psi = 0 at time 0 and at both ends. In psi the lower problem
has no constraints, and dy*/dx = - S (S' g_yy S)^-1 S' g_yx. Nothing here is shared with the oracles but the game's
numbers, and tests compare the two.
"""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from tasks.base import Diverged
from tasks.bilevel.mean_field_games import Array, Game

Matrix = Any  # a sparse matrix; scipy has no types for them
NEAR = 1e-3  # Newton decrement from which on steps are whole ones with the Hessian as it is
SMALL = 1e-9  # and at which the next step is the last: its square is lost in rounding


class Unknown(enum.StrEnum):
    """Which field of the game x is; the other one is known."""

    OBSTACLE = "obstacle"  # b, with g = 1
    METRIC = "metric"  # g, with b = 0

    def fields(self, x: Any) -> tuple[Any, Any]:
        """g and b, of which one is x."""
        return (1.0, x) if self is Unknown.OBSTACLE else (x, 0.0)


@dataclass(frozen=True)
class Shape:
    """The linear maps of a grid, which are built once.

    Args:
        stream: S (m, nt (nx - 1)).
        averages: y -> the densities and fluxes whose kinetic energy counts, both (nt nx).
    """

    stream: Matrix
    averages: Matrix

    @staticmethod
    @functools.cache
    def of(steps: int, cells: int) -> Shape:
        """Of a grid."""
        one, back = sparse.eye(steps), sparse.eye(steps, k=-1)
        face, past = sparse.eye(cells, cells - 1), sparse.eye(cells, cells - 1, k=-1)
        within = sparse.kron(one, cells * (face - past))
        through = sparse.kron(-steps * (one - back), sparse.eye(cells - 1))
        in_time, in_space = sparse.kron((one + back) / 2, sparse.eye(cells)), sparse.kron(one, (face + past) / 2)
        return Shape(sparse.vstack([within, through]).tocsc(), sparse.block_diag([in_time, in_space]).tocsr())


@dataclass(frozen=True)
class Equilibrium:
    """A solved lower problem.

    Args:
        y: y* (m,).
        value: g(x, y*).
        shape: of the grid.
        crossed: g_yx (m, n) at y*.
        factors: of S' g_yy S.
    """

    y: Array
    value: float
    shape: Shape = field(repr=False)
    crossed: Matrix = field(repr=False)
    factors: Any = field(repr=False)

    def pulled_back(self, through: Array) -> Array:
        """(dy*/dx)' v (n,) for v (m,)."""
        stream = self.shape.stream
        pulled: Array = -self.crossed.T @ (stream @ self.factors.solve(stream.T @ through))
        return pulled

    def response(self) -> Array:
        """dy*/dx (m, n)."""
        stream = self.shape.stream
        moved: Array = -(stream @ self.factors.solve((stream.T @ self.crossed).toarray()))
        return moved


class Solver:
    """Finds equilibria of one game.

    Args:
        game: the game.
        unknown: which field x is.
    """

    def __init__(self, game: Game, unknown: Unknown) -> None:
        self._game, self._unknown, self._shape = game, unknown, Shape.of(game.steps, game.cells)
        steps, cells = game.steps, game.cells
        inside = steps * cells
        self._reference = np.concatenate([np.tile(game.first, steps), np.zeros(game.size - inside)])
        self._ahead = np.zeros((steps, cells))  # the half of the first average that does not move
        self._ahead[0] = game.first / 2
        self._running = np.repeat([1.0] * (steps - 1) + [0.0], cells)  # running costs leave the last time out
        self._convex = np.where(self._running > 0, game.weight * game.congestion, game.terminal / cells)
        goal = np.tile(np.log(game.goal), steps)
        self._goal = np.where(self._running > 0, 0.0, -game.terminal / cells * goal)
        self._spread = sparse.kron(np.ones((steps, 1)), sparse.eye(cells)).tocsc()  # a field at all times

    def between(self) -> Array:
        """A feasible y (m,) to begin with: the density goes straight from the first one to the goal."""
        share = np.linspace(0, 1, self._game.steps + 1)[1:, None]
        goal = self._game.goal * self._game.first.mean() / self._game.goal.mean()
        start: Array = self._reference + self._shape.stream @ self._potential(
            (1 - share) * self._game.first + share * goal
        )
        return start

    def solve(self, x: Array, start: Array) -> Equilibrium:
        """y*(x) to rounding.

        Args:
            x: (n,).
            start: y (m,) with A y = c; its density says where to begin.

        Raises:
            Diverged: Newton's method does not arrive.
        """
        psi = self._potential(start[: self._game.steps * self._game.cells].reshape(self._game.steps, -1))
        decrement = np.inf
        for _ in range(100):
            slope = self._slope(psi, x)
            near = decrement <= NEAR * self._game.weight**0.5
            step = -_factorised(self._curved(psi, x, convex=not near)).solve(slope)
            fallen = -float(slope @ step)
            if abs(fallen) <= SMALL**2 * self._game.weight:
                return self._finished(psi + step, x)
            if not fallen > 0:
                break
            decrement = fallen**0.5
            psi = psi + (1.0 if near else self._length(psi, x, step, decrement)) * step
        raise Diverged("the equilibrium could not be found at this x")

    def _length(self, psi: Array, x: Array, step: Array, decrement: float) -> float:
        """Of a step that lowers the energy enough (Armijo 1966)."""
        length, value = 1.0, self._value(psi, x)
        for _ in range(40):
            reached = self._value(psi + length * step, x)
            if reached <= value - 1e-4 * length * decrement**2 + 1e-15 * abs(value):
                return length
            length /= 2
        raise Diverged("the equilibrium could not be found at this x")

    def _finished(self, psi: Array, x: Array) -> Equilibrium:
        factors = _factorised(self._curved(psi, x, convex=False))
        y = self._reference + self._shape.stream @ psi
        return Equilibrium(y, self._value(psi, x), self._shape, self._crossed(y), factors)

    def _potential(self, density: Array) -> Array:
        """psi of a density (nt, nx)."""
        passed = np.cumsum(density - self._game.first, axis=1)[:, :-1] / self._game.cells
        return passed.ravel()

    def _middle(self, y: Array) -> tuple[Array, Array]:
        """The densities and fluxes (nt nx) whose kinetic energy counts."""
        averages = self._shape.averages @ y
        inside = self._game.steps * self._game.cells
        return averages[:inside] + self._ahead.ravel(), averages[inside:]

    def _value(self, psi: Array, x: Array) -> float:
        """g."""
        scale, linear = self._costs(x)
        y = self._reference + self._shape.stream @ psi
        density, (middle, through) = y[: len(linear)], self._middle(y)
        convex = self._convex @ _entropy(density, self._game.floor)[0]
        return float(scale @ (through**2 * _inverse(middle, self._game.floor)[0]) / 2 + convex + linear @ density)

    def _slope(self, psi: Array, x: Array) -> Array:
        """The gradient of g in psi."""
        scale, linear = self._costs(x)
        y = self._reference + self._shape.stream @ psi
        middle, through = self._middle(y)
        q, q1, _ = _inverse(middle, self._game.floor)
        slope = self._shape.averages.T @ np.concatenate([scale * q1 * through**2 / 2, scale * q * through])
        slope[: len(linear)] += self._convex * _entropy(y[: len(linear)], self._game.floor)[1] + linear
        pulled: Array = self._shape.stream.T @ slope
        return pulled

    def _curved(self, psi: Array, x: Array, convex: bool) -> Matrix:
        """The Hessian of g in psi; with `convex`, one that is positive below the floor too."""
        scale, linear = self._costs(x)
        y = self._reference + self._shape.stream @ psi
        middle, through = self._middle(y)
        q, q1, q2 = _inverse(middle, self._game.floor)
        if convex:
            q2 = np.maximum(q2, 2 * q1**2 / q)
        mixed = sparse.diags(scale * q1 * through)
        parts = [[sparse.diags(scale * q2 * through**2 / 2), mixed], [mixed, sparse.diags(scale * q)]]
        curved = self._shape.averages.T @ sparse.bmat(parts).tocsr() @ self._shape.averages
        own = self._convex * _entropy(y[: len(linear)], self._game.floor)[2]
        curved = curved + sparse.diags(np.concatenate([own, np.zeros(len(y) - len(own))]))
        return (self._shape.stream.T @ (curved @ self._shape.stream)).tocsc()

    def _costs(self, x: Array) -> tuple[Array, Array]:
        """What kinetic energy and density cost in each cell of space-time, both (nt nx)."""
        metric, obstacle = (
            np.tile(np.broadcast_to(it, (self._game.cells,)), self._game.steps) for it in self._unknown.fields(x)
        )
        return self._game.weight * metric, self._goal + self._game.weight * self._running * obstacle

    def _crossed(self, y: Array) -> Matrix:
        """g_yx (m, n)."""
        game = self._game
        if self._unknown is Unknown.OBSTACLE:
            rows = sparse.diags(game.weight * self._running) @ self._spread
            return sparse.vstack([rows, sparse.csc_matrix((game.size - rows.shape[0], game.cells))]).tocsc()
        middle, through = self._middle(y)
        q, q1, _ = _inverse(middle, game.floor)
        both = sparse.vstack([sparse.diags(q1 * through**2 / 2), sparse.diags(q * through)])
        return (game.weight * (self._shape.averages.T @ (both @ self._spread))).tocsc()


def _factorised(matrix: Matrix) -> Any:
    """A symmetric matrix, for solving."""
    return splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})


def _inverse(density: Array, floor: float) -> tuple[Array, Array, Array]:
    """1 / rho as the game continues it, and its first two derivatives."""
    known, short = np.maximum(density, floor), np.maximum(floor - density, 0)
    value = 1 / known + short / known**2 + short**2 / known**3
    return value, -1 / known**2 - 2 * short / known**3, 2 / known**3


def _entropy(density: Array, floor: float) -> tuple[Array, Array, Array]:
    """rho log rho as the game continues it, and its first two derivatives."""
    known, short = np.maximum(density, floor), np.maximum(floor - density, 0)
    value = known * np.log(known) - short * (1 + np.log(known)) + short**2 / (2 * known)
    return value, 1 + np.log(known) - short / known, 1 / known


def closest(
    solver: Solver, residual: Any, basis: Array, start: tuple[Array, Equilibrium], rounds: int = 60
) -> tuple[Array, float]:
    """The x that minimises norm(r(x, y*(x)))^2 / 2, by Levenberg's and Marquardt's method.

    Args:
        solver: finds y*.
        residual: (x, y) -> r (p,), dr/dx (p, n) and dr/dy (p, m).
        basis: (n, k), columns of norm 1 that span the ways in which x may move.
        start: x and its equilibrium.
        rounds: steps at most.

    Returns:
        x, and the least value.
    """
    x, solved = start
    damping = 1e-6
    for _ in range(rounds):
        here, own, through = residual(x, solved.y)
        moved = (own + through @ solved.response()) @ basis
        slope, curved = moved.T @ here, moved.T @ moved
        value, top = float(here @ here) / 2, float(np.diag(curved).max())
        if np.abs(slope).max() <= 1e-12 * (value * top) ** 0.5 + 1e-16 * top:
            break
        for _ in range(30):
            step = basis @ np.linalg.solve(curved + damping * top * np.eye(len(curved)), -slope)
            try:
                there = solver.solve(x + step, solved.y)
                reached = residual(x + step, there.y)[0]
            except Diverged:
                reached = np.full(1, np.inf)
            if float(reached @ reached) / 2 < value:
                x, solved, damping = x + step, there, max(damping / 10, 1e-14)
                break
            damping *= 10
        else:
            break
    here = residual(x, solved.y)[0]
    return x, float(here @ here) / 2
