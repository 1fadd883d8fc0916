"""What tasks of the arena have in common: a price list, a budget, and how early the curve of offers was low."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tasks.base import Task
from tasks.bilevel.oracles import check_prices
from tasks.metering import PRICED

TOLERANCE = 0.05  # of regret, for `work_to_tolerance`


@dataclass(frozen=True, kw_only=True)
class Judged(Task, ABC):
    """A task with priced oracles and a common budget.

    Args:
        prices: of every unit, in full gradients of g.
        budget: in units of work.
    """

    offers_scored: ClassVar[int] = 60  # so that neighbours on the curve are at most a fifth apart
    prices: dict[str, float]
    budget: float

    def __post_init__(self) -> None:
        check_prices(self.prices)

    def score_curve(self, points: Sequence[Mapping[str, Any]]) -> Mapping[str, float]:
        """The work that the first offer had cost whose regret is at most 0.05; nothing if there is none."""
        for point in points:
            if point["metrics"].get("regret", float("inf")) <= TOLERANCE:
                return {"work_to_tolerance": point["cost"].get(PRICED, 0.0)}
        return {}
