"""Data sets of two classes as rows of numbers, for support vector machines."""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks import data
from tasks.base import read_only

Array = NDArray[np.float64]


class TwoClasses(enum.StrEnum):
    """Where the rows come from."""

    BREAST_CANCER = "breast_cancer"  # 569 rows of 30 numbers, which scikit-learn carries (UCI, Wisconsin, diagnostic)
    IONOSPHERE = "ionosphere"  # 351 rows of 34 numbers (UCI)
    SONAR = "sonar"  # 208 rows of 60 numbers (UCI)


@dataclass(frozen=True)
class Marked:
    """Rows and their signs.

    Args:
        features: (rows, F), the last one constant.
        signs: (rows,), 1 or -1.
    """

    features: Array
    signs: Array

    def __len__(self) -> int:
        return len(self.signs)

    def margins_of(self) -> Array:
        """(rows, F): times weights, how far a row lies on its side."""
        signed: Array = self.signs[:, None] * self.features
        return signed


def check(source: TwoClasses) -> None:
    """Say whether the rows are here.

    Raises:
        DataMissing: they are not.
    """
    if source is not TwoClasses.BREAST_CANCER:
        data.check("uci_small", f"{source.value}.csv")


def draw(
    source: TwoClasses, rng: np.random.Generator, sizes: tuple[int, int, int, int], flipped: float
) -> tuple[Marked, Marked, Marked, Marked]:
    """Draw training, validation, test and tuning rows, none twice.

    Features are standardised by the training rows and divided by the root of their number, so that rows have norms
    near 1.

    Args:
        source: where from.
        rng: says which rows, and which training signs are turned.
        sizes: rows of the four parts.
        flipped: share of the training signs that are turned.

    Raises:
        ValueError: there are not so many rows.
    """
    features, signs = _rows(source)
    if sum(sizes) > len(signs):
        raise ValueError(f"{sizes} rows are wanted, but {source.value} has {len(signs)}")
    order = rng.permutation(len(signs))
    wrong = rng.permutation(sizes[0])[: round(flipped * sizes[0])]
    parts = np.split(order[: sum(sizes)], np.cumsum(sizes)[:3])
    known = features[parts[0]]
    spread = known.std(axis=0)
    scaled = (features - known.mean(axis=0)) / np.where(spread > 0, spread, 1.0) / features.shape[1] ** 0.5
    whole = np.concatenate([scaled, np.ones((len(scaled), 1))], axis=1)
    train, validation, test, tuning = (Marked(whole[part], signs[part]) for part in parts)
    train.signs[wrong] *= -1
    return train, validation, test, tuning


@functools.lru_cache(maxsize=3)
def _rows(source: TwoClasses) -> tuple[Array, Array]:
    """Features (rows, F) and signs (rows,)."""
    if source is TwoClasses.BREAST_CANCER:
        from sklearn.datasets import load_breast_cancer  # its package takes a second to import

        features, classes = load_breast_cancer(return_X_y=True)
        return read_only(features, np.float64), read_only(2 * classes - 1, np.float64)
    fields = [line.split(",") for line in data.lines("uci_small", f"{source.value}.csv")]
    first = {TwoClasses.IONOSPHERE: "g", TwoClasses.SONAR: "M"}[source]
    signs = [1.0 if row[-1] == first else -1.0 for row in fields]
    return read_only([row[:-1] for row in fields], np.float64), read_only(signs, np.float64)
