"""Distillation by paid soft labels of a teacher that may often be wrong."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tasks.base import read_only
from tasks.classifier_distillation import QUERIES, PaidQueries
from tasks.classifier_distillation.judging import Notebook
from tasks.classifier_distillation.labelled import right_share, soft_labels
from tasks.classifier_distillation.networks import Network, Staged, fresh
from tasks.classifier_distillation.posing import Distillation, Judged
from tasks.classifier_distillation.teachers import Taught, TrainedTeacher
from tasks.classifier_distillation.worlds import CLASSES, World
from tasks.images import Labelled
from tasks.metering import Limit


@dataclass(frozen=True, kw_only=True)
class PaidDistillation(Distillation):
    """The student has a few labels and a budget of queries; the teacher was trained on other examples.

    Args:
        teacher: trained for each seed on the first examples of its source.
        student: size of the student.
        pool: inputs that can be asked about; with the labelled ones they are the last examples of the source.
        labelled: examples with labels.
        budget: queries.
    """

    teacher: TrainedTeacher
    student: Network
    pool: int
    labelled: int
    budget: int

    def __post_init__(self) -> None:
        if self.teacher.rows + self.pool + self.labelled > self.teacher.source.train:
            raise ValueError("the source has fewer examples than teacher, pool and labelled ones together")
        if not 1 <= self.budget <= self.pool or self.labelled < 1:
            raise ValueError(f"budget must be 1 to {self.pool} and labelled at least 1")

    def check(self) -> None:
        """Say whether the data are here."""
        self.teacher.source.check()

    def problem(self, seed: int) -> PaidQueries:
        """The problem of a seed."""
        examples = self._examples(seed)
        shape, ledger = examples.inputs.shape[1:], Notebook(Limit(QUERIES, self.budget))
        teacher = self._taught(seed).read(shape, trained=True)
        return PaidQueries(
            ledger=ledger,
            classes=CLASSES,
            inputs=examples.inputs,
            labelled=read_only(np.arange(self.labelled)),
            labels=read_only(examples.labels[: self.labelled]),
            soft_labels=soft_labels(ledger, teacher, examples.inputs, examples.labels),
            query_budget=self.budget,
            teacher_accuracy=right_share(teacher, self._world(seed).validation),
            student=self._student(seed, shape),
            recipe=self.recipe,
            pool=read_only(np.arange(self.labelled, len(examples))),
        )

    def judged(self, seed: int) -> Judged:
        """What the judge has."""
        world, examples = self._world(seed), self._examples(seed)
        shape = world.test.inputs.shape[1:]
        return Judged(
            classes=CLASSES,
            labels=examples.labels[: self.labelled],
            validation=world.validation,
            test=world.test,
            teacher=self._taught(seed).read(shape, trained=True),
            student=self._student(seed, shape)(),
        )

    def _world(self, seed: int) -> World:
        return self.teacher.source.world(seed)

    def _taught(self, seed: int) -> Taught:
        taught: Taught = self.teacher.artefact(seed)
        return taught

    def _student(self, seed: int, shape: tuple[int, ...]) -> Callable[[], Staged]:
        return fresh(functools.partial(self.student.build, shape, CLASSES), self.stream(seed, "student"))

    def _examples(self, seed: int) -> Labelled:
        """Labelled examples first, then the pool."""
        return self._world(seed).train.take(slice(-(self.labelled + self.pool), None))
