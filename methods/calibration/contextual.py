"""Contextual calibration: divide by what the model says when it is told nothing."""

from __future__ import annotations

from dataclasses import dataclass

from methods.base import Method, Run
from methods.calibration._content_free import prior
from tasks.calibration import Calibrator, ContentFreeProbabilities, Probabilities


@dataclass(frozen=True, kw_only=True)
class Contextual(Method):
    """Contextual calibration (Zhao et al., ICML 2021, arXiv 2102.09690, section 5).

        q_k ~ p_k / c_k,    c = mean of p over the inputs "N/A", "", "[MASK]"

    Deviation from the paper:

    1. c_k is not taken below `floor`: a label that the model never says would be divided by zero.

    Args:
        floor: least entry of c.
    """

    floor: float

    def solve(self, problem: ContentFreeProbabilities, run: Run) -> Calibrator:
        """Ask about the content-free inputs and divide by the mean answer, prompt by prompt."""
        content_free = prior(problem, self.floor)  # (T, 1, K)

        def calibrate(probabilities: Probabilities) -> Probabilities:
            ratios = probabilities / content_free
            answers: Probabilities = ratios / ratios.sum(axis=-1, keepdims=True)
            return answers

        return calibrate
