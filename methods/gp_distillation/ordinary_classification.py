"""Gaussian process classification by Laplace's approximation, once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from methods.base import Method, Run
from methods.gp_distillation._conditioning import prior, tail
from methods.gp_distillation._laplace import Likelihood, averaged, posterior
from tasks.gp_distillation import Array, ClassificationDistillation, Classified, Classifier


@dataclass(frozen=True, kw_only=True)
class OrdinaryClassification(Method):
    """Rasmussen and Williams 2006, algorithms 3.1 and 3.2. Deviations:

    1. The arena's own Newton's method and not scikit-learn's, which gives no joint covariance and stops earlier.
    2. The sigmoid is averaged by Gauss-Hermite quadrature, where scikit-learn sums five error functions.
    """

    def solve(self, problem: ClassificationDistillation, run: Run) -> Classifier:
        """Fit once; further rounds are not asked for."""
        labels = problem.labels.astype(np.float64)

        def answer(points: Array) -> Classified:
            joint = prior(problem.kernel, problem.inputs, points)
            latent = tail(posterior(joint, labels, Likelihood.BERNOULLI), len(labels))
            return Classified(latent, averaged(latent))

        return answer
