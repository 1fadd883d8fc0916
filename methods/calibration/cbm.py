"""Calibration by marginalisation: divide by the mean answer to unlabelled inputs."""

from __future__ import annotations

from dataclasses import dataclass

from methods.base import Method, Run
from methods.calibration._maps import Normalisation, marginal, normalise
from tasks.calibration import Calibrator, LabelProbabilities, Probabilities


@dataclass(frozen=True, kw_only=True)
class CalibrationByMarginalisation(Method):
    """Calibration by marginalisation, CBM (Yang et al., TACL 2024, arXiv 2305.14877, equation 1).

        q_k ~ p_k / b_k,    b = mean of p over unlabelled inputs

    Batch calibration (Zhou et al. 2024) subtracts log b from log p and so has the same arg max. Deviations:

    1. b is the mean over unlabelled inputs; in the paper, over the inputs that are evaluated.
    2. b_k is not taken below `floor`.

    Args:
        normalisation: how ratios become probabilities; the softmax of ratios, the default of the authors' code, keeps
            all probabilities of two classes within a factor of e to the difference of the ratios.
        floor: least entry of b.
    """

    normalisation: Normalisation
    floor: float

    def solve(self, problem: LabelProbabilities, run: Run) -> Calibrator:
        """Take the mean, template by template."""
        prior = marginal(problem.unlabelled, self.floor)  # (T, 1, K)

        def calibrate(probabilities: Probabilities) -> Probabilities:
            return normalise(probabilities / prior, self.normalisation)

        return calibrate
