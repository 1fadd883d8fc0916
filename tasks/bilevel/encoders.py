"""Encoders that are shared by a supervised and a self-supervised loss: strings of digits, seen or heard."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np

from tasks import data
from tasks.bilevel.listening import Listening, Supply
from tasks.bilevel.speech import ARCHIVE, SET, SPEAKERS, TEST_TAKES, TRAINING_TAKES, SpokenDigits
from tasks.bilevel.strings import Numbers
from tasks.images import ImageSet, check, load


@dataclass(frozen=True, kw_only=True)
class EncoderImages(Listening):
    """Images of digits behind each other; a frame is a column of pixels.

    Labelled, other training and validation images are drawn from the training part of the set, test images from its
    test part. No image is in two of them but the labelled ones, which g sees too.

    Args:
        images: where they come from.
        pool: images are averaged over squares of this width.
        labelled_pieces: images whose class f may know.
        training_pieces: images of g, the labelled ones among them.
        validation_pieces: images of validation strings.
    """

    images: ImageSet
    pool: int
    labelled_pieces: int
    training_pieces: int
    validation_pieces: int

    def check(self) -> None:
        """Say whether the images are here."""
        check(self.images)

    def supply(self, seed: int) -> Supply:
        """All images, and which of them serve which part.

        Raises:
            ValueError: there are too few.
        """
        train, test = load(self.images, self.pool)
        wanted = self.training_pieces + self.validation_pieces
        if wanted > len(train) or self.labelled_pieces > self.training_pieces:
            raise ValueError(f"{wanted} images are wanted, but {self.images.value} has {len(train)} for training")
        order = self.stream(seed, "pieces").permutation(len(train))
        spread = float(train.inputs.std())  # so that frames have a variance of 1, as those of speech; empty ones stay 0
        return Supply(
            pieces=[*train.inputs[:, 0] / spread, *test.inputs[:, 0] / spread],
            symbols=np.concatenate([train.labels, test.labels]) + 1,
            labelled=(order[: self.labelled_pieces],),
            training=(order[: self.training_pieces],),
            validation=(order[self.training_pieces : wanted],),
            test=(len(train) + np.arange(len(test)),),
        )


class Split(enum.StrEnum):
    """Which recordings are for testing."""

    OFFICIAL = "official"  # the first takes of everybody, as the data set has it
    SPEAKERS = "speakers"  # all takes of speakers who are not heard in training


@dataclass(frozen=True, kw_only=True)
class EncoderFsdd(Listening):
    """Recordings of digits behind each other, those of a string by one speaker; a frame is 20 ms of log-mel energies.

    Args:
        recordings: as frames.
        split: which are for testing.
        unheard: speakers whose recordings are for testing only, where the split is by speakers.
        labelled_pieces: recordings of each speaker whose digit f may know.
        validation_pieces: recordings of each speaker that make validation strings; all others are for training.
    """

    recordings: SpokenDigits
    split: Split
    unheard: int
    labelled_pieces: int
    validation_pieces: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.split is Split.SPEAKERS and not 0 < self.unheard < SPEAKERS:
            raise ValueError(f"unheard must be from 1 to {SPEAKERS - 1}, got {self.unheard}")
        kept = self.labelled_pieces + self.validation_pieces
        if not self.longest <= self.labelled_pieces <= kept <= 10 * TRAINING_TAKES:
            raise ValueError(
                f"each speaker has {10 * TRAINING_TAKES} recordings for training: labelled_pieces must be at least "
                f"{self.longest}, and together with validation_pieces no more than there are"
            )

    def check(self) -> None:
        """Say whether the recordings are here."""
        data.check(SET, ARCHIVE)

    def supply(self, seed: int) -> Supply:
        """All recordings, by speakers."""
        known = self.recordings.artefact(seed)
        rng = self.stream(seed, "pieces")
        speakers = rng.permutation(int(known.speakers.max()) + 1)
        by_speakers = self.split is Split.SPEAKERS
        heard = np.sort(speakers[self.unheard :] if by_speakers else speakers)
        later = known.takes >= TEST_TAKES
        orders = [rng.permutation(np.flatnonzero((known.speakers == speaker) & later)) for speaker in heard]
        first, second = self.labelled_pieces, self.labelled_pieces + self.validation_pieces
        judged = np.sort(speakers[: self.unheard]) if by_speakers else heard
        return Supply(
            pieces=known.frames,
            symbols=known.digits + 1,
            labelled=tuple(order[:first] for order in orders),
            training=tuple(np.concatenate([order[:first], order[second:]]) for order in orders),
            validation=tuple(order[first:second] for order in orders),
            test=tuple(_test_takes(known.speakers, known.takes, speaker, every=by_speakers) for speaker in judged),
        )


def _test_takes(speakers: Numbers, takes: Numbers, speaker: int, *, every: bool) -> Numbers:
    return np.flatnonzero((speakers == speaker) & (every | (takes < TEST_TAKES)))
