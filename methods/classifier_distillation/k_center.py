"""Queries that cover the inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from methods.base import Method, Run
from methods.classifier_distillation._query import Pool, Rows, ask
from tasks.classifier_distillation import PaidQueries, Solution

Points = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class KCenter(Method):
    """Greedy k-centre on the student's last hidden layer (Sener and Savarese 2018, arXiv 1708.00489, algorithm 1).

    Args:
        rounds: in which the budget is spent; each trains a student anew.
    """

    rounds: int

    def solve(self, problem: PaidQueries, run: Run) -> Solution:
        """Ask and train."""
        return ask(problem, run, choose, self.rounds)


def choose(pool: Pool, count: int) -> Rows:
    """One after the other, the place farthest from all that has a label or was asked about or chosen."""
    nearest = np.min([_squares(pool.embeddings, centre) for centre in pool.centres], axis=0)
    chosen = []
    for _ in range(count):
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, _squares(pool.embeddings, pool.embeddings[chosen[-1]]))
        nearest[chosen] = -1.0  # never again, even where embeddings coincide
    return np.array(chosen)


def _squares(points: Points, centre: Points) -> Points:
    distances: Points = ((points - centre) ** 2).sum(axis=1)
    return distances
