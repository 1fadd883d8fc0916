"""Bayesian optimisation of hyperparameters with a Gaussian process and expected improvement."""

from __future__ import annotations

import itertools
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from methods.base import Method, Run
from tasks.bilevel import HyperparameterBilevel, Solution


@dataclass(frozen=True, kw_only=True)
class GaussianProcess(Method):
    """Gaussian process with a Matern 5/2 kernel and expected improvement (Snoek, Larochelle and Adams 2012,
    arXiv 1206.2944), with scikit-learn's regressor as in the comparison of Lorraine and Duvenaud (arXiv 1802.09419).

    The first point is the start, then come random ones. Deviations:

    1. One length scale for all dimensions, at its most likely value: there are fewer points than dimensions.
    2. Expected improvement is maximised over random candidates, half of them near the best point.

    Args:
        first: points before the model is asked.
        candidates: among which the improvement is maximised.
        nearby: standard deviation of the near ones, as a share of the bounds.
        fit_steps: steps of a fit; None for what the problem says.
    """

    first: int
    candidates: int
    nearby: float
    fit_steps: int | None

    def solve(self, problem: HyperparameterBilevel, run: Run) -> Solution:
        """Search until the budget is spent."""
        low, width = problem.bounds[:, 0].numpy(), (problem.bounds[:, 1] - problem.bounds[:, 0]).numpy()
        points: list[NDArray[np.float64]] = []
        values: list[float] = []
        for number in itertools.count():
            if number == 0:
                point = (problem.upper_start.numpy() - low) / width
            elif number < self.first:
                point = run.rng.uniform(size=len(low))
            else:
                point = self._chosen(run, np.array(points), np.array(values))
            x = torch.from_numpy(low + point * width)
            reached, y = problem.fit_and_validate(x, self.fit_steps or problem.warm_steps)
            if not values or reached < min(values):
                run.offer(Solution(x, y))
            points.append(point)
            values.append(reached)
        raise AssertionError("only a spent budget ends the search")

    def _chosen(self, run: Run, points: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The candidate in the unit cube with the largest expected improvement."""
        half, size = self.candidates // 2, points.shape[1]
        near = points[values.argmin()] + run.rng.normal(scale=self.nearby, size=(half, size))
        spread = np.concatenate([run.rng.uniform(size=(self.candidates - half, size)), near.clip(0, 1)])
        kernel = ConstantKernel() * Matern(length_scale=size**0.5, length_scale_bounds=(0.01, 100 * size), nu=2.5)
        model = GaussianProcessRegressor(kernel + WhiteKernel(1e-4, (1e-8, 1.0)), normalize_y=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a length scale at its bound is an answer too
            model.fit(points, values)
        mean, deviation = model.predict(spread, return_std=True)
        gain = values.min() - mean
        scaled = gain / np.maximum(deviation, 1e-12)
        improvement = gain * norm.cdf(scaled) + deviation * norm.pdf(scaled)
        point: NDArray[np.float64] = spread[improvement.argmax()]
        return point
