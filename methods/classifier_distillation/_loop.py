"""The training of a student that all methods of the arena share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from methods.base import Run
from tasks.classifier_distillation import TRAINED_EXAMPLES, ClassifierDistillation, QueryDistillation
from tasks.classifier_distillation.networks import AT_ONCE, FrozenTeacher, Staged
from tasks.training import Recipe, fit

UNKNOWN = -1  # in place of a label


@dataclass(frozen=True)
class Examples:
    """What a student is trained on; or a batch of it.

    Args:
        inputs: (n, ...).
        labels: (n,), `UNKNOWN` where there is none.
        logits: (n, K) of the teacher, or None. Rows that were not asked about hold NaN.
        features: what the teacher's stages give for the inputs, or nothing.
    """

    inputs: Tensor
    labels: Tensor
    logits: Tensor | None = None
    features: tuple[Tensor, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: Tensor, device: torch.device) -> Examples:
        """Some of them, on a device."""
        logits = None if self.logits is None else self.logits[rows].to(device)
        features = tuple(it[rows].to(device) for it in self.features)
        return Examples(self.inputs[rows].to(device), self.labels[rows].to(device), logits, features)


class ObjectiveModule(nn.Module, ABC):
    """A loss of a student; modules of its own are trained with the student and left behind."""

    @abstractmethod
    def loss(self, features: tuple[Tensor, ...], logits: Tensor, batch: Examples) -> Tensor:
        """The scalar loss from what the student's stages give and its logits (B, K)."""


def distil(
    problem: QueryDistillation, run: Run, examples: Examples, objective: ObjectiveModule, recipe: Recipe
) -> Staged:
    """Train a fresh student.

    Raises:
        Diverged: a loss is not finite.
    """
    return train(problem, run, problem.student(), examples, objective, recipe)


def train(
    problem: QueryDistillation,
    run: Run,
    student: Staged,
    examples: Examples,
    objective: ObjectiveModule,
    recipe: Recipe,
) -> Staged:
    """Train a student in place, on batches that run through the examples pass after pass.

    Raises:
        Diverged: a loss is not finite.
    """
    order = passes(run, len(examples), recipe)
    device = run.fabric.device

    def draw(step: int) -> Examples:
        problem.ledger.spend(TRAINED_EXAMPLES, recipe.batch_size)
        return examples.take(order[step], device)

    def loss(batch: Examples) -> Tensor:
        features = student.features(batch.inputs)
        return objective.loss(features, student.answer(features[-1]), batch)

    fit(run, nn.ModuleList([student, objective]), recipe, draw, loss)
    return student.eval()


def passes(run: Run, count: int, recipe: Recipe) -> Tensor:
    """Rows (steps, batch) of every step: pass after pass, each in an order of its own."""
    needed = recipe.steps * recipe.batch_size
    orders = [run.rng.permutation(count) for _ in range(-(-needed // count))]
    rows = np.concatenate([np.empty(0, np.int64), *orders])[:needed]
    return torch.from_numpy(rows.reshape(recipe.steps, recipe.batch_size))


def known(problem: QueryDistillation) -> Examples:
    """The examples with labels."""
    return Examples(tensor(problem.inputs[problem.labelled]), tensor(problem.labels))


@torch.no_grad()
def taught(
    problem: ClassifierDistillation, run: Run, *, features: bool = False, teacher: Staged | None = None
) -> Examples:
    """All inputs with the labels that are known and the teacher's logits, read once: inputs are never changed.

    Args:
        features: whether what the teacher's stages give is wanted too.
        teacher: another one than the problem's, which is charged in the same way.
    """
    inputs, labels = tensor(problem.inputs), torch.full((len(problem.inputs),), UNKNOWN)
    labels[torch.from_numpy(np.array(problem.labelled))] = tensor(problem.labels)
    reader, device = problem.teacher, run.fabric.device
    if teacher is not None:
        reader = FrozenTeacher(teacher.to("cpu"), problem.ledger, tuple(inputs.shape[1:]))
    read = [reader.read(piece.to(device)) for piece in torch.split(inputs, AT_ONCE)]
    hidden = tuple(torch.cat(stage).cpu() for stage in zip(*(it[0] for it in read), strict=True)) if features else ()
    return Examples(inputs, labels, torch.cat([it[1] for it in read]).cpu(), hidden)


@torch.no_grad()
def shapes(problem: QueryDistillation) -> tuple[tuple[int, ...], ...]:
    """What the student's stages give for one input."""
    found = problem.student().features(tensor(problem.inputs[:1]))
    return tuple(tuple(it.shape[1:]) for it in found)


def tensor(array: NDArray[np.float32] | NDArray[np.int64]) -> Tensor:
    """A copy of a read-only array as a tensor."""
    return torch.from_numpy(np.array(array))
