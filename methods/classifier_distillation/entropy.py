"""Queries where the student is uncertain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from methods.base import Method, Run
from methods.classifier_distillation._query import Pool, Rows, ask
from tasks.classifier_distillation import PaidQueries, Solution


@dataclass(frozen=True, kw_only=True)
class Entropy(Method):
    """Asks where the entropy of the student's probabilities is highest (Shannon 1948; Joshi et al. 2009).

    Args:
        rounds: in which the budget is spent; each trains a student anew.
    """

    rounds: int

    def solve(self, problem: PaidQueries, run: Run) -> Solution:
        """Ask and train."""
        return ask(problem, run, choose, self.rounds)


def choose(pool: Pool, count: int) -> Rows:
    """Places with the highest entropies."""
    law = np.maximum(pool.probabilities, np.finfo(np.float32).tiny)
    return np.argsort((law * np.log(law)).sum(axis=1), kind="stable")[:count]
