"""Distribution-centric self-distillation of Gaussian process classification."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np

from methods.base import Method, Run
from methods.gp_distillation._conditioning import prior, tail
from methods.gp_distillation._laplace import Likelihood, averaged, posterior
from tasks.gp_distillation import Array, ClassificationDistillation, Classified, Classifier, Gaussian


class HandedOn(enum.StrEnum):
    """What of a posterior becomes the next prior."""

    EXACT = "exact"  # all of it: the likelihood to the power t, approximated once, at the end
    RESCALED = "rescaled kernel"  # the kernel t K in place of that, without scaling the covariance back
    GAUSSIAN = "Gaussian"  # Laplace's approximation of each round


@dataclass(frozen=True, kw_only=True)
class DistributionCentricClassification(Method):
    """Borup and Andersen 2023 (arXiv 2304.02641), distribution-centric classification.

    The posterior of a round is the prior of the next, which sees the same labels again: after t rounds it is
    proportional to p(y | f)^t p(f), as if all data had been copied t times. Laplace's approximation to it has the
    mode of an ordinary model with the kernel t K, and 1/t of its covariance. The authors' code takes that kernel and
    leaves the covariance as it is, which is the ablation `rescaled kernel`; the ablation `Gaussian`, ours,
    approximates after each round.

    Args:
        handed_on: which of the three.
    """

    handed_on: HandedOn

    def solve(self, problem: ClassificationDistillation, run: Run) -> Classifier:
        """Approximate the posterior of the last round."""
        labels = problem.labels.astype(np.float64)

        def answer(points: Array) -> Classified:
            joint = self._posterior(prior(problem.kernel, problem.inputs, points), labels, problem.rounds)
            latent = tail(joint, len(labels))
            return Classified(latent, averaged(latent))

        return answer

    def _posterior(self, before: Gaussian, labels: Array, rounds: int) -> Gaussian:
        """At the fitted and the asked points."""
        if self.handed_on is HandedOn.EXACT:
            return posterior(before, labels, Likelihood.BERNOULLI, copies=rounds)
        if self.handed_on is HandedOn.RESCALED:
            return posterior(Gaussian(before.mean, rounds * before.covariance), labels, Likelihood.BERNOULLI)
        for _ in range(rounds):
            before = posterior(before, labels, Likelihood.BERNOULLI)
        return before
