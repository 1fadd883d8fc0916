"""Finite games in which others answer a leader: values, best answers, and what the leader gets, all differentiable."""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.autograd.functional import hessian

from tasks.base import Diverged
from tasks.bilevel import BACKUPS, EVALUATIONS, GAME_UNITS, PULLBACKS, Rows, SecondOrderBilevel, StackelbergGame
from tasks.bilevel.oracles import Landscape, Objective, Pair, pose
from tasks.metering import Oracle

ROUNDS = 500  # of policy iteration, which needs about ten
PRECISION = 1e-12  # of best answers, relative
MARGIN = 1.5  # by which stated smoothness exceeds what was measured
Kind = TypeVar("Kind", bound=StackelbergGame)


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
        return torch.linalg.solve(self._lasting(policy), earned)

    def visits(self, log_policy: Tensor, start: Tensor) -> Tensor:
        """The discounted visits (S,) of a policy (S, B), which sum to sum(start) / (1 - gamma)."""
        return torch.linalg.solve(self._lasting(log_policy.exp()).T, start)

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
        return Reached(float(phi), slope, y.detach())

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
        """The largest curvature in y at a few policies, with a margin: bounds for all policies are far too large."""
        x = self.upper_start
        ways = torch.arange(1.0, len(self.lower_start) + 1, dtype=x.dtype)
        probes = [self.lower_start, self.answer(x).detach(), 0.5 * self.answer(x).detach()]
        probes += [self.centre(size * torch.cos(size * ways**2)) for size in (1.0, 2.0)]
        curved = [hessian(lambda y: objective(x, y, None), y) for y in probes]
        return MARGIN * max(float(torch.linalg.matrix_norm(it, 2)) for it in curved)


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


def check_game_prices(prices: Mapping[str, float]) -> None:
    """Refuse a price list that leaves something out, since that would then be free.

    Raises:
        ValueError: a price is missing, or belongs to nothing.
    """
    if set(prices) != set(GAME_UNITS):
        raise ValueError(f"prices of a game must name {', '.join(GAME_UNITS)}; got {', '.join(prices)}")


def check_game(discount: float, temperature: float) -> None:
    """Refuse what has no values or no unique answer.

    Raises:
        ValueError: a number is outside its range.
    """
    if not 0 < discount < 1:
        raise ValueError(f"the discount must be above 0 and below 1, got {discount:g}")
    if not 0 < temperature < math.inf:
        raise ValueError(f"the temperature must be above 0, got {temperature:g}")


def pose_flat(game: Game, prices: Mapping[str, float], budget: float) -> dict[str, Any]:
    """The fields of `SecondOrderBilevel` over a game, with a fresh ledger."""
    flat = pose(SecondOrderBilevel, game.landscape(), prices, budget, tangent=game.centre)
    return {item.name: getattr(flat, item.name) for item in fields(flat)}


def pose_followed(kind: type[Kind], game: Followed, prices: Mapping[str, float], budget: float, **more: Any) -> Kind:
    """The problem over a game with one follower."""
    flat = pose_flat(game, prices, budget)
    ledger, given = flat["ledger"], game.decision(game.upper_start)

    def backup(x: Tensor, q: Tensor) -> Tensor:
        return game.decision(x.detach()).backup(q.detach())

    def evaluate(x: Tensor, y: Tensor, start: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        here, policy = game.decision(x.detach()), game.log_policy(y.detach())
        values = here.evaluated(policy)
        return here.ahead(values), values, here.visits(policy, game.start if start is None else start.detach())

    def pullback(x: Tensor, values: Tensor, weights: Tensor) -> Pair:
        x, values = x.detach().requires_grad_(True), values.detach().requires_grad_(True)
        total = (weights.detach() * game.decision(x).ahead(values)).sum()
        both = torch.autograd.grad(total, (x, values), materialize_grads=True)
        return both[0], both[1]

    return kind(
        **flat,
        states=len(game.start),
        actions=game.actions,
        discount=given.discount,
        temperature=given.temperature,
        start=game.start.clone(),
        backup=Oracle(ledger, BACKUPS, backup),
        evaluate_policy=Oracle(ledger, EVALUATIONS, evaluate),
        pullback=Oracle(ledger, PULLBACKS, pullback),
        **more,
    )
