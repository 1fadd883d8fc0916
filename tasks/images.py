"""Image data sets as arrays: the digits that scikit-learn carries, MNIST, and a part of CIFAR-10."""

from __future__ import annotations

import enum
import functools
import gzip
import io
import lzma
import tarfile
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks import data
from tasks.base import read_only

MNIST = (
    ("train30k-images-idx3-ubyte.gz", "train30k-labels-idx1-ubyte.gz"),
    ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
)
CIFAR10 = "cifar10_jpg_20000train_4000test.tar.xz"
DIGITS_FOR_TRAINING = 1200  # of 1,797; its own order has no split, so rows are shuffled once


class ImageSet(enum.StrEnum):
    """Where images come from."""

    DIGITS = "digits"  # 1,797 of 8 x 8 pixels (UCI optical digits)
    MNIST = "mnist"  # 30,000 and 10,000 of 28 x 28 pixels
    CIFAR10 = "cifar10"  # 20,000 and 4,000 of 32 x 32 pixels in three colours


@dataclass(frozen=True)
class Labelled:
    """Images and their classes, read-only.

    Args:
        inputs: (n, C, H, W) float32, from 0 to 1.
        labels: (n,) int64, from 0 to 9.
    """

    inputs: NDArray[np.float32]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: NDArray[np.int64] | slice) -> Labelled:
        """Some of them."""
        return Labelled(read_only(self.inputs[rows]), read_only(self.labels[rows]))


def check(images: ImageSet) -> None:
    """Say whether the images are here.

    Raises:
        DataMissing: they are not.
    """
    if images is ImageSet.CIFAR10:
        data.check("cifar10_subset", CIFAR10)
    if images is ImageSet.MNIST:
        for pair in MNIST:
            for file in pair:
                data.check("mnist", file)


@functools.lru_cache(maxsize=6)
def load(images: ImageSet, pool: int) -> tuple[Labelled, Labelled]:
    """The images for training and those for testing, averaged over squares of width `pool`.

    Raises:
        DataMissing: they are not here.
        ValueError: the width of an image is no multiple of `pool`.
    """
    readers = {ImageSet.DIGITS: _digits, ImageSet.MNIST: _mnist, ImageSet.CIFAR10: _cifar10}
    train, test = readers[images]()
    return _pooled(*train, pool), _pooled(*test, pool)


def _pooled(pixels: NDArray[np.float32], labels: NDArray[np.int64], pool: int) -> Labelled:
    count, colours, width, _ = pixels.shape
    if pool < 1 or width % pool:
        raise ValueError(f"images of width {width} cannot be averaged over squares of width {pool}")
    small = width // pool
    means = pixels.reshape(count, colours, small, pool, small, pool).mean(axis=(3, 5))
    return Labelled(read_only(means, np.float32), read_only(labels, np.int64))


def _digits() -> tuple[tuple[NDArray[np.float32], NDArray[np.int64]], ...]:
    from sklearn.datasets import load_digits  # its package takes a second to import

    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    shaped: NDArray[np.float32] = (pixels.reshape(-1, 1, 8, 8) / 16).astype(np.float32)
    whole: NDArray[np.int64] = labels.astype(np.int64)
    parts = order[:DIGITS_FOR_TRAINING], order[DIGITS_FOR_TRAINING:]
    return tuple((shaped[rows], whole[rows]) for rows in parts)


def _mnist() -> tuple[tuple[NDArray[np.float32], NDArray[np.int64]], ...]:
    read = ((idx(images), idx(labels)) for images, labels in MNIST)
    return tuple(((images[:, None] / 255).astype(np.float32), labels.astype(np.int64)) for images, labels in read)


def idx(file: str) -> NDArray[np.uint8]:
    """An array of the IDX format: two zero bytes, a type, the number of axes, and their lengths."""
    path = data.fetch("mnist", file)
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    axes = content[3]
    shape = tuple(int.from_bytes(content[4 + 4 * axis : 8 + 4 * axis], "big") for axis in range(axes))
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * axes).reshape(shape)


def _cifar10() -> tuple[tuple[NDArray[np.float32], NDArray[np.int64]], ...]:
    return tuple((np.divide(pixels, 255, dtype=np.float32), labels) for pixels, labels in _cifar10_bytes())


@functools.lru_cache(maxsize=1)  # to decode 24,000 pictures takes seconds
def _cifar10_bytes() -> tuple[tuple[NDArray[np.uint8], NDArray[np.int64]], ...]:
    """JPEG files, `<part>/<class>/<number>.jpg`; classes are numbered by name."""
    from PIL import Image  # comes with matplotlib

    content = lzma.decompress(data.fetch("cifar10_subset", CIFAR10).read_bytes())
    pictures: dict[str, NDArray[np.uint8]] = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive.getmembers():
            file = archive.extractfile(member) if member.isfile() and member.name.endswith(".jpg") else None
            if file is not None:
                pictures[member.name.removeprefix("./")] = np.asarray(Image.open(file).convert("RGB"))
    classes = sorted({name.split("/")[-2] for name in pictures})
    parts: list[tuple[NDArray[np.uint8], NDArray[np.int64]]] = []
    for part in ("train", "test"):
        names = sorted(name for name in pictures if name.split("/")[-3] == part)
        pixels = np.stack([pictures[name] for name in names]).transpose(0, 3, 1, 2)
        parts.append((pixels, np.array([classes.index(name.split("/")[-2]) for name in names])))
    return tuple(parts)
