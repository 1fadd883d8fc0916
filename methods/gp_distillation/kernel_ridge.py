"""Self-distillation of kernel ridge regression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from methods.base import Method, Run
from tasks.gp_distillation import Array, Gaussian, RegressionDistillation, Regressor

SMALLEST, LARGEST = 1e-10, 1e30  # a ridge is looked for between these, in units of the largest eigenvalue


@dataclass(frozen=True, kw_only=True)
class KernelRidge(Method):
    """Mobahi, Farajtabar and Bartlett, NeurIPS 2020 (arXiv 2002.05715).

    Each round fits the smoothest function whose mean squared distance to the targets is at most e, and its values
    are the next targets. With eigenvalues d of K this is y_i = V diag(d / (d + c_i)) V' y_{i-1}, where c_i is found so
    that the distance is e. When the targets are themselves no larger than e the answer is zero: the function has
    collapsed, and stays so. Deviations:

    1. The paper leaves e open. Here it is a multiple of s_1 / t^2, so that all t rounds together move the targets by at
       most the standard deviation of the noise times its root: with one e for any t, few rounds interpolate and many
       collapse.
    2. A kernel ridge has no covariance; that of the Gaussian process with noise c_t stands for it.

    Args:
        tolerance: e in units of s_1 / t^2.
    """

    tolerance: float

    def __post_init__(self) -> None:
        if not self.tolerance > 0:
            raise ValueError(f"the tolerance of kernel ridge is positive, got {self.tolerance}")

    def solve(self, problem: RegressionDistillation, run: Run) -> Regressor:
        """Find the ridge of each round; the last fit is that of the last round."""
        values, basis = np.linalg.eigh(problem.kernel(problem.inputs, problem.inputs))
        values, parts = np.maximum(values, 0), basis.T @ problem.targets  # the targets in the basis of K
        allowed, before, ridge = self.tolerance * float(problem.noise[0]) / len(problem.noise) ** 2, parts, 0.0
        for number in range(len(problem.noise)):
            if np.mean(parts**2) <= allowed * (1 + 1e-9):
                run.log("collapsed", 1.0, number + 1)
                return lambda points: Gaussian(np.zeros(len(points)), problem.kernel(points, points))
            before, ridge = parts, self._ridge(values, parts, allowed)
            parts = values / (values + ridge) * before

        def answer(points: Array) -> Gaussian:
            across = problem.kernel(points, problem.inputs) @ basis / np.sqrt(values + ridge)  # (m, n)
            covariance = problem.kernel(points, points) - across @ across.T
            return Gaussian(across @ (before / np.sqrt(values + ridge)), covariance)

        return answer

    def _ridge(self, values: Array, parts: Array, allowed: float) -> float:
        """The ridge at which as much is missed as is allowed; what is missed grows with it."""

        def excess(log: float) -> float:
            missed: Array = np.exp(log) / (values + np.exp(log)) * parts
            return float(np.mean(missed**2)) - allowed

        lowest, highest = (float(np.log(bound * values.max())) for bound in (SMALLEST, LARGEST))
        if excess(lowest) >= 0:  # with a matrix so nearly singular nothing misses less
            return float(np.exp(lowest))
        return float(np.exp(brentq(excess, lowest, highest, xtol=1e-12)))
