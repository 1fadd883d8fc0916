"""Domain-context calibration: divide by what the model says to random words of the domain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from methods.base import Method, Run
from tasks.calibration import Calibrator, DomainProbabilities, Probabilities


@dataclass(frozen=True, kw_only=True)
class DomainContext(Method):
    """Domain-context calibration (Fei et al., ACL 2023, arXiv 2305.19148, section 4).

        q_k ~ p_k / d_k,    d = mean of p over 20 texts of random words of the domain

    A text has as many words as the domain's texts have on average. Deviations from the paper:

    1. The words come from the unlabelled inputs. The authors' code (fywalter/label-bias, commit 0e23c8c) draws them
       from the test inputs.
    2. d_k is not taken below `floor`: a label that the model never says would be divided by zero.
    3. d is the mean of answers that are normalised over the labels; the authors' code normalises their mean.

    Args:
        floor: least entry of d.
    """

    floor: float

    def solve(self, problem: DomainProbabilities, run: Run) -> Calibrator:
        """Ask about the random words and divide by the mean answer, prompt by prompt."""
        prior = np.maximum(problem.random_words().mean(axis=1, keepdims=True), self.floor)  # (T, 1, K)

        def calibrate(probabilities: Probabilities) -> Probabilities:
            ratios = probabilities / prior
            answers: Probabilities = ratios / ratios.sum(axis=-1, keepdims=True)
            return answers

        return calibrate
