"""Quadratic problems whose hyper-objective, its gradient and its optimum have closed forms."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize
from torch import Tensor

from tasks.base import Run
from tasks.bilevel import Bilevel, Rows, SecondOrderBilevel, SingleStep, Solution
from tasks.bilevel.judged import Judged
from tasks.bilevel.judging import Scale, checked, infeasibility, relative
from tasks.bilevel.oracles import Landscape, Noise, pose, unchanged, value

RIDGE = 0.1  # f holds RIDGE / 2 norm(x)^2
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Draw:
    """f = norm(y - t)^2 / 2 + 0.05 norm(x)^2 and g = y'H y / 2 - y'(B x + c), as arrays.

    Args:
        hessian: H (m, m).
        coupling: B (m, n).
        offset: c (m,).
        target: t (m,).
        start: x0 (n,).
    """

    hessian: Array
    coupling: Array
    offset: Array
    target: Array
    start: Array

    def landscape(self, noise: Noise | None = None, box: float | None = None) -> Landscape:
        """As functions; the largest eigenvalue of H is 1."""
        h, b, c, t = (torch.from_numpy(it) for it in (self.hessian, self.coupling, self.offset, self.target))

        def upper(x: Tensor, y: Tensor, rows: Rows) -> Tensor:
            return ((y - t) ** 2).sum() / 2 + RIDGE / 2 * (x**2).sum()

        def lower(x: Tensor, y: Tensor, rows: Rows) -> Tensor:
            return y @ (h @ y) / 2 - y @ (b @ x + c)

        def boxed(y: Tensor) -> Tensor:
            return y if box is None else y.clamp(-box, box)

        return Landscape(
            upper=upper,
            lower=lower,
            upper_start=torch.from_numpy(self.start),
            lower_start=torch.zeros(len(c), dtype=torch.float64),
            upper_radius=len(self.start) ** 0.5,
            lower_smoothness=lambda x: 1.0,
            upper_smoothness=lambda x: 1.0,
            project_lower=boxed,
            noise=noise,
        )


@dataclass(frozen=True)
class Residuals:
    """A hyper-objective norm(M x + b)^2 / 2 + 0.05 norm(x)^2."""

    matrix: Array
    offset: Array

    def value(self, x: Array) -> float:
        """Phi(x)."""
        residual = self.matrix @ x + self.offset
        return float(residual @ residual / 2 + RIDGE / 2 * x @ x)

    def gradient(self, x: Array) -> Array:
        """grad Phi(x)."""
        slope: Array = self.matrix.T @ (self.matrix @ x + self.offset) + RIDGE * x
        return slope

    def best(self) -> Array:
        """The x that minimises Phi."""
        curved = self.matrix.T @ self.matrix + RIDGE * np.eye(self.matrix.shape[1])
        point: Array = np.asarray(np.linalg.solve(curved, -(self.matrix.T @ self.offset)), dtype=np.float64)
        return point


def draw(rng: np.random.Generator, size: int, kappa: float, flat: float = 0.0) -> Draw:
    """Draw a problem with m = n = size.

    Args:
        rng: the task's stream; the same draws are taken whatever `kappa` and `flat` are.
        size: n and m.
        kappa: the eigenvalues of H lie geometrically between 1 / kappa and 1.
        flat: share of eigenvalues that are 0 instead; then B x + c lies in the range of H, so that every x has
            lower solutions, and many of them.
    """
    basis: Array = np.linalg.qr(rng.normal(size=(size, size)))[0]
    coupling: Array = np.linalg.qr(rng.normal(size=(size, size)))[0]
    offset, target, start = rng.normal(size=(3, size))
    zeros = round(flat * size)
    spectrum = np.concatenate([np.zeros(zeros), np.geomspace(1 / kappa, 1, size - zeros)])
    rough = (basis * spectrum) @ basis.T
    hessian: Array = (rough + rough.T) / 2
    seen = hessian if zeros else np.eye(size)
    return Draw(hessian, seen @ coupling, seen @ offset, target, start)


@dataclass(frozen=True, kw_only=True)
class _OnQuadratic(Judged, ABC):
    """A task on a drawn quadratic.

    Args:
        size: n and m.
        kappa: condition number of H, of its eigenvalues that are not 0.
    """

    size: int
    kappa: float

    def drawn(self, seed: int) -> Draw:
        """The arrays."""
        return draw(self.stream(seed), self.size, self.kappa)

    def trivial(self, seed: int) -> Solution:
        """The start."""
        return Solution(torch.from_numpy(self.drawn(seed).start))

    def best(self, seed: int) -> Solution:
        """The optimum."""
        return Solution(torch.from_numpy(hyper_objective(self.drawn(seed)).best()))


@dataclass(frozen=True, kw_only=True)
class Quadratic(_OnQuadratic):
    """g = y'H y / 2 - y'(B x + c), f = norm(y - t)^2 / 2 + 0.05 norm(x)^2.

    B is orthogonal; c, t and x0 are normal, y0 = 0.

    Args:
        noise: standard deviation of the entries of gradients.
    """

    noise: float

    def problem(self, seed: int) -> SecondOrderBilevel:
        """The problem of a seed."""
        noise = Noise(self.noise, ("noise", self.name, self.version, seed)) if self.noise else None
        landscape = self.drawn(seed).landscape(noise)
        return pose(SecondOrderBilevel, landscape, self.prices, self.budget, tangent=unchanged)

    def evaluate(self, solution: Solution, seed: int, run: Run) -> Mapping[str, float]:
        """By the closed form of Phi."""
        given = self.drawn(seed)
        landscape = given.landscape()
        solution = checked(solution, landscape)
        phi, x = hyper_objective(given), solution.upper.numpy()
        scale = Scale(phi.value(given.start), phi.value(phi.best()))
        slope, first = (torch.from_numpy(phi.gradient(point)) for point in (x, given.start))
        scores = {"regret": scale.regret(phi.value(x)), "stationarity": relative(slope, first)}
        scores["infeasibility"] = infeasibility(landscape, solution)
        if solution.lower is not None:
            solved = torch.from_numpy(np.linalg.solve(given.hessian, given.coupling @ x + given.offset))
            least = value(landscape.lower, solution.upper, solved)
            scores["lower_gap"] = value(landscape.lower, solution.upper, solution.lower) - least
        return scores


@dataclass(frozen=True, kw_only=True)
class FlatQuadratic(_OnQuadratic):
    """A quadratic g with many minimisers, in a box; of them the one that is best for f counts.

    A share of the eigenvalues of H is 0, and B x + c lies in the range of H. While the box does not bind, which its
    size makes sure of around the optimum, the best of the minimisers has y = t in the flat directions, so that
    Phi(x) = norm(P (B'x + c' - t))^2 / 2 + 0.05 norm(x)^2, where P projects onto the range of H, B = H B', c = H c'.

    Args:
        flat: share of those that are.
        box: each entry of y is at most this.
    """

    flat: float
    box: float

    def drawn(self, seed: int) -> Draw:
        """The arrays."""
        return draw(self.stream(seed), self.size, self.kappa, self.flat)

    def problem(self, seed: int) -> Bilevel:
        """The problem of a seed."""
        return pose(Bilevel, self.drawn(seed).landscape(box=self.box), self.prices, self.budget)

    def evaluate(self, solution: Solution, seed: int, run: Run) -> Mapping[str, float]:
        """By the closed form of Phi where the box does not bind, or else by bounded least squares."""
        given = self.drawn(seed)
        landscape = given.landscape(box=self.box)
        solution = checked(solution, landscape)
        phi, x = hyper_objective(given), solution.upper.numpy()
        scale = Scale(self._phi(given, given.start)[0], self._phi(given, phi.best())[0])
        reached, solved = self._phi(given, x)
        scores = {"regret": scale.regret(reached), "infeasibility": infeasibility(landscape, solution)}
        if solution.lower is not None:
            least = value(landscape.lower, solution.upper, torch.from_numpy(solved))
            scores["lower_gap"] = value(landscape.lower, solution.upper, solution.lower) - least
        return scores

    def _phi(self, given: Draw, x: Array) -> tuple[float, Array]:
        """Phi(x), and the lower solution that it belongs to."""
        inverse = np.linalg.pinv(given.hessian, rcond=1e-10, hermitian=True)
        kept = inverse @ (given.coupling @ x + given.offset)
        flat = np.eye(self.size) - inverse @ given.hessian
        solved = kept + flat @ given.target
        if np.abs(solved).max() > self.box:
            solved = self._boxed(given, kept)
        residual = solved - given.target
        return float(residual @ residual / 2 + RIDGE / 2 * x @ x), solved

    def _boxed(self, given: Draw, kept: Array) -> Array:
        """The same with a box that binds: least squares for g, whose weight makes those for f the tie-break."""
        values, basis = np.linalg.eigh(given.hessian)
        root = np.sqrt(np.maximum(values, 0))[:, None] * basis.T
        stacked = np.concatenate([1e4 * root, np.eye(self.size)])
        right = np.concatenate([1e4 * root @ kept, given.target])
        found = optimize.lsq_linear(stacked, right, (-self.box, self.box), method="bvls", tol=1e-14)
        solved: Array = found.x.clip(-self.box, self.box)  # it may be beyond by a rounding error
        return solved


@dataclass(frozen=True, kw_only=True)
class QuadraticStep(_OnQuadratic):
    """One step in x on the problem of `Quadratic`, from y0 = y*(x0); the direction is judged.

    Args:
    """

    def problem(self, seed: int) -> SingleStep:
        """The problem of a seed."""
        given = self.drawn(seed)
        solved = np.linalg.solve(given.hessian, given.coupling @ given.start + given.offset)
        landscape = replace(given.landscape(), lower_start=torch.from_numpy(solved))
        return pose(SingleStep, landscape, self.prices, self.budget, outer_steps=1, tangent=unchanged)

    def evaluate(self, solution: Solution, seed: int, run: Run) -> Mapping[str, float]:
        """The cosine; 0 for no step."""
        given = self.drawn(seed)
        solution = checked(solution, given.landscape())
        true = torch.from_numpy(hyper_objective(given).gradient(given.start))
        return {"gradient_cosine": cosine(torch.from_numpy(given.start) - solution.upper, true)}

    def best(self, seed: int) -> Solution:
        """A step down the exact hyper-gradient."""
        given = self.drawn(seed)
        return Solution(torch.from_numpy(given.start - hyper_objective(given).gradient(given.start)))


def hyper_objective(given: Draw) -> Residuals:
    """Phi in closed form: y* = H^+ (B x + c), and y = t where H is flat."""
    inverse = np.linalg.pinv(given.hessian, rcond=1e-10, hermitian=True)
    seen = inverse @ given.hessian  # the projection onto the range of H, the identity if nothing is flat
    return Residuals(inverse @ given.coupling, inverse @ given.offset - seen @ given.target)


def cosine(step: Tensor, true: Tensor) -> float:
    """Between a step and the direction that it should have; 0 for a step of length 0."""
    length = float(step.norm() * true.norm())
    return float(step @ true) / length if length else 0.0
