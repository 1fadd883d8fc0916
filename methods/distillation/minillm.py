"""MiniLLM: reverse KL over whole responses, by a policy gradient."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from methods.base import Method, Run
from methods.distillation._loop import distil
from methods.distillation._losses import CrossEntropy, ForwardKL, Objective, divergence, laws, mixture
from methods.distillation._regimes import Rollouts
from tasks.distillation import LanguageDistillation
from tasks.distillation.measures import TokenBatch


@dataclass(frozen=True, kw_only=True)
class PolicyGradient(Objective):
    """PPO's clipped surrogate of the reverse KL of responses, plus the reverse KL of single tokens.

    Args:
        teacher_share: a, the teacher's share of the law that drew the responses.
        scale: by which rewards are divided.
        limit: beyond which they are cut.
        discount: of later rewards.
        clip: largest distance of an importance ratio from 1.
    """

    needs_teacher = True
    teacher_share: float
    scale: float
    limit: float
    discount: float
    clip: float

    def loss(self, teacher: Tensor | None, student: Tensor, batch: TokenBatch) -> Tensor:
        """Mean over the tokens of responses whose drawing was recorded."""
        assert batch.recorded is not None, "rollouts are recorded"
        log_p, log_q = laws(teacher, student)  # (N, V)
        before, taught = batch.recorded  # (B, T - 1)
        rewards = ((taught - before) / self.scale).clamp(-self.limit, self.limit)
        advantage = whitened(returns(rewards, batch.scored, self.discount)[batch.scored])  # (N,)
        before, taught = before[batch.scored], taught[batch.scored]  # (N,)
        weight = before - mixture(taught, before, self.teacher_share)
        now = log_q.gather(1, batch.targets[:, None])[:, 0]
        return clipped(advantage, (weight + now - before).exp(), self.clip) + divergence(log_q, log_p)


@dataclass(frozen=True, kw_only=True)
class MiniLLM(Method):
    """MiniLLM (Gu, Dong, Wei and Huang, ICLR 2024, arXiv 2306.08543), algorithm 1.

    In phases, the student answers many prompts, each token drawn from (1 - a) q + a p, and trains on these responses
    for some passes. The reward of a token is log p - log q when it was drawn; a return is the discounted sum from the
    token on, itself included, divided by the number of tokens that are left; whitened, it is the advantage of PPO's
    clipped surrogate. The importance ratio of a token is q_now / ((1 - a) q + a p). Beside it stand KL(q, p) of each
    token, with its gradient ("single-step decomposition"), and a loss of given text that keeps the student from
    forgetting.

    Deviations:
        1. From paper and code: the loss of given text, there of OpenWebText, is here of the references of the step,
           which every rival has too: share x KL(p, q) + (1 - share) x cross-entropy. So a step trains on two batches,
           and is charged for both.
        2. From the released code (copy in jongwooko/distillm, commit d47e77f): returns are whitened over response
           tokens; there over padding, too.
        3. From the paper, as in the code: a return contains the token's own reward, rewards are scaled and cut, and the
           sum is discounted.
        4. From the code: it samples a second set of responses for monitoring, which is left out.
        5. Optimizer, learning rate (there 5e-6), batch size and number of steps are the task's. The student starts from
           the task's fine-tuned one, as theirs does.

    Args:
        regime: the phases.
        scale, limit, discount, clip: see `PolicyGradient`.
        given_share: of the teacher in the loss of given text.
    """

    regime: Rollouts
    scale: float
    limit: float
    discount: float
    clip: float
    given_share: float

    def __post_init__(self) -> None:
        if not (self.scale > 0 and self.limit > 0 and self.clip > 0 and 0 <= self.discount <= 1):
            raise ValueError(f"scale, limit and clip must be above 0 and discount in [0, 1], got {self}")
        if not 0 <= self.given_share <= 1:
            raise ValueError(f"given_share must be in [0, 1], got {self.given_share}")

    def solve(self, problem: LanguageDistillation, run: Run) -> nn.Module:
        """Train on responses drawn by student and teacher together, and on references."""
        values = {"scale": self.scale, "limit": self.limit, "discount": self.discount, "clip": self.clip}
        objective = PolicyGradient(teacher_share=self.regime.teacher_share, **values)
        return distil(problem, run, objective, self.regime, Given(share=self.given_share))


@dataclass(frozen=True, kw_only=True)
class Given(Objective):
    """share x KL(p, q) + (1 - share) x cross-entropy."""

    needs_teacher = True
    share: float

    def loss(self, teacher: Tensor | None, student: Tensor, batch: TokenBatch) -> Tensor:
        """Mean over the tokens."""
        soft, hard = ForwardKL().loss(teacher, student, batch), CrossEntropy().loss(None, student, batch)
        return self.share * soft + (1 - self.share) * hard


def returns(rewards: Tensor, scored: Tensor, discount: float) -> Tensor:
    """The discounted sum of the rewards from each place on, divided by the number of scored places from there on.

    Args:
        rewards: (B, T), 0 where nothing is scored.
        scored: (B, T) bool, true on one stretch of each row.
        discount: a place later.

    Returns:
        (B, T); only scored places mean anything.
    """
    ahead = torch.arange(rewards.shape[1], device=rewards.device)
    ahead = ahead[:, None] - ahead  # (T, T): how far the row's place lies behind the column's
    weights = torch.where(ahead >= 0, discount ** ahead.clamp(min=0).to(rewards.dtype), 0.0)
    left = scored.flip(1).cumsum(dim=1).flip(1).clamp(min=1)
    return rewards @ weights / left


def whitened(values: Tensor) -> Tensor:
    """Shifted and scaled to mean 0 and variance 1."""
    variance, mean = torch.var_mean(values)
    return (values - mean) * torch.rsqrt(variance + 1e-8)


def clipped(advantage: Tensor, ratio: Tensor, clip: float) -> Tensor:
    """PPO's loss: minus the lower of advantage x ratio and advantage x (ratio cut to 1 - clip .. 1 + clip), mean.

    Args:
        advantage: (N,).
        ratio: (N,), of the laws now and when tokens were drawn.
        clip: see `PolicyGradient`.
    """
    return -torch.minimum(advantage * ratio, advantage * ratio.clamp(1 - clip, 1 + clip)).mean()
