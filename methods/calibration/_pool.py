"""The model's label prior, read off inputs without labels."""

from __future__ import annotations

import enum

import numpy as np

from tasks.calibration import LabelProbabilities, Probabilities


class Mean(enum.StrEnum):
    """Which mean of the model's answers is taken for its prior."""

    ARITHMETIC = "arithmetic"
    GEOMETRIC = "geometric"


def pool_prior(problem: LabelProbabilities, mean: Mean, floor: float) -> Probabilities:
    """The logarithm of the mean answer to the unlabelled inputs under each prompt.

    Args:
        problem: has the inputs.
        mean: of probabilities, or of their logarithms.
        floor: probabilities are not taken below this.

    Returns:
        (T, 1, K), normalised for the arithmetic mean only, unless the floor acted.
    """
    rows = np.maximum(problem.unlabelled, floor)  # (T, m, K)
    if mean is Mean.ARITHMETIC:
        return np.asarray(np.log(rows.mean(axis=1, keepdims=True)))
    return np.asarray(np.log(rows).mean(axis=1, keepdims=True))
