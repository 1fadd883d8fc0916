"""Whether an answer is a Gaussian, and how far two of them are apart."""

from __future__ import annotations

import numpy as np

from tasks.base import Invalid
from tasks.gp_distillation import Gaussian

ROUNDING = 1e-6  # how far a covariance may be from symmetric and from no negative variance


def gaussian(answer: Gaussian, points: int) -> Gaussian:
    """The answer, if it is a joint Gaussian of so many numbers.

    Raises:
        Invalid: it is none.
    """
    mean = np.asarray(answer.mean, dtype=np.float64)
    covariance = np.asarray(answer.covariance, dtype=np.float64)
    if mean.shape != (points,) or covariance.shape != (points, points):
        raise Invalid(f"mean {mean.shape} and covariance {covariance.shape} are not those of {points} points")
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise Invalid("a mean or a covariance is not finite")
    scale = 1 + np.abs(covariance).max()
    if np.abs(covariance - covariance.T).max() > ROUNDING * scale or covariance.diagonal().min() < -ROUNDING * scale:
        raise Invalid("a covariance is not symmetric or has a negative variance")
    return Gaussian(mean, covariance)


def distance(one: Gaussian, other: Gaussian) -> float:
    """The largest difference of two entries of the means or of the covariances."""
    gaps = np.abs(one.mean - other.mean).max(), np.abs(one.covariance - other.covariance).max()
    return float(max(gaps))
