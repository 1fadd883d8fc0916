"""Self-supervised losses of an encoder: masked frames are told, or frames to come are told from others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tasks.bilevel.listeners import Encoder, Shapes, Weights
from tasks.bilevel.strings import Numbers, Strings

SMALL = 0.01  # lengths below it are not scaled to 1: empty frames have none, and a slope of 1 over it


@dataclass(frozen=True, kw_only=True)
class SelfSupervision(ABC):
    """A loss g of an encoder alone, with weights of its own that belong to y."""

    causal: ClassVar[bool]  # whether the encoder may see later frames

    @abstractmethod
    def shapes(self, encoder: Encoder) -> Shapes:
        """Names and shapes of its weights."""

    @abstractmethod
    def loss(
        self, encoder: Encoder, weights: Weights, strings: Strings, rows: Numbers, count: int, rng: np.random.Generator
    ) -> Tensor:
        """The scalar loss.

        Args:
            encoder: how inputs are read.
            weights: of the encoder and of this loss.
            strings: of the minibatch.
            rows: their numbers.
            count: rows of a full pass.
            rng: the stream of one draw, always in the same state.
        """


@dataclass(frozen=True, kw_only=True)
class Reconstruction(SelfSupervision):
    """Masked frames are told from the others: mean squared error over the masked frames of a string, mean over strings.

    Masks are spans of frames, over which a learnt frame is written. A mask belongs to the row and the draw.

    Args:
        share: of the frames at which a span begins, times `span`.
        span: frames.
    """

    causal = False
    share: float
    span: int

    def __post_init__(self) -> None:
        if not 0 < self.share < 1 or self.span < 1:
            raise ValueError("share must lie between 0 and 1, and span must be 1 or more")

    def shapes(self, encoder: Encoder) -> Shapes:
        """The frame that hides others, and a layer from a step to its frames."""
        frames = encoder.features * encoder.stride
        return (("hidden_frame", (encoder.features,)), ("told", (frames, encoder.width, 1)), ("told_shift", (frames,)))

    def loss(
        self, encoder: Encoder, weights: Weights, strings: Strings, rows: Numbers, count: int, rng: np.random.Generator
    ) -> Tensor:
        """See the class."""
        batch, features, frames = strings.inputs.shape
        # frame by frame, so that further frames move none
        begins = rng.random((frames, count))[:, rows].T < self.share / self.span  # noqa: SIM300 (as one says it)
        masked = np.zeros_like(begins)
        for shift in range(self.span):
            masked[:, shift:] |= begins[:, : frames - shift]
        hidden = torch.from_numpy(masked) & (torch.arange(frames) < strings.lengths[:, None])
        inputs = torch.where(hidden[:, None], weights["hidden_frame"][:, None], strings.inputs)
        steps = encoder(weights, inputs, strings.lengths)
        told = functional.conv1d(steps, weights["told"], weights["told_shift"])
        told = told.view(batch, features, encoder.stride, -1).transpose(2, 3).reshape(batch, features, -1)
        errors = ((told[:, :, :frames] - strings.inputs) ** 2).mean(dim=1) * hidden
        return (errors.sum(dim=1) / hidden.sum(dim=1).clamp(min=1)).mean()


@dataclass(frozen=True, kw_only=True)
class Contrast(SelfSupervision):
    """InfoNCE between a prediction from the past and the frames that come (van den Oord et al. 2018, arXiv 1807.03748).

    From some steps t of every string a layer for each k = 1..K predicts an embedding of the frames of step t + k, none
    of which the encoder has seen at t. It is to be nearer to these than to those k steps behind other steps of the
    minibatch, by cosine over temperature, as in the code of the paper:

        g = mean of log(1 + sum over negatives n of exp((cos(p, e_n) - cos(p, e)) / temperature)).

    Args:
        ahead: K.
        anchors: steps t of each string.
        negatives: of each prediction.
        temperature: of the cosines.
        size: of embeddings.
    """

    causal = True
    ahead: int
    anchors: int
    negatives: int
    temperature: float
    size: int

    def __post_init__(self) -> None:
        if min(self.ahead, self.negatives, self.size) < 1 or self.anchors < 2 or not self.temperature > 0:
            raise ValueError("ahead, negatives and size must be 1 or more, anchors 2 or more, temperature above 0")

    def shapes(self, encoder: Encoder) -> Shapes:
        """The predictions of all k, and the embedding of the frames of a step."""
        return (
            ("predicted", (self.ahead * self.size, encoder.width)),
            ("predicted_shift", (self.ahead * self.size,)),
            ("embedded", (self.size, encoder.features * encoder.stride)),
            ("embedded_shift", (self.size,)),
        )

    def loss(
        self, encoder: Encoder, weights: Weights, strings: Strings, rows: Numbers, count: int, rng: np.random.Generator
    ) -> Tensor:
        """See the class.

        Raises:
            ValueError: a string is too short for K steps ahead.
        """
        room = encoder.steps(strings.lengths) - self.ahead
        if int(room.min()) < 1:
            raise ValueError(
                f"a string of {int(strings.lengths.min())} frames is too short for {self.ahead} steps ahead"
            )
        places = torch.from_numpy(rng.random((count, self.anchors))[rows])
        steps = (places * room[:, None]).long()  # (B, anchors)
        batch = torch.arange(len(strings))[:, None].expand_as(steps)
        context = encoder(weights, strings.inputs, strings.lengths)[batch, :, steps].flatten(0, 1)
        predicted = functional.linear(context, weights["predicted"], weights["predicted_shift"])
        later = steps[:, :, None] + torch.arange(1, self.ahead + 1)
        frames = patches(strings.inputs, encoder.stride)[batch[:, :, None], :, later].flatten(0, 1)
        embedded = functional.linear(frames, weights["embedded"], weights["embedded_shift"])
        predicted = functional.normalize(predicted.view(-1, self.ahead, self.size), dim=2, eps=SMALL)
        embedded = functional.normalize(embedded, dim=2, eps=SMALL)  # (A, K, size)
        total = len(embedded)
        shifts = rng.integers(1, total, size=(total, self.negatives))
        others = embedded[torch.from_numpy((np.arange(total)[:, None] + shifts) % total)]  # (A, negatives, K, size)
        right = (predicted * embedded).sum(dim=2)
        wrong = torch.einsum("aks,anks->akn", predicted, others)
        scores = torch.cat([right[:, :, None], wrong], dim=2) / self.temperature
        return (scores.logsumexp(dim=2) - scores[:, :, 0]).mean()


def patches(inputs: Tensor, stride: int) -> Tensor:
    """The frames of each step, (N, F * stride, steps): of step u those from stride u - stride + 1 to stride u.

    A causal step t has seen all frames up to stride t, and so none of the step t + 1.
    """
    batch, features, frames = inputs.shape
    steps = (frames + stride - 1) // stride
    padded = functional.pad(inputs, (stride - 1, 0))[:, :, : steps * stride]
    return padded.reshape(batch, features, steps, stride).transpose(2, 3).reshape(batch, features * stride, steps)
