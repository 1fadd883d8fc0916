"""Networks that read strings, as functions of flat vectors: an encoder, and a head with CTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tasks.bilevel.strings import BLANK, Strings

KERNEL = 5  # frames that a block sees, dilated by 2 from block to block

Weights: TypeAlias = Mapping[str, Tensor]
Shapes: TypeAlias = tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Layout:
    """Which entries of a flat vector are which weights."""

    shapes: Shapes

    @property
    def size(self) -> int:
        """Entries of the vector."""
        return sum(int(np.prod(shape)) for _, shape in self.shapes)

    def views(self, vector: Tensor) -> Weights:
        """The weights by name."""
        parts = torch.split(vector, [int(np.prod(shape)) for _, shape in self.shapes])
        return {name: part.view(shape) for (name, shape), part in zip(self.shapes, parts, strict=True)}

    def start(self, rng: np.random.Generator) -> Tensor:
        """A drawn vector: matrices uniform up to 1 / sqrt(inputs of a unit), scales 1, all else 0."""
        parts = []
        for name, shape in self.shapes:
            if len(shape) > 1:
                bound = float(np.prod(shape[1:])) ** -0.5
                parts.append(rng.uniform(-bound, bound, size=int(np.prod(shape))))
            else:
                parts.append(np.full(shape, float(name.endswith("scale"))))
        return torch.from_numpy(np.concatenate(parts).astype(np.float32))


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """A convolution that takes every `stride`-th frame, and residual blocks of dilated convolutions.

    A block normalises the channels of each frame (Ba, Kiros and Hinton 2016), widens its view by a convolution, and
    adds what a layer with GELU makes of it. What lies beyond a string is 0 all the way, so that a row does not depend
    on those beside it.

    Args:
        features: F, of a frame.
        width: channels.
        depth: blocks.
        stride: frames to a step.
        causal: whether a step sees nothing of later frames.
    """

    features: int
    width: int
    depth: int
    stride: int
    causal: bool

    def shapes(self) -> Shapes:
        """Names and shapes of the weights."""
        width = self.width
        found: list[tuple[str, tuple[int, ...]]] = [
            ("stem", (width, self.features, 2 * self.stride + 1)),
            ("stem_shift", (width,)),
        ]
        for block in range(self.depth):
            found += [
                (f"{block}.scale", (width,)),
                (f"{block}.shift", (width,)),
                (f"{block}.view", (width, width, KERNEL)),
                (f"{block}.view_shift", (width,)),
                (f"{block}.out", (width, width, 1)),
                (f"{block}.out_shift", (width,)),
            ]
        return (*found, ("last.scale", (width,)), ("last.shift", (width,)))

    def steps(self, lengths: Tensor) -> Tensor:
        """Steps (N,) that so many frames give."""
        return (lengths + self.stride - 1) // self.stride

    def __call__(self, weights: Weights, inputs: Tensor, lengths: Tensor) -> Tensor:
        """(N, F, T) and (N,) to (N, width, steps)."""
        hidden = functional.conv1d(
            functional.pad(inputs, self._edges(2 * self.stride)), weights["stem"], weights["stem_shift"], self.stride
        )
        inside = (torch.arange(hidden.shape[2]) < self.steps(lengths)[:, None])[:, None].to(hidden.dtype)
        hidden = hidden * inside
        for block in range(self.depth):
            seen = _normed(hidden, weights, f"{block}.") * inside
            dilation = 2**block
            seen = functional.pad(seen, self._edges((KERNEL - 1) * dilation))
            seen = functional.conv1d(seen, weights[f"{block}.view"], weights[f"{block}.view_shift"], dilation=dilation)
            made = functional.conv1d(functional.gelu(seen), weights[f"{block}.out"], weights[f"{block}.out_shift"])
            hidden = (hidden + made) * inside
        return _normed(hidden, weights, "last.") * inside

    def _edges(self, more: int) -> tuple[int, int]:
        return (more, 0) if self.causal else (more // 2, more // 2)


def _normed(hidden: Tensor, weights: Weights, name: str) -> Tensor:
    centred = hidden - hidden.mean(dim=1, keepdim=True)
    spread = (centred**2).mean(dim=1, keepdim=True) + 1e-5
    return centred * spread.rsqrt() * weights[f"{name}scale"][:, None] + weights[f"{name}shift"][:, None]


def head_shapes(encoder: Encoder, symbols: int) -> Shapes:
    """A layer from a step to the blank and the symbols."""
    return (("head", (symbols + 1, encoder.width, 1)), ("head_shift", (symbols + 1,)))


def log_chances(head: Weights, steps: Tensor) -> Tensor:
    """(N, width, steps) to logarithms of probabilities (N, steps, K + 1)."""
    return functional.conv1d(steps, head["head"], head["head_shift"]).transpose(1, 2).log_softmax(dim=2)


def connectionist(chances: Tensor, steps: Tensor, strings: Strings) -> Tensor:
    """CTC (Graves et al. 2006): minus the log probability of all paths that read the labels, by their number.

    Args:
        chances: logarithms (N, steps, K + 1).
        steps: (N,) that count.
        strings: whose labels are to be read.
    """
    lost = functional.ctc_loss(
        chances.transpose(0, 1), strings.labels, steps, strings.counts, blank=BLANK, reduction="none"
    )
    return (lost / strings.counts).mean()
