"""The arena `gp_distillation`: what does refitting a Gaussian process on its own output do?

A Gaussian process with a fixed kernel is fitted t times. What is handed on from fit to fit is either its predictions,
which become the next targets (data-centric), or its posterior, which becomes the next prior (distribution-centric).
Much of this has closed forms, and how far an answer lies from each of them is measured beside its test score.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from tasks.base import Arena, Board, Direction, Metric, Problem

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class RadialBasis:
    """The kernel variance exp(-|a - b|^2 / (2 length_scale^2))."""

    variance: float
    length_scale: float

    def __post_init__(self) -> None:
        if not (self.variance > 0 and self.length_scale > 0):
            raise ValueError(f"variance and length scale of a kernel are positive, got {self}")

    def __call__(self, a: Array, b: Array) -> Array:
        """Points (n, d) and (m, d) -> (n, m)."""
        values: Array = self.variance * np.exp(-cdist(a, b, "sqeuclidean") / (2 * self.length_scale**2))
        return values


@dataclass(frozen=True)
class Gaussian:
    """A joint Gaussian of the function at m points, without observation noise.

    Args:
        mean: (m,).
        covariance: (m, m).
    """

    mean: Array
    covariance: Array


@dataclass(frozen=True)
class Classified:
    """What a classifier says at m points.

    Args:
        latent: of the function whose sigmoid is the probability.
        probability: (m,), of class 1, the latent function averaged out.
    """

    latent: Gaussian
    probability: Array


Regressor: TypeAlias = Callable[[Array], Gaussian]
Classifier: TypeAlias = Callable[[Array], Classified]


@dataclass(frozen=True, kw_only=True)
class RegressionDistillation(Problem):
    """Regression with t rounds.

    Args:
        inputs: (n, d), read-only.
        targets: (n,), read-only.
        kernel: the same in all rounds.
        noise: (t,), the noise variance of each round, read-only. The first is that of the ordinary model.
    """

    inputs: Array
    targets: Array
    kernel: RadialBasis
    noise: Array


@dataclass(frozen=True, kw_only=True)
class ClassificationDistillation(Problem):
    """Classification into two classes with t rounds.

    Args:
        inputs: (n, d), read-only.
        labels: (n,), 0 or 1, read-only.
        kernel: of the latent function, the same in all rounds.
        rounds: t.
    """

    inputs: Array
    labels: NDArray[np.int64]
    kernel: RadialBasis
    rounds: int


def _regression() -> tuple[Metric, ...]:
    lower, higher, none = Direction.LOWER, Direction.HIGHER, Direction.NONE
    return (
        Metric("test_nll", "nats", lower, "negative log-likelihood of noisy test answers, with the noise of round 1"),
        Metric("rmse", "", lower, "distance of the mean to the test answers, without noise where these are known"),
        Metric("explained", "share", higher, "of the variance of the same answers, what the mean explains"),
        Metric("train_rmse", "", none, "distance of the mean to the training targets: how much is smoothed"),
        Metric("shrinkage_deviation", "", lower, "largest distance to the product of shrinkages (data-centric form)"),
        Metric("effective_noise_deviation", "", lower, "largest distance to one fit with 1/s = sum 1/s_i"),
    )


def _classification() -> tuple[Metric, ...]:
    lower, higher, none = Direction.LOWER, Direction.HIGHER, Direction.NONE
    return (
        Metric("test_nll", "nats", lower, "negative log-likelihood of test labels, probabilities not below 1e-12"),
        Metric("accuracy", "share", higher, "right answers"),
        Metric("confidence", "share", none, "mean probability of the likelier class"),
        Metric("mode_deviation", "", lower, "largest distance of the latent mean to that with the kernel t K"),
        Metric("covariance_deviation", "", lower, "the same of t times the latent covariance"),
    )


ARENA = Arena(
    question="What does refitting a Gaussian process on its own output do?",
    equal="data, kernel, noise levels and the number of rounds",
    boards=(
        Board(RegressionDistillation, "a callable (m, d) -> joint Gaussian of the function at m points", _regression()),
        Board(
            ClassificationDistillation,
            "a callable (m, d) -> joint Gaussian of the latent function, and the probability of class 1 (m,)",
            _classification(),
        ),
    ),
)
