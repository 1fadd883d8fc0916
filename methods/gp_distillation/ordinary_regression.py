"""Gaussian process regression, once."""

from __future__ import annotations

from dataclasses import dataclass

from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from methods.base import Method, Run
from tasks.gp_distillation import Array, Gaussian, RegressionDistillation, Regressor


@dataclass(frozen=True, kw_only=True)
class OrdinaryRegression(Method):
    """Rasmussen and Williams 2006, algorithm 2.1, by scikit-learn with the problem's kernel and first noise level."""

    def solve(self, problem: RegressionDistillation, run: Run) -> Regressor:
        """Fit once; further rounds are not asked for."""
        kernel = ConstantKernel(problem.kernel.variance) * RBF(problem.kernel.length_scale)
        model = GaussianProcessRegressor(kernel, alpha=float(problem.noise[0]), optimizer=None)
        model.fit(problem.inputs, problem.targets)

        def answer(points: Array) -> Gaussian:
            mean, covariance = model.predict(points, return_cov=True)
            return Gaussian(mean, covariance)

        return answer
