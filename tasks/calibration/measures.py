"""How good probabilities are: plain NumPy on rows (n, K) and labels (n,)."""

from __future__ import annotations

import numpy as np
from scipy.special import entr

from tasks.calibration import Labels, Probabilities

BINS = 10  # as in the code of Zhao et al. 2021 and of LinC
SMALLEST = 1e-12  # a true label that was given no probability costs 27.6 nats, not infinitely many


def accuracy(rows: Probabilities, labels: Labels) -> float:
    """Share of rows whose largest entry is the true label; the first of equal entries counts."""
    return float(np.mean(rows.argmax(axis=-1) == labels))


def macro_f1(rows: Probabilities, labels: Labels) -> float:
    """F1 averaged over the classes that occur among the labels."""
    answers = rows.argmax(axis=-1)
    scores = []
    for label in np.unique(labels):
        hits = np.sum((answers == label) & (labels == label))
        scores.append(2 * hits / (np.sum(answers == label) + np.sum(labels == label)))
    return float(np.mean(scores))


def expected_calibration_error(rows: Probabilities, labels: Labels, bins: int = BINS) -> float:
    """Mean distance of confidence and accuracy over equal-width bins, open left and closed right, weighted by size."""
    confidence = rows.max(axis=-1)
    right = rows.argmax(axis=-1) == labels
    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.clip(np.digitize(confidence, edges, right=True), 1, bins)
    gaps = [abs(np.sum(right[place == index]) - np.sum(confidence[place == index])) for index in range(1, bins + 1)]
    return float(np.sum(gaps) / len(labels))


def negative_log_likelihood(rows: Probabilities, labels: Labels) -> float:
    """Mean of -log p(true label), in nats; p is not taken below `SMALLEST`."""
    chosen = rows[np.arange(len(labels)), labels]
    return float(-np.mean(np.log(np.maximum(chosen, SMALLEST))))


def brier(rows: Probabilities, labels: Labels) -> float:
    """Mean squared distance to the one-hot vector of the true label, from 0 to 2."""
    return float(np.mean(np.sum((rows - np.eye(rows.shape[-1])[labels]) ** 2, axis=-1)))


def entropy(rows: Probabilities) -> float:
    """Mean of -sum p log p over the rows, in nats: 0 where every answer is certain, log K where none says anything."""
    return float(np.mean(np.sum(entr(rows), axis=-1)))
