"""The model's label prior, read off inputs that say nothing."""

from __future__ import annotations

import numpy as np

from tasks.calibration import ContentFreeProbabilities, Probabilities


def prior(problem: ContentFreeProbabilities, floor: float) -> Probabilities:
    """The mean answer to content-free inputs under each prompt.

    Args:
        problem: is asked once.
        floor: entries are not taken below this.

    Returns:
        (T, 1, K), not renormalised where the floor acted.
    """
    mean: Probabilities = problem.content_free().mean(axis=1, keepdims=True)
    return np.maximum(mean, floor)
