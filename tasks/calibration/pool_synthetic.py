"""Templates that distort a known posterior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from tasks.base import read_only
from tasks.calibration import CONTENT_FREE, Labels, PromptPool, Reading
from tasks.calibration.pools import PoolDraw, PoolTask, frozen, information


@dataclass(frozen=True, kw_only=True)
class SyntheticPool(PoolTask):
    """Label scores of T templates that hear the truth more or less, with a bias and a temperature of their own.

        posterior(y | x) = softmax_y(signal z),                         z standard normal, y drawn from it
        score_t(x, y)    = g_t (h_t log posterior(y | x) + noise e) + bias b_ty,   e, b standard normal

    with log g_t uniform in [-log sharpest, log sharpest] and h_t uniform in [0, 1]. How good a template is follows from
    h_t and, as far as nobody undoes it, from its bias. A template that hears little is unsure, as a model is under a
    prompt that it does not understand; were its noise larger instead, it would be sure of what is wrong, and no score
    could tell. Content-free inputs have the score with h_t = 0 and `prior_error` in place of `noise`.

    Args:
        classes: K.
        templates: T.
        unlabelled, test, validation: inputs.
        signal: how sure the posterior is.
        noise: standard deviation of what a template adds to an input's scores.
        sharpest: largest factor on a template's scores; 1 / sharpest is the smallest.
        bias: size of the template's preferences for labels.
        prior_error: how far answers to content-free inputs are from the template's bias.
    """

    classes: int
    templates: int
    unlabelled: int
    test: int
    validation: int
    signal: float
    noise: float
    sharpest: float
    bias: float
    prior_error: float

    def __post_init__(self) -> None:
        if self.classes < 2 or min(self.templates, self.unlabelled, self.test, self.validation) < 1:
            raise ValueError("classes must be 2 or more; templates, unlabelled, test and validation 1 or more")
        if min(self.signal, self.noise, self.bias, self.prior_error) < 0 or self.sharpest < 1:
            raise ValueError("signal, noise, bias and prior_error must not be negative, and sharpest not below 1")

    def problem(self, seed: int) -> PromptPool:
        """The problem of a seed."""
        classes = tuple(f"class {label}" for label in range(self.classes))
        return PromptPool(**information(classes, self.draw(seed)))

    def draw(self, seed: int) -> PoolDraw:
        """Everything that belongs to a seed; the validation inputs come from a stream of their own."""
        rng = self.stream(seed, "templates")
        gain = np.exp(np.log(self.sharpest) * rng.uniform(-1, 1, size=(self.templates, 1, 1)))
        heard = rng.uniform(size=(self.templates, 1, 1))
        prior = self.bias * rng.standard_normal((self.templates, 1, self.classes))
        error = rng.standard_normal((self.templates, len(CONTENT_FREE), self.classes))

        def asked(purpose: str, count: int) -> tuple[Reading, Labels]:
            log_posterior, labels, noise = self._inputs(self.stream(seed, purpose), count)
            return _reading(gain * (heard * log_posterior + self.noise * noise) + prior), labels

        unlabelled, _ = asked("unlabelled", self.unlabelled)
        test, test_labels = asked("test", self.test)
        validation, validation_labels = asked("validation", self.validation)
        content_free = _reading(gain * self.prior_error * error + prior)
        return PoolDraw(unlabelled, content_free, test, test_labels, validation, validation_labels)

    def _inputs(self, rng: np.random.Generator, count: int) -> tuple[NDArray[np.float64], Labels, NDArray[np.float64]]:
        """Log posterior (n, K), labels (n,), and standard noise (T, n, K)."""
        log_posterior = log_softmax(self.signal * rng.standard_normal((count, self.classes)), axis=-1)
        gumbel = rng.gumbel(size=(count, self.classes))  # its arg max beside log p draws from p
        noise = rng.standard_normal((self.templates, count, self.classes))
        return log_posterior, read_only((log_posterior + gumbel).argmax(axis=-1), np.int64), noise


def _reading(scores: NDArray[np.float64]) -> Reading:
    return frozen(Reading(scores=scores, first_scores=None, perplexity=None))
