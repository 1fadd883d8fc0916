"""Contrastive distillation: an example's two embeddings are alike, those of two examples are not."""

from __future__ import annotations

from dataclasses import dataclass

from methods.base import Method, Run
from methods.classifier_distillation._loop import distil, shapes, taught
from methods.classifier_distillation._losses import OfContrasts
from tasks.classifier_distillation import ClassifierDistillation, Solution
from tasks.classifier_distillation.networks import channels


@dataclass(frozen=True, kw_only=True)
class Contrastive(Method):
    """CRD (Tian et al. 2020, arXiv 1910.10699), with the negatives of the batch.

        loss = CE + weight * InfoNCE(e_S(student), e_T(teacher)) at a temperature, in both directions

    on linear embeddings of the last hidden layers, of norm 1. Deviation: the other examples of the batch are the
    negatives, with a softmax over them, where the paper keeps 16,384 in a memory and estimates by noise contrast.

    Args:
        weight: of the contrasts.
        temperature: of their softmax.
        width: of the embeddings.
    """

    weight: float
    temperature: float
    width: int

    def solve(self, problem: ClassifierDistillation, run: Run) -> Solution:
        """Train with labels and contrasts."""
        own, other = (channels(it[-1]) for it in (shapes(problem), problem.teacher.shapes))
        objective = OfContrasts(self.weight, self.temperature, self.width, own, other)
        return Solution(distil(problem, run, taught(problem, run, features=True), objective, problem.recipe))
