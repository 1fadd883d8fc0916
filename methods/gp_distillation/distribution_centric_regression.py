"""Distribution-centric self-distillation of Gaussian process regression."""

from __future__ import annotations

from dataclasses import dataclass

from methods.base import Method, Run
from methods.gp_distillation._conditioning import conditioned, prior, tail
from tasks.gp_distillation import Array, Gaussian, RegressionDistillation, Regressor


@dataclass(frozen=True, kw_only=True)
class DistributionCentricRegression(Method):
    """Borup and Andersen 2023 (arXiv 2304.02641), distribution-centric regression.

    The posterior of a round is the prior of the next, which sees the same targets again with the noise s_i. All t
    rounds are carried out one after the other; that they are one fit with 1/s = sum 1/s_i, which is how the authors'
    code computes them, is what the task measures.
    """

    def solve(self, problem: RegressionDistillation, run: Run) -> Regressor:
        """Condition t times; nothing depends on the asked points but where the answer is wanted."""

        def answer(points: Array) -> Gaussian:
            joint = prior(problem.kernel, problem.inputs, points)
            for noise in problem.noise:
                joint = conditioned(joint, problem.targets, float(noise))
            return tail(joint, len(problem.targets))

        return answer
