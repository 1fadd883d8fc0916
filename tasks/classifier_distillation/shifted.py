"""A downstream problem: few classes under a shift that the teacher has never seen."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tasks.base import read_only
from tasks.classifier_distillation import QUERIES, ClassifierDistillation
from tasks.classifier_distillation.judging import Notebook
from tasks.classifier_distillation.labelled import right_share, soft_labels
from tasks.classifier_distillation.networks import FrozenTeacher, Network, Staged, fresh
from tasks.classifier_distillation.posing import Distillation, Judged
from tasks.classifier_distillation.teachers import TrainedTeacher
from tasks.classifier_distillation.worlds import CLASSES, Images
from tasks.images import Labelled
from tasks.metering import Limit


@dataclass(frozen=True, kw_only=True)
class DownstreamDistillation(Distillation):
    """The teacher knows ten classes under many shifts, the student needs some of them under another one.

    The teacher's head is cut down to the classes of the student.

    Args:
        teacher: trained for each seed.
        student, assistant: size of the student, and of networks between it and the teacher.
        downstream: source of the student's examples, its validation and its tests: images of the teacher's data set on
            which the teacher was neither trained nor validated nor tested.
        classes: how many, drawn by the seed.
    """

    teacher: TrainedTeacher
    student: Network
    assistant: Network
    downstream: Images
    classes: int

    def __post_init__(self) -> None:
        if not 2 <= self.classes <= CLASSES:
            raise ValueError(f"classes must be 2 to {CLASSES}, got {self.classes}")
        if not isinstance(self.teacher.source, Images):
            raise ValueError(f"the teacher must have learnt from images, not from {type(self.teacher.source).__name__}")

    def check(self) -> None:
        """Say whether the data are here."""
        self.teacher.source.check()
        self.downstream.check()

    def problem(self, seed: int) -> ClassifierDistillation:
        """The problem of a seed."""
        train, validation, _ = self._parts(seed)
        shape, ledger = train.inputs.shape[1:], Notebook(Limit(QUERIES, len(train)))
        teacher = self._teacher(seed, shape)
        return ClassifierDistillation(
            ledger=ledger,
            classes=self.classes,
            inputs=train.inputs,
            labelled=read_only(np.arange(len(train))),
            labels=train.labels,
            soft_labels=soft_labels(ledger, teacher, train.inputs, train.labels),
            query_budget=len(train),
            teacher_accuracy=right_share(teacher, validation),
            student=self._fresh(self.student, seed, shape),
            recipe=self.recipe,
            teacher=FrozenTeacher(teacher, ledger, shape),
            assistant=self._fresh(self.assistant, seed, shape),
        )

    def judged(self, seed: int) -> Judged:
        """What the judge has."""
        train, validation, test = self._parts(seed)
        shape = test.inputs.shape[1:]
        teacher, student = self._teacher(seed, shape), self._fresh(self.student, seed, shape)()
        return Judged(self.classes, train.labels, validation, test, teacher, student)

    def _parts(self, seed: int) -> tuple[Labelled, Labelled, Labelled]:
        """Examples for the student, for validation and for tests, of the drawn classes, which get new numbers."""
        source, chosen = self.teacher.source, self._chosen(seed)
        assert isinstance(source, Images)
        world = self.downstream.behind(seed, source)
        one, two, three = (_among(part, chosen) for part in (world.train, world.validation, world.test))
        return one, two, three

    def _chosen(self, seed: int) -> NDArray[np.int64]:
        return np.sort(self.stream(seed, "classes").permutation(CLASSES)[: self.classes])

    def _fresh(self, network: Network, seed: int, shape: tuple[int, ...]) -> Callable[[], Staged]:
        return fresh(functools.partial(network.build, shape, self.classes), self.stream(seed, "student"))

    def _teacher(self, seed: int, shape: tuple[int, ...]) -> Staged:
        """The teacher with the head's rows of the drawn classes."""
        network: Staged = self.teacher.artefact(seed).read(shape, trained=True)
        rows, head = torch.from_numpy(self._chosen(seed)), network.head
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            network.head = nn.Linear(head.in_features, self.classes)
            network.head.weight.copy_(head.weight[rows])
            network.head.bias.copy_(head.bias[rows])
        return network


def _among(examples: Labelled, classes: NDArray[np.int64]) -> Labelled:
    """Those of some classes, which are numbered from 0 in their order."""
    few = examples.take(np.flatnonzero(np.isin(examples.labels, classes)))
    return Labelled(few.inputs, read_only(np.searchsorted(classes, few.labels)))
