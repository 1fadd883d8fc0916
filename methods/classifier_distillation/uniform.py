"""Queries drawn at random."""

from __future__ import annotations

from dataclasses import dataclass

from methods.base import Method, Run
from methods.classifier_distillation._query import ask, at_random
from tasks.classifier_distillation import PaidQueries, Solution


@dataclass(frozen=True, kw_only=True)
class Uniform(Method):
    """Every input that has no label is as likely to be asked about.

    Args:
        rounds: in which the budget is spent; each trains a student anew.
    """

    rounds: int

    def solve(self, problem: PaidQueries, run: Run) -> Solution:
        """Ask and train."""
        return ask(problem, run, at_random, self.rounds)
