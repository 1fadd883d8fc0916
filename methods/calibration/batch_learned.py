"""Batch calibration whose strength is learnt from labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from methods.base import Method, Run
from methods.calibration._pool import Mean, pool_prior
from tasks.calibration import Calibrator, LabelledProbabilities, Labels, Probabilities


@dataclass(frozen=True, kw_only=True)
class BatchLearned(Method):
    """The few-shot form of batch calibration, BCL (Zhou et al., ICLR 2024, arXiv 2309.17249, section 3).

        q = softmax(log p - g log b),    g on a grid answers most of the labelled prompts right

    b is the mean answer to unlabelled inputs; g = 1 is batch calibration and g = 0 changes nothing. Deviations:

    1. b is estimated on the unlabelled inputs, as in batch calibration here.
    2. Of values of g that are right equally often, which are many where labels are few, that closest to 1 is taken.
    3. p is not taken below `floor`, so that its logarithm is finite.

    Args:
        widest: g lies between minus this and this.
        step: of the grid.
        floor: least probability.
    """

    widest: float
    step: float
    floor: float

    def __post_init__(self) -> None:
        if not 0 < self.step <= self.widest:
            raise ValueError(f"step must lie between 0 and widest, got {self.step} and {self.widest}")

    def solve(self, problem: LabelledProbabilities, run: Run) -> Calibrator:
        """Choose g for each prompt."""
        prior = pool_prior(problem, Mean.ARITHMETIC, self.floor)  # (T, 1, K)
        rows, labels = problem.labelled()  # (T, n, K), (n,)
        strength = self._strengths(self._logarithm(rows), prior, labels)[:, None, None]  # (T, 1, 1)

        def calibrate(probabilities: Probabilities) -> Probabilities:
            answers: Probabilities = softmax(self._logarithm(probabilities) - strength * prior, axis=-1)
            return answers

        return calibrate

    def _strengths(self, scores: Probabilities, prior: Probabilities, labels: Labels) -> Probabilities:
        """The best g for each prompt, (T,)."""
        reach = round(self.widest / self.step)
        grid = np.arange(-reach, reach + 1) * self.step
        grid = grid[np.argsort(np.abs(grid - 1), kind="stable")]  # the first of equals counts
        shifted = scores[None] - grid[:, None, None, None] * prior[None]  # (G, T, n, K)
        right = (shifted.argmax(axis=-1) == labels).sum(axis=-1)  # (G, T)
        best: Probabilities = grid[right.argmax(axis=0)]
        return best

    def _logarithm(self, probabilities: Probabilities) -> Probabilities:
        return np.log(np.maximum(probabilities, self.floor))
