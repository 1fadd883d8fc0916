"""First weights of a small network that already look for demonstrations like the question.

Learning to answer from demonstrations stays long on a plateau (Garg et al. 2022, arXiv 2208.01066) and then finds
three things (Olsson et al. 2022, arXiv 2209.11895, on induction heads): to see the token before, to sum up a text, and
to copy the label of what is alike. The first weights hold a rough form of these, to shorten the
plateau. All of it is trained on; only the vectors of words stay.

The residual stream is divided: the word itself, the word before (a projection), a mean of the words nearby, and the
position as sines and cosines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from tasks.language_models import Architecture

if TYPE_CHECKING:
    from transformers import GPT2LMHeadModel

WORD = 3.0  # length of the vector of a word; a logit can then be as large as 3 sqrt(width)
PLACE = 0.75  # amplitude of the sines
RATES = 2.5 * 0.52 ** torch.arange(8)  # radians a token: periods from 2.5 to 240 tokens
SLOW = 0.4  # waves below this rate tell what is near from what is far, without the detail
BEFORE, NEAR = 2.5, 1.0  # factors of the products of positions: for the token before, and for a window of about ten
SAME, ALIKE = 2.0, 3.0  # factors of the products: is what stood before there what stands here; are the texts alike
WRITTEN, COPIED = 0.4, 0.5  # of what the first and second layer find; about as long as what is there


@dataclass(frozen=True)
class Parts:
    """Where the parts of the residual stream lie.

    Args:
        word: numbers of a word's vector, and of the mean of words.
    """

    word: int

    @property
    def before(self) -> int:
        """Numbers for the word before; as many are for the position."""
        return 2 * len(RATES)

    @property
    def width(self) -> int:
        """Of the whole stream."""
        return 2 * self.word + 2 * self.before

    def places(self) -> tuple[slice, slice, slice, slice]:
        """Word, word before, mean, position."""
        one, two, three = self.word, self.word + self.before, 2 * self.word + self.before
        return slice(0, one), slice(one, two), slice(two, three), slice(three, self.width)

    def check(self, architecture: Architecture) -> None:
        """Refuse another size of network.

        Raises:
            ValueError: the parts do not fill the width, or there are not two heads, or not two layers.
        """
        if architecture.width != self.width or architecture.heads != 2 or architecture.layers < 2:
            raise ValueError(f"words of {self.word} numbers need a width of {self.width}, 2 heads, 2 layers or more")


@torch.no_grad()
def begin(network: GPT2LMHeadModel, vectors: Tensor) -> None:
    """Set the first weights of a network. Random numbers come from torch's global generator.

    Args:
        network: its size is what `Parts.check` wants.
        vectors: (V, W), each of length 1. They are frozen.
    """
    body = cast("Any", network.transformer)
    parts = Parts(vectors.shape[1])
    word, _, _, position = parts.places()
    for name, weight in body.h.named_parameters():
        if weight.ndim == 2:  # (in, out)
            depth = 0.5 * (2 * len(body.h)) ** -0.5 if name.endswith("c_proj.weight") else 1.0
            nn.init.normal_(weight, std=depth * weight.shape[0] ** -0.5)
    projection = nn.init.orthogonal_(torch.empty(parts.word, parts.before))
    _look_around(body.h[0].attn, parts, projection)
    _look_up(body.h[1].attn, parts, projection)
    body.wte.weight.zero_()
    body.wte.weight[:, word] = WORD * vectors
    angles = torch.arange(network.config.n_positions)[:, None] * RATES
    body.wpe.weight.zero_()
    body.wpe.weight[:, position] = PLACE * torch.cat([angles.sin(), angles.cos()], dim=1)
    body.wte.weight.requires_grad_(False)


def _look_around(attention: Any, parts: Parts, projection: Tensor) -> None:
    """One head finds the token before, the other the tokens nearby; both write what these are."""
    (word, before, mean, position), head = parts.places(), parts.width // 2
    queries, keys, values, written = _cleared(attention, parts.width)
    count = parts.before
    queries[position, :count] = BEFORE**0.5 * torch.eye(count)
    keys[position, :count] = BEFORE**0.5 * _one_on()
    values[word, :count] = projection
    written[:count, before] = WRITTEN * torch.eye(count)
    slow = NEAR**0.5 * torch.diag((RATES < SLOW).float().repeat(2))
    queries[position, head : head + count] = slow
    keys[position, head : head + count] = slow
    values[word, head : head + parts.word] = torch.eye(parts.word)
    written[head : head + parts.word, mean] = WRITTEN * torch.eye(parts.word)


def _look_up(attention: Any, parts: Parts, projection: Tensor) -> None:
    """Both heads find tokens that follow the present word where the text is alike; the first copies them."""
    (word, before, mean, _), head = parts.places(), parts.width // 2
    queries, keys, values, written = _cleared(attention, parts.width)
    for start in (0, head):
        middle, end = start + parts.before, start + parts.before + parts.word
        queries[word, start:middle] = SAME * projection
        keys[before, start:middle] = torch.eye(parts.before)
        queries[mean, middle:end] = ALIKE * torch.eye(parts.word)
        keys[mean, middle:end] = torch.eye(parts.word)
    values[word, : parts.word] = torch.eye(parts.word)
    written[: parts.word, word] = COPIED * torch.eye(parts.word)
    nn.init.normal_(values[:, head:], std=parts.width**-0.5)
    nn.init.normal_(written[head:], std=0.2 * parts.width**-0.5)


def _cleared(attention: Any, width: int) -> tuple[Tensor, ...]:
    """Weights of queries, keys, values and of what is written, all (width, width) views and zero."""
    inward, outward = attention.c_attn.weight.zero_(), attention.c_proj.weight.zero_()
    return *inward.split(width, dim=1), outward


def _one_on() -> Tensor:
    """(16, 16): the sines and cosines of a position, as a row, times this are those of the next position."""
    cosine, sine = torch.diag(RATES.cos()), torch.diag(RATES.sin())
    return torch.cat([torch.cat([cosine, -sine], dim=1), torch.cat([sine, cosine], dim=1)])
