"""Data-centric self-distillation of Gaussian process regression."""

from __future__ import annotations

from dataclasses import dataclass

from methods.base import Method, Run
from methods.gp_distillation._conditioning import conditioned, prior, smoothed, tail
from tasks.gp_distillation import Array, Gaussian, RegressionDistillation, Regressor


@dataclass(frozen=True, kw_only=True)
class DataCentricRegression(Method):
    """Borup and Andersen 2023 (arXiv 2304.02641), data-centric regression.

        y_i = K (K + s_i I)^-1 y_{i-1},  i = 1 .. t - 1

    and the last model is fitted to y_{t-1} with the noise s_t; its covariance is the model's own and knows nothing of
    the rounds before. This is what the authors' code does with `fit_mode="naive"`; with `"efficient"` it decomposes
    K + s I and adds s again.
    """

    def solve(self, problem: RegressionDistillation, run: Run) -> Regressor:
        """Smooth the targets t - 1 times, then fit."""
        matrix, targets = problem.kernel(problem.inputs, problem.inputs), problem.targets
        for noise in problem.noise[:-1]:
            targets = smoothed(matrix, targets, float(noise))

        def answer(points: Array) -> Gaussian:
            joint = prior(problem.kernel, problem.inputs, points)
            return tail(conditioned(joint, targets, float(problem.noise[-1])), len(targets))

        return answer
