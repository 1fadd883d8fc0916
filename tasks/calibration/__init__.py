"""The arena `calibration`: which cheap map gives the best answers from a prompted model's label probabilities?

A frozen language model is asked K label words under T prompts (a template and an order of demonstrations each). Its
probabilities are biased towards labels that the prompt repeats and labels that the model likes anyway. A method sees
such probabilities, never texts or weights, and gives back a map from probabilities to better ones.

A calibrator answers under every prompt and a selector picks one; what is measured is averaged over the prompts that
were answered, so a calibrator must hold up under all of them and not only under the first.

Pools hold tens of templates of unlike quality. There the question is which template to answer with; a solution may see
more than probabilities (`Selection`), and a calibrator is the row that does not select.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

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


@dataclass(frozen=True)
class Reading:
    """What a prompted model said about n inputs under T templates. Arrays are read-only.

    Args:
        scores: (T, n, K), log-probability of each label's answer, averaged over the answer's tokens; not normalised
            over the labels, so that only differences within a template mean something.
        first_scores: the same of the first token of the answer only; None where the model does not answer by tokens.
        perplexity: (T, n) of the template filled with the input; None where the model gives texts no probability.
    """

    scores: NDArray[np.float64]
    first_scores: NDArray[np.float64] | None
    perplexity: NDArray[np.float64] | None

    @property
    def probabilities(self) -> Probabilities:
        """(T, n, K), what the model answers with: the probabilities of the answers, normalised over the labels."""
        rows: Probabilities = softmax(self.scores, axis=-1)
        return rows

    def take(self, rows: NDArray[np.int64]) -> Reading:
        """The reading of some of the n inputs."""
        first, perplexity = self.first_scores, self.perplexity
        return Reading(
            scores=_frozen(self.scores[:, rows]),
            first_scores=None if first is None else _frozen(first[:, rows]),
            perplexity=None if perplexity is None else _frozen(perplexity[:, rows]),
        )


@dataclass(frozen=True)
class Selection:
    """A solution of a pool that answers each row under one template.

    Args:
        calibrate: Reading -> (T, n, K), rows on the simplex: the answers under every template.
        choose: Reading -> (n,), the template that answers each row.
        scores: (T,), how good each template is held to be, larger is better; None where rows choose by themselves.
    """

    calibrate: Callable[[Reading], Probabilities]
    choose: Callable[[Reading], NDArray[np.int64]]
    scores: NDArray[np.float64] | None


@dataclass(frozen=True, kw_only=True)
class PromptPool(ContentFreeProbabilities):
    """T templates of unlike quality; `unlabelled` holds the probabilities of `reading`.

    A solution may also be a `Selection`, which is given the whole reading of what is asked.

    Args:
        reading: of the m unlabelled inputs.
        content_free_reading: () -> of the inputs `CONTENT_FREE`; costs 3 T `forward_passes`.
        empty_reading: () -> of the empty input alone; costs T `forward_passes`.
    """

    reading: Reading
    content_free_reading: Oracle[Reading]
    empty_reading: Oracle[Reading]


@dataclass(frozen=True, kw_only=True)
class AllTokenPool(PromptPool):
    """The model reads and answers by tokens: every reading has `first_scores` and `perplexity`."""


def _frozen(values: NDArray[np.float64]) -> NDArray[np.float64]:
    values.setflags(write=False)
    return values


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


def _pool_metrics() -> tuple[Metric, ...]:
    higher, lower = Direction.HIGHER, Direction.LOWER
    rows: tuple[Any, ...] = (
        (
            "macro_f1",
            "share",
            higher,
            "F1 averaged over classes, then over the templates that were answered",
        ),
        ("effectiveness", "", higher, "macro_f1 / that of the best template by test labels, as the model answers"),
        ("effectiveness_calibrated", "", higher, "macro_f1 / that of the best template by test labels, after CBM"),
        ("accuracy", "share", higher, "right answers, mean over the templates that were answered"),
        (
            "score_correlation",
            "",
            higher,
            "Spearman's, of the score with macro F1 of the answers under each template",
        ),
        (
            "improved",
            "share",
            higher,
            "templates under which macro F1 is above the model's own, where all are answered",
        ),
        ("ece", "share", lower, "expected calibration error: 10 equal-width bins on the top probability"),
        ("nll", "nats", lower, "negative log-likelihood of the true label, probabilities not below 1e-12"),
        ("brier", "", lower, "squared distance to the true label's one-hot vector"),
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
        Board(
            problem=PromptPool,
            solution="a callable (T, n, K) -> (S, n, K) as for single prompts, S = T or 1, or a `Selection`",
            metrics=_pool_metrics(),
        ),
    ),
)
