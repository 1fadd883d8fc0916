"""A support vector machine as a lower problem: a quadratic program in weights and slacks, solved to rounding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.bilevel import Rows
from tasks.bilevel.hinges import Hinges
from tasks.bilevel.oracles import Landscape, Objective, Pair, gradient, value
from tasks.bilevel.two_class import Marked

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Machine:
    """A drawn support vector machine; y = (t, slacks) with t = (w, b).

    Args:
        landscape: g and f with their sets.
        rows: s (k, F), training rows times their signs.
        losses: the smoothed hinge of test, validation and tuning rows, by name.
    """

    landscape: Landscape
    rows: Array
    losses: dict[str, Objective]

    def solved(self, x: Tensor) -> Pair:
        """y*(x) (m,) and the multipliers (k,) of the normalised constraints."""
        weights = np.exp(x.numpy())
        program = self.program(weights)
        return self._pair(program, program.least(program.centre), weights)

    def program(self, weights: Array) -> Hinges:
        """The lower problem without its slacks: max(0, 1 - s_i't) is the best of them."""
        size = self.rows.shape[1]
        ridge = np.append(np.ones(size - 1), 0.0)
        return Hinges(self.rows, np.ones(len(self.rows)), weights, ridge, np.zeros(size))

    def fitted(self, x: Tensor, steps: int) -> Tensor:
        """y after so many of Newton's steps from w = 0 and b = 0."""
        weights = np.exp(x.numpy())
        program = self.program(weights)
        return self._pair(program, program.descended(program.centre, steps), weights)[0]

    def slope(self, objective: Objective, x: Tensor) -> tuple[float, Array]:
        """An objective of t alone at y*(x), and its exact gradient (n,) in x.

        On a piece, sum_i e^x_i slack_i s_i = (w, 0) at t*, so that dt / dx_i = H^-1 s_i e^x_i slack_i, with H the
        Hessian of that piece.
        """
        solved, weights, size = self.solved(x)[0], np.exp(x.numpy()), self.rows.shape[1]
        curved = self.program(weights).curvature(solved[:size].numpy())
        seen = np.linalg.solve(curved, gradient(objective, x, solved)[1][:size].numpy())
        return value(objective, x, solved), weights * solved[size:].numpy() * (self.rows @ seen)

    def _pair(self, program: Hinges, at: Array, weights: Array) -> Pair:
        slacks = program.left(at)
        multipliers = norms_of(self.rows) * weights * slacks
        return torch.from_numpy(np.concatenate([at, slacks])), torch.from_numpy(multipliers)


def drawn(train: Marked, parts: dict[str, Marked], start: float, bounds: tuple[float, float]) -> Machine:
    """The machine over some rows.

    Args:
        train: lower examples.
        parts: validation rows, which f is about, and others to judge by.
        start: of every x_i.
        bounds: of every x_i.
    """
    rows, held, count = train.margins_of(), parts["validation"], len(train)
    signed, norms, size = torch.from_numpy(rows), torch.from_numpy(norms_of(rows)), rows.shape[1]
    losses = {name: _hinge_loss(part) for name, part in parts.items()}

    def lower(x: Tensor, y: Tensor, some: Rows) -> Tensor:
        which = slice(None) if some is None else torch.from_numpy(some)
        share = 1.0 if some is None else count / len(some)
        return (y[: size - 1] ** 2).sum() / 2 + share * (x[which].exp() * y[size:][which] ** 2).sum() / 2

    def boxed(x: Tensor) -> Tensor:
        return x.clamp(*bounds)

    landscape = Landscape(
        upper=losses["validation"],
        lower=lower,
        upper_start=torch.full((count,), start, dtype=torch.float64),
        lower_start=torch.cat([torch.zeros(size), torch.ones(count)]).double(),
        upper_radius=2 * count**0.5,
        lower_smoothness=lambda x: max(1.0, float(x.max().exp())),
        upper_smoothness=lambda x: float(np.linalg.norm(held.features, 2) ** 2) / len(held),
        project_upper=boxed,
        lower_examples=count,
        upper_examples=len(held),
        constraints=count,
        equality=False,
        constraint=lambda x, y: (1 - y[size:] - signed @ y[:size]) / norms,
        project_joint=lambda x, y: (boxed(x), nearest(rows, y)),
    )
    return Machine(landscape, rows, losses)


def nearest(rows: Array, y: Tensor) -> Tensor:
    """The nearest y (m,) that meets the constraints.

    Args:
        rows: as in `Machine`.
        y: (w, b, slacks).
    """
    size = rows.shape[1]
    at, slacks = y[:size].numpy(), y[size:].numpy()
    moved = Hinges(rows, 1 - slacks, np.ones(len(slacks)), np.ones(size), at).least(at)
    return torch.from_numpy(np.concatenate([moved, np.maximum(slacks, 1 - rows @ moved)]))


def _hinge_loss(marked: Marked) -> Objective:
    """The mean smoothed hinge of some rows; it depends on (w, b) alone."""
    signed = torch.from_numpy(marked.margins_of())

    def loss(x: Tensor, y: Tensor, rows: Rows) -> Tensor:
        some = slice(None) if rows is None else torch.from_numpy(rows)
        short = (1 - signed[some] @ y[: signed.shape[1]]).clamp(min=0)
        return torch.where(short > 1, short - 0.5, short**2 / 2).mean()

    return loss


def norms_of(rows: Array) -> Array:
    """Norms (k,) of the gradients of the constraints, whose slacks have the coefficient -1."""
    lengths: Array = np.sqrt((rows**2).sum(axis=1) + 1)
    return lengths
