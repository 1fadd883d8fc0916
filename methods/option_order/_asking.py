"""Asking a model a multiple-choice question: how the text is laid out, and how probabilities are read off."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tasks.option_order import OptionItems, Probabilities, Question

ROWS = 512  # texts in one forward pass


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where tokens stand and what they look at.

    Args:
        share_positions: every option begins behind the prefix, and the suffix begins behind the longest option.
        separate_options: the tokens of an option look at the prefix and at their own option only.
    """

    share_positions: bool
    separate_options: bool

    def positions(self, question: Question) -> Tensor:
        """(T,) int64. Shared: do not change it."""
        return _positions(_lengths(question), self.share_positions)

    def attention(self, question: Question) -> Tensor:
        """(T, T) bool, true where row may look at column. Shared: do not change it."""
        return _attention(_lengths(question), self.separate_options)


Lengths = tuple[int, tuple[int, ...], int]  # of the prefix, of each option, of the suffix


def _lengths(question: Question) -> Lengths:
    return len(question.prefix), tuple(map(len, question.options)), len(question.suffix)


@functools.lru_cache(maxsize=2048)
def _positions(lengths: Lengths, shared: bool) -> Tensor:
    before, options, after = lengths
    if not shared:
        return torch.arange(before + sum(options) + after)
    inside = [torch.arange(before, before + length) for length in options]
    behind = before + max(options)
    return torch.cat([torch.arange(before), *inside, torch.arange(behind, behind + after)])


@functools.lru_cache(maxsize=2048)
def _attention(lengths: Lengths, separate: bool) -> Tensor:
    before, options, after = lengths
    seen = torch.ones((before + sum(options) + after,) * 2, dtype=torch.bool).tril()
    if not separate:
        return seen
    numbers = torch.arange(1, len(options) + 1).repeat_interleave(torch.tensor(options))
    open_to_all = [torch.zeros(length, dtype=torch.int64) for length in (before, after)]
    part = torch.cat([open_to_all[0], numbers, open_to_all[1]])  # (T,) which option, 0 for none
    return seen & ((part[:, None] == part) | (part[:, None] == 0) | (part == 0))


def asked(problem: OptionItems, questions: Sequence[Question], layout: Layout) -> Probabilities:
    """Probabilities (n, K) of the options as shown: the model's law of the next token, on the options alone.

    Questions of the same length go through the model together, so that nothing is padded.
    """
    groups: dict[int, list[int]] = defaultdict(list)
    for place, question in enumerate(questions):
        groups[len(_text(question))].append(place)
    answers = np.empty((len(questions), problem.options))
    for places in groups.values():
        for start in range(0, len(places), ROWS):
            some = places[start : start + ROWS]
            answers[some] = _together(problem, [questions[place] for place in some], layout)
    return answers


def _together(problem: OptionItems, questions: Sequence[Question], layout: Layout) -> Probabilities:
    tokens = torch.tensor([_text(question) for question in questions])
    positions = torch.stack([layout.positions(question) for question in questions])
    attention = torch.stack([layout.attention(question) for question in questions])
    logits = problem.forward(tokens, positions, attention)[:, -1]  # (B, V)
    heads = torch.tensor([[option[1] for option in question.options] for question in questions])
    probabilities: Probabilities = logits.gather(1, heads).double().softmax(dim=1).numpy()
    return probabilities


def _text(question: Question) -> list[int]:
    return [*question.prefix, *(token for option in question.options for token in option), *question.suffix]
