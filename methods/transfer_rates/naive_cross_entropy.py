"""Cross-entropy with the probabilities of the drawn labels only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from methods.base import Method, Run
from methods.transfer_rates._rows import normalised
from tasks.transfer_rates import PartialLabelTransfer, Tables


@dataclass(frozen=True, kw_only=True)
class NaiveCrossEntropy(Method):
    """The rival that Zhao and Zhu 2023 (arXiv 2310.07838) show to be biased.

    It minimises -sum_i pi*(a_i | s_i) log pi(a_i | s_i), the cross-entropy with soft labels from which all terms are
    left out that are not known. The minimum is N(s, a) pi*(a | s), normalised over a, and uniform where s was not
    drawn; with n it tends to pi*^2, normalised.
    """

    def solve(self, problem: PartialLabelTransfer, run: Run) -> Tables:
        """Frequencies weighed by probabilities."""
        return normalised(problem.counts * np.nan_to_num(problem.probability))
