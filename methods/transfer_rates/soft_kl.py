"""Kullback-Leibler divergence from the teacher's soft labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from methods.base import Method, Run
from methods.transfer_rates._rows import normalised
from tasks.transfer_rates import FullLabelTransfer, Tables


@dataclass(frozen=True, kw_only=True)
class SoftKL(Method):
    """The third learner of Zhao and Zhu 2023 (arXiv 2310.07838): any minimiser of the divergence from soft labels.

    It minimises sum_i KL(pi*(. | s_i), pi(. | s_i)). Drawn inputs are copied. Deviations:

    1. Inputs that were not drawn do not enter the loss; here they get the uniform distribution, as with all learners.
    """

    def solve(self, problem: FullLabelTransfer, run: Run) -> Tables:
        """The teacher's rows where they are known."""
        return normalised(np.nan_to_num(problem.soft))
