"""Families of teachers, among them those on which the rates of the paper are the true ones.

Rates of the paper (arXiv 2310.07838) are worst cases over teachers, and a worst teacher changes with n: for any fixed
one a student that knows the probabilities of its draws is exact once every label was drawn, which happens exponentially
fast. So two of the families depend on n, each so that one level of information falls as slowly as it can.
"""

from __future__ import annotations

import enum

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Family(enum.StrEnum):
    """How inputs and labels are distributed."""

    EVEN = "even"  # inputs alike, labels Dirichlet(1): fixed, slowest for counts
    RARE_LABEL = "rare label"  # labels that are drawn about once: slowest for known probabilities
    RARE_INPUT = "rare input"  # inputs that are drawn about once: slowest for soft labels
    ZIPF = "zipf"  # inputs and labels by Zipf's law: fixed, as language is


def least_draws(family: Family, inputs: int, labels: int) -> int:
    """The largest n for which the family is no distribution."""
    return {Family.RARE_LABEL: inputs * (labels // 2), Family.RARE_INPUT: inputs - 1}.get(family, 0)


def teacher(family: Family, inputs: int, labels: int, draws: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """The distribution of inputs rho (S,) and the teacher pi* (S, A)."""
    order = rng.permuted(np.tile(np.arange(labels), (inputs, 1)), axis=1)  # (S, A), which labels are which
    even = np.full(inputs, 1 / inputs)
    if family is Family.EVEN:
        return even, rng.dirichlet(np.ones(labels), size=inputs)
    if family is Family.ZIPF:
        weights = 1 / np.arange(1, max(inputs, labels) + 1)
        return weights[:inputs] / weights[:inputs].sum(), (weights[:labels] / weights[:labels].sum())[order]
    if family is Family.RARE_LABEL:
        return even, _rare_labels(inputs, labels, draws)[order]
    rho = np.full(inputs, 1 / draws)
    rho[0] = 1 - rho[1:].sum()
    return rho, _half(labels)[order]


def _rare_labels(inputs: int, labels: int, draws: int) -> Array:
    """(A,): one label has nearly all mass; half of all are drawn once among n / S draws, and the rest never.

    Once is worst: of k labels that are drawn c times on average, the mass k S/n c exp(-c) is not drawn. Without the
    rest a student that spreads what is left over evenly would be right.
    """
    row = np.zeros(labels)
    rare = labels // 2
    row[1 : rare + 1] = inputs / draws
    row[0] = 1 - row[1:].sum()
    return row


def _half(labels: int) -> Array:
    """(A,): alike on half of the labels, so that a uniform answer is wrong by 1/2, however many labels there are."""
    row = np.zeros(labels)
    row[: labels // 2] = 2 / labels
    return row
