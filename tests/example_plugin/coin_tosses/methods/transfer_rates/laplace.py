"""Counts with one more of each: the rule of succession."""

from __future__ import annotations

from dataclasses import dataclass

from methods.base import Method, Run
from tasks.transfer_rates import HardLabelTransfer, Tables


@dataclass(frozen=True, kw_only=True)
class Laplace(Method):
    """(counts + a) / (n + a A), Laplace 1814.

    Args:
        added: a, to each count.
    """

    added: float

    def solve(self, problem: HardLabelTransfer, run: Run) -> Tables:
        """Smoothed shares."""
        counts = problem.counts + self.added
        shares: Tables = counts / counts.sum(axis=-1, keepdims=True)
        return shares
