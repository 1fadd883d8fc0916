"""LinC: a linear map of the label probabilities, learnt from a few labelled prompts."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from methods.base import Diverged, Method, NotApplicable, Run
from methods.calibration._content_free import prior
from tasks.calibration import Calibrator, Labels, Probabilities, PromptedProbabilities


@dataclass(frozen=True, kw_only=True)
class LinC(Method):
    """Linear probe calibration (Abbas et al., AISTATS 2024, arXiv 2401.12406).

        q = softmax(A p + b),    A (K, K) and b (K,) minimise the cross-entropy of the labelled prompts

    by stochastic gradient descent with one example a step, from contextual calibration's solution: A = diag(1 / c),
    b = 0, where c is the mean answer to content-free inputs. A and b belong to one prompt. Deviations:

    1. The learning rate. The authors' scripts use rates between 8.5e-5 and 1.35, another one for every model, data
       set and number of shots, and do not say how they were found. Here one rule serves all: the rate of a grid with
       the least held-out cross-entropy in k-fold cross-validation on the labelled prompts, repeated over `splits` ways
       to split them (`lr: null`).
    2. c is not taken below `floor`: at c = 1e-4 the entries of A reach 1e4 and no rate fits.
    3. The labelled prompts hold the demonstrations of the prompt that is calibrated; the authors' code draws other
       demonstrations for them, once, and uses the result under every prompt.
    4. The examples of an epoch come in an order drawn from the run's stream; the authors' code shuffles with the same
       seed in every epoch and run.
    5. c is the mean of answers that are normalised over the labels; the authors' code normalises their mean.

    Args:
        lr: learning rate; None chooses it from `lr_grid`.
        lr_grid: candidates.
        folds: of the cross-validation.
        splits: ways to split the labelled prompts into folds, each with orders of examples of its own.
        epochs: passes over the labelled prompts.
        floor: least entry of c.
    """

    lr: float | None
    lr_grid: tuple[float, ...]
    folds: int
    splits: int
    epochs: int
    floor: float

    def solve(self, problem: PromptedProbabilities, run: Run) -> Calibrator:
        """Learn A and b for every prompt; all prompts are learnt side by side."""
        start = 1 / prior(problem, self.floor)[:, 0]  # (T, K)
        rows, labels = problem.labelled()  # (T, n, K), (n,)
        rates = self._rates(start, rows, labels, run) if self.lr is None else np.full(len(start), self.lr)
        matrix, offset = descend(start, rows, labels, rates, _orders(run, self.epochs, len(labels)))
        if not (np.isfinite(matrix).all() and np.isfinite(offset).all()):
            raise Diverged(f"A or b is not finite after {self.epochs} epochs at learning rates {rates}")

        def calibrate(probabilities: Probabilities) -> Probabilities:
            scores = probabilities @ matrix.swapaxes(-1, -2) + offset[:, None]  # (T, n, K)
            answers: Probabilities = softmax(scores, axis=-1)
            return answers

        return calibrate

    def _rates(self, start: Probabilities, rows: Probabilities, labels: Labels, run: Run) -> Probabilities:
        """The rate (T,) with the least held-out cross-entropy; ties go to the smaller one."""
        prompts, count, classes = rows.shape
        held = count // self.folds
        if held == 0:
            raise NotApplicable(f"{count} labels cannot be split into {self.folds} folds")
        grid = np.sort(np.asarray(self.lr_grid))
        lanes = (len(grid), prompts)
        losses = np.zeros(lanes)
        for fold, shuffled in product(range(self.folds), [run.rng.permutation(count) for _ in range(self.splits)]):
            out = shuffled[fold * held : (fold + 1) * held]
            kept = np.setdiff1d(shuffled, out)
            matrix, offset = descend(
                np.broadcast_to(start, (*lanes, classes)),
                np.broadcast_to(rows[:, kept], (*lanes, len(kept), classes)),
                labels[kept],
                np.broadcast_to(grid[:, None], lanes),
                _orders(run, self.epochs, len(kept)),
            )
            scores = rows[:, out] @ matrix.swapaxes(-1, -2) + offset[..., None, :]  # (R, T, held, K)
            likelihoods = log_softmax(scores, axis=-1)[..., np.arange(held), labels[out]]
            losses -= np.nan_to_num(likelihoods, nan=-np.inf).mean(axis=-1)
        rates: Probabilities = grid[losses.argmin(axis=0)]
        return rates


def descend(
    start: Probabilities, rows: Probabilities, labels: Labels, rates: Probabilities, orders: NDArray[np.int64]
) -> tuple[Probabilities, Probabilities]:
    """Stochastic gradient descent on the cross-entropy of A p + b, in any number of independent lanes.

    Args:
        start: (..., K), the diagonal of A at the beginning.
        rows: (..., n, K), probabilities.
        labels: (n,).
        rates: (...), learning rates.
        orders: (steps,), the example of each step.

    Returns:
        A (..., K, K) and b (..., K).
    """
    classes = start.shape[-1]
    matrix = start[..., None] * np.eye(classes)
    offset = np.zeros(start.shape)
    targets = np.eye(classes)[labels]
    step_sizes = rates[..., None]
    with np.errstate(over="ignore", invalid="ignore"):  # a lane with too large a rate runs off; `solve` looks at it
        for example in orders:
            row = rows[..., example, :]  # (..., K)
            scores = (matrix * row[..., None, :]).sum(axis=-1) + offset
            odds = np.exp(scores - scores.max(axis=-1, keepdims=True))
            gradient = odds / odds.sum(axis=-1, keepdims=True) - targets[example]  # of the scores
            step = np.nan_to_num(step_sizes * gradient)  # a step that is not a number is left out
            offset -= step
            matrix -= step[..., None] * row[..., None, :]
    return matrix, offset


def _orders(run: Run, epochs: int, count: int) -> NDArray[np.int64]:
    """Every example once an epoch, each epoch in an order of its own."""
    passes = [run.rng.permutation(count) for _ in range(epochs)]
    return np.concatenate(passes) if passes else np.empty(0, dtype=np.int64)
