"""Relational distillation: examples lie to each other as they do for the teacher."""

from __future__ import annotations

from dataclasses import dataclass

from methods.base import Method, Run
from methods.classifier_distillation._loop import distil, taught
from methods.classifier_distillation._losses import OfRelations
from tasks.classifier_distillation import ClassifierDistillation, Solution


@dataclass(frozen=True, kw_only=True)
class Relational(Method):
    """RKD (Park et al. 2019, arXiv 1904.05068, equations 5 and 7).

        loss = CE + weight * (distance_weight * huber(distances / mean distance) + angle_weight * huber(cosines))

    over all pairs and all triangles of a batch, on the last hidden layer, averaged over places.

    Args:
        weight: of both.
        distance_weight, angle_weight: of each.
    """

    weight: float
    distance_weight: float
    angle_weight: float

    def solve(self, problem: ClassifierDistillation, run: Run) -> Solution:
        """Train with labels and relations."""
        objective = OfRelations(self.weight, self.distance_weight, self.angle_weight)
        return Solution(distil(problem, run, taught(problem, run, features=True), objective, problem.recipe))
