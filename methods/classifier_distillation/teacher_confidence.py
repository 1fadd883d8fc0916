"""Answers in which the teacher is sure."""

from __future__ import annotations

from dataclasses import dataclass

from methods.base import Method, Run
from methods.classifier_distillation._query import ask, at_random
from tasks.classifier_distillation import PaidQueries, Solution


@dataclass(frozen=True, kw_only=True)
class TeacherConfidence(Method):
    """Asks about inputs drawn at random and trains only on the answers in which the teacher is most confident.

    A filter on the teacher's confidence has to ask before it can drop, so that what it drops is paid for too.

    Args:
        kept: share of the answers that is trained on.
    """

    kept: float

    def __post_init__(self) -> None:
        if not 0 < self.kept <= 1:
            raise ValueError(f"kept must be above 0 and at most 1, got {self.kept}")

    def solve(self, problem: PaidQueries, run: Run) -> Solution:
        """Ask and train."""
        return ask(problem, run, at_random, 1, self.kept)
