"""Knowledge distillation: labels, and the teacher's probabilities at a temperature."""

from __future__ import annotations

from dataclasses import dataclass

from methods.base import Method, Run
from methods.classifier_distillation._loop import distil, taught
from methods.classifier_distillation._losses import OfLogits, check_softened
from tasks.classifier_distillation import ClassifierDistillation, Solution


@dataclass(frozen=True, kw_only=True)
class KD(Method):
    """Hinton et al. 2015 (arXiv 1503.02531, section 2).

        loss = (1 - w) CE(labels, q_1) + w T^2 KL(p_T, q_T),    p_T = softmax(teacher / T), q_T = softmax(student / T)

    Deviations:

    1. The teacher reads each example once; inputs are not augmented, so it would say the same again.
    2. Where labels are known for some inputs only, the first term is the mean over these; the second is over all.

    Args:
        temperature: T.
        weight: w.
    """

    temperature: float
    weight: float

    def __post_init__(self) -> None:
        check_softened(self.temperature, self.weight)

    def solve(self, problem: ClassifierDistillation, run: Run) -> Solution:
        """Train with the teacher's logits."""
        objective = OfLogits(self.temperature, self.weight)
        return Solution(distil(problem, run, taught(problem, run), objective, problem.recipe))
