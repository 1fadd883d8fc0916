"""Laplace's approximation to a posterior over a latent function, for targets between 0 and 1."""

from __future__ import annotations

import enum

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.special import expit

from methods.base import Diverged
from tasks.gp_distillation import Array, Gaussian

STEPS = 200
SMALL = 1e-12  # change of the mode, in its own scale, that ends Newton's method
SERIES = 0.05  # below, the continuous Bernoulli's differences of large numbers lose digits
NODES = 64  # of the quadrature over the latent function; 32 give the same ten digits for variances below 4


class Likelihood(enum.StrEnum):
    """How a target in [0, 1] is thought to come from the latent function f."""

    BERNOULLI = "Bernoulli"  # y f - log(1 + e^f); a density only for y = 0 and y = 1
    CONTINUOUS = "continuous Bernoulli"  # y f - log((e^f - 1) / f); a density on [0, 1]

    def normaliser(self, f: Array) -> Array:
        """log(1 + e^f), or log((e^f - 1) / f)."""
        if self is Likelihood.BERNOULLI:
            return np.logaddexp(0, f)
        size, large = _split(f)
        direct = large / 2 + np.log(-np.expm1(-large)) - np.log(large)
        value: Array = f / 2 + np.where(size < SERIES, size**2 / 24 - size**4 / 2880, direct)
        return value

    def mean(self, f: Array) -> Array:
        """Its derivative, the expected target."""
        if self is Likelihood.BERNOULLI:
            return np.asarray(expit(f))
        size, large = _split(f)
        direct = (1 + np.exp(-large)) / (-2 * np.expm1(-large)) - 1 / large
        value: Array = 0.5 + np.sign(f) * np.where(size < SERIES, size / 12 - size**3 / 720 + size**5 / 30240, direct)
        return value

    def curvature(self, f: Array) -> Array:
        """Its second derivative, the variance of the target."""
        if self is Likelihood.BERNOULLI:
            return np.asarray(expit(f) * expit(-f))
        size, large = _split(f)
        direct = 1 / large**2 - np.exp(-large) / np.expm1(-large) ** 2
        value: Array = np.where(size < SERIES, 1 / 12 - size**2 / 240 + size**4 / 6048 - size**6 / 172800, direct)
        return value


def posterior(before: Gaussian, targets: Array, likelihood: Likelihood, copies: int = 1) -> Gaussian:
    """Laplace's approximation after the first n of N points were observed.

    Newton's method as in Rasmussen and Williams 2006, algorithm 3.1, with halved steps where a whole one would not
    climb; a prior mean and `copies` of each target are ours.

    Args:
        before: the prior at N points.
        targets: (n,), in [0, 1].
        likelihood: of the targets.
        copies: the power of the likelihood.

    Raises:
        Diverged: Newton's method did not settle.
    """
    n = len(targets)
    offset, prior, across = before.mean[:n], before.covariance[:n, :n], before.covariance[:, :n]

    def climb(weights: Array) -> float:
        f = offset + prior @ weights
        fitted = copies * float(targets @ f - likelihood.normaliser(f).sum())
        return fitted - float(weights @ (f - offset)) / 2

    weights = np.zeros(n)  # f = offset + K weights
    for _ in range(STEPS):
        f = offset + prior @ weights
        root = np.sqrt(copies * likelihood.curvature(f))
        factor = cho_factor(np.eye(n) + root[:, None] * prior * root, lower=True)
        right = root**2 * (f - offset) + copies * (targets - likelihood.mean(f))
        step = right - root * cho_solve(factor, root * (prior @ right)) - weights
        size, here = 1.0, climb(weights)
        while size > SMALL and climb(weights + size * step) < here - 1e-9 * (1 + abs(here)):
            size /= 2
        weights = weights + size * step
        if np.abs(prior @ step).max() <= SMALL * (1 + np.abs(f).max()):
            break
    else:
        raise Diverged(f"Newton's method did not find the mode in {STEPS} steps")
    inner = solve_triangular(factor[0], root[:, None] * across.T, lower=True)  # (n, N)
    return Gaussian(before.mean + across @ weights, before.covariance - inner.T @ inner)


def averaged(latent: Gaussian) -> Array:
    """The probability of class 1 (m,), the sigmoid averaged over the latent function by Gauss-Hermite quadrature."""
    nodes, shares = np.polynomial.hermite_e.hermegauss(NODES)
    spread = np.sqrt(latent.covariance.diagonal().clip(min=0))
    values: Array = expit(latent.mean[:, None] + spread[:, None] * nodes) @ (shares / shares.sum())
    return values


def _split(f: Array) -> tuple[Array, Array]:
    """|f|, and the same with 1 where it is small, for the branch that is not taken."""
    size = np.abs(f)
    return size, np.where(size < SERIES, 1.0, size)
