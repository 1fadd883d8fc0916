"""Queries where the student wavers between two classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from methods.base import Method, Run
from methods.classifier_distillation._query import Pool, Rows, ask
from tasks.classifier_distillation import PaidQueries, Solution


@dataclass(frozen=True, kw_only=True)
class Margin(Method):
    """Asks where the two largest probabilities of the student are closest (Roth and Small 2006).

    Args:
        rounds: in which the budget is spent; each trains a student anew.
    """

    rounds: int

    def solve(self, problem: PaidQueries, run: Run) -> Solution:
        """Ask and train."""
        return ask(problem, run, choose, self.rounds)


def choose(pool: Pool, count: int) -> Rows:
    """Places with the least margins."""
    return np.argsort(pool.margins(), kind="stable")[:count]
