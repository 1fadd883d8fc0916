"""Images as tables of numbers, for lower problems that are linear models."""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.base import NotApplicable
from tasks.images import MNIST, ImageSet, idx
from tasks.images import check as check_images

CLASSES = 10


class Source(enum.StrEnum):
    """Where the images come from."""

    DIGITS = "digits"  # 1,797 of 8 x 8 pixels, which scikit-learn carries (UCI optical digits)
    MNIST = "mnist"


@dataclass(frozen=True)
class Table:
    """Rows for the lower and the upper objective, and rows that only the judge sees.

    Args:
        train, validation, test: features (rows, F), the last one constant, and labels (rows,).
    """

    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]


def check(source: Source) -> None:
    """Say whether the images are here.

    Raises:
        DataMissing: they are not.
    """
    check_images(ImageSet(source.value))


def draw(source: Source, rng: np.random.Generator, pool: int, sizes: tuple[int, int, int]) -> Table:
    """Draw rows for the three parts, none twice.

    Args:
        source: where from. Of MNIST, test rows come from its test part.
        rng: says which.
        pool: images are averaged over squares of this width.
        sizes: rows of the three parts.
    """
    features, labels, _ = _images(source, pool)
    parts = _split(source, rng, pool, sizes)[:3]
    if any(len(part) < size for part, size in zip(parts, sizes, strict=True)):
        raise ValueError(f"{sizes} rows are wanted, but {source.value} has {len(labels)}")
    one, two, three = ((torch.from_numpy(features[it]), torch.from_numpy(labels[it])) for it in parts)
    return Table(one, two, three)


def left_over(
    source: Source, rng: np.random.Generator, pool: int, sizes: tuple[int, int, int], most: int
) -> tuple[Tensor, Tensor]:
    """Rows that belong to none of the parts that `draw` makes of the same stream, nor to the test part of MNIST.

    Args:
        source, rng, pool, sizes: as for `draw`.
        most: how many at most.

    Returns:
        Features (rows, F) and labels (rows,).

    Raises:
        NotApplicable: there are none.
    """
    features, labels, _ = _images(source, pool)
    rest = _split(source, rng, pool, sizes)[3][:most]
    if not len(rest):
        raise NotApplicable(f"{sizes} rows leave none of {source.value} for validation")
    return torch.from_numpy(features[rest]), torch.from_numpy(labels[rest])


def _split(source: Source, rng: np.random.Generator, pool: int, sizes: tuple[int, int, int]) -> list[NDArray[np.int64]]:
    """Numbers of the rows of the three parts, and of those left over for further ones."""
    _, labels, known = _images(source, pool)
    if not known:
        return np.split(rng.permutation(len(labels)), np.cumsum(sizes))
    train, validation, rest = np.split(rng.permutation(known), np.cumsum(sizes[:2]))
    return [train, validation, known + rng.permutation(len(labels) - known)[: sizes[2]], rest]


@functools.lru_cache(maxsize=4)
def _images(source: Source, pool: int) -> tuple[NDArray[np.float64], NDArray[np.int64], int]:
    """Features (rows, F) from 0 to 1 and a constant 1, labels, and how many rows are for training; 0 for no split."""
    if source is Source.DIGITS:
        from sklearn.datasets import load_digits  # its package takes a second to import

        pixels, labels = load_digits(return_X_y=True)
        images, known = pixels.reshape(-1, 8, 8) / 16, 0
    else:
        read = [(idx(pair[0]), idx(pair[1])) for pair in MNIST]
        images, known = np.concatenate([it[0] for it in read]) / 255, len(read[0][0])
        labels = np.concatenate([it[1] for it in read])
    width = images.shape[1] // pool
    pooled = images.reshape(len(images), width, pool, width, pool).mean(axis=(2, 4)).reshape(len(images), -1)
    features = np.concatenate([pooled, np.ones((len(pooled), 1))], axis=1)
    return features, labels.astype(np.int64), known
