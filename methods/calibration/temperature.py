"""Temperature scaling: one number for each prompt that makes all answers bolder or meeker."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from methods.base import Method, Run
from tasks.calibration import Calibrator, LabelledProbabilities, Labels, Probabilities


@dataclass(frozen=True, kw_only=True)
class TemperatureScaling(Method):
    """Temperature scaling (Guo et al., ICML 2017, arXiv 1706.04599, section 4.2).

        q = softmax(log p / t),    t minimises the negative log-likelihood of the labelled examples

    The arg max never changes. Deviations from the paper:

    1. It scales log-probabilities of the label words, which differ from logits by a constant only.
    2. t is sought by Brent's method on log t, within bounds, where the paper uses conjugate gradients.
    3. p is not taken below `floor`, so that its logarithm is finite.

    Args:
        coldest, hottest: bounds of t.
        floor: least probability.
    """

    coldest: float
    hottest: float
    floor: float

    def solve(self, problem: LabelledProbabilities, run: Run) -> Calibrator:
        """Fit one temperature for each prompt on all labels."""
        rows, labels = problem.labelled()  # (T, n, K), (n,)
        temperatures = np.array([self._temperature(self._logarithm(of_prompt), labels) for of_prompt in rows])

        def calibrate(probabilities: Probabilities) -> Probabilities:
            scaled: Probabilities = softmax(self._logarithm(probabilities) / temperatures[:, None, None], axis=-1)
            return scaled

        return calibrate

    def _logarithm(self, probabilities: Probabilities) -> Probabilities:
        return np.log(np.maximum(probabilities, self.floor))

    def _temperature(self, scores: Probabilities, labels: Labels) -> float:
        """The best temperature for scores (n, K)."""

        def loss(logarithm: float) -> float:
            likelihoods = log_softmax(scores / np.exp(logarithm), axis=-1)[np.arange(len(labels)), labels]
            return float(-likelihoods.mean())

        found = minimize_scalar(loss, bounds=(np.log(self.coldest), np.log(self.hottest)), method="bounded")
        return float(np.exp(found.x))
