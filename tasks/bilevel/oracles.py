"""From a landscape, which the judge keeps, to a problem, which sees it through metered oracles."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, TypeVar

import numpy as np
import torch
from torch import Tensor

from tasks.bilevel import (
    CONSTRAINT_PULLBACKS,
    CONSTRAINTS,
    FIT_PASSES,
    JOINT_PROJECTIONS,
    LOWER_GRADIENTS,
    LOWER_VALUES,
    SECOND_ORDER,
    UNITS,
    UPPER_GRADIENTS,
    UPPER_VALUES,
    CoupledBilevel,
    Rows,
)
from tasks.metering import PRICED, Ledger, Limit, Oracle, random_stream

Objective: TypeAlias = Callable[[Tensor, Tensor, Rows], Tensor]  # (x, y, rows) -> a scalar
Pair: TypeAlias = tuple[Tensor, Tensor]
Kind = TypeVar("Kind", bound=CoupledBilevel)

NAMES = 2**31  # of noise vectors


def unchanged(vector: Tensor) -> Tensor:
    """The projection onto a whole space."""
    return vector


def no_constraint(upper: Tensor, lower: Tensor) -> Tensor:
    """h of a problem that has none, (0,)."""
    return upper.new_zeros(0)


@dataclass(frozen=True)
class Noise:
    """Gaussian noise on gradients and second-order products; depends on the row and never on the question.

    Args:
        scale: standard deviation of each entry of a gradient; a product with v has this times norm(v) / sqrt(m).
        key: of the stream.
    """

    scale: float
    key: tuple[object, ...]


@dataclass(frozen=True, kw_only=True)
class Landscape:
    """A drawn bilevel problem without meters; everything is float64 and differentiable by torch.

    Fields are those of the problem types, where they are explained.
    """

    upper: Objective
    lower: Objective
    upper_start: Tensor
    lower_start: Tensor
    upper_radius: float
    lower_smoothness: Callable[[Tensor], float]
    upper_smoothness: Callable[[Tensor], float]
    project_upper: Callable[[Tensor], Tensor] = unchanged
    project_lower: Callable[[Tensor], Tensor] = unchanged
    lower_examples: int = 1
    upper_examples: int = 1
    noise: Noise | None = None
    constraints: int = 0
    equality: bool = True
    constraint: Callable[[Tensor, Tensor], Tensor] = no_constraint
    project_joint: Callable[[Tensor, Tensor], Pair] | None = None


def check_prices(prices: Mapping[str, float]) -> None:
    """Refuse a price list that leaves something out, since that would then be free.

    Raises:
        ValueError: a price is missing, or belongs to nothing.
    """
    if set(prices) != set(UNITS):
        raise ValueError(f"prices must name {', '.join(UNITS)}; got {', '.join(prices)}")


def value(objective: Objective, upper: Tensor, lower: Tensor, rows: Rows = None) -> float:
    """The value of an objective."""
    with torch.no_grad():
        return float(objective(upper, lower, rows))


def gradient(objective: Objective, upper: Tensor, lower: Tensor, rows: Rows = None) -> Pair:
    """The gradient in x (n,) and y (m,)."""
    upper, lower = _leaf(upper), _leaf(lower)
    both = torch.autograd.grad(objective(upper, lower, rows), (upper, lower), materialize_grads=True)
    return both[0], both[1]


def second_order(objective: Objective, upper: Tensor, lower: Tensor, vector: Tensor, rows: Rows = None) -> Pair:
    """g_yy v (m,) and g_xy' v (n,)."""
    upper, lower = _leaf(upper), _leaf(lower)
    (inner,) = torch.autograd.grad(objective(upper, lower, rows), lower, create_graph=True)
    if not inner.requires_grad:  # g is linear
        return torch.zeros_like(lower), torch.zeros_like(upper)
    both = torch.autograd.grad(inner @ vector.detach(), (lower, upper), materialize_grads=True)
    return both[0], both[1]


def fit(landscape: Landscape, upper: Tensor, steps: int) -> Tensor:
    """y after so many accelerated gradient steps from the start (Nesterov 1983), projected."""
    step = 1 / landscape.lower_smoothness(upper)
    here = before = landscape.lower_start
    for count in range(steps):
        ahead = here + count / (count + 3) * (here - before)
        _, slope = gradient(landscape.lower, upper, ahead)
        here, before = landscape.project_lower(ahead - step * slope), here
    return here


def pose(
    kind: type[Kind],
    landscape: Landscape,
    prices: Mapping[str, float],
    budget: float,
    outer_steps: int | None = None,
    **more: Any,
) -> Kind:
    """The problem over a landscape, with a fresh ledger.

    Args:
        kind: problem type.
        landscape: what the oracles answer from.
        prices: of every unit.
        budget: in priced units of work.
        outer_steps: see `CoupledBilevel`.
        more: what the type has beyond `CoupledBilevel`; `second_order` and `fit_and_validate` are added if it has them.
    """
    ledger = Ledger(Limit(PRICED, budget), prices=prices)
    known = kind.__dataclass_fields__
    if "second_order" in known:
        more["second_order"] = _second_order(ledger, landscape)
    if "fit_and_validate" in known:
        more["fit_and_validate"] = _fit_and_validate(ledger, landscape, prices)
    noisy = landscape.noise is not None
    return kind(
        ledger=ledger,
        upper_start=landscape.upper_start.clone(),
        lower_start=landscape.lower_start.clone(),
        upper_radius=landscape.upper_radius,
        lower_smoothness=landscape.lower_smoothness,
        upper_smoothness=landscape.upper_smoothness,
        project_upper=landscape.project_upper,
        project_lower=landscape.project_lower,
        lower_examples=landscape.lower_examples,
        upper_examples=landscape.upper_examples,
        lower_rows=NAMES if noisy else landscape.lower_examples,
        upper_rows=NAMES if noisy else landscape.upper_examples,
        outer_steps=outer_steps,
        **_objectives(ledger, landscape),
        **_coupling(ledger, landscape),
        **more,
    )


