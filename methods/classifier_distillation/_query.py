"""Active distillation: train on labels, choose rows, ask the teacher, train on labels and soft labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from methods.base import Run
from methods.classifier_distillation._loop import UNKNOWN, Examples, distil, known, tensor
from methods.classifier_distillation._losses import OfLabels, OfSoftLabels
from tasks.classifier_distillation import PaidQueries, Solution
from tasks.classifier_distillation.networks import AT_ONCE, Staged

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Pool:
    """What a rule may choose from.

    Args:
        rows: (n,) numbers of the inputs that were not asked about and have no label.
        probabilities: (n, K) of the present student.
        embeddings: (n, D), its last hidden layer.
        centres: (c, D), of the inputs that have a label or were asked about.
        teacher_accuracy: as the problem says.
        rng: the run's stream.
    """

    rows: Rows
    probabilities: NDArray[np.float32]
    embeddings: NDArray[np.float32]
    centres: NDArray[np.float32]
    teacher_accuracy: float
    rng: np.random.Generator

    def margins(self) -> NDArray[np.float32]:
        """(n,), the largest probability less the second largest."""
        ordered = np.sort(self.probabilities, axis=1)
        margins: NDArray[np.float32] = ordered[:, -1] - ordered[:, -2]
        return margins


class Rule(Protocol):
    """Chooses places in the pool."""

    def __call__(self, pool: Pool, count: int) -> Rows:
        """(count,) different places, from 0 to n - 1."""


def at_random(pool: Pool, count: int) -> Rows:
    """Places drawn without replacement."""
    return pool.rng.permutation(len(pool.rows))[:count]


def ask(problem: PaidQueries, run: Run, rule: Rule, rounds: int, kept: float = 1.0) -> Solution:
    """Spend the budget in some rounds, each with a student trained on all that is known, and train a last one.

    Args:
        rule: says what to ask about.
        rounds: as equal as they can be.
        kept: share of all answers that are trained on, those in which the teacher is most confident.
    """
    asked, answers = np.empty(0, np.int64), np.empty((0, problem.classes), np.float32)
    for number in range(rounds):
        count = problem.query_budget * (number + 1) // rounds - len(asked)
        if count:
            student = _student(problem, run, asked, answers, 1.0)
            pool = _pool(problem, student, np.setdiff1d(problem.pool, asked), asked, run)
            chosen = pool.rows[rule(pool, count)]
            asked, answers = np.append(asked, chosen), np.concatenate([answers, problem.soft_labels(chosen)])
    return Solution(_student(problem, run, asked, answers, kept))


def _student(problem: PaidQueries, run: Run, asked: Rows, answers: NDArray[np.float32], kept: float) -> Staged:
    """A fresh student, trained on labels and answers."""
    labelled = known(problem)
    if not len(asked):
        return distil(problem, run, labelled, OfLabels(), problem.recipe)
    few = np.argsort(-answers.max(axis=1), kind="stable")[: max(1, round(kept * len(asked)))]
    unlabelled = torch.full((len(few),), UNKNOWN)
    nothing = torch.zeros(len(labelled), problem.classes)  # never read where there is a label
    examples = Examples(
        torch.cat([labelled.inputs, tensor(problem.inputs[asked[few]])]),
        torch.cat([labelled.labels, unlabelled]),
        torch.cat([nothing, tensor(answers[few])]),
    )
    return distil(problem, run, examples, OfSoftLabels(), problem.recipe)


@torch.no_grad()
def _pool(problem: PaidQueries, student: Staged, rows: Rows, asked: Rows, run: Run) -> Pool:
    def read(which: Rows) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        pieces = torch.split(tensor(problem.inputs[which]), AT_ONCE)
        hidden = torch.cat([student.features(it.to(run.fabric.device))[-1] for it in pieces])
        return student.answer(hidden).softmax(dim=1).cpu().numpy(), hidden.flatten(1).cpu().numpy()

    probabilities, embeddings = read(rows)
    centres = read(np.append(problem.labelled, asked))[1]
    return Pool(rows, probabilities, embeddings, centres, problem.teacher_accuracy, run.rng)
