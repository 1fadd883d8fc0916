"""Plain distillation from a teacher that was trained anew, with smoothed labels or for a shorter time."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch.nn.functional import cross_entropy

from methods.base import Method, Run
from methods.classifier_distillation._loop import distil, taught
from methods.classifier_distillation._losses import OfLogits, check_softened
from methods.classifier_distillation._teachers import train_teacher
from tasks.classifier_distillation import Solution, WhiteBoxDistillation


@dataclass(frozen=True, kw_only=True)
class KDOtherTeacher(Method):
    """The teacher's recipe again, from its first weights, with smoothed labels or fewer steps; then plain distillation.

    Smoothed labels: Szegedy et al. 2016 (arXiv 1512.00567). Fewer steps: Cho and Hariharan 2019 (arXiv 1910.01348),
    whose teachers are trained for a fraction of the epochs, with the whole schedule of the learning rate within them.

    Args:
        smoothing: share of each label that is spread evenly over the classes.
        share: of the teacher's steps.
        temperature, weight: of the distillation.
    """

    smoothing: float
    share: float
    temperature: float
    weight: float

    def __post_init__(self) -> None:
        if not 0 <= self.smoothing < 1 or not 0 < self.share <= 1:
            raise ValueError(f"smoothing from 0 to below 1 and share above 0 to 1 are needed, got {self}")
        check_softened(self.temperature, self.weight)

    def solve(self, problem: WhiteBoxDistillation, run: Run) -> Solution:
        """Train the teacher, then the student."""
        recipe = replace(problem.teacher_recipe, steps=max(1, round(self.share * problem.teacher_recipe.steps)))
        teacher = train_teacher(
            problem,
            run,
            problem.teacher_start(),
            recipe,
            lambda logits, labels: cross_entropy(logits, labels, label_smoothing=self.smoothing),
        )
        examples = taught(problem, run, teacher=teacher)
        objective = OfLogits(self.temperature, self.weight)
        return Solution(distil(problem, run, examples, objective, problem.recipe), teacher)
