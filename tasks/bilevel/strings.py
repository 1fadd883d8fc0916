"""Strings of symbols as sequences of frames, and how far what is read from them is from what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BLANK = 0  # what stands between labels; symbols are numbered from 1

Piece = NDArray[np.float32]  # one symbol, (F, frames)
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Strings:
    """Sequences of one batch, padded to the longest.

    Args:
        inputs: (N, F, T), zeros beyond the length.
        lengths: (N,) frames.
        labels: (N, L), `BLANK` beyond the count.
        counts: (N,) labels.
    """

    inputs: Tensor
    lengths: Tensor
    labels: Tensor
    counts: Tensor

    def __len__(self) -> int:
        return len(self.lengths)

    def take(self, rows: Numbers | None) -> Strings:
        """Some of them, padded no further than the longest of these; None for all."""
        if rows is None:
            return self
        some = torch.from_numpy(np.asarray(rows))
        lengths = self.lengths[some]
        inputs = self.inputs[some][:, :, : int(lengths.max())]
        return Strings(inputs, lengths, self.labels[some], self.counts[some])


def composed(rng: np.random.Generator, pools: Sequence[Numbers], count: int, sizes: tuple[int, int]) -> list[Numbers]:
    """Which pieces stand in which string.

    Args:
        rng: says so.
        pools: numbers of pieces. Strings take turns among them, and each is of one pool, which is run through in an
            order of its own again and again.
        count: strings.
        sizes: fewest and most pieces of a string, all equally frequent.

    Raises:
        ValueError: a pool has fewer pieces than a string may have.
    """
    smallest = min(len(pool) for pool in pools)
    if smallest < sizes[1]:
        raise ValueError(f"strings have up to {sizes[1]} pieces, but only {smallest} are there to choose from")
    waiting = [pool[:0] for pool in pools]
    strings = []
    for number in range(count):
        which, size = number % len(pools), int(rng.integers(sizes[0], sizes[1] + 1))
        if len(waiting[which]) < size:
            waiting[which] = rng.permutation(pools[which])
        strings.append(waiting[which][:size])
        waiting[which] = waiting[which][size:]
    return strings


def joined(pieces: Sequence[Piece], symbols: Numbers, strings: Sequence[Numbers], gaps: Sequence[Numbers]) -> Strings:
    """Put pieces behind each other.

    Args:
        pieces: all of them.
        symbols: of each piece, from 1.
        strings: numbers of the pieces of each string.
        gaps: empty frames behind each piece of each string.
    """
    rows = [_row(pieces, string, gap) for string, gap in zip(strings, gaps, strict=True)]
    lengths = [row.shape[1] for row in rows]
    inputs = np.zeros((len(rows), rows[0].shape[0], max(lengths)), np.float32)
    labels = np.full((len(rows), max(map(len, strings))), BLANK, np.int64)
    for number, (row, string) in enumerate(zip(rows, strings, strict=True)):
        inputs[number, :, : row.shape[1]] = row
        labels[number, : len(string)] = symbols[string]
    counts = torch.tensor([len(string) for string in strings])
    return Strings(torch.from_numpy(inputs), torch.tensor(lengths), torch.from_numpy(labels), counts)


def _row(pieces: Sequence[Piece], string: Numbers, gap: Numbers) -> Piece:
    parts = []
    for piece, empty in zip(string, gap, strict=True):
        parts += [pieces[piece], np.zeros((pieces[piece].shape[0], int(empty)), np.float32)]
    return np.concatenate(parts, axis=1)


def greedy(scores: Tensor, lengths: Tensor) -> list[list[int]]:
    """Labels by the likeliest path: the best symbol of each frame, repeats merged, blanks left out.

    Args:
        scores: (N, T, K + 1), the larger the likelier.
        lengths: (N,) frames that count.
    """
    best = scores.argmax(dim=2).tolist()
    read = []
    for row, length in zip(best, lengths.tolist(), strict=True):
        path = row[:length]
        read.append([it for at, it in enumerate(path) if it != BLANK and (at == 0 or path[at - 1] != it)])
    return read


def edits(one: Sequence[int], other: Sequence[int]) -> int:
    """The least number of insertions, deletions and substitutions that make one sequence the other (Levenshtein)."""
    above = list(range(len(other) + 1))
    for row, left in enumerate(one, start=1):
        here = [row]
        for column, right in enumerate(other, start=1):
            here.append(min(above[column] + 1, here[-1] + 1, above[column - 1] + (left != right)))
        above = here
    return above[-1]


def token_error(read: Sequence[Sequence[int]], strings: Strings) -> float:
    """Edits over the number of right labels, over all strings together; above 1 where too much is read."""
    total = sum(
        edits(found, row[:count])
        for found, row, count in zip(read, strings.labels.tolist(), strings.counts.tolist(), strict=True)
    )
    return total / int(strings.counts.sum())
