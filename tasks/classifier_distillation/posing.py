"""What the tasks of the arena have in common: a teacher, a student, and how an answer is scored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray

from tasks.base import Run, Task
from tasks.classifier_distillation import Solution
from tasks.classifier_distillation.judging import (
    Constant,
    Notebook,
    accuracy_of,
    answers,
    check_solution,
    scores,
    teacher_scores,
    total_variation,
)
from tasks.classifier_distillation.networks import Staged, logits_of
from tasks.images import Labelled
from tasks.training import Recipe


@dataclass(frozen=True)
class Judged:
    """What the judge of a seed has.

    Args:
        classes: K.
        labels: of the student's labelled examples.
        validation, test: the judge's examples.
        teacher, student: the task's teacher and the untrained student.
        posteriors: of the test examples, where they are known.
        omitted: the class that the student's examples lack, if one is.
    """

    classes: int
    labels: NDArray[Any]
    validation: Labelled
    test: Labelled
    teacher: Staged
    student: Staged
    posteriors: NDArray[Any] | None = None
    omitted: int | None = None


@dataclass(frozen=True, kw_only=True)
class Distillation(Task, ABC):
    """A student that learns from a teacher.

    Args:
        recipe: with which every student is trained.
    """

    recipe: Recipe

    @abstractmethod
    def judged(self, seed: int) -> Judged:
        """What the judge has."""

    def evaluate(self, solution: Solution, seed: int, run: Run) -> Mapping[str, float]:
        """Accuracy and what else can be measured on the test examples.

        Raises:
            Invalid: no network, larger than the student, or its answers to an example depend on the others.
            Diverged: its logits are not finite.
        """
        judged, device = self.judged(seed), run.fabric.device
        check_solution(solution, judged.student, judged.teacher)
        test = judged.test
        logits = answers(solution.network, test.inputs, judged.classes, device)
        metrics = scores(logits, test.labels)
        own = logits_of(judged.teacher.to(device), test.inputs, device)
        metrics["share_of_teacher"] = metrics["accuracy"] / max(accuracy_of(own, test.labels), 1 / len(test))
        used = own if solution.teacher is None else answers(solution.teacher, test.inputs, judged.classes, device)
        metrics |= teacher_scores(used, test, judged.posteriors)
        if judged.posteriors is not None:
            metrics["posterior_tv"] = total_variation(logits, judged.posteriors)
        if judged.omitted is not None:
            rows = test.labels == judged.omitted
            metrics["omitted_class_accuracy"] = accuracy_of(logits[torch.from_numpy(rows)], test.labels[rows])
        wrong = run.ledger.wrong_share() if isinstance(run.ledger, Notebook) else None
        return metrics | ({} if wrong is None else {"wrong_query_share": wrong})

    def validate(self, solution: Solution, seed: int, run: Run) -> Mapping[str, float]:
        """Accuracy, likelihood and calibration error on the validation examples, which no method sees.

        Raises:
            Invalid, Diverged: as for `evaluate`.
        """
        judged = self.judged(seed)
        check_solution(solution, judged.student, judged.teacher)
        inputs, labels = judged.validation.inputs, judged.validation.labels
        return scores(answers(solution.network, inputs, judged.classes, run.fabric.device), labels)

    def trivial(self, seed: int) -> Solution:
        """How frequent the classes are among the student's labels, for every input."""
        judged = self.judged(seed)
        return Solution(Constant(judged.labels, judged.classes))

    def best(self, seed: int) -> Solution:
        """The teacher."""
        return Solution(self.judged(seed).teacher)
