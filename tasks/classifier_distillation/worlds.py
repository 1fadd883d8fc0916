"""Where examples come from: images, shifted images, and a mixture of Gaussians whose posteriors are known."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.base import read_only
from tasks.images import ImageSet, Labelled, check, load
from tasks.metering import fingerprint, random_stream
from tasks.preparation import identity

CLASSES = 10


class Shift(enum.StrEnum):
    """A change of all images."""

    NONE = "none"
    LEFT = "left"  # by two pixels
    UP = "up"
    TURNED = "turned"  # by a quarter
    MIRRORED = "mirrored"
    INVERTED = "inverted"
    FAINT = "faint"  # a third of the contrast
    NOISY = "noisy"  # Gaussian, of deviation 0.2
    BLURRED = "blurred"  # the mean over a cross of five pixels
    NOISY_INVERTED = "noisy_inverted"


@dataclass(frozen=True)
class World:
    """Examples of one seed.

    Args:
        train: what teachers are trained on and students' examples are taken from.
        validation, test: of the judge.
        posteriors: (rows of test, K), the true ones, where they are known.
    """

    train: Labelled
    validation: Labelled
    test: Labelled
    posteriors: NDArray[np.float32] | None = None


@dataclass(frozen=True, kw_only=True)
class Source(ABC):
    """Draws a world for a seed; tasks with the same source see the same worlds, and so share their teachers.

    Args:
        train, validation, test: examples.
    """

    train: int
    validation: int
    test: int

    @abstractmethod
    def world(self, seed: int) -> World:
        """The world of a seed."""

    def stream(self, seed: int) -> np.random.Generator:
        """The stream of a seed."""
        return random_stream("world", fingerprint(identity(self)), seed)

    def check(self) -> None:  # noqa: B027 (most sources need nothing)
        """Say whether the data are here.

        Raises:
            DataMissing: they are not.
        """


@dataclass(frozen=True, kw_only=True)
class Images(Source):
    """Images of a data set, of which a seed draws some. Test images come from the test part.

    Args:
        images: the data set.
        pool: images are averaged over squares of this width.
        shifts: names of `Shift`; each training, validation and test image is changed by one of them, in turn.
    """

    images: ImageSet
    pool: int
    shifts: tuple[str, ...]

    def __post_init__(self) -> None:
        unknown = [name for name in self.shifts if name not in list(Shift)]
        if unknown:
            raise ValueError(f"there is no shift {unknown[0]!r}; there are {', '.join(Shift)}")

    def check(self) -> None:
        """Say whether the images are here."""
        check(self.images)

    def world(self, seed: int) -> World:
        """Draw rows.

        Raises:
            ValueError: the data set has too few.
        """
        return self._drawn(seed, self, (0, 0))

    def behind(self, seed: int, other: Images) -> World:
        """As `world`, but of images that another source of the same data set does not show with this seed.

        Raises:
            ValueError: the data set has too few for both, or theirs is another one.
        """
        if other.images is not self.images:
            raise ValueError(f"images of {self.images.value} cannot lie behind those of {other.images.value}")
        return self._drawn(seed, other, (other.train + other.validation, other.test))

    def _drawn(self, seed: int, order: Images, used: tuple[int, int]) -> World:
        """The images that come first in a source's order, without so many as are used of either part."""
        known, tests = load(self.images, self.pool)
        if used[0] + self.train + self.validation > len(known) or used[1] + self.test > len(tests):
            raise ValueError(
                f"{used[0] + self.train} + {self.validation} + {used[1] + self.test} images are wanted, "
                f"but {self.images.value} has {len(known)} for training and {len(tests)} for tests"
            )
        source = order.stream(seed)
        rows, chosen = source.permutation(len(known))[used[0] :], source.permutation(len(tests))[used[1] :]
        train, validation = known.take(rows[: self.train]), known.take(rows[self.train :][: self.validation])
        rng = self.stream(seed)
        shifts = tuple(Shift(name) for name in self.shifts)
        parts = (train, validation, tests.take(chosen[: self.test]))
        one, two, three = (shifted(part, shifts, rng) for part in parts)
        return World(one, two, three)


@dataclass(frozen=True, kw_only=True)
class Mixture(Source):
    """Ten overlapping Gaussians with the same covariance, the identity, and means drawn by the seed.

    Args:
        dimension: of the inputs.
        spread: standard deviation of each coordinate of the means.
    """

    dimension: int
    spread: float

    def world(self, seed: int) -> World:
        """Draw means, classes and points."""
        rng = self.stream(seed)
        means = rng.normal(0, self.spread, (CLASSES, self.dimension))
        parts = []
        for count in (self.train, self.validation, self.test):
            labels = rng.integers(CLASSES, size=count)
            points = means[labels] + rng.normal(size=(count, self.dimension))
            parts.append(Labelled(read_only(points, np.float32), read_only(labels)))
        train, validation, test = parts
        return World(train, validation, test, read_only(posteriors(means, test.inputs), np.float32))


def posteriors(means: NDArray[np.float64], points: NDArray[np.float32]) -> NDArray[np.float64]:
    """P(class | point) (n, K) of Gaussians with unit covariance and equal weights."""
    scores = points @ means.T - 0.5 * (means**2).sum(axis=1)
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = odds / odds.sum(axis=1, keepdims=True)
    return shares


def shifted(images: Labelled, shifts: tuple[Shift, ...], rng: np.random.Generator) -> Labelled:
    """Change image i by shift i modulo their number; none at all leaves them as they are."""
    if not shifts:
        return images
    inputs = np.array(images.inputs)
    for number, shift in enumerate(shifts):
        inputs[number :: len(shifts)] = _shift(inputs[number :: len(shifts)], shift, rng)
    return Labelled(read_only(inputs), images.labels)


def _shift(inputs: NDArray[np.float32], shift: Shift, rng: np.random.Generator) -> NDArray[np.float32]:
    around = [(0, 0), (1, 2), (-1, 2), (1, 3), (-1, 3)]
    noise = rng.normal(0, 0.2, inputs.shape).astype(np.float32)
    changed = {
        Shift.NONE: lambda x: x,
        Shift.LEFT: lambda x: np.roll(x, -2, axis=3),
        Shift.UP: lambda x: np.roll(x, -2, axis=2),
        Shift.TURNED: lambda x: np.rot90(x, axes=(2, 3)),
        Shift.MIRRORED: lambda x: x[:, :, :, ::-1],
        Shift.INVERTED: lambda x: 1 - x,
        Shift.FAINT: lambda x: x / 3,
        Shift.NOISY: lambda x: x + noise,
        Shift.BLURRED: lambda x: sum(np.roll(x, step, axis) if step else x for step, axis in around) / 5,
        Shift.NOISY_INVERTED: lambda x: 1 - x + noise,
    }[shift](inputs)
    return np.ascontiguousarray(changed, dtype=np.float32)
