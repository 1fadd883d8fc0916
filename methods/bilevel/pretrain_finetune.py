"""Pre-training, then fine-tuning: the two levels one after the other."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from methods.base import Method, Run
from methods.bilevel._encoder import SELF_SUPERVISED, SUPERVISED, Vectors, affordable, follow, whole_budget
from tasks.bilevel import SharedEncoder, Solution


@dataclass(frozen=True, kw_only=True)
class PretrainFinetune(Method):
    """Steps on g(y) for a share of the budget, then steps on f(x, y), each phase with a schedule of its own.

    Nothing is frozen: fine-tuning moves the encoder too.

    Args:
        share: of the budget, for g.
        rate: times the learning rate of the task, in both phases.
    """

    share: float
    rate: float

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share must lie between 0 and 1, got {self.share}")

    def solve(self, problem: SharedEncoder, run: Run) -> Solution:
        """Train twice."""
        budget, vectors = whole_budget(problem), Vectors(problem)
        first = affordable(problem, self.share * budget, itertools.repeat(SELF_SUPERVISED))
        second = affordable(problem, (1 - self.share) * budget, itertools.repeat(SUPERVISED))
        follow(problem, run, vectors, first, self.rate)
        return follow(problem, run, vectors, second, self.rate)
