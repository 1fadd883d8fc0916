"""Responses of earlier students, and the sequences of a step."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.base import read_only
from tasks.distillation import Sampled, TokenData


@dataclass(frozen=True)
class Drawn:
    """The sequences of a step.

    Args:
        data: n sequences.
        recorded: (2, n, T - 1) float32, log-probabilities of the next tokens under student and teacher when they were
            drawn, 0 before and behind the response; None where they were not kept.
        beside: references for a second loss; None without one.
    """

    data: TokenData
    recorded: NDArray[np.float32] | None = None
    beside: TokenData | None = None


@dataclass(frozen=True)
class Kept:
    """One sequence: its tokens, of which the first are the prompt, and (2, response) what was recorded, or None."""

    tokens: NDArray[np.int64]
    prompt_length: int
    recorded: NDArray[np.float32] | None


class Buffer:
    """Sequences, first in, first out.

    Args:
        capacity: sequences that it holds.
        end: token that fills up behind the shorter ones of a batch.
    """

    def __init__(self, capacity: int, end: int) -> None:
        self._end = end
        self._kept: deque[Kept] = deque(maxlen=capacity)
        self._queue: list[int] = []

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def left(self) -> int:
        """Sequences that the pass under way has not come to."""
        return len(self._queue)

    def add(self, data: TokenData) -> None:
        """Take sequences in; the oldest make room."""
        for tokens, prompt_length, length in zip(data.tokens, data.prompt_length, data.length, strict=True):
            self._kept.append(Kept(tokens[:length], int(prompt_length), None))

    def fill(self, sampled: Sampled) -> None:
        """Hold these sequences and no others, with what was recorded when they were drawn."""
        assert sampled.teacher_log_probability is not None, "the teacher takes part in drawing them"
        self._kept.clear()
        laws = np.stack([sampled.log_probability, sampled.teacher_log_probability])  # (2, n, S)
        data = sampled.sequences
        for row, (prompt, length) in enumerate(zip(data.prompt_length, data.length, strict=True)):
            self._kept.append(Kept(data.tokens[row, :length], int(prompt), laws[:, row, : length - prompt]))
        self._queue = []

    def draw(self, count: int, rng: np.random.Generator) -> TokenData:
        """Some of them, uniformly and none twice; all if there are no more."""
        return self._batch(rng.permutation(len(self._kept))[:count].tolist()).data

    def next(self, count: int, rng: np.random.Generator) -> Drawn:
        """The next of a pass through all of them, which begins in a new order when the last one has ended."""
        if not self._queue:
            self._queue = rng.permutation(len(self._kept)).tolist()
        chosen, self._queue = self._queue[:count], self._queue[count:]
        return self._batch(chosen)

    def state(self) -> dict[str, Any]:
        """As tensors."""
        return {
            "tokens": [torch.tensor(one.tokens) for one in self._kept],
            "prompt_length": [one.prompt_length for one in self._kept],
            "recorded": [None if one.recorded is None else torch.tensor(one.recorded) for one in self._kept],
            "queue": list(self._queue),
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        """Hold what another buffer held."""
        self._kept.clear()
        for tokens, prompt, laws in zip(state["tokens"], state["prompt_length"], state["recorded"], strict=True):
            self._kept.append(Kept(read_only(tokens.numpy()), int(prompt), None if laws is None else laws.numpy()))
        self._queue = list(state["queue"])

    def _batch(self, rows: Sequence[int]) -> Drawn:
        chosen = [self._kept[row] for row in rows]
        length = np.array([len(one.tokens) for one in chosen])
        tokens = np.full((len(chosen), int(length.max())), self._end, dtype=np.int64)
        recorded = np.zeros((2, len(chosen), tokens.shape[1] - 1), dtype=np.float32)
        for row, one in enumerate(chosen):
            tokens[row, : len(one.tokens)] = one.tokens
            if one.recorded is not None:
                recorded[:, row, one.prompt_length - 1 : len(one.tokens) - 1] = one.recorded
        data = TokenData(read_only(tokens), read_only([one.prompt_length for one in chosen]), read_only(length))
        return Drawn(data, None if chosen[0].recorded is None else recorded)
