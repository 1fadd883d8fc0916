"""Gaussians of a function at fitted and at asked points together, conditioned on noisy values at the fitted ones."""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from tasks.gp_distillation import Array, Gaussian, RadialBasis


def prior(kernel: RadialBasis, inputs: Array, points: Array) -> Gaussian:
    """The prior at inputs (n, d) and then points (m, d): mean zero, covariance (n + m, n + m)."""
    every = np.concatenate([inputs, points])
    return Gaussian(np.zeros(len(every)), kernel(every, every))


def conditioned(before: Gaussian, targets: Array, noise: float) -> Gaussian:
    """The posterior after the first n points were observed with normal noise of this variance; N >= n points."""
    n = len(targets)
    factor = cho_factor(before.covariance[:n, :n] + noise * np.eye(n))
    across = before.covariance[:, :n]  # (N, n)
    mean = before.mean + across @ cho_solve(factor, targets - before.mean[:n])
    covariance = before.covariance - across @ cho_solve(factor, across.T)
    return Gaussian(mean, (covariance + covariance.T) / 2)


def smoothed(kernel_matrix: Array, targets: Array, noise: float) -> Array:
    """The posterior mean at the fitted points, K (K + s I)^-1 y (n,)."""
    factor = cho_factor(kernel_matrix + noise * np.eye(len(targets)))
    mean: Array = kernel_matrix @ cho_solve(factor, targets)
    return mean


def tail(joint: Gaussian, start: int) -> Gaussian:
    """The part that belongs to the asked points."""
    return Gaussian(joint.mean[start:], joint.covariance[start:, start:])
