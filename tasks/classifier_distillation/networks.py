"""Teachers and students: networks in stages, whose hidden layers can be read and entered."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tasks.classifier_distillation import TEACHER_EXAMPLES
from tasks.metering import Ledger

AT_ONCE = 1000  # examples

Made = TypeVar("Made", bound=nn.Module)


class Kind(enum.StrEnum):
    """What a stage is."""

    CONVOLUTIONS = "convolutions"
    PERCEPTRON = "perceptron"


@dataclass(frozen=True, kw_only=True)
class Network:
    """The size of a network.

    Args:
        kind: of its stages.
        width: channels of the first stage, twice as many behind it; or hidden units of every stage.
        depth: stages.
    """

    kind: Kind
    width: int
    depth: int

    def __post_init__(self) -> None:
        if self.width < 1 or self.depth < 1:
            raise ValueError(f"a network has a width and a depth of at least 1, got {self.width} and {self.depth}")

    def build(self, shape: tuple[int, ...], classes: int) -> Staged:
        """The network with fresh weights from torch's global generator, for inputs of a shape."""
        if self.kind is Kind.CONVOLUTIONS:
            widths = [shape[0], *(self.width * min(2**stage, 2) for stage in range(self.depth))]
            stages = [_convolution(widths[it], widths[it + 1], 2 if it else 1) for it in range(self.depth)]
            places = [-(-side // 2 ** (self.depth - 1)) for side in shape[1:]]
            return Staged(stages, nn.Linear(widths[-1] * int(np.prod(places)), classes))
        widths = [int(np.prod(shape)), *([self.width] * self.depth)]
        stages = [_hidden(widths[it], widths[it + 1], first=it == 0) for it in range(self.depth)]
        return Staged(stages, nn.Linear(widths[-1], classes))


class Staged(nn.Module):
    """Stages and a linear head over all that the last one gives."""

    def __init__(self, stages: list[nn.Sequential], head: nn.Linear) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.head = head

    def features(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """What every stage gives, (B, channels, height, width) or (B, units)."""
        found = [inputs]
        for stage in self.stages:
            found.append(stage(found[-1]))
        return tuple(found[1:])

    def answer(self, last: Tensor) -> Tensor:
        """Logits (B, K) from what the last stage gives."""
        logits: Tensor = self.head(last.flatten(1))
        return logits

    def from_stage(self, stage: int, hidden: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        """Go on from what stage `stage` (from 0) would have given.

        Returns:
            What the later stages give, and logits (B, K).
        """
        found = [hidden]
        for later in list(self.stages)[stage + 1 :]:
            found.append(later(found[-1]))
        return tuple(found[1:]), self.answer(found[-1])

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (B, K)."""
        return self.answer(self.features(inputs)[-1])


class FrozenTeacher:
    """A teacher that can be read but not changed; gradients pass through it to what it reads.

    Args:
        network: whose parameters get no gradients.
        ledger: is charged one of `teacher_examples` for each example read.
        shape: of an input.
    """

    def __init__(self, network: Staged, ledger: Ledger, shape: tuple[int, ...]) -> None:
        self._network = network.eval().requires_grad_(False)
        self._ledger = ledger
        with torch.no_grad():
            found = self._network.features(torch.zeros(1, *shape))
        self.shapes: tuple[tuple[int, ...], ...] = tuple(tuple(it.shape[1:]) for it in found)

    def features(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """What every stage gives."""
        self._ledger.spend(TEACHER_EXAMPLES, len(inputs))
        return self._network.to(inputs.device).features(inputs)

    def logits(self, inputs: Tensor) -> Tensor:
        """(B, K)."""
        self._ledger.spend(TEACHER_EXAMPLES, len(inputs))
        logits: Tensor = self._network.to(inputs.device)(inputs)
        return logits

    def read(self, inputs: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        """What every stage gives, and logits (B, K), for the price of one."""
        found = self.features(inputs)
        return found, self._network.answer(found[-1])

    def from_stage(self, stage: int, hidden: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        """As `Staged.from_stage`."""
        self._ledger.spend(TEACHER_EXAMPLES, len(hidden))
        return self._network.to(hidden.device).from_stage(stage, hidden)


def pooled(hidden: Tensor) -> Tensor:
    """The mean over places, (B, channels), or over tokens, (B, width); what has neither stays as it is."""
    if hidden.ndim == 4:
        return hidden.mean(dim=(2, 3))
    return hidden.mean(dim=1) if hidden.ndim == 3 else hidden


def channels(shape: tuple[int, ...]) -> int:
    """Width of a layer of a shape without the batch, once it is `pooled`."""
    return shape[0] if len(shape) == 3 else shape[-1]


def places(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Height and width of a layer, or its number of tokens; nothing where it has neither."""
    return shape[1:] if len(shape) == 3 else shape[:-1]


def size(network: nn.Module) -> int:
    """Parameters of a network, shared ones counted once."""
    return sum(parameter.numel() for parameter in network.parameters())


def fresh(make: Callable[[], Made], rng: np.random.Generator) -> Callable[[], Made]:
    """A factory of networks that all have the same weights, drawn from a stream; torch's generator is left alone."""
    number = int(rng.integers(2**31))

    def build() -> Made:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(number)
            return make()

    return build


@torch.no_grad()
def logits_of(network: Callable[[Tensor], Tensor], inputs: NDArray[np.float32], device: torch.device) -> Tensor:
    """Logits (n, K) on the processor, some examples at a time."""
    pieces = torch.split(torch.from_numpy(np.array(inputs)), AT_ONCE)
    return torch.cat([network(piece.to(device)).float().cpu() for piece in pieces])


def _convolution(inward: int, outward: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inward, outward, 3, stride=stride, padding=1), nn.GroupNorm(1, outward), nn.ReLU())


def _hidden(inward: int, outward: int, *, first: bool) -> nn.Sequential:
    """GELU, since of narrow layers of ReLU a third of the units can be dead from the start."""
    return nn.Sequential(*([nn.Flatten()] if first else []), nn.Linear(inward, outward), nn.GELU())
