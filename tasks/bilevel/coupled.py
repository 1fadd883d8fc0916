"""Lower problems under linear constraints that hold x too: the two toys of LV-HBA (Yao et al., arXiv 2401.16164)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize
from scipy.linalg import null_space
from torch import Tensor

from tasks.base import Run
from tasks.bilevel import LinearBilevel, Rows, Solution
from tasks.bilevel.judged import Judged
from tasks.bilevel.judging import Scale, checked, infeasibility, relative
from tasks.bilevel.oracles import Landscape, Pair, pose, value

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class CoupledPlane(Judged):
    """f = norm(x - y2)^2 / 2 + norm(y1 - 1)^2 / 2, g = norm(y1)^2 / 2 - x'y1 + 1'y2, 1'x + 1'y1 + 1'y2 = 0.

    g is linear in y2, so that a whole plane of y2 is optimal: y1 = x + 1 and 1'y2 = -2 1'x - n. The best of these has
    y2 = x - (3 1'x + n) / n, so Phi(x) = norm(x)^2 / 2 + (3 1'x + n)^2 / (2 n), least at x = -0.3, where y1 = 0.7,
    y2 = -0.4 and Phi = 0.05 n. The constraint is divided by sqrt(3 n). The start is drawn, and not feasible.

    Args:
        size: n; m is 2 n.
    """

    size: int

    def landscape(self, seed: int) -> Landscape:
        """As functions."""
        n = self.size
        start = torch.from_numpy(self.stream(seed).normal(size=3 * n))
        unit = 1 / (3 * n) ** 0.5

        def upper(x: Tensor, y: Tensor, rows: Rows) -> Tensor:
            return ((x - y[n:]) ** 2).sum() / 2 + ((y[:n] - 1) ** 2).sum() / 2

        def lower(x: Tensor, y: Tensor, rows: Rows) -> Tensor:
            return (y[:n] ** 2).sum() / 2 - x @ y[:n] + y[n:].sum()

        def joint(x: Tensor, y: Tensor) -> Pair:
            over = (x.sum() + y.sum()) / (3 * n)
            return x - over, y - over

        return Landscape(
            upper=upper,
            lower=lower,
            upper_start=start[:n],
            lower_start=start[n:],
            upper_radius=n**0.5,
            lower_smoothness=lambda x: 1.0,
            upper_smoothness=lambda x: 1.0,
            constraints=1,
            constraint=lambda x, y: unit * (x.sum() + y.sum())[None],
            project_joint=joint,
        )

    def problem(self, seed: int) -> LinearBilevel:
        """The problem of a seed."""
        row = torch.full((1, 3 * self.size), 1 / (3 * self.size) ** 0.5, dtype=torch.float64)
        return pose(
            LinearBilevel,
            self.landscape(seed),
            self.prices,
            self.budget,
            upper_matrix=row[:, : self.size].clone(),
            lower_matrix=row[:, self.size :].clone(),
            offset=torch.zeros(1, dtype=torch.float64),
        )

    def evaluate(self, solution: Solution, seed: int, run: Run) -> Mapping[str, float]:
        """By the closed form of Phi."""
        landscape, n = self.landscape(seed), self.size
        solution = checked(solution, landscape)
        x = solution.upper
        scale = Scale(_plane(landscape.upper_start), 0.05 * n)
        scores = {
            "regret": scale.regret(_plane(x)),
            "stationarity": relative(_plane_slope(x), _plane_slope(landscape.upper_start)),
            "infeasibility": infeasibility(landscape, solution),
        }
        if solution.lower is not None:
            solved = torch.cat([x + 1, (-2 * x.sum() - n).expand(n) / n])
            least = value(landscape.lower, x, solved)
            scores["lower_gap"] = value(landscape.lower, x, solution.lower) - least
        return scores

    def trivial(self, seed: int) -> Solution:
        """The start."""
        return Solution(self.landscape(seed).upper_start)

    def best(self, seed: int) -> Solution:
        """The planted optimum."""
        whole = torch.full((self.size,), 1.0, dtype=torch.float64)
        return Solution(-0.3 * whole, torch.cat([0.7 * whole, -0.4 * whole]))


def _plane(x: Tensor) -> float:
    return float((x**2).sum() / 2 + (3 * x.sum() + len(x)) ** 2 / (2 * len(x)))


def _plane_slope(x: Tensor) -> Tensor:
    return x + 3 * (3 * x.sum() + len(x)) / len(x)


@dataclass(frozen=True)
class StrongDraw:
    """A y + H x = 0 and B x = 0, and f = sin(c'x + d'y) + log(norm(x + y)^2 + 1).

    Args:
        lower_matrix: A (k, n), rows of (A, H) of norm 1.
        upper_matrix: H (k, n).
        kept: (n, n), the projection onto {x: B x = 0}.
        upper_wave: c (n,).
        lower_wave: d (n,).
        start: x0 (n,), with B x0 = 0.
    """

    lower_matrix: Array
    upper_matrix: Array
    kept: Array
    upper_wave: Array
    lower_wave: Array
    start: Array

    def response(self) -> Array:
        """y* = M x (n, n): the projection of x onto {y: A y = -H x}."""
        inverse = np.linalg.pinv(self.lower_matrix)
        moved: Array = np.eye(len(self.start)) - inverse @ (self.lower_matrix + self.upper_matrix)
        return moved


@dataclass(frozen=True, kw_only=True)
class CoupledStrong(Judged):
    """g = norm(x - y)^2 / 2 under A y + H x = 0, with x in {B x = 0}; f = sin(c'x + d'y) + log(norm(x + y)^2 + 1).

    y* = M x is linear, so with x = Z z, where Z spans the set of x, Phi = sin(p'z) + log(norm(Q z)^2 + 1). For a given
    s = p'z the least norm(Q z)^2 is s^2 / w with w = p'(Q'Q)^-1 p, so the optimum is that of sin(s) + log(s^2 / w + 1)
    over the number s, found on a grid and refined: exact, though f is not convex and has many local minima. The
    paper's numbers are not known. Here entries of A, H and B are uniform on [0, 1] and rows of (A, H) have norm 1, and
    c and d have norms near 1: with entries of order 1 the wave is so short that where a method ends is luck.

    Args:
        size: n = m.
        constraints: rows of A and H; the paper has 90 with n = 100.
        fixed: rows of B; the paper has 45.
    """

    size: int
    constraints: int
    fixed: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.constraints < self.size or not 0 <= self.fixed < self.size:
            raise ValueError("constraints must be from 1, and fixed from 0, to below size")

    def drawn(self, seed: int) -> StrongDraw:
        """The arrays."""
        rng, n = self.stream(seed), self.size
        rows = rng.uniform(size=(self.constraints, 2 * n))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        basis = null_space(rng.uniform(size=(self.fixed, n))) if self.fixed else np.eye(n)
        kept = basis @ basis.T
        upper_wave, lower_wave, start = rng.normal(size=(3, n))
        waves = upper_wave / n**0.5, lower_wave / n**0.5
        return StrongDraw(rows[:, :n].copy(), rows[:, n:].copy(), kept, *waves, kept @ start)

    def landscape(self, seed: int) -> Landscape:
        """As functions."""
        given, n = self.drawn(seed), self.size
        a, h, kept = (torch.from_numpy(it) for it in (given.lower_matrix, given.upper_matrix, given.kept))
        c, d = torch.from_numpy(given.upper_wave), torch.from_numpy(given.lower_wave)
        both = np.concatenate([given.upper_matrix @ given.kept, given.lower_matrix], axis=1)
        legal = torch.from_numpy(np.eye(2 * n) - np.linalg.pinv(both) @ both)

        def upper(x: Tensor, y: Tensor, rows: Rows) -> Tensor:
            return torch.sin(c @ x + d @ y) + torch.log(((x + y) ** 2).sum() + 1)

        def lower(x: Tensor, y: Tensor, rows: Rows) -> Tensor:
            return ((x - y) ** 2).sum() / 2

        def joint(x: Tensor, y: Tensor) -> Pair:
            moved = legal @ torch.cat([kept @ x, y])
            return kept @ moved[:n], moved[n:]

        return Landscape(
            upper=upper,
            lower=lower,
            upper_start=torch.from_numpy(given.start),
            lower_start=torch.zeros(n, dtype=torch.float64),
            upper_radius=n**0.5,
            lower_smoothness=lambda x: 1.0,
            upper_smoothness=lambda x: 2.0 + float(d @ d),
            project_upper=lambda x: kept @ x,
            constraints=self.constraints,
            constraint=lambda x, y: a @ y + h @ x,
            project_joint=joint,
        )

    def problem(self, seed: int) -> LinearBilevel:
        """The problem of a seed."""
        given = self.drawn(seed)
        return pose(
            LinearBilevel,
            self.landscape(seed),
            self.prices,
            self.budget,
            upper_matrix=torch.from_numpy(given.upper_matrix),
            lower_matrix=torch.from_numpy(given.lower_matrix),
            offset=torch.zeros(self.constraints, dtype=torch.float64),
        )

    def evaluate(self, solution: Solution, seed: int, run: Run) -> Mapping[str, float]:
        """By the closed form of Phi."""
        given, landscape = self.drawn(seed), self.landscape(seed)
        solution = checked(solution, landscape)
        response, x = given.response(), solution.upper.numpy()
        best = _strong(given, response, _strong_best(given, response))[0]
        reached, slope = _strong(given, response, x)
        start, first = _strong(given, response, given.start)
        scores = {
            "regret": Scale(start, best).regret(reached),
            "stationarity": relative(torch.from_numpy(slope), torch.from_numpy(first)),
            "infeasibility": infeasibility(landscape, solution),
        }
        if solution.lower is not None:
            least = value(landscape.lower, solution.upper, torch.from_numpy(response @ x))
            scores["lower_gap"] = value(landscape.lower, solution.upper, solution.lower) - least
        return scores

    def trivial(self, seed: int) -> Solution:
        """The start."""
        return Solution(torch.from_numpy(self.drawn(seed).start))

    def best(self, seed: int) -> Solution:
        """The optimum."""
        given = self.drawn(seed)
        response = given.response()
        found = _strong_best(given, response)
        return Solution(torch.from_numpy(found), torch.from_numpy(response @ found))


def _strong(given: StrongDraw, response: Array, x: Array) -> tuple[float, Array]:
    """Phi and its gradient within the set of x."""
    wave, sum_of = given.upper_wave + response.T @ given.lower_wave, np.eye(len(x)) + response
    total = sum_of @ x
    square = float(total @ total)
    slope = np.cos(wave @ x) * wave + 2 * sum_of.T @ total / (square + 1)
    return float(np.sin(wave @ x) + np.log(square + 1)), given.kept @ slope


def _strong_best(given: StrongDraw, response: Array) -> Array:
    """The x of the class docstring."""
    wave, sum_of = given.upper_wave + response.T @ given.lower_wave, np.eye(len(response)) + response
    values, vectors = np.linalg.eigh(given.kept)
    basis = vectors[:, values > 0.5]  # Z
    shown, seen = sum_of @ basis, basis.T @ wave  # Q and p
    direction = np.linalg.solve(shown.T @ shown, seen)
    width = float(seen @ direction)  # w

    def along(s: float) -> float:
        return float(np.sin(s) + np.log(s * s / width + 1))

    grid = np.linspace(-20, 20, 4001)  # beyond |s| = 20 a wave gains nothing: one nearer to 0 is as deep
    rough = grid[np.argmin([along(s) for s in grid])]
    found = optimize.minimize_scalar(along, bounds=(rough - 0.01, rough + 0.01), options={"xatol": 1e-12})
    point: Array = basis @ direction * (found.x / width)
    return point
