"""Matrix scaling: a full linear map of log-probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from methods.base import Method, Run
from methods.calibration._affine import chosen
from tasks.calibration import Calibrator, LabelledProbabilities


@dataclass(frozen=True, kw_only=True)
class MatrixScaling(Method):
    """Matrix scaling (Guo et al., ICML 2017, arXiv 1706.04599, section 4.2).

        q = softmax(W log p + b),    W (K, K), b (K,) minimise the mean negative log-likelihood of the labelled examples
                                     + s (|W - I|^2 + |b|^2)

    Deviations from the paper:

    1. It maps log-probabilities of the label words, which differ from logits by a constant for each example.
    2. The penalty. Without one there is no minimum where few labels are separable or a class is absent among them; this
       one holds the map near the one that changes nothing. s is that of a grid with the highest held-out likelihood in
       cross-validation, prompt by prompt; vector and Dirichlet calibration follow the same rule.
    3. Newton's method instead of gradient descent; the minimum is the same.
    4. p is not taken below `floor`, so that its logarithm is finite.

    Args:
        strengths: candidates for s; of equals the first one is taken.
        folds: of the cross-validation.
        floor: least probability.
    """

    strengths: tuple[float, ...]
    folds: int
    floor: float

    def __post_init__(self) -> None:
        if not self.strengths or min(self.strengths) <= 0 or self.folds < 2:
            raise ValueError("strengths must be given and be above 0, and folds must be 2 or more")

    def solve(self, problem: LabelledProbabilities, run: Run) -> Calibrator:
        """Fit W and b for each prompt."""
        rows, labels = problem.labelled()  # (T, n, K), (n,)
        classes = rows.shape[-1]
        penalties = np.multiply.outer(np.asarray(self.strengths), np.ones((classes, classes + 1)))
        return chosen(rows, labels, penalties, self.folds, self.floor, run.rng)
