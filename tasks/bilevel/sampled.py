"""What tasks with samplers have in common: metered oracles, the depth of the calls, and the check of an answer."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from tasks.base import Diverged, Invalid
from tasks.bilevel import Solution
from tasks.bilevel.judged import TOLERANCE, Judged
from tasks.bilevel.samplers import DEPTH, DRIFT_PULLBACKS, check_prices
from tasks.metering import PRICED, Ledger, Oracle

Answer = TypeVar("Answer")


@dataclass(frozen=True, kw_only=True)
class Sampled(Judged, ABC):
    """A task whose lower level is a sampler; its class names the units of its price list."""

    units: ClassVar[tuple[str, ...]]

    def __post_init__(self) -> None:
        check_prices(self.prices, self.units)

    def score_curve(self, points: Sequence[Mapping[str, Any]]) -> Mapping[str, float]:
        """Work and depth that the first offer had cost whose regret is at most 0.05; nothing if there is none."""
        for point in points:
            if point["metrics"].get("regret", float("inf")) <= TOLERANCE:
                spent = point["cost"]
                return {"work_to_tolerance": spent.get(PRICED, 0.0), "depth_to_tolerance": spent.get(DEPTH, 0.0)}
        return {}


@dataclass(frozen=True)
class Meter:
    """Makes oracles that charge for rows and add 1 to the depth.

    Args:
        ledger: of the problem.
        batch: N, the rows of one unit.
    """

    ledger: Ledger
    batch: int

    def oracle(self, unit: str, function: Callable[..., Answer], networks: int = 1) -> Oracle[Answer]:
        """An oracle (x, particles (K, d), ..) -> an answer without gradients.

        Args:
            unit: of the price list.
            function: answers from tensors that are detached.
            networks: samplers that one call asks; a pullback asks twice as many if it has weights u.
        """

        def price(x: Tensor, particles: Tensor, *more: Any) -> float:
            penalised = unit == DRIFT_PULLBACKS and len(more) > 2 and more[2] is not None
            return networks * (2 if penalised else 1) * len(particles) / self.batch

        def answer(x: Tensor, particles: Tensor, *more: Any) -> Answer:
            self.ledger.spend(DEPTH)
            return function(x.detach(), particles.detach(), *more)

        return Oracle(self.ledger, unit, answer, price=price)


def checked_upper(solution: Any, size: int) -> Tensor:
    """x (n,), if the answer has one.

    Raises:
        Invalid: wrong kind or size.
        Diverged: x is not finite.
    """
    if not isinstance(solution, Solution):
        raise Invalid(f"the answer must be a Solution, got {type(solution).__name__}")
    if not isinstance(solution.upper, Tensor) or solution.upper.shape != (size,):
        raise Invalid(f"x must be a tensor of {size} numbers")
    if not torch.isfinite(solution.upper).all():
        raise Diverged("x is not finite")
    return solution.upper.detach()
