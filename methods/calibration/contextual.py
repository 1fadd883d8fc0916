"""Contextual calibration: divide by what the model says when it is told nothing."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.special import softmax

from methods.base import Method, Run
from methods.calibration._content_free import prior
from tasks.calibration import Calibrator, ContentFreeProbabilities, Probabilities


@dataclass(frozen=True, kw_only=True)
class Contextual(Method):
    """Contextual calibration (Zhao et al., ICML 2021, arXiv 2102.09690, section 5).

        q_k ~ p_k / c_k,    c = mean of p over the inputs "N/A", "", "[MASK]"

    Deviations:

    1. c_k is not taken below `floor`: a label that the model never says would be divided by zero.
    2. The ratios are divided by their sum. LinC's code takes their softmax for this method (`softmax: true`): the same
       answers, but probabilities near each other, so another calibration error.
    3. c is the mean of answers that are normalised over the labels; the authors' code normalises their mean.

    Args:
        floor: least entry of c.
        softmax: whether the ratios are taken as scores.
    """

    floor: float
    softmax: bool

    def solve(self, problem: ContentFreeProbabilities, run: Run) -> Calibrator:
        """Ask about the content-free inputs and divide by the mean answer, prompt by prompt."""
        content_free = prior(problem, self.floor)  # (T, 1, K)

        def calibrate(probabilities: Probabilities) -> Probabilities:
            ratios = probabilities / content_free
            answers: Probabilities = (
                softmax(ratios, axis=-1) if self.softmax else ratios / ratios.sum(axis=-1, keepdims=True)
            )
            return answers

        return calibrate
