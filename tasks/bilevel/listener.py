"""From an encoder and two losses, which the judge keeps, to a problem, which sees them through metered oracles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tasks.bilevel import LOWER_GRADIENTS, LOWER_VALUES, UPPER_GRADIENTS, UPPER_VALUES, Rows, SharedEncoder
from tasks.bilevel.listeners import Encoder, Layout, connectionist, head_shapes, log_chances
from tasks.bilevel.self_supervision import SelfSupervision
from tasks.bilevel.strings import Numbers, Strings
from tasks.metering import PRICED, Ledger, Limit, Oracle, random_stream
from tasks.training import Recipe


@dataclass(frozen=True)
class Listener:
    """f and g as functions of flat vectors, without meters; differentiable by torch.

    Args:
        encoder: how strings are read.
        lower: g.
        symbols: K.
        key: of the draws of g.
    """

    encoder: Encoder
    lower: SelfSupervision
    symbols: int
    key: tuple[object, ...]

    @property
    def head(self) -> Layout:
        """Of x."""
        return Layout(head_shapes(self.encoder, self.symbols))

    @property
    def body(self) -> Layout:
        """Of y: the encoder, and what g has of its own."""
        return Layout((*self.encoder.shapes(), *self.lower.shapes(self.encoder)))

    def chances(self, x: Tensor, y: Tensor, strings: Strings) -> Tensor:
        """Logarithms of probabilities (N, steps, K + 1)."""
        steps = self.encoder(self.body.views(y), strings.inputs.to(y.dtype), strings.lengths)
        return log_chances(self.head.views(x), steps)

    def supervised(self, x: Tensor, y: Tensor, strings: Strings) -> Tensor:
        """f."""
        return connectionist(self.chances(x, y, strings), self.encoder.steps(strings.lengths), strings)

    def unsupervised(self, y: Tensor, strings: Strings, rows: Rows, draw: int) -> Tensor:
        """g on some rows."""
        some = strings.take(rows)
        known = replace(some, inputs=some.inputs.to(y.dtype))
        numbers = np.arange(len(strings)) if rows is None else rows
        rng = random_stream(*self.key, draw)
        return self.lower.loss(self.encoder, self.body.views(y), known, numbers, len(strings), rng)


@dataclass(frozen=True)
class Rated:
    """What a problem is posed with beside f and g.

    Args:
        prices: of every unit.
        budget: in priced units of work.
        recipe: see `SharedEncoder`.
        key: of the order of the minibatches.
    """

    prices: Mapping[str, float]
    budget: float
    recipe: Recipe
    key: tuple[object, ...]


def pose(
    listener: Listener, labelled: Strings, unlabelled: Strings, starts: tuple[Tensor, Tensor], rated: Rated
) -> SharedEncoder:
    """The problem, with a fresh ledger.

    Args:
        listener: what the oracles answer from.
        labelled, unlabelled: rows of f and of g.
        starts: of x and of y.
        rated: prices, budget, recipe.
    """
    ledger = Ledger(Limit(PRICED, rated.budget), prices=rated.prices)
    size = rated.recipe.batch_size
    return SharedEncoder(
        ledger=ledger,
        upper_start=starts[0],
        lower_start=starts[1],
        labelled=len(labelled),
        unlabelled=len(unlabelled),
        upper_batch=_batches(len(labelled), size, (*rated.key, "labelled")),
        lower_batch=_batches(len(unlabelled), size, (*rated.key, "unlabelled")),
        recipe=rated.recipe,
        **_upper(ledger, listener, labelled, len(unlabelled)),
        **_lower(ledger, listener, unlabelled),
    )


def _upper(ledger: Ledger, listener: Listener, labelled: Strings, passes: int) -> dict[str, Any]:
    """Oracles of f."""

    def f(x: Tensor, y: Tensor, rows: Rows) -> Tensor:
        return listener.supervised(x, y, labelled.take(rows))

    def price(x: Tensor, y: Tensor, rows: Rows = None) -> float:
        return (len(labelled) if rows is None else len(rows)) / passes

    def valued(x: Tensor, y: Tensor, rows: Rows = None) -> float:
        return _value(lambda both: f(both[0], both[1], rows), x, y)

    def sloped(x: Tensor, y: Tensor, rows: Rows = None) -> tuple[float, Tensor, Tensor]:
        reached, (f_x, f_y) = _gradient(lambda both: f(both[0], both[1], rows), x, y)
        return reached, f_x, f_y

    return {
        "upper_value": Oracle(ledger, UPPER_VALUES, valued, price=price),
        "upper_gradient": Oracle(ledger, UPPER_GRADIENTS, sloped, price=price),
    }


def _lower(ledger: Ledger, listener: Listener, unlabelled: Strings) -> dict[str, Any]:
    """Oracles of g."""

    def price(y: Tensor, rows: Rows = None, draw: int = 0) -> float:
        return 1.0 if rows is None else len(rows) / len(unlabelled)

    def valued(y: Tensor, rows: Rows = None, draw: int = 0) -> float:
        return _value(lambda one: listener.unsupervised(one[0], unlabelled, rows, draw), y)

    def sloped(y: Tensor, rows: Rows = None, draw: int = 0) -> tuple[float, Tensor]:
        reached, (g_y,) = _gradient(lambda one: listener.unsupervised(one[0], unlabelled, rows, draw), y)
        return reached, g_y

    return {
        "lower_value": Oracle(ledger, LOWER_VALUES, valued, price=price),
        "lower_gradient": Oracle(ledger, LOWER_GRADIENTS, sloped, price=price),
    }


def _value(function: Callable[[tuple[Tensor, ...]], Tensor], *vectors: Tensor) -> float:
    with torch.no_grad():
        return float(function(tuple(it.detach().cpu() for it in vectors)))


def _gradient(function: Callable[[tuple[Tensor, ...]], Tensor], *vectors: Tensor) -> tuple[float, tuple[Tensor, ...]]:
    """Value and gradient; networks of this size are asked on the processor, wherever the vectors are."""
    leaves = tuple(it.detach().cpu().requires_grad_(True) for it in vectors)
    with torch.enable_grad():
        reached = function(leaves)
    slopes = torch.autograd.grad(reached, leaves)
    return reached.item(), tuple(slope.to(it.device) for slope, it in zip(slopes, vectors, strict=True))


def _batches(count: int, size: int, key: tuple[object, ...]) -> Callable[[int], Numbers]:
    """Number of a minibatch -> its rows; each pass has an order of its own."""

    def batch(number: int) -> Numbers:
        places = np.arange(number * size, (number + 1) * size)
        orders = {turn: random_stream(*key, int(turn)).permutation(count) for turn in np.unique(places // count)}
        return np.array([orders[place // count][place % count] for place in places], dtype=np.int64)

    return batch
