"""Rows and labels on which the code of the authors of Dirichlet calibration was run, and problems made of such.

`dirichletcal/calib/multinomial.py` of dirichletcal/dirichlet_python at b03f65fc6582cad89497b977b3b33a3c4fe48e39 (jax,
float64), `MultinomialRegression(.., ref_row=False, optimizer='newton')`, started from the identity; the other arguments
stand in each test.
"""

from __future__ import annotations

import numpy as np

from tasks.calibration import LabelledProbabilities, Labels, Probabilities
from tasks.metering import Ledger, Oracle


def rows(count: int, classes: int, shift: int) -> Probabilities:
    """Probability vectors (count, classes) that are the same everywhere."""
    index = np.arange(1, count * classes + 1, dtype=float).reshape(count, classes)
    raw = ((index * 0.6180339887498949 + shift * 0.1) % 1.0) ** 2 + 0.02
    vectors: Probabilities = raw / raw.sum(axis=1, keepdims=True)
    return vectors


def labels(count: int, classes: int) -> Labels:
    """Labels (count,) that are the same everywhere."""
    return (np.arange(count) * 7 // 3) % classes


class OnlyRandom:
    """A run of which a method may only draw."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)


def problem(known: Probabilities, given: Labels) -> LabelledProbabilities:
    """A problem of labelled rows, each of which costs a label."""
    ledger = Ledger()
    return LabelledProbabilities(
        ledger=ledger,
        classes=tuple("abcdefgh"[: known.shape[-1]]),
        unlabelled=known,
        labelled=Oracle(ledger, "labels", lambda: (known, given), price=len(given)),
    )
