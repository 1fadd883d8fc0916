"""FitNet's hints: the student's middle layer imitates the teacher's."""

from __future__ import annotations

from dataclasses import dataclass

from methods.base import Method, NotApplicable, Run
from methods.classifier_distillation._loop import distil, shapes, taught
from methods.classifier_distillation._losses import OfHints
from tasks.classifier_distillation import ClassifierDistillation, Solution
from tasks.classifier_distillation.networks import places


@dataclass(frozen=True, kw_only=True)
class Hints(Method):
    """Hints (Romero et al. 2015, arXiv 1412.6550, equation 3), trained with the labels as in the CRD benchmark.

        loss = CE + weight * mean (teacher's hidden layer - r(student's))^2

    r is linear, over channels at each place where the layers have places. Deviations:

    1. One stage of training, not the hint first and distillation after it, as in the CRD benchmark (arXiv 1910.10699).
    2. The mean is over all numbers of the layer, as in that benchmark's code.

    Args:
        weight: of the hint.
        stage: which hidden layer, from 0.
    """

    weight: float
    stage: int

    def solve(self, problem: ClassifierDistillation, run: Run) -> Solution:
        """Train with labels and the hint.

        Raises:
            NotApplicable: the layers are not there, or have other places.
        """
        own, others = shapes(problem), problem.teacher.shapes
        if self.stage >= min(len(own), len(others)):
            raise NotApplicable(f"there is no hidden layer {self.stage} in both teacher and student")
        if places(own[self.stage]) != places(others[self.stage]):
            raise NotApplicable(f"hidden layer {self.stage} of teacher and student have different places")
        objective = OfHints(self.weight, self.stage, own[self.stage], others[self.stage])
        return Solution(distil(problem, run, taught(problem, run, features=True), objective, problem.recipe))
