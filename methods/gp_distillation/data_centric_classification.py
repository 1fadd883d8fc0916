"""Data-centric self-distillation of Gaussian process classification."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from methods.base import Method, Run
from methods.gp_distillation._conditioning import prior, tail
from methods.gp_distillation._laplace import Likelihood, averaged, posterior
from tasks.gp_distillation import Array, ClassificationDistillation, Classified, Classifier


@dataclass(frozen=True, kw_only=True)
class DataCentricClassification(Method):
    """Borup and Andersen 2023 (arXiv 2304.02641), data-centric classification.

    The first round is ordinary. The targets of each later one are the predicted probabilities of the round before at
    the fitted points, numbers between 0 and 1, for which the paper puts the continuous Bernoulli in place of the
    Bernoulli likelihood. As in the authors' code the prediction stays the averaged sigmoid. Deviations:

    1. Newton's method ends when the mode stands still. The authors' code ends it by a likelihood of labels +1 and -1,
       which is not that of such targets, so that it may stop before the mode.
    2. Gauss-Hermite quadrature where the authors' code sums five error functions.

    Args:
        likelihood: of all rounds but the first.
    """

    likelihood: Likelihood

    def solve(self, problem: ClassificationDistillation, run: Run) -> Classifier:
        """Replace the labels by predictions t - 1 times, then fit."""
        targets, likelihood = problem.labels.astype(np.float64), Likelihood.BERNOULLI
        own = prior(problem.kernel, problem.inputs, problem.inputs[:0])
        for _ in range(problem.rounds - 1):
            targets, likelihood = averaged(posterior(own, targets, likelihood)), self.likelihood

        def answer(points: Array) -> Classified:
            joint = prior(problem.kernel, problem.inputs, points)
            latent = tail(posterior(joint, targets, likelihood), len(targets))
            return Classified(latent, averaged(latent))

        return answer
