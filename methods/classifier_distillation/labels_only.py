"""The student without a teacher."""

from __future__ import annotations

from dataclasses import dataclass

from methods.base import Method, Run
from methods.classifier_distillation._loop import distil, known
from methods.classifier_distillation._losses import OfLabels
from tasks.classifier_distillation import QueryDistillation, Solution


@dataclass(frozen=True, kw_only=True)
class LabelsOnly(Method):
    """Cross-entropy of the known labels, smoothed or not.

        loss = -sum_k y_k log q_k,    y = (1 - smoothing) one-hot + smoothing / K

    Smoothing as in Szegedy et al. 2016 (arXiv 1512.00567, section 7).

    Args:
        smoothing: share of each label that is spread evenly over the classes.
    """

    smoothing: float

    def __post_init__(self) -> None:
        if not 0 <= self.smoothing < 1:
            raise ValueError(f"smoothing must be at least 0 and below 1, got {self.smoothing}")

    def solve(self, problem: QueryDistillation, run: Run) -> Solution:
        """Train on the labelled examples alone."""
        return Solution(distil(problem, run, known(problem), OfLabels(self.smoothing), problem.recipe))
