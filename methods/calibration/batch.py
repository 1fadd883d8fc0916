"""Batch calibration: divide by what the model says on average."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from methods.base import Method, Run
from methods.calibration._pool import Mean, pool_prior
from tasks.calibration import Calibrator, LabelProbabilities, Probabilities


@dataclass(frozen=True, kw_only=True)
class Batch(Method):
    """Batch calibration (Zhou et al., ICLR 2024, arXiv 2309.17249, section 3).

        q = softmax(log p - log b),    b = mean of p over a batch of inputs

    With the arithmetic mean q is p / b, normalised: contextual calibration with another prior. Deviations:

    1. The batch is the unlabelled inputs, which are drawn as the test set is. The paper's batch is the test set itself;
       here each row has to be answered by itself. The paper's running mean over batches ends at the same b.
    2. p is not taken below `floor`, so that its logarithm is finite.
    3. `mean: geometric` subtracts the mean of log p instead, as an earlier repository of the same group does
       (cambridgeltl/ClaPS, for arXiv 2310.12774).

    Args:
        mean: which mean b is.
        floor: least probability.
    """

    mean: Mean
    floor: float

    def solve(self, problem: LabelProbabilities, run: Run) -> Calibrator:
        """Divide by the mean answer to the unlabelled inputs, prompt by prompt."""
        prior = pool_prior(problem, self.mean, self.floor)  # (T, 1, K)

        def calibrate(probabilities: Probabilities) -> Probabilities:
            answers: Probabilities = softmax(np.log(np.maximum(probabilities, self.floor)) - prior, axis=-1)
            return answers

        return calibrate
