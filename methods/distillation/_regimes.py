"""Which sequences a step trains on: pure functions over a small state, which the loop keeps and saves."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace


class Draw(enum.StrEnum):
    """Where the sequences of a step come from."""

    DATA = "data"  # references of the training prompts
    FRESH = "fresh"  # responses of the student as it is now; they also enter the buffer
    BUFFER = "buffer"  # responses of earlier students


@dataclass(frozen=True)
class State:
    """What a schedule remembers.

    Args:
        phi: chance that a step trains on responses of the student.
        reference: validation cross-entropy with which the next one is compared; None before the first.
    """

    phi: float
    reference: float | None


@dataclass(frozen=True)
class Progress:
    """How far the training is.

    Args:
        step: of this step, counted from 1.
        steps: of the whole training.
        buffered: sequences in the buffer.
    """

    step: int
    steps: int
    buffered: int


@dataclass(frozen=True, kw_only=True)
class Regime(ABC):
    """Chooses for each step."""

    @abstractmethod
    def capacity(self) -> int:
        """Sequences that the buffer holds; 0 for a regime that never generates."""

    @abstractmethod
    def start(self) -> State:
        """The state before the first validation."""

    @abstractmethod
    def choose(self, state: State, progress: Progress, u: float) -> tuple[Draw, State]:
        """The source of a step, from one uniform number in [0, 1)."""

    @abstractmethod
    def after_validation(self, state: State, cross_entropy: float) -> State:
        """The state after a validation. The first is that of the untrained student."""


@dataclass(frozen=True, kw_only=True)
class References(Regime):
    """Always the references."""

    def capacity(self) -> int:
        """No buffer."""
        return 0

    def start(self) -> State:
        """Nothing to remember."""
        return State(phi=0.0, reference=None)

    def choose(self, state: State, progress: Progress, u: float) -> tuple[Draw, State]:
        """The references."""
        return Draw.DATA, state

    def after_validation(self, state: State, cross_entropy: float) -> State:
        """As before."""
        return state


@dataclass(frozen=True, kw_only=True)
class AdaptiveOffPolicy(Regime):
    """More of the student's responses when validation suffers, and more of old ones as training goes on.

    With probability phi a step trains on the student's responses. They are drawn afresh while the buffer is not full,
    and afterwards with probability phi (1 - step / steps), which falls to 0; otherwise they come from the buffer. phi
    rises whenever the validation cross-entropy has grown by the tolerance since it rose last, or since the start.

    Args:
        phi: at the start.
        rise: of phi.
        tolerance: growth of the validation cross-entropy that makes phi rise, in nats per token.
        buffer: sequences that are kept; the oldest leave first.
    """

    phi: float
    rise: float
    tolerance: float
    buffer: int

    def __post_init__(self) -> None:
        if not 0 <= self.phi <= 1 or self.buffer < 1:
            raise ValueError(f"phi must be in [0, 1] and buffer at least 1, got {self.phi} and {self.buffer}")

    def capacity(self) -> int:
        """As given."""
        return self.buffer

    def start(self) -> State:
        """phi as given."""
        return State(phi=self.phi, reference=None)

    def choose(self, state: State, progress: Progress, u: float) -> tuple[Draw, State]:
        """One number serves both comparisons."""
        fresh = state.phi * (1 - progress.step / progress.steps)
        if u < fresh or (u < state.phi and progress.buffered < self.buffer):
            return Draw.FRESH, state
        return (Draw.BUFFER if u < state.phi else Draw.DATA), state

    def after_validation(self, state: State, cross_entropy: float) -> State:
        """Compare with the reference, which moves only when phi does."""
        if state.reference is None:
            return replace(state, reference=cross_entropy)
        if cross_entropy < state.reference + self.tolerance:
            return state
        return State(phi=min(state.phi + self.rise, 1.0), reference=cross_entropy)


@dataclass(frozen=True, kw_only=True)
class OnPolicy(Regime):
    """A share of the steps trains on responses that the student gives at that moment; nothing is kept.

    Args:
        share: chance that a step trains on such responses: 1 is on-policy, as MiniLLM and GKD with lambda 1; 0.5 mixes.
    """

    share: float

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"share must be in (0, 1], got {self.share}")

    def capacity(self) -> int:
        """A batch passes through the buffer and is never drawn from it."""
        return 1

    def start(self) -> State:
        """The share, which stays."""
        return State(phi=self.share, reference=None)

    def choose(self, state: State, progress: Progress, u: float) -> tuple[Draw, State]:
        """Fresh responses, or the references."""
        return (Draw.FRESH if u < self.share else Draw.DATA), state

    def after_validation(self, state: State, cross_entropy: float) -> State:
        """As before."""
        return state
