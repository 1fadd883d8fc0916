"""Dirichlet calibration: a full linear map of log-probabilities whose off-diagonal part is held small."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from methods.base import Method, Run
from methods.calibration._affine import chosen
from tasks.calibration import Calibrator, LabelledProbabilities


@dataclass(frozen=True, kw_only=True)
class Dirichlet(Method):
    """Dirichlet calibration with ODIR (Kull et al., NeurIPS 2019, arXiv 1910.12656, sections 3 and 4).

        q = softmax(W log p + b),    W (K, K), b (K,) minimise the mean negative log-likelihood of the labelled examples
                                     + s (sum of W_ij^2 over i != j) / (K (K - 1)) + s |b|^2 / K

    that is, off-diagonal and intercept regularisation. Were the probabilities of each class Dirichlet distributed, a
    map of this form would be the right one. Deviations from the paper:

    1. One strength s for both terms, where the paper has two: at 5 labels a grid of two chooses at random. s is that of
       a grid with the highest held-out likelihood in cross-validation, prompt by prompt.
    2. The diagonal is held near 1 by `diagonal` times the mean of (W_ii - 1)^2. The paper leaves it free, and then
       there is no minimum where few labels are separable.
    3. p is not taken below `floor`, so that its logarithm is finite.

    Args:
        strengths: candidates for s; of equals the first one is taken.
        diagonal: weight of the term on the diagonal; 0 is the paper's.
        folds: of the cross-validation.
        floor: least probability.
    """

    strengths: tuple[float, ...]
    diagonal: float
    folds: int
    floor: float

    def __post_init__(self) -> None:
        if not self.strengths or min(self.strengths) <= 0 or self.folds < 2 or self.diagonal < 0:
            raise ValueError("strengths must be given and be above 0, folds 2 or more, and diagonal 0 or more")

    def solve(self, problem: LabelledProbabilities, run: Run) -> Calibrator:
        """Fit W and b for each prompt."""
        rows, labels = problem.labelled()  # (T, n, K), (n,)
        penalties = np.stack([self.penalty(rows.shape[-1], strength) for strength in self.strengths])
        return chosen(rows, labels, penalties, self.folds, self.floor, run.rng)

    def penalty(self, classes: int, strength: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        """The weight (K, K + 1) of each entry's square."""
        weights = np.full((classes, classes + 1), strength / (classes * (classes - 1)))
        weights[np.arange(classes), np.arange(classes)] = self.diagonal / classes
        weights[:, classes] = strength / classes
        return weights
