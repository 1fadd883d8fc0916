"""Stackelberg Markov games: a leader's policy moves first, a follower answers with the best of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.bilevel import StackelbergGame
from tasks.bilevel.games import Decision, Followed
from tasks.bilevel.on_game import OnGame
from tasks.bilevel.posed_games import pose_followed


@dataclass(frozen=True)
class Tables:
    """A game of two players as arrays.

    Args:
        transition: (S, A, B, S), for actions A of the leader and B of the follower.
        rewards: (2, S, A, B), of the leader and of the follower.
    """

    transition: NDArray[np.float64]
    rewards: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Stackelberg(OnGame):
    """A random game: x are the logits (S, A) of the leader's policy, f is minus its value with its own entropy.

        V_l = E sum_t gamma^t (r_l(s, a, b) - temperature log pi_x(a | s)),   V_f likewise with r_f and pi_y

    Transitions are drawn from a Dirichlet law, rewards uniformly from 0 to 1, those of the two players independently.
    Episodes begin anywhere. Both start with uniform policies.

    Args:
        states: S.
        leader_actions: A.
        follower_actions: B.
        concentration: of the Dirichlet law; small, so that actions lead to different places.
    """

    states: int
    leader_actions: int
    follower_actions: int
    concentration: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.states, self.leader_actions, self.follower_actions) < 2:
            raise ValueError("states, leader_actions and follower_actions must be at least 2")
        if self.concentration <= 0:
            raise ValueError(f"the concentration must be above 0, got {self.concentration:g}")

    def tables(self, seed: int) -> Tables:
        """The arrays."""
        shape = (self.states, self.leader_actions, self.follower_actions)
        rng = self.stream(seed)
        transition = rng.dirichlet(np.full(self.states, self.concentration), size=shape)
        return Tables(transition, rng.uniform(size=(2, *shape)))

    def game(self, seed: int) -> Followed:
        """The game of a seed."""
        given = self.tables(seed)
        moves = torch.from_numpy(given.transition)
        leader, follower = torch.from_numpy(given.rewards)
        start = self.begins(seed, self.states)

        def leads(x: Tensor) -> Tensor:
            return torch.log_softmax(x.reshape(self.states, -1), dim=1)

        def shaped(reward: Tensor, bonus: Tensor | float, policy: Tensor) -> Decision:
            seen = torch.einsum("sa,sab->sb", policy, reward) + bonus
            return Decision(seen, torch.einsum("sa,sabt->sbt", policy, moves), self.discount, self.temperature)

        def decision(x: Tensor) -> Decision:
            return shaped(follower, 0.0, leads(x).exp())

        def payoff(x: Tensor, y: Tensor) -> Tensor:
            log_leader, log_follower = leads(x), torch.log_softmax(y.reshape(self.states, -1), dim=1)
            own = -self.temperature * (log_leader.exp() * log_leader).sum(dim=1, keepdim=True)
            # what `evaluated` adds is the follower's entropy, which is not the leader's to count
            bonus = own + self.temperature * log_follower
            return -start @ shaped(leader, bonus, log_leader.exp()).evaluated(log_follower)

        return Followed(
            payoff=payoff,
            start=start,
            upper_start=torch.zeros(self.states * self.leader_actions, dtype=torch.float64),
            upper_radius=float(self.states * self.leader_actions) ** 0.5,
            bounds=None,
            decision=decision,
            actions=self.follower_actions,
        )

    def problem(self, seed: int) -> StackelbergGame:
        """The problem of a seed."""
        return pose_followed(StackelbergGame, self.game(seed), self.prices, self.budget)