def _objectives(ledger: Ledger, landscape: Landscape) -> dict[str, Any]:
    """Values and gradients of both levels."""
    made: dict[str, Any] = {}
    for level, units, count in (
        ("lower", (LOWER_VALUES, LOWER_GRADIENTS), landscape.lower_examples),
        ("upper", (UPPER_VALUES, UPPER_GRADIENTS), landscape.upper_examples),
    ):
        objective: Objective = getattr(landscape, level)
        price = _passes(count, landscape.lower_examples)

        def valued(x: Tensor, y: Tensor, rows: Rows = None, objective: Objective = objective) -> float:
            return value(objective, x, y, rows)

        made[f"{level}_value"] = Oracle(ledger, units[0], valued, price=price)
        made[f"{level}_gradient"] = Oracle(ledger, units[1], _sloped(objective, landscape.noise, level), price=price)
    return made


def _passes(full: int, passes: int) -> Callable[..., float]:
    """What (x, y, rows) costs, in passes over the lower examples."""

    def price(x: Tensor, y: Tensor, rows: Rows = None) -> float:
        return (full if rows is None else len(rows)) / passes

    return price


def _sloped(objective: Objective, noise: Noise | None, level: str) -> Callable[..., Pair]:
    calls = itertools.count()

    def sloped(x: Tensor, y: Tensor, rows: Rows = None) -> Pair:
        g_x, g_y = gradient(objective, x, y, rows)
        if noise is None:
            return g_x, g_y
        drawn = _drawn(replace(noise, key=(*noise.key, level)), rows, next(calls), len(x) + len(y))
        return g_x + drawn[: len(x)], g_y + drawn[len(x) :]

    return sloped


def _second_order(ledger: Ledger, landscape: Landscape) -> Oracle[Pair]:
    noise, calls = landscape.noise, itertools.count()

    def price(x: Tensor, y: Tensor, v: Tensor, rows: Rows = None) -> float:
        return 1.0 if rows is None else len(rows) / landscape.lower_examples

    def products(x: Tensor, y: Tensor, v: Tensor, rows: Rows = None) -> Pair:
        own, cross = second_order(landscape.lower, x, y, v, rows)
        if noise is None:
            return own, cross
        drawn = _drawn(replace(noise, key=(*noise.key, "second order")), rows, next(calls), len(x) + len(y))
        drawn = drawn * (v.norm() / len(v) ** 0.5)
        return own + drawn[: len(y)], cross + drawn[len(y) :]

    return Oracle(ledger, SECOND_ORDER, products, price=price)


def _drawn(noise: Noise, rows: Rows, call: int, size: int) -> Tensor:
    """The mean noise (size,) of some rows; without rows, that of the call."""
    names = [("call", call)] if rows is None else [("row", int(row)) for row in rows]
    draws = [random_stream(*noise.key, *name).normal(scale=noise.scale, size=size) for name in names]
    return torch.from_numpy(np.mean(draws, axis=0))


def _coupling(ledger: Ledger, landscape: Landscape) -> dict[str, Any]:
    """The constraints; all of it is free where there are none."""
    price = 1 if landscape.constraints else 0

    def pullback(x: Tensor, y: Tensor, w: Tensor) -> Pair:
        x, y = _leaf(x), _leaf(y)
        if not landscape.constraints:
            return torch.zeros_like(x), torch.zeros_like(y)
        both = torch.autograd.grad(landscape.constraint(x, y) @ w.detach(), (x, y), materialize_grads=True)
        return both[0], both[1]

    def constraint(x: Tensor, y: Tensor) -> Tensor:
        return landscape.constraint(x.detach(), y.detach())

    def joint(x: Tensor, y: Tensor) -> Pair:
        x, y = x.detach(), y.detach()
        if landscape.project_joint is None:
            return landscape.project_upper(x), landscape.project_lower(y)
        return landscape.project_joint(x, y)

    return {
        "constraints": landscape.constraints,
        "equality": landscape.equality,
        "constraint": Oracle(ledger, CONSTRAINTS, constraint, price=price),
        "constraint_pullback": Oracle(ledger, CONSTRAINT_PULLBACKS, pullback, price=price),
        "project_joint": Oracle(ledger, JOINT_PROJECTIONS, joint, price=price),
    }


def _fit_and_validate(
    ledger: Ledger, landscape: Landscape, prices: Mapping[str, float]
) -> Oracle[tuple[float, Tensor]]:
    """Charged as a whole, before it begins: its steps are gradients of g, and one value of f stands at the end."""
    judged = prices[UPPER_VALUES] * landscape.upper_examples / landscape.lower_examples

    def answer(x: Tensor, steps: int) -> tuple[float, Tensor]:
        lower = fit(landscape, x, steps)
        return value(landscape.upper, x, lower), lower

    def price(x: Tensor, steps: int) -> float:
        return steps + judged / prices[FIT_PASSES]

    return Oracle(ledger, FIT_PASSES, answer, price=price)


def _leaf(vector: Tensor) -> Tensor:
    return vector.detach().requires_grad_(True)
