"""Finite games in which others answer a leader: values, best answers, and what the leader gets, all differentiable."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tasks.base import Diverged
from tasks.bilevel import Rows
from tasks.bilevel.oracles import Landscape, Objective, second_order

ROUNDS = 500  # of policy iteration, which needs about ten
PRECISION = 1e-12  # of best answers, relative
MARGIN = 1.5  # by which stated smoothness exceeds what was measured
POWERS = 8  # of a Hessian, which is enough for the margin


def centred(logits: Tensor) -> Tensor:
    """Logits (.., B) that sum to 0 in each state; the policy is the same."""
    return logits - logits.mean(dim=-1, keepdim=True)


@dataclass(frozen=True)
class Decision:
    """A discounted decision problem with an entropy bonus.

    Args:
        reward: (S, B).
        transition: (S, B, S).
        discount: gamma.
        temperature: of the entropy.
    """

    reward: Tensor
    transition: Tensor
    discount: float
    temperature: float

    def ahead(self, values: Tensor) -> Tensor:
        """r + gamma P V (S, B)."""
        return self.reward + self.discount * self.transition @ values

    def evaluated(self, log_policy: Tensor) -> Tensor:
        """The values (S,) of a policy (S, B)."""
        policy = log_policy.exp()
        earned = (policy * (self.reward - self.temperature * log_policy)).sum(dim=1)
        values: Tensor = torch.linalg.solve(self._lasting(policy), earned)
        return values

    def visits(self, log_policy: Tensor, start: Tensor) -> Tensor:
        """The discounted visits (S,) of a policy (S, B), which sum to sum(start) / (1 - gamma)."""
        often: Tensor = torch.linalg.solve(self._lasting(log_policy.exp()).T, start)
        return often

    def backup(self, q: Tensor) -> Tensor:
        """The soft Bellman backup of q (S, B)."""
        return self.ahead(self.temperature * torch.logsumexp(q / self.temperature, dim=1))

    def policy(self, q: Tensor) -> Tensor:
        """The logarithm (S, B) of the policy that is best if q (S, B) is right."""
        return torch.log_softmax(q / self.temperature, dim=1)

    def solved(self) -> Tensor:
        """The q (S, B) of the best policy, by soft policy iteration, which is Newton's method for this equation.

        Raises:
            Diverged: the reward is not finite, or too large for the precision.
        """
        with torch.no_grad():
            q = self.reward.detach()
            for _ in range(ROUNDS):
                better = self.ahead(self.evaluated(self.policy(q)))
                if not torch.isfinite(better).all():
                    break
                if (better - q).abs().max() <= PRECISION * (1 + better.abs().max()):
                    return better
                q = better
        raise Diverged("the follower's problem could not be solved at this x")

    def best(self, rounds: int = 1) -> Tensor:
        """The same q with its derivatives: policy iteration from the solution, as far as derivatives need it.

        Each round of Newton's method doubles the order that is right: 1 gives first derivatives, 2 also the second.
        """
        q = self.solved()
        for _ in range(rounds):
            q = self.ahead(self.evaluated(self.policy(q)))
        return q

    def _lasting(self, policy: Tensor) -> Tensor:
        moved = torch.einsum("sb,sbt->st", policy, self.transition)
        return torch.eye(len(moved), dtype=moved.dtype) - self.discount * moved


@dataclass(frozen=True)
class Reached:
    """What an x comes to: Phi, its gradient (n,), and the y* (m,) that answers it."""

    phi: float
    slope: Tensor
    answer: Tensor


@dataclass(frozen=True, kw_only=True)
class Game(ABC):
    """A leader's problem without meters.

    Args:
        payoff: (x, y) -> f, what the leader wants to be small.
        start: (S,), how likely an episode begins where.
        upper_start: x0 (n,).
        upper_radius: see `CoupledBilevel`.
        bounds: lowest and highest value of every entry of x; None for none.
    """

    payoff: Callable[[Tensor, Tensor], Tensor]
    start: Tensor
    upper_start: Tensor
    upper_radius: float
    bounds: tuple[float, float] | None

    @property
    @abstractmethod
    def lower_start(self) -> Tensor:
        """Uniform policies, (m,)."""

    @abstractmethod
    def lower(self, x: Tensor, y: Tensor) -> Tensor:
        """The lower objective g."""

    @abstractmethod
    def least(self, x: Tensor) -> float:
        """The least g at x."""

    @abstractmethod
    def answer(self, x: Tensor) -> Tensor:
        """y* (m,) with its first derivative in x."""

    @abstractmethod
    def centre(self, y: Tensor) -> Tensor:
        """The nearest y whose logits sum to 0 in each state."""

    def project(self, x: Tensor) -> Tensor:
        """The nearest x within bounds."""
        return x if self.bounds is None else x.clamp(*self.bounds)

    def reached(self, x: Tensor) -> Reached:
        """Phi at x, exactly."""
        x = x.detach().requires_grad_(True)
        y = self.answer(x)
        phi = self.payoff(x, y)
        (slope,) = torch.autograd.grad(phi, x)
        return Reached(float(phi.detach()), slope, y.detach())

    def landscape(self) -> Landscape:
        """As functions of flat vectors. L is measured when it is first asked for."""

        def upper(x: Tensor, y: Tensor, rows: Rows) -> Tensor:
            return self.payoff(x, y)

        def lower(x: Tensor, y: Tensor, rows: Rows) -> Tensor:
            return self.lower(x, y)

        def smooth(objective: Objective) -> Callable[[Tensor], float]:
            kept = functools.cache(functools.partial(self._steepest, objective))
            return lambda x: kept()

        return Landscape(
            upper=upper,
            lower=lower,
            upper_start=self.upper_start,
            lower_start=self.lower_start,
            upper_radius=self.upper_radius,
            lower_smoothness=smooth(lower),
            upper_smoothness=smooth(upper),
            project_upper=self.project,
            project_lower=self.centre,
        )

    def _steepest(self, objective: Objective) -> float:
        """The largest curvature in y at a few x and y, with a margin: bounds for all policies are far too large."""
        first = self.upper_start
        aside = 2 * self.upper_radius / len(first) ** 0.5 * _wave(first)
        found = []
        for x in (first, self.project(first + aside), self.project(first - aside)):
            best = self.answer(x).detach()
            for y in (self.lower_start, best, 0.5 * best, self.centre(2 * _wave(best))):
                found.append(_curvature(objective, x, y))
        return MARGIN * max(found)


def _wave(like: Tensor) -> Tensor:
    """Entries between -1 and 1 without a pattern."""
    return torch.cos(torch.arange(1.0, len(like) + 1, dtype=like.dtype) ** 2)


def _curvature(objective: Objective, x: Tensor, y: Tensor) -> float:
    """The largest curvature in y, by power iteration."""
    vector, size = _wave(y), 0.0
    for _ in range(POWERS):
        vector = second_order(objective, x, y, vector / vector.norm())[0]
        size = float(vector.norm())
        if not size:
            break
    return size


@dataclass(frozen=True, kw_only=True)
class Followed(Game):
    """A game with one follower.

    Args:
        decision: x -> the follower's problem.
        actions: B.
    """

    decision: Callable[[Tensor], Decision]
    actions: int

    @property
    def lower_start(self) -> Tensor:
        """The uniform policy."""
        return torch.zeros(len(self.start) * self.actions, dtype=self.start.dtype)

    def log_policy(self, y: Tensor) -> Tensor:
        """(S, B)."""
        return torch.log_softmax(y.reshape(-1, self.actions), dim=1)

    def lower(self, x: Tensor, y: Tensor) -> Tensor:
        """-V of the policy."""
        return -self.start @ self.decision(x).evaluated(self.log_policy(y))

    def least(self, x: Tensor) -> float:
        """-V of the best policy."""
        given = self.decision(x.detach())
        return -float(self.start @ given.evaluated(given.policy(given.solved())))

    def answer(self, x: Tensor) -> Tensor:
        """The logits of the best policy."""
        given = self.decision(x)
        return centred(given.best() / given.temperature).flatten()

    def centre(self, y: Tensor) -> Tensor:
        """The nearest y whose logits sum to 0 in each state."""
        return centred(y.reshape(-1, self.actions)).flatten()
