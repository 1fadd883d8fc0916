"""The share of heads."""

from __future__ import annotations

from dataclasses import dataclass

from coin_tosses.tasks.coins import Coin
from methods.base import Method, Run


@dataclass(frozen=True, kw_only=True)
class Frequency(Method):
    """(heads + a) / (tosses + 2 a).

    Args:
        added: a.
    """

    added: float

    def solve(self, problem: Coin, run: Run) -> float:
        """Toss as often as allowed."""
        heads: int = sum(problem.toss() for _ in range(problem.tosses))
        return float((heads + self.added) / (problem.tosses + 2 * self.added))
