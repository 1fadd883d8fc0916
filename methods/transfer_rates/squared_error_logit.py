"""Squared error of the logits of the drawn labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from methods.base import Method, Run
from methods.transfer_rates._rows import normalised
from tasks.transfer_rates import PartialLabelTransfer, Tables


@dataclass(frozen=True, kw_only=True)
class SquaredErrorLogit(Method):
    """The second learner of Zhao and Zhu 2023 (arXiv 2310.07838), optimal with probabilities of drawn labels.

    It minimises sum_i (log pi(a_i | s_i) - log pi*(a_i | s_i))^2 over tables of distributions. The minimum is zero:
    drawn labels have the probability that was told, and the mass that they leave is spread over the others. Deviations:

    1. The loss does not say how; here evenly. Any spread has the same rate.
    """

    def solve(self, problem: PartialLabelTransfer, run: Run) -> Tables:
        """What is known, and the rest evenly."""
        drawn = problem.counts > 0
        known = np.nan_to_num(problem.probability)
        left = np.maximum(1 - known.sum(axis=2, keepdims=True), 0)
        others = np.maximum((~drawn).sum(axis=2, keepdims=True), 1)
        return normalised(np.where(drawn, known, left / others))
