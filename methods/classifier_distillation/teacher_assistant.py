"""Distillation in two steps, through a network of a size between."""

from __future__ import annotations

from dataclasses import dataclass

from methods.base import Method, Run
from methods.classifier_distillation._loop import distil, taught, train
from methods.classifier_distillation._losses import OfLogits, check_softened
from tasks.classifier_distillation import ClassifierDistillation, Solution


@dataclass(frozen=True, kw_only=True)
class TeacherAssistant(Method):
    """TAKD (Mirzadeh et al. 2020, arXiv 1902.03393): the teacher teaches an assistant, and that one the student.

    Both steps have the loss of plain distillation and the student's recipe, so that the student itself is trained as
    long as anybody's; the assistant comes on top.

    Args:
        temperature: T of both steps.
        weight: w of both steps.
    """

    temperature: float
    weight: float

    def __post_init__(self) -> None:
        check_softened(self.temperature, self.weight)

    def solve(self, problem: ClassifierDistillation, run: Run) -> Solution:
        """Train the assistant, then the student."""
        objective, recipe = OfLogits(self.temperature, self.weight), problem.recipe
        assistant = train(problem, run, problem.assistant(), taught(problem, run), objective, recipe)
        examples = taught(problem, run, teacher=assistant)
        return Solution(distil(problem, run, examples, objective, recipe), teacher=assistant)
