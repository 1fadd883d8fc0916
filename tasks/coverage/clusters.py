"""Gaussian clusters that overlap: the label is the cluster that a point came from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from tasks.coverage import Inputs, Laws
from tasks.coverage.answering import Answering


@dataclass(frozen=True, kw_only=True)
class OverlappingClusters(Answering):
    """Y clusters with standard normal means and normal noise in d dimensions, all equally frequent.

    The law of the label given the point is Bayes' posterior. Few training points a cluster let a network learn them by
    heart.

    Args:
        dimensions: d.
        noise: standard deviation of a point about the mean of its cluster.
    """

    dimensions: int
    noise: float

    def asked(self, seed: int, purpose: str, count: int) -> Inputs:
        """Points (count, d), float32."""
        rng = self.stream(seed, purpose)
        clusters = rng.integers(self.answers, size=count)
        points = self._means(seed)[clusters] + self.noise * rng.normal(size=(count, self.dimensions))
        return points.astype(np.float32)

    def truth(self, seed: int, inputs: Inputs) -> Laws:
        """The posterior of the cluster."""
        points, means = inputs.astype(np.float64), self._means(seed)
        scores = points @ means.T - (means**2).sum(axis=1) / 2
        posterior: Laws = softmax(scores / self.noise**2, axis=1)
        return posterior

    def _means(self, seed: int) -> Laws:
        """(Y, d)."""
        return self.stream(seed, "means").normal(size=(self.answers, self.dimensions))
