"""Queries of small margins from many clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from methods.base import Method, Run
from methods.classifier_distillation._query import Pool, Rows, ask
from tasks.classifier_distillation import PaidQueries, Solution


@dataclass(frozen=True, kw_only=True)
class ClusterMargin(Method):
    """Cluster-margin (Citovsky et al. 2021, arXiv 2107.14263, algorithm 1).

    Of the inputs with the least margins, `ratio` times as many as are asked about, one is drawn from each cluster in
    turn, the smallest clusters first, until there are enough. Clusters are those of average linkage on the student's
    last hidden layer. Deviations:

    1. Only the inputs with small margins are clustered, not the pool, which is too large for a processor.
    2. The number of clusters is that of the queries, where the paper gives a distance.

    Args:
        rounds: in which the budget is spent; each trains a student anew.
        ratio: inputs that are considered for each query.
    """

    rounds: int
    ratio: float

    def __post_init__(self) -> None:
        if not self.ratio >= 1:
            raise ValueError(f"ratio must be at least 1, got {self.ratio}")

    def solve(self, problem: PaidQueries, run: Run) -> Solution:
        """Ask and train."""
        return ask(problem, run, self.choose, self.rounds)

    def choose(self, pool: Pool, count: int) -> Rows:
        """Places from many clusters."""
        from sklearn.cluster import AgglomerativeClustering  # its package takes a second to import

        few = np.argsort(pool.margins(), kind="stable")[: max(count, round(self.ratio * count))]
        if len(few) <= count or count < 2:
            return few[:count]
        clusters = AgglomerativeClustering(n_clusters=count, linkage="average").fit_predict(pool.embeddings[few])
        members = [list(pool.rng.permutation(few[clusters == number])) for number in range(count)]
        members.sort(key=len)
        chosen: list[int] = []
        while len(chosen) < count:
            chosen += [of_cluster.pop() for of_cluster in members if of_cluster]
        return np.array(chosen[:count])
