"""Incentive design for two players of opposite interests: a designer adds to what they play for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tasks.bilevel import BACKUPS, EVALUATIONS, ZeroSumGame
from tasks.bilevel.on_game import OnGame
from tasks.bilevel.oracles import Pair
from tasks.bilevel.posed_games import pose_flat
from tasks.bilevel.rivals import Rivals
from tasks.metering import Oracle


@dataclass(frozen=True, kw_only=True)
class IncentiveZeroSum(OnGame):
    """x (S, A, B) is added to the reward of a drawn zero-sum Markov game; y is the equilibrium with entropy bonuses.

        f = E sum_t gamma^t harm(s_t, a_t, b_t) + price / 2 |x|^2

    Harm is uniform from 0 to 1, the game's own reward from -1 to 1, transitions are Dirichlet. g is the gap of Nikaido
    and Isoda. f does not move x from 0, where it begins, unless one knows that the players answer.

    Args:
        states: S.
        actions: A and B.
        concentration: of the Dirichlet law.
        price: of incentives.
    """

    offers_scored = 30  # an equilibrium takes about 20 ms
    states: int
    actions: int
    concentration: float
    price: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.states, self.actions) < 2:
            raise ValueError("states and actions must be at least 2")
        if self.concentration <= 0 or self.price <= 0:
            raise ValueError("concentration and price must be above 0")

    def game(self, seed: int) -> Rivals:
        """The game of a seed."""
        rng, shape = self.stream(seed), (self.states, self.actions, self.actions)
        moves = torch.from_numpy(rng.dirichlet(np.full(self.states, self.concentration), size=shape))
        own = torch.from_numpy(rng.uniform(-1.0, 1.0, size=shape))
        harm = torch.from_numpy(rng.uniform(size=shape))
        start = self.begins(seed, self.states)
        own_size = self.states * self.actions

        def payoff(x: Tensor, y: Tensor) -> Tensor:
            one, two = (torch.softmax(it.reshape(self.states, -1), dim=1) for it in (y[:own_size], y[own_size:]))
            met = torch.einsum("sa,sb,sabt->st", one, two, moves)
            hurt = torch.einsum("sa,sb,sab->s", one, two, harm)
            lasting = torch.eye(self.states, dtype=met.dtype) - self.discount * met
            total: Tensor = start @ torch.linalg.solve(lasting, hurt)
            return total + self.price / 2 * x @ x

        return Rivals(
            payoff=payoff,
            start=start,
            upper_start=torch.zeros(own.numel(), dtype=torch.float64),
            upper_radius=1.0,
            bounds=None,
            reward=lambda x: own + x.reshape(shape),
            transition=moves,
            discount=self.discount,
            temperature=self.temperature,
        )

    def problem(self, seed: int) -> ZeroSumGame:
        """The problem of a seed."""
        game = self.game(seed)
        flat = pose_flat(game, self.prices, self.budget)

        def respond(x: Tensor, y: Tensor, player: int, q: Tensor) -> Tensor:
            return game.facing(x.detach(), y.detach(), player).backup(q.detach())

        def value_gradient(x: Tensor, y: Tensor) -> Pair:
            x, y = (it.detach().requires_grad_(True) for it in (x, y))
            both = torch.autograd.grad(game.value(x, y), (x, y))
            return both[0], both[1]

        return ZeroSumGame(
            **flat,
            states=self.states,
            actions=(self.actions, self.actions),
            discount=self.discount,
            temperature=self.temperature,
            start=game.start.clone(),
            respond=Oracle(flat["ledger"], BACKUPS, respond),
            value_gradient=Oracle(flat["ledger"], EVALUATIONS, value_gradient),
        )
