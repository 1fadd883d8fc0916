"""Networks that map hyperparameters to weights, and the step that teaches them the lower problem's answer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from methods.base import Run
from tasks.bilevel import Bilevel

FEW = 10  # entries of x up to which V has Adam's step as all else; decay_digits has as many


@dataclass(frozen=True)
class Hypernet:
    """y(e) = c + U e, or c + U V e, or c + U max(V e + b, 0), where e (n,) is how far x is from a centre.

    Args:
        base: c (m,).
        outer: U (m, n), or (m, k) with k hidden units.
        inner: V (k, n), or None.
        shift: b (k,) of units that are rectified, or None for linear ones.
    """

    base: Tensor
    outer: Tensor
    inner: Tensor | None = None
    shift: Tensor | None = None

    def __call__(self, offset: Tensor) -> Tensor:
        """The weights y (m,) for an offset e (n,)."""
        hidden = offset if self.inner is None else self.inner @ offset
        if self.shift is not None:
            hidden = torch.relu(hidden + self.shift)
        return self.base + self.outer @ hidden

    def parameters(self) -> list[Tensor]:
        """What is learnt."""
        return [it for it in (self.base, self.outer, self.inner, self.shift) if it is not None]

    def answer(self, offset: Tensor) -> Tensor:
        """y (m,) as a constant."""
        with torch.no_grad():
            return self(offset)

    def pullback(self, offset: Tensor, vector: Tensor) -> Tensor:
        """(dy / de)' v (n,), for v (m,)."""
        offset = offset.detach().requires_grad_()
        (pulled,) = torch.autograd.grad(self(offset) @ vector, offset)
        return pulled

    def recentre(self, offset: Tensor) -> None:
        """Count from another centre, this far off; the map stays what it is. For linear maps only."""
        self.base.data.copy_(self.answer(offset))


def hypernet(start: Tensor, entries: int, hidden: int | None, *, rectified: bool, rng: np.random.Generator) -> Hypernet:
    """A map that gives the start for every x until it has learnt something: U is 0.

    Args:
        start: y (m,).
        entries: n.
        hidden: k; None for none.
        rectified: whether the hidden units are.
        rng: draws V with variance 1 / n, and b with variance 1.
    """
    made = [start.clone(), start.new_zeros(len(start), entries if hidden is None else hidden)]
    if hidden is not None:
        made.append(torch.from_numpy(rng.normal(scale=entries**-0.5, size=(hidden, entries))))
        if rectified:
            made.append(torch.from_numpy(rng.normal(size=hidden)))
    return Hypernet(*(it.requires_grad_() for it in made))


def adam(net: Hypernet, rate: float) -> torch.optim.Adam:
    """Adam, whose step in V falls with 1 / n beyond a few entries of x, since what V reads adds up over them all."""
    groups: list[dict[str, Any]] = [{"params": [it for it in (net.base, net.outer, net.shift) if it is not None]}]
    if net.inner is not None:
        groups.append({"params": [net.inner], "lr": rate * min(1.0, FEW / net.inner.shape[1])})
    return torch.optim.Adam(groups, lr=rate)


def teach(
    net: Hypernet,
    optimiser: torch.optim.Optimizer,
    problem: Bilevel,
    run: Run,
    centre: Tensor,
    spread: float,
    count: int,
) -> None:
    """One step down the mean of g(x, y(x)) over sampled x; each costs a lower gradient.

    Args:
        net: the map, from offsets from `centre`.
        optimiser: of its parameters.
        problem, run: where to ask, and what draws.
        centre: around which x is normal (n,).
        spread: standard deviation of its entries.
        count: of sampled x.
    """
    optimiser.zero_grad()
    for _ in range(count):
        noise = torch.from_numpy(run.rng.normal(scale=spread, size=len(centre)))
        sampled = problem.project_upper(centre + noise)
        y = net(sampled - centre)
        slope = problem.lower_gradient(sampled, y.detach())[1]
        (y @ slope / count).backward()  # type: ignore[no-untyped-call]
    optimiser.step()


def unit_of(problem: Bilevel) -> float:
    """The problem's radius as a length of one entry of x."""
    return problem.upper_radius / math.sqrt(len(problem.upper_start))
