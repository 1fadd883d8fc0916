"""Supervised training only: f for the whole budget."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from methods.base import Method, Run
from methods.bilevel._encoder import SUPERVISED, Vectors, affordable, follow, whole_budget
from tasks.bilevel import SharedEncoder, Solution


@dataclass(frozen=True, kw_only=True)
class SupervisedOnly(Method):
    """Steps on f(x, y) alone; g is not asked for.

    Args:
        rate: times the learning rate of the task.
    """

    rate: float

    def solve(self, problem: SharedEncoder, run: Run) -> Solution:
        """Train until the budget is spent."""
        plan = affordable(problem, whole_budget(problem), itertools.repeat(SUPERVISED))
        return follow(problem, run, Vectors(problem), plan, self.rate)
