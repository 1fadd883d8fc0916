"""The sum of both losses with a weight that stays."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from methods.base import Method, Run
from methods.bilevel._encoder import Vectors, affordable, follow, penalised, whole_budget
from tasks.bilevel import SharedEncoder, Solution


@dataclass(frozen=True, kw_only=True)
class FixedWeightSum(Method):
    """Every step goes down min(1 / w, 1) (f(x, y) + w g(y)), with a minibatch of each; there are no passes on g alone.

    Args:
        weight: w; at 0, g is not asked for.
        rate: times the learning rate of the task.
    """

    weight: float
    rate: float

    def __post_init__(self) -> None:
        if self.weight < 0:
            raise ValueError(f"weight must not be negative, got {self.weight}")

    def solve(self, problem: SharedEncoder, run: Run) -> Solution:
        """Train until the budget is spent."""
        plan = affordable(problem, whole_budget(problem), itertools.repeat(penalised(self.weight)))
        return follow(problem, run, Vectors(problem), plan, self.rate)
