"""Pointwise mutual information: divide by the probability of the answer when the input is empty."""

from __future__ import annotations

from dataclasses import dataclass

from methods.base import Method, Run
from methods.calibration._maps import Normalisation, normalise
from tasks.calibration import Calibrator, Probabilities, PromptPool


@dataclass(frozen=True, kw_only=True)
class PointwiseMutualInformation(Method):
    """Domain-conditional pointwise mutual information (Holtzman et al., EMNLP 2021, arXiv 2104.08315), as Yang et al.
    (TACL 2024, arXiv 2305.14877) use it with the empty input for the domain.

        q_k ~ p(k | x, t) / p(k | "", t)

    Deviation: Holtzman et al. sum log-probabilities over an answer's tokens and choose a text of the domain for every
    data set; here, as in the code of Yang et al., they are averaged, and the input is empty. Neither side is normalised
    over the labels there; that changes all labels of a row alike, so nothing after normalisation.
    """

    def solve(self, problem: PromptPool, run: Run) -> Calibrator:
        """Ask about the empty input under every template."""
        prior = problem.empty_reading().probabilities  # (T, 1, K)

        def calibrate(probabilities: Probabilities) -> Probabilities:
            return normalise(probabilities / prior, Normalisation.MEAN)

        return calibrate
