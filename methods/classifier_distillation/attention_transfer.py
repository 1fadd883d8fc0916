"""Attention transfer: the student looks where the teacher looks."""

from __future__ import annotations

from dataclasses import dataclass

from methods.base import Method, NotApplicable, Run
from methods.classifier_distillation._loop import distil, shapes, taught
from methods.classifier_distillation._losses import OfAttention
from tasks.classifier_distillation import ClassifierDistillation, Solution
from tasks.classifier_distillation.networks import places


@dataclass(frozen=True, kw_only=True)
class AttentionTransfer(Method):
    """AT (Zagoruyko and Komodakis 2017, arXiv 1612.03928, equation 2).

        loss = CE + weight * sum over stages of mean (map(student) - map(teacher))^2
        map(h) = mean over channels of h^2, over all places, of norm 1

    Deviation: the mean over places and not the norm, as in the authors' code and in the CRD benchmark.

    Args:
        weight: of the maps.
    """

    weight: float

    def solve(self, problem: ClassifierDistillation, run: Run) -> Solution:
        """Train with labels and attention.

        Raises:
            NotApplicable: hidden layers have no places, or other ones than the teacher's.
        """
        own, others = shapes(problem), problem.teacher.shapes
        if [places(it) for it in own] != [places(it) for it in others] or min(map(len, own)) < 3:
            raise NotApplicable("the hidden layers of teacher and student have not the same places in two directions")
        return Solution(
            distil(problem, run, taught(problem, run, features=True), OfAttention(self.weight), problem.recipe)
        )
