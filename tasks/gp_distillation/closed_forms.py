"""Closed forms that answers are compared with, each by another way of calculation than a method would take."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from tasks.gp_distillation import Array, Gaussian, RadialBasis

NEWTON_STEPS = 200
SMALL = 1e-12  # a Newton step of this size, in the scale of the mode, ends


def shrinkage(kernel: RadialBasis, inputs: Array, targets: Array, noise: Array, points: Array) -> Gaussian:
    """Data-centric rounds at once: eigenvalue d of K passes the share prod_i d / (d + s_i) of the targets.

    The mean at other points is k*' V diag(prod_{i<t} d/(d + s_i) / (d + s_t)) V'y; the covariance is that of one fit
    with the noise s_t, since a covariance does not see targets.
    """
    values, basis = _spectrum(kernel(inputs, inputs))
    passed = np.prod(values[:, None] / (values[:, None] + noise[:-1]), axis=1) / (values + noise[-1])
    across = kernel(points, inputs) @ basis  # (m, n)
    mean = across @ (passed * (basis.T @ targets))
    return Gaussian(mean, kernel(points, points) - (across / (values + noise[-1])) @ across.T)


def effective_noise(kernel: RadialBasis, inputs: Array, targets: Array, noise: Array, points: Array) -> Gaussian:
    """Distribution-centric rounds at once: one fit with the noise s, 1/s = sum 1/s_i."""
    return shrinkage(kernel, inputs, targets, np.array([1 / np.sum(1 / noise)]), points)


def enlarged_kernel(
    kernel: RadialBasis, inputs: Array, labels: NDArray[np.int64], rounds: int, points: Array
) -> Gaussian:
    """Laplace's approximation with the prior covariance t K. Its mode is that of K with all data copied t times.

    Newton's steps in the form f = K (I + W K)^-1 (W f + g), for which K need not be invertible.
    """
    prior = rounds * kernel(inputs, inputs)
    f, eye = np.zeros(len(labels)), np.eye(len(labels))
    for _ in range(NEWTON_STEPS):
        curve = expit(f) * expit(-f)
        new = prior @ np.linalg.solve(eye + curve[:, None] * prior, curve * f + labels - expit(f))
        step, f = np.abs(new - f).max(), new
        if step <= SMALL * (1 + np.abs(f).max()):
            break
    curve = expit(f) * expit(-f)
    across = rounds * kernel(points, inputs)
    inner = np.linalg.solve(eye + curve[:, None] * prior, curve[:, None] * across.T)
    return Gaussian(across @ (labels - expit(f)), rounds * kernel(points, points) - across @ inner)


def _spectrum(matrix: Array) -> tuple[Array, Array]:
    """Eigenvalues, none below zero, and eigenvectors in columns."""
    values, basis = np.linalg.eigh(matrix)
    return np.maximum(values, 0), basis
