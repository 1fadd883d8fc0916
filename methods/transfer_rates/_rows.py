"""What the four learners share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tasks.transfer_rates import Tables


def normalised(weights: ArrayLike) -> Tables:
    """Rows (R, S, A) divided by their sums; uniform where a sum is zero, since nothing is known of such an input."""
    weights = np.asarray(weights, dtype=np.float64)
    totals = weights.sum(axis=2, keepdims=True)
    known = totals > 0
    rows: Tables = np.where(known, weights / np.where(known, totals, 1.0), 1 / weights.shape[2])
    return rows
