"""Maximum likelihood from hard labels."""

from __future__ import annotations

from dataclasses import dataclass

from methods.base import Method, Run
from methods.transfer_rates._rows import normalised
from tasks.transfer_rates import HardLabelTransfer, Tables


@dataclass(frozen=True, kw_only=True)
class HardMLE(Method):
    """The first learner of Zhao and Zhu 2023 (arXiv 2310.07838), which is optimal where only labels are known.

        pi(a | s) = N(s, a) / N(s)

    uniform where s was not drawn. It maximises sum_i log pi(a_i | s_i).
    """

    def solve(self, problem: HardLabelTransfer, run: Run) -> Tables:
        """Relative frequencies."""
        return normalised(problem.counts)
