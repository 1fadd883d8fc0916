"""Distillation with a teacher in full: on all its examples, on few of them, or without one class."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.base import read_only
from tasks.classifier_distillation import QUERIES, WhiteBoxDistillation
from tasks.classifier_distillation.judging import Notebook, accuracy_of
from tasks.classifier_distillation.networks import FrozenTeacher, Network, Staged, fresh, logits_of
from tasks.classifier_distillation.posing import Distillation, Judged
from tasks.classifier_distillation.teachers import Taught, TrainedTeacher
from tasks.classifier_distillation.worlds import CLASSES, World
from tasks.images import Labelled
from tasks.metering import Limit, Oracle


@dataclass(frozen=True, kw_only=True)
class LabelledDistillation(Distillation):
    """The student sees a share of the examples that the teacher was trained on, all with their labels.

    Args:
        teacher: trained for each seed.
        student, assistant: size of the student, and of networks between it and the teacher.
        share: of the teacher's examples that the student sees.
        omit: whether the student's examples lack one class, which the seed draws.
    """

    teacher: TrainedTeacher
    student: Network
    assistant: Network
    share: float
    omit: bool

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"share must be above 0 and at most 1, got {self.share}")

    def check(self) -> None:
        """Say whether the data are here."""
        self.teacher.source.check()

    def problem(self, seed: int) -> WhiteBoxDistillation:
        """The problem of a seed."""
        examples, known = self._examples(seed)[0], self.teacher.examples(seed)
        shape = examples.inputs.shape[1:]
        ledger, taught = Notebook(Limit(QUERIES, len(examples))), self._taught(seed)
        teacher = taught.read(shape, trained=True)
        return WhiteBoxDistillation(
            ledger=ledger,
            classes=CLASSES,
            inputs=examples.inputs,
            labelled=read_only(np.arange(len(examples))),
            labels=examples.labels,
            soft_labels=soft_labels(ledger, teacher, examples.inputs, examples.labels),
            query_budget=len(examples),
            teacher_accuracy=right_share(teacher, self._world(seed).validation),
            student=self._fresh(self.student, seed, shape),
            recipe=self.recipe,
            teacher=FrozenTeacher(teacher, ledger, shape),
            assistant=self._fresh(self.assistant, seed, shape),
            teacher_copy=functools.partial(taught.read, shape, trained=True),
            teacher_start=functools.partial(taught.read, shape, trained=False),
            teacher_inputs=known.inputs,
            teacher_labels=known.labels,
            teacher_recipe=self.teacher.recipe,
        )

    def judged(self, seed: int) -> Judged:
        """What the judge has."""
        world, (examples, omitted) = self._world(seed), self._examples(seed)
        shape = world.test.inputs.shape[1:]
        return Judged(
            classes=CLASSES,
            labels=examples.labels,
            validation=world.validation,
            test=world.test,
            teacher=self._taught(seed).read(shape, trained=True),
            student=self._fresh(self.student, seed, shape)(),
            posteriors=world.posteriors,
            omitted=omitted,
        )

    def _world(self, seed: int) -> World:
        return self.teacher.source.world(seed)

    def _taught(self, seed: int) -> Taught:
        taught: Taught = self.teacher.artefact(seed)
        return taught

    def _fresh(self, network: Network, seed: int, shape: tuple[int, ...]) -> Callable[[], Staged]:
        return fresh(functools.partial(network.build, shape, CLASSES), self.stream(seed, "student"))

    def _examples(self, seed: int) -> tuple[Labelled, int | None]:
        """The student's examples, and the class that they lack."""
        known, rng = self.teacher.examples(seed), self.stream(seed)
        rows, omitted = rng.permutation(len(known)), int(rng.integers(CLASSES))
        rows = rows[: max(1, round(self.share * len(known)))]
        if not self.omit:
            return known.take(rows), None
        return known.take(rows[known.labels[rows] != omitted]), omitted


def soft_labels(
    ledger: Notebook, teacher: Staged, inputs: NDArray[np.float32], labels: NDArray[np.int64]
) -> Oracle[NDArray[np.float32]]:
    """The oracle of the teacher's log-probabilities for rows of the inputs; it notes for the judge what is wrong."""

    def answer(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        device = next(teacher.parameters()).device
        law = logits_of(teacher, inputs[rows], device).log_softmax(dim=1).numpy()
        ledger.note(law.argmax(axis=1) != labels[rows])
        return law

    return Oracle(ledger, QUERIES, answer, price=len)


def right_share(teacher: Staged, examples: Labelled) -> float:
    """Share of examples on which a teacher is right."""
    return accuracy_of(logits_of(teacher, examples.inputs, next(teacher.parameters()).device), examples.labels)
