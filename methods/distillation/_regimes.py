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
    REPLAY = "replay"  # fresh responses enter the buffer, and the batch is drawn from all that it holds
    TEACHER = "teacher"  # the teacher's responses to the training prompts
    ROLLOUT = "rollout"  # many responses take the place of the buffer, and a pass through it begins
    NEXT = "next"  # the next sequences of the buffer, in the order of the pass


@dataclass(frozen=True)
class State:
    """What a schedule remembers.

    Args:
        phi: chance that a step trains on responses of the student.
        reference: validation cross-entropy with which the next one is compared; None before the first.
        passes: through the buffer that have begun since it was filled.
    """

    phi: float
    reference: float | None
    passes: int = 0


@dataclass(frozen=True)
class Progress:
    """How far the training is.

    Args:
        step: of this step, counted from 1.
        steps: of the whole training.
        buffered: sequences in the buffer.
        left: of these, sequences that a pass under way has not come to.
    """

    step: int
    steps: int
    buffered: int
    left: int = 0


@dataclass(frozen=True)
class Rollout:
    """How the buffer is filled at once.

    Args:
        sequences: that are drawn.
        teacher_share: of the law from which they are drawn; see `tasks.distillation.Sample`.
    """

    sequences: int
    teacher_share: float


@dataclass(frozen=True, kw_only=True)
class Regime(ABC):
    """Chooses for each step."""

    def capacity(self) -> int:
        """Sequences that the buffer holds; 0 for a regime that never generates."""
        return 0

    def start(self) -> State:
        """The state before the first validation."""
        return State(phi=0.0, reference=None)

    @abstractmethod
    def choose(self, state: State, progress: Progress, u: float) -> tuple[Draw, State]:
        """The source of a step, from one uniform number in [0, 1)."""

    def after_validation(self, state: State, cross_entropy: float) -> State:
        """The state after a validation, the first of which is that of the untrained student: as before."""
        return state

    def rollout(self) -> Rollout:
        """What `Draw.ROLLOUT` asks for.

        Raises:
            ValueError: this regime never does.
        """
        raise ValueError(f"{type(self).__name__} fills no buffer at once")


@dataclass(frozen=True, kw_only=True)
class References(Regime):
    """Always the references."""

    def choose(self, state: State, progress: Progress, u: float) -> tuple[Draw, State]:
        """The references."""
        return Draw.DATA, state


@dataclass(frozen=True, kw_only=True)
class TeacherText(Regime):
    """Always the teacher's responses."""

    def choose(self, state: State, progress: Progress, u: float) -> tuple[Draw, State]:
        """The teacher's responses."""
        return Draw.TEACHER, state


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


@dataclass(frozen=True, kw_only=True)
class Decaying(Regime):
    """From the references to the student's own responses: a step takes references with chance base^(-step / steps).

    Args:
        base: 1 / base is the chance of references at the end.
    """

    base: float

    def __post_init__(self) -> None:
        if not self.base > 1:
            raise ValueError(f"base must be above 1, got {self.base}")

    def capacity(self) -> int:
        """A batch passes through the buffer and is never drawn from it."""
        return 1

    def choose(self, state: State, progress: Progress, u: float) -> tuple[Draw, State]:
        """Fresh responses, or the references. The first step, of which nothing is done yet, has references."""
        phi = 1 - self.base ** (-(progress.step - 1) / progress.steps)
        return (Draw.FRESH if u < phi else Draw.DATA), replace(state, phi=phi)


@dataclass(frozen=True, kw_only=True)
class Replay(Regime):
    """A share of the steps draws fresh responses and trains on what the buffer gives, be it old or new.

    Args:
        share: chance of such a step; the others have the references.
        buffer: sequences that are kept; the oldest leave first.
    """

    share: float
    buffer: int

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1 or self.buffer < 1:
            raise ValueError(f"share must be in (0, 1] and buffer at least 1, got {self.share} and {self.buffer}")

    def capacity(self) -> int:
        """As given."""
        return self.buffer

    def start(self) -> State:
        """The share, which stays."""
        return State(phi=self.share, reference=None)

    def choose(self, state: State, progress: Progress, u: float) -> tuple[Draw, State]:
        """Fresh responses for the buffer, or the references."""
        return (Draw.REPLAY if u < self.share else Draw.DATA), state


@dataclass(frozen=True, kw_only=True)
class Rollouts(Regime):
    """Phases: many responses are drawn at once, and the student trains on them for some passes.

    Args:
        sequences: of a phase.
        passes: through them.
        teacher_share: of the law from which they are drawn, above 0.
    """

    sequences: int
    passes: int
    teacher_share: float

    def __post_init__(self) -> None:
        if min(self.sequences, self.passes) < 1 or not 0 < self.teacher_share < 1:
            raise ValueError(f"sequences and passes must be at least 1 and teacher_share in (0, 1), got {self}")

    def capacity(self) -> int:
        """A phase."""
        return self.sequences

    def start(self) -> State:
        """The buffer is empty."""
        return State(phi=1.0, reference=None)

    def choose(self, state: State, progress: Progress, u: float) -> tuple[Draw, State]:
        """The next of the buffer, until all passes have ended."""
        if progress.left > 0:
            return Draw.NEXT, state
        if progress.buffered == 0 or state.passes == self.passes:
            return Draw.ROLLOUT, replace(state, passes=1)
        return Draw.NEXT, replace(state, passes=state.passes + 1)

    def rollout(self) -> Rollout:
        """As given."""
        return Rollout(self.sequences, self.teacher_share)
