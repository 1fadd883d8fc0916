"""The arena `calibration`: which cheap map gives the best answers from a prompted model's label probabilities?

A frozen language model is asked K label words under T prompts (a template and an order of demonstrations each). Its
probabilities are biased towards labels that the prompt repeats and labels that the model likes anyway. A method sees
such probabilities, never texts or weights, and gives back a map from probabilities to better ones.

A calibrator answers under every prompt and a selector picks one; what is measured is averaged over the prompts that
were answered, so a calibrator must hold up under all of them and not only under the first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tasks.base import Arena, Board, Direction, Metric, Problem
from tasks.metering import Oracle

Probabilities: TypeAlias = NDArray[np.float64]  # (T, n, K), rows on the simplex
Labels: TypeAlias = NDArray[np.int64]  # (n,), from 0 to K - 1
Calibrator: TypeAlias = Callable[[Probabilities], Probabilities]  # (T, n, K) -> (S, n, K), S = T or S = 1

CONTENT_FREE = ("N/A", "", "[MASK]")  # inputs that say nothing, as in Zhao et al. 2021
RANDOM_TEXTS = 20  # texts of random words, as in Fei et al. 2023


@dataclass(frozen=True, kw_only=True)
class LabelProbabilities(Problem):
    """Label probabilities of a prompted model for inputs without labels.

    Args:
        classes: names of the K classes.
        unlabelled: (T, m, K), read-only, rows on the simplex: m inputs drawn like the test set, under T prompts.
    """

    classes: tuple[str, ...]
    unlabelled: Probabilities


@dataclass(frozen=True, kw_only=True)
class ContentFreeProbabilities(LabelProbabilities):
    """The model may also be asked about inputs that say nothing.

    Args:
        content_free: () -> (T, 3, K) for the inputs `CONTENT_FREE`; costs 3 T `forward_passes`.
    """

    content_free: Oracle[Probabilities]


@dataclass(frozen=True, kw_only=True)
class DomainProbabilities(LabelProbabilities):
    """The model may also be asked about random words of the domain.

    Args:
        random_words: () -> (T, 20, K) for texts of words that were drawn from the unlabelled inputs; costs 20 T
            `forward_passes`.
    """

    random_words: Oracle[Probabilities]


@dataclass(frozen=True, kw_only=True)
class LabelledProbabilities(LabelProbabilities):
    """Labels of some further inputs can be had.

    Args:
        labelled: () -> (T, n, K) and labels (n,); costs n `labels` and n T `forward_passes`.
    """

    labelled: Oracle[tuple[Probabilities, Labels]]


@dataclass(frozen=True, kw_only=True)
class PromptedProbabilities(LabelledProbabilities, ContentFreeProbabilities):
    """Both: labelled inputs, and inputs that say nothing."""


@dataclass(frozen=True, kw_only=True)
class AskedProbabilities(PromptedProbabilities, DomainProbabilities):
    """All of these: labelled inputs, inputs that say nothing, and random words of the domain."""


def _metrics() -> tuple[Metric, ...]:
    higher, lower = Direction.HIGHER, Direction.LOWER
    rows: tuple[Any, ...] = (
        ("accuracy", "share", higher, "right answers, mean over the prompts"),
        ("ece", "share", lower, "expected calibration error: 10 equal-width bins on the top probability"),
        ("nll", "nats", lower, "negative log-likelihood of the true label, probabilities not below 1e-12"),
        ("accuracy_spread", "share", lower, "standard deviation of accuracy over the prompts"),
        ("accuracy_worst", "share", higher, "accuracy under the worst prompt"),
        ("macro_f1", "share", higher, "F1 averaged over classes, then over the prompts"),
        ("brier", "", lower, "squared distance to the true label's one-hot vector"),
        ("entropy", "nats", Direction.NONE, "mean entropy of the answers: how undecided they are, right or wrong"),
    )
    return tuple(Metric(*row) for row in rows)


ARENA = Arena(
    question="Which cheap map gives the best answers from a prompted language model's biased label probabilities?",
    equal="the model, the prompts, the unlabelled inputs, and how many labelled inputs can be had",
    boards=(
        Board(
            problem=LabelProbabilities,
            solution="a callable (T, n, K) -> (S, n, K), rows on the simplex, S = T or 1, each row answered by itself",
            metrics=_metrics(),
        ),
    ),
)
