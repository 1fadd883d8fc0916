"""Spoken digits as frames of log-mel energies: the Free Spoken Digit Dataset, of which a part is used."""

from __future__ import annotations

import functools
import io
import lzma
import tarfile
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks import data
from tasks.base import Run, read_only
from tasks.bilevel.strings import Numbers, Piece
from tasks.preparation import Preparation

ARCHIVE = "fsdd_8khz_1380train_300test.tar.xz"
SET = "fsdd_subset"
TEST_TAKES = 5  # of each speaker and digit; those with the lowest numbers, as the data set has it
TRAINING_TAKES = 23
SPEAKERS = 6
RATE = 8000  # samples a second
WINDOW = 200  # samples, 25 ms
TRANSFORM = 256  # points of the Fourier transform
LOWEST = 60.0  # Hz, of the first band
FAINT = 1e-8  # added to energies before the logarithm


@dataclass(frozen=True)
class Recordings:
    """One spoken digit each.

    Args:
        frames: (bands, frames) of each recording, read-only.
        digits: (n,) 0 to 9.
        speakers: (n,) 0 to 5.
        takes: (n,) number of the recording among those of a speaker and a digit.
    """

    frames: tuple[Piece, ...]
    digits: Numbers
    speakers: Numbers
    takes: Numbers


@dataclass(frozen=True, kw_only=True)
class SpokenDigits(Preparation):
    """Logarithms of mel energies of every recording, each band centred and all scaled by the recording's own spread.

    Nothing is learnt from other recordings, so that no part of the data sees another.

    Args:
        bands: mel bands.
        hop: samples from frame to frame.
    """

    bands: int
    hop: int

    def build(self, seed: int, run: Run) -> None:
        """Read the archive and transform each recording."""
        filters = mel_filters(self.bands)
        found = sorted(_waves(), key=lambda it: it[:3])
        frames = [log_mel(samples, filters, self.hop) for _, _, _, samples in found]
        speakers = sorted({speaker for _, speaker, _, _ in found})
        np.savez(
            run.folder / "recordings.npz",
            frames=np.concatenate(frames, axis=1),
            lengths=np.array([it.shape[1] for it in frames]),
            digits=np.array([digit for digit, _, _, _ in found]),
            speakers=np.array([speakers.index(speaker) for _, speaker, _, _ in found]),
            takes=np.array([take for _, _, take, _ in found]),
        )

    def load(self, folder: Path) -> Recordings:
        """The recordings."""
        return _read(folder / "recordings.npz")


@functools.lru_cache(maxsize=2)
def _read(path: Path) -> Recordings:
    with np.load(path) as kept:
        ends = np.cumsum(kept["lengths"])[:-1]
        frames = tuple(read_only(it, np.float32) for it in np.split(kept["frames"], ends, axis=1))
        digits, speakers, takes = (read_only(kept[name], np.int64) for name in ("digits", "speakers", "takes"))
    return Recordings(frames, digits, speakers, takes)


def _waves() -> Iterator[tuple[int, str, int, NDArray[np.float64]]]:
    """Digit, speaker, take and samples from -1 to 1; a file is called `<digit>_<speaker>_<take>.wav`."""
    content = lzma.decompress(data.fetch(SET, ARCHIVE).read_bytes())
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive.getmembers():
            file = archive.extractfile(member) if member.name.endswith(".wav") else None
            if file is not None:
                digit, speaker, take = Path(member.name).stem.split("_")
                with wave.open(io.BytesIO(file.read())) as sound:
                    samples = np.frombuffer(sound.readframes(sound.getnframes()), dtype="<i2")
                yield int(digit), speaker, int(take), samples / 2**15


def mel_filters(bands: int) -> NDArray[np.float64]:
    """Triangles (bands, TRANSFORM / 2 + 1), even on the mel scale 2595 log10(1 + f / 700), up to half the rate."""

    def mel(frequency: NDArray[np.float64]) -> NDArray[np.float64]:
        scaled: NDArray[np.float64] = 2595 * np.log10(1 + frequency / 700)
        return scaled

    first, last = mel(np.array([LOWEST, RATE / 2])).tolist()
    corners = np.linspace(first, last, bands + 2)
    points = mel(np.arange(TRANSFORM // 2 + 1) * RATE / TRANSFORM)
    rising = (points - corners[:-2, None]) / (corners[1] - corners[0])
    falling = (corners[2:, None] - points) / (corners[1] - corners[0])
    filters: NDArray[np.float64] = np.clip(np.minimum(rising, falling), 0, None)
    return filters


def log_mel(samples: NDArray[np.float64], filters: NDArray[np.float64], hop: int) -> Piece:
    """(bands, frames) of a recording, each band with mean 0, all entries together with variance 1.

    Args:
        samples: at least one; what a last window lacks is silence.
        filters: (bands, TRANSFORM / 2 + 1).
        hop: samples from frame to frame.
    """
    count = 1 + max(0, len(samples) - WINDOW) // hop
    padded = np.pad(samples, (0, max(0, WINDOW - len(samples))))
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::hop][:count]
    power = np.abs(np.fft.rfft(windows * np.hanning(WINDOW), TRANSFORM, axis=1)) ** 2
    energies = np.log(power @ filters.T + FAINT).T
    centred = energies - energies.mean(axis=1, keepdims=True)
    scaled: Piece = (centred / max(float(centred.std()), 1e-3)).astype(np.float32)
    return scaled
