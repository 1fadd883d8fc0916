"""Affine maps of log-probabilities that are fitted to labels: what vector, matrix and Dirichlet calibration share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from methods.base import NotApplicable
from tasks.calibration import Calibrator, Labels, Probabilities

ROUNDS = 100  # Newton steps; about ten are usual
HALVINGS = 40  # of one step
SETTLED = 1e-13  # half the Newton decrement: how far the objective may be from its least value
JITTER = 1e-10  # added to the Hessian's diagonal: the softmax does not see what is added to all scores

Maps = NDArray[np.float64]  # (..., K, K + 1): W and b


def identity(classes: int) -> Maps:
    """(K, K + 1), W = I and b = 0: the map that changes nothing."""
    return np.eye(classes, classes + 1)


def chosen(
    rows: Probabilities, labels: Labels, penalties: Maps, folds: int, floor: float, rng: np.random.Generator
) -> Calibrator:
    """Fit one map for each prompt, with the penalty whose held-out likelihood is highest in cross-validation.

    Args:
        rows: (T, n, K), probabilities of the labelled inputs.
        labels: (n,).
        penalties: (R, K, K + 1), candidates; among equals the first one is taken.
        folds: parts that are held out in turn.
        floor: probabilities are not taken below this before their logarithm.
        rng: deals the labelled inputs out to the folds.

    Raises:
        NotApplicable: fewer labels than folds.
    """
    count = len(labels)
    if count < folds:
        raise NotApplicable(f"{count} labels cannot be split into {folds} folds")
    scores = np.log(np.maximum(rows, floor))  # (T, n, K)
    losses = np.zeros((len(penalties), len(rows)))
    for out in np.array_split(rng.permutation(count), folds):
        kept = np.setdiff1d(np.arange(count), out)
        maps = fit(scores[None, :, kept], labels[kept], penalties[:, None])  # (R, T, K, K + 1)
        losses -= log_softmax(_mapped(scores[:, out], maps), axis=-1)[..., np.arange(len(out)), labels[out]].sum(-1)
    maps = fit(scores, labels, penalties[losses.argmin(axis=0)])  # (T, K, K + 1)

    def calibrate(probabilities: Probabilities) -> Probabilities:
        answers: Probabilities = softmax(_mapped(np.log(np.maximum(probabilities, floor)), maps), axis=-1)
        return answers

    return calibrate


def fit(scores: Probabilities, labels: Labels, penalty: Maps) -> Maps:
    """The least of a convex objective, by Newton's method with halved steps, in any number of independent lanes:

        mean of -log softmax(W s + b)[label]  +  sum of penalty * (W - I, b)^2

    Args:
        scores: (..., n, K).
        labels: (n,).
        penalty: (..., K, K + 1); the lanes of both are broadcast. Where it is infinite, the entry stays as it is in the
            identity, in all lanes.

    Returns:
        (..., K, K + 1).
    """
    classes = scores.shape[-1]
    lanes = np.broadcast_shapes(scores.shape[:-2], penalty.shape[:-2])
    inputs = np.concatenate([scores, np.ones((*scores.shape[:-1], 1))], axis=-1)
    inputs = np.broadcast_to(inputs, (*lanes, *inputs.shape[-2:])).reshape(-1, len(labels), classes + 1)
    weights = np.broadcast_to(penalty, (*lanes, classes, classes + 1)).reshape(len(inputs), -1)
    free = np.isfinite(weights[0])  # (K (K + 1),)
    weights = np.where(free, weights, 0.0)
    start = identity(classes).ravel()
    maps = np.tile(start, (len(inputs), 1))
    for _ in range(ROUNDS):
        loss, gradient, hessian = _objective(maps, inputs, labels, weights)
        curved = hessian[:, free][:, :, free] + JITTER * np.eye(int(free.sum()))
        step = np.zeros_like(maps)
        step[:, free] = np.linalg.solve(curved, gradient[:, free, None])[..., 0]
        gain = (gradient * step).sum(axis=-1)  # what a full step would gain, to first order
        if (gain / 2 < SETTLED).all():
            break
        maps = _searched(maps, step, gain, loss, inputs, labels, weights)
    return maps.reshape(*lanes, classes, classes + 1)


def _searched(maps: Maps, step: Maps, gain: Maps, loss: Maps, inputs: Maps, labels: Labels, weights: Maps) -> Maps:
    """The maps after the longest of the steps 1, 1/2, 1/4, .. that gains enough, lane by lane (Armijo's rule)."""
    lengths = np.ones((len(maps), 1))
    for _ in range(HALVINGS):
        found = _losses(maps - lengths * step, inputs, labels, weights)[0]
        short = found > loss - 1e-4 * lengths[:, 0] * gain + 1e-15
        if not short.any():
            break
        lengths[short] /= 2
    else:
        lengths[short] = 0.0  # rounding hides what could be gained
    return maps - lengths * step


def _losses(maps: Maps, inputs: Maps, labels: Labels, weights: Maps) -> tuple[Maps, Maps]:
    """The objective of each lane (L,), and the logarithms of the answers (L, n, K)."""
    classes = inputs.shape[-1] - 1
    away = maps - identity(classes).ravel()
    answers = log_softmax(inputs @ maps.reshape(-1, classes, classes + 1).swapaxes(-1, -2), axis=-1)
    likelihoods = answers[:, np.arange(len(labels)), labels].mean(axis=-1)
    return (weights * away**2).sum(axis=-1) - likelihoods, answers


def _objective(maps: Maps, inputs: Maps, labels: Labels, weights: Maps) -> tuple[Maps, Maps, Maps]:
    """Value (L,), gradient (L, D) and Hessian (L, D, D) for each lane, D = K (K + 1)."""
    lanes, count, width = inputs.shape
    classes = width - 1
    loss, logarithms = _losses(maps, inputs, labels, weights)
    answers = np.exp(logarithms)
    errors = answers - np.eye(classes)[labels]
    gradient = (errors.swapaxes(-1, -2) @ inputs / count).reshape(lanes, -1)
    gradient += 2 * weights * (maps - identity(classes).ravel())
    weighted = (answers[..., None] * inputs[..., None, :]).reshape(lanes, count, -1)  # (L, n, D)
    hessian = -weighted.swapaxes(-1, -2) @ weighted / count
    blocks = (weighted.swapaxes(-1, -2) @ inputs / count).reshape(lanes, classes, width, width)
    for label in range(classes):
        own = slice(label * width, (label + 1) * width)
        hessian[:, own, own] += blocks[:, label]
    diagonal = np.arange(classes * width)
    hessian[:, diagonal, diagonal] += 2 * weights
    return loss, gradient, hessian


def _mapped(scores: Probabilities, maps: Maps) -> Probabilities:
    """W s + b for scores (..., n, K) and maps (..., K, K + 1)."""
    values: Probabilities = scores @ maps[..., :-1].swapaxes(-1, -2) + maps[..., None, :, -1]
    return values
