"""Maps from what a model says under a template to probabilities without the template's preference for labels."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import softmax

from methods.base import NotApplicable
from tasks.calibration import Probabilities, PromptPool, Reading


class Tokens(enum.StrEnum):
    """Which tokens of an answer its probability is read from."""

    FIRST = "first"
    ALL = "all"


class Calibration(enum.StrEnum):
    """What probabilities are divided by."""

    NONE = "none"
    CBM = "cbm"  # their mean over the unlabelled inputs
    CONTEXTUAL = "contextual"  # the answer to inputs that say nothing
    PMI = "pmi"  # the answer to the empty input, neither of them normalised before


class Normalisation(enum.StrEnum):
    """How ratios become probabilities."""

    MEAN = "mean"  # divided by their sum
    SOFTMAX = "softmax"  # of the ratios, not of their logarithms


def view(reading: Reading, tokens: Tokens) -> Reading:
    """A reading whose scores are those of the wanted tokens.

    Raises:
        NotApplicable: the model does not answer by tokens.
    """
    if tokens is Tokens.ALL:
        return reading
    if reading.first_scores is None:
        raise NotApplicable("the model of this pool does not answer by tokens, so an answer has no first token")
    return replace(reading, scores=reading.first_scores)


def normalise(ratios: Probabilities, how: Normalisation) -> Probabilities:
    """Rows on the simplex from rows of ratios, none negative."""
    if how is Normalisation.SOFTMAX:
        rows: Probabilities = softmax(ratios, axis=-1)
    else:
        rows = ratios / ratios.sum(axis=-1, keepdims=True)
    return rows


def marginal(probabilities: Probabilities, floor: float) -> Probabilities:
    """(T, 1, K), the mean over inputs, entries not below `floor`."""
    mean: Probabilities = probabilities.mean(axis=1, keepdims=True)
    return np.maximum(mean, floor)


@dataclass(frozen=True)
class Ratio:
    """Divides the answers to a reading by a prior.

    Args:
        tokens: of the answers.
        prior: (T, 1, K); a probability, or the log-probability `log_prior` where that is not None.
        log_prior: (T, 1, K) of the empty input, not normalised.
        normalisation: of the ratios.
    """

    tokens: Tokens
    prior: Probabilities
    log_prior: Probabilities | None
    normalisation: Normalisation

    def __call__(self, reading: Reading) -> Probabilities:
        """Reading (T, n) -> (T, n, K), rows on the simplex."""
        seen = view(reading, self.tokens)
        ratios = np.exp(seen.scores - self.log_prior) if self.log_prior is not None else seen.probabilities / self.prior
        return normalise(ratios, self.normalisation)


def calibrated(
    problem: PromptPool, kind: Calibration, tokens: Tokens, normalisation: Normalisation, floor: float
) -> Callable[[Reading], Probabilities]:
    """The map of one kind, with its prior taken from the problem.

    Args:
        problem: asked about inputs that say nothing, where the kind needs that.
        kind: the prior.
        tokens: of the answers.
        normalisation: of the ratios.
        floor: least entry of a prior that is a probability.
    """
    if kind is Calibration.NONE:
        return Plain(tokens)
    unlabelled = view(problem.reading, tokens)
    prior, log_prior = np.ones((1, 1, 1)), None
    if kind is Calibration.CBM:
        prior = marginal(unlabelled.probabilities, floor)
    elif kind is Calibration.CONTEXTUAL:
        free = np.exp(view(problem.content_free_reading(), tokens).scores).mean(axis=1, keepdims=True)
        prior = np.maximum(free / free.sum(axis=-1, keepdims=True), floor)
    else:
        log_prior = view(problem.empty_reading(), tokens).scores
    return Ratio(tokens, prior, log_prior, normalisation)


@dataclass(frozen=True)
class Plain:
    """The model's own probabilities of the wanted tokens."""

    tokens: Tokens

    def __call__(self, reading: Reading) -> Probabilities:
        """Reading (T, n) -> (T, n, K), rows on the simplex."""
        return view(reading, self.tokens).probabilities
