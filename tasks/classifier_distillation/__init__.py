"""The arena `classifier_distillation`: which signal of a teacher makes the best small classifier?

A student network is trained from the same first weights by the same recipe; methods differ in what they ask of the
teacher and in the loss. The problem types say how much of the teacher can be had, from a few paid soft labels to a copy
that may be trained further.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.base import Arena, Board, Direction, Metric, Problem
from tasks.metering import Oracle

if TYPE_CHECKING:
    from torch import nn

    from tasks.classifier_distillation.masked_networks import MaskedAutoencoder, MaskedTeacher, VisionTransformer
    from tasks.classifier_distillation.networks import FrozenTeacher, Staged
    from tasks.training import Recipe

QUERIES = "queries"  # rows whose soft labels were asked for
TEACHER_EXAMPLES = "teacher_examples"  # examples that the teacher has read, whole or in part
TRAINED_EXAMPLES = "trained_examples"  # examples that the student has read in training steps
TEACHER_TRAINED_EXAMPLES = "teacher_trained_examples"  # examples that a copy of the teacher was trained on


@dataclass(frozen=True)
class Solution:
    """An answer.

    Args:
        network: inputs (n, ...) -> logits (n, K), no larger than the student.
        teacher: the one that it has learnt from, where the method made or changed it. It is measured, never ranked.
    """

    network: nn.Module
    teacher: nn.Module | None = None


@dataclass(frozen=True, kw_only=True)
class QueryDistillation(Problem):
    """Inputs of which few have labels, and a teacher whose soft labels cost a query each: the root.

    Args:
        classes: K.
        inputs: (n, ...) float32, images as (n, C, H, W).
        labelled: (m,) rows of the inputs whose labels are known.
        labels: (m,) int64, of these rows.
        soft_labels: rows (k,) -> log-probabilities (k, K) of the teacher; costs a query for each row.
        query_budget: queries that can be asked.
        teacher_accuracy: share of validation rows, which only the judge has, on which the teacher is right.
        student: () -> the untrained student, with the same weights each time.
        recipe: optimizer, schedule, number of steps and batch size, for every student.
    """

    classes: int
    inputs: NDArray[np.float32]
    labelled: NDArray[np.int64]
    labels: NDArray[np.int64]
    soft_labels: Oracle[NDArray[np.float32]]
    query_budget: int
    teacher_accuracy: float
    student: Callable[[], Staged]
    recipe: Recipe


@dataclass(frozen=True, kw_only=True)
class PaidQueries(QueryDistillation):
    """There are more inputs without labels than queries, so that it matters which are asked about.

    Args:
        pool: rows (n - m,) without labels.
    """

    pool: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ClassifierDistillation(QueryDistillation):
    """The teacher itself can be read, its hidden layers too; every row may be asked about.

    Args:
        teacher: frozen; each example that it reads is charged.
        assistant: () -> an untrained network of a size between teacher and student.
    """

    teacher: FrozenTeacher
    assistant: Callable[[], Staged]


@dataclass(frozen=True, kw_only=True)
class WhiteBoxDistillation(ClassifierDistillation):
    """The teacher may be trained further or anew, on the examples that it was trained on.

    Args:
        teacher_copy: () -> the teacher, trainable.
        teacher_start: () -> the teacher before its training.
        teacher_inputs, teacher_labels: (N, ...) and (N,), what it was trained on. Students are not trained on these.
        teacher_recipe: how it was trained.
    """

    teacher_copy: Callable[[], Staged]
    teacher_start: Callable[[], Staged]
    teacher_inputs: NDArray[np.float32]
    teacher_labels: NDArray[np.int64]
    teacher_recipe: Recipe


@dataclass(frozen=True, kw_only=True)
class MaskedDistillation(ClassifierDistillation):
    """Vision transformers: the teacher stems from a masked autoencoder, which can be had too.

    Args:
        unlabelled: (N, C, H, W) images without labels, those of `inputs` among them.
        masked_teacher: the autoencoder that the teacher was fine-tuned from, frozen; charged as the teacher.
        masked_student: () -> an untrained autoencoder with the encoder of `student` and a decoder of its own.
        from_encoder: autoencoder -> the student with its encoder's weights, all else as in `student`.
        generic: recipe of a first stage, for methods that have one.
        specific: recipe of the stage behind it; who has one stage follows `recipe`.
    """

    unlabelled: NDArray[np.float32]
    masked_teacher: MaskedTeacher
    masked_student: Callable[[], MaskedAutoencoder]
    from_encoder: Callable[[MaskedAutoencoder], VisionTransformer]
    generic: Recipe
    specific: Recipe


def _metrics() -> tuple[Metric, ...]:
    higher, lower, none = Direction.HIGHER, Direction.LOWER, Direction.NONE
    rows: tuple[Any, ...] = (
        ("accuracy", "share", higher, "test examples whose class is right"),
        ("nll", "nats", lower, "negative log-likelihood of the test labels"),
        ("ece", "share", lower, "expected calibration error, 15 bins of equal width"),
        ("share_of_teacher", "share", higher, "accuracy as a share of that of the task's teacher"),
        ("wrong_query_share", "share", lower, "queries that the teacher answered with a wrong class"),
        ("posterior_tv", "share", lower, "total variation to the true posteriors, mean over test examples"),
        ("omitted_class_accuracy", "share", higher, "accuracy on the class that the student's examples lack"),
        ("transfer_accuracy", "share", higher, "a ridge regression on the features, on images of another data set"),
        ("teacher_accuracy", "share", none, "accuracy of the teacher that was learnt from"),
        ("teacher_posterior_tv", "share", lower, "total variation of that teacher to the true posteriors"),
        ("teacher_cmi", "nats", none, "mean divergence of that teacher's answers from the mean answer of their class"),
    )
    return tuple(Metric(*row) for row in rows)


ARENA = Arena(
    question="Which signal of a teacher makes the best small classifier?",
    equal="the teacher, the student's first weights, the examples, optimizer, steps, and the budget of queries",
    boards=(
        Board(
            problem=QueryDistillation,
            solution="a network inputs (n, ...) -> logits (n, K), no larger than the student, as `Solution`",
            metrics=_metrics(),
        ),
    ),
)
