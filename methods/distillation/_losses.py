"""Losses between a teacher's and a student's next-token laws.

Every loss is a mean over the N response tokens of a batch, of a sum over the whole vocabulary, in float32 and from
log-probabilities. Mixtures of two laws are formed from logarithms, so that nothing underflows.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from tasks.distillation.measures import TokenBatch


@dataclass(frozen=True, kw_only=True)
class Objective(ABC):
    """What a student is trained to make small."""

    needs_teacher: ClassVar[bool]

    @abstractmethod
    def loss(self, teacher: Tensor | None, student: Tensor, batch: TokenBatch) -> Tensor:
        """The loss of a batch.

        Args:
            teacher: logits (N, V) of the response tokens, float32, without gradient; None if not needed.
            student: logits (N, V), float32.
            batch: the sequences, with the N `targets`.

        Returns:
            A scalar.
        """


@dataclass(frozen=True, kw_only=True)
class CrossEntropy(Objective):
    """-log q(y): the likelihood of the tokens themselves."""

    needs_teacher = False

    def loss(self, teacher: Tensor | None, student: Tensor, batch: TokenBatch) -> Tensor:
        """Mean over the tokens."""
        return torch.nn.functional.cross_entropy(student, batch.targets)


@dataclass(frozen=True, kw_only=True)
class ForwardKL(Objective):
    """KL(p, q) of the teacher p and the student q."""

    needs_teacher = True

    def loss(self, teacher: Tensor | None, student: Tensor, batch: TokenBatch) -> Tensor:
        """Mean over the tokens."""
        log_p, log_q = laws(teacher, student)
        return divergence(log_p, log_q)


@dataclass(frozen=True, kw_only=True)
class ReverseKL(Objective):
    """KL(q, p) of the student q and the teacher p."""

    needs_teacher = True

    def loss(self, teacher: Tensor | None, student: Tensor, batch: TokenBatch) -> Tensor:
        """Mean over the tokens."""
        log_p, log_q = laws(teacher, student)
        return divergence(log_q, log_p)


@dataclass(frozen=True, kw_only=True)
class JensenShannon(Objective):
    """b KL(p, m) + (1 - b) KL(q, m) with the mixture m = b p + (1 - b) q; KL(p, q) for b = 0 and KL(q, p) for b = 1.

    Divided by b it tends to KL(p, q) as b falls to 0, so that the size of the loss jumps there and at 1.

    Args:
        beta: b, the teacher's share of the mixture.
    """

    needs_teacher = True
    beta: float

    def __post_init__(self) -> None:
        if not 0 <= self.beta <= 1:
            raise ValueError(f"beta must be in [0, 1], got {self.beta}")

    def loss(self, teacher: Tensor | None, student: Tensor, batch: TokenBatch) -> Tensor:
        """Mean over the tokens."""
        log_p, log_q = laws(teacher, student)
        if self.beta in (0, 1):
            return divergence(log_p, log_q) if self.beta == 0 else divergence(log_q, log_p)
        log_m = mixture(log_p, log_q, self.beta)
        return self.beta * divergence(log_p, log_m) + (1 - self.beta) * divergence(log_q, log_m)


@dataclass(frozen=True, kw_only=True)
class TotalVariation(Objective):
    """Half of the sum of |p - q|."""

    needs_teacher = True

    def loss(self, teacher: Tensor | None, student: Tensor, batch: TokenBatch) -> Tensor:
        """Mean over the tokens."""
        log_p, log_q = laws(teacher, student)
        return 0.5 * (log_p.exp() - log_q.exp()).abs().sum(dim=-1).mean()


@dataclass(frozen=True, kw_only=True)
class SkewForwardKL(Objective):
    """KL(p, a p + (1 - a) q).

    Args:
        skew: a, the teacher's share of the mixture, from 0 (forward KL) to below 1.
    """

    needs_teacher = True
    skew: float

    def __post_init__(self) -> None:
        check_skew(self.skew)

    def loss(self, teacher: Tensor | None, student: Tensor, batch: TokenBatch) -> Tensor:
        """Mean over the tokens."""
        log_p, log_q = laws(teacher, student)
        return divergence(log_p, mixture(log_p, log_q, self.skew))


@dataclass(frozen=True, kw_only=True)
class SkewReverseKL(Objective):
    """KL(q, (1 - a) p + a q).

    Args:
        skew: a, the student's share of the mixture, from 0 (reverse KL) to below 1.
    """

    needs_teacher = True
    skew: float

    def __post_init__(self) -> None:
        check_skew(self.skew)

    def loss(self, teacher: Tensor | None, student: Tensor, batch: TokenBatch) -> Tensor:
        """Mean over the tokens."""
        log_p, log_q = laws(teacher, student)
        return divergence(log_q, mixture(log_q, log_p, self.skew))


def laws(teacher: Tensor | None, student: Tensor) -> tuple[Tensor, Tensor]:
    """log p and log q, (N, V)."""
    assert teacher is not None, "the loop asks the teacher where needs_teacher is true"
    return teacher.log_softmax(dim=-1), student.log_softmax(dim=-1)


def mixture(log_one: Tensor, log_other: Tensor, share: float) -> Tensor:
    """log(share * one + (1 - share) * other)."""
    if share == 0:
        return log_other
    return torch.logaddexp(log_one + math.log(share), log_other + math.log1p(-share))


def divergence(log_one: Tensor, log_other: Tensor) -> Tensor:
    """KL(one, other), summed over the vocabulary, mean over rows."""
    return (log_one.exp() * (log_one - log_other)).sum(dim=-1).mean()


def check_skew(skew: float) -> None:
    """Refuse a share at which the mixture is no longer both.

    Raises:
        ValueError: it is outside [0, 1).
    """
    if not 0 <= skew < 1:
        raise ValueError(f"skew must be in [0, 1), got {skew}")
