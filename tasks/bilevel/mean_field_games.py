"""A potential mean-field game on an interval: what it costs, and the continuity equation that it is played under.

    minimise  int int g m^2 / (2 rho) + b rho + c rho log rho  +  int C rho(1) log(rho(1) / goal)
    over density rho and flux m with  rho_t + m_x = 0,  rho(0) = first,  and no flux through the ends

The energy and its grid are those of the authors of arXiv 2401.05539 (repository jiajia-yu/invMFG_BLO, 0c52f93,
solveb_AGM and solveg1d_AGM): density in cells at the end of each step of time, flux through faces, kinetic energy of
averages over both, running costs at all times but the last. There space has no weight; here both levels are integrals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]
SPEED = 1.0  # of the crowd, for the Lipschitz constant: with it one crosses the interval in the time there is


@dataclass(frozen=True)
class Game:
    """A drawn game without the unknown field.

    Below `floor`, 1 / rho and rho log rho are continued by their Taylor series of second order: projections know
    nothing of positive densities, and iterates may leave them for a while. Equilibria do not.

    Args:
        steps: of time, nt.
        cells: of space, nx.
        first: density at time 0, (nx,), above zero; its mean is 1.
        goal: where the crowd would like to be at time 1, (nx,), above zero.
        congestion: c.
        terminal: C.
        floor: least density that is taken for one.
    """

    steps: int
    cells: int
    first: Array
    goal: Array
    congestion: float
    terminal: float
    floor: float

    @property
    def weight(self) -> float:
        """Of a cell of space-time."""
        return 1 / (self.steps * self.cells)

    @property
    def size(self) -> int:
        """m, of y: nt nx densities and nt (nx - 1) fluxes."""
        return self.steps * (2 * self.cells - 1)

    def split(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Density (nt, nx) and flux (nt, nx - 1)."""
        inside = self.steps * self.cells
        return y[:inside].view(self.steps, self.cells), y[inside:].view(self.steps, self.cells - 1)

    def energy(self, metric: Tensor | float, obstacle: Tensor | float, y: Tensor) -> Tensor:
        """What the game minimises, as a scalar that torch can differentiate.

        Args:
            metric: g (nx,) or a number.
            obstacle: b (nx,) or a number.
            y: (m,).
        """
        density, flux = self.split(y)
        first, goal = torch.from_numpy(self.first), torch.from_numpy(self.goal)
        middle = (torch.cat([first[None], density[:-1]]) + density) / 2
        padded = torch.nn.functional.pad(flux, (1, 1))
        through = (padded[:, :-1] + padded[:, 1:]) / 2
        kinetic = (metric * through**2 / 2 * inverse(middle, self.floor)).sum()
        running = (obstacle * density[:-1] + self.congestion * entropy(density[:-1], self.floor)).sum()
        last = (entropy(density[-1], self.floor) - density[-1] * goal.log()).sum()
        return self.weight * (kinetic + running) + self.terminal / self.cells * last

    def smoothness(self, metric: float) -> float:
        """Lipschitz constant of the gradient in y, where densities are above the floor and nobody is faster than SPEED.

        Args:
            metric: largest value of g.
        """
        own = max(self.weight * self.congestion, self.terminal / self.cells)
        return (self.weight * metric * (1 + SPEED**2) + own) / self.floor


def inverse(density: Tensor, floor: float) -> Tensor:
    """1 / rho, continued below the floor."""
    known, short = _parted(density, floor)
    return 1 / known + (short + short**2 / floor) / floor**2


def entropy(density: Tensor, floor: float) -> Tensor:
    """rho log rho, continued below the floor."""
    known, short = _parted(density, floor)
    continued: Tensor = known * known.log() - short * (1 + float(np.log(floor))) + short**2 / (2 * floor)
    return continued


def _parted(density: Tensor, floor: float) -> tuple[Tensor, Tensor]:
    """What is above the floor, or the floor, and how much is missing."""
    below = density < floor
    return torch.where(below, floor, density), torch.where(below, floor - density, 0.0)


class Continuity:
    """Projections onto {y: A y = c} and onto {v: A v = 0}, where A y = rho_t + m_x with rho(0) = 0 and c = first / dt.

    A A' = T (x) 1 + 1 (x) X is a Laplacian in time and space; in the eigenvectors of T and X, which are cosines, it is
    diagonal. On grids as small as these, products with matrices of eigenvectors are faster than transforms.
    """

    def __init__(self, steps: int, cells: int, first: Array) -> None:
        backward = steps * (np.eye(steps) - np.eye(steps, k=-1))
        across = cells * (np.eye(cells, cells - 1) - np.eye(cells, cells - 1, k=-1))
        (times, self._in_time), (spaces, self._in_space) = (_eigen(matrix @ matrix.T) for matrix in (backward, across))
        self._values = times[:, None] + spaces[None, :]
        self._backward, self._across = torch.from_numpy(backward), torch.from_numpy(across)
        self._shape = steps, cells
        self._given = torch.zeros(steps, cells, dtype=torch.float64)
        self._given[0] = steps * torch.from_numpy(first)

    def residual(self, y: Tensor) -> Tensor:
        """A y - c (nt, nx)."""
        return self._applied(y) - self._given

    def project(self, y: Tensor) -> Tensor:
        """The nearest y' with A y' = c."""
        return self._corrected(y, self.residual(y))

    def tangent(self, v: Tensor) -> Tensor:
        """The nearest v' with A v' = 0."""
        return self._corrected(v, self._applied(v))

    def _applied(self, y: Tensor) -> Tensor:
        steps, cells = self._shape
        density, flux = y[: steps * cells].view(steps, cells), y[steps * cells :].view(steps, cells - 1)
        return self._backward @ density + flux @ self._across.T

    def _corrected(self, y: Tensor, residual: Tensor) -> Tensor:
        """y - A' (A A')^-1 residual."""
        potential = self._in_time @ (self._in_time.T @ residual @ self._in_space / self._values) @ self._in_space.T
        return y - torch.cat([(self._backward.T @ potential).flatten(), (potential @ self._across).flatten()])


def _eigen(matrix: Array) -> tuple[Tensor, Tensor]:
    values, vectors = np.linalg.eigh(matrix)
    return torch.from_numpy(values), torch.from_numpy(vectors)
