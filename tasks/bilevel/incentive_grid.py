"""Incentives on a grid: a leader promises bonuses for cells, a follower walks where it pays."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tasks.bilevel import StackelbergGame
from tasks.bilevel.games import Decision, Followed
from tasks.bilevel.grids import walk
from tasks.bilevel.on_game import OnGame
from tasks.bilevel.posed_games import pose_followed


class Cost(enum.StrEnum):
    """What bonuses cost the leader."""

    ABSOLUTE = "absolute"  # price sum_s x_s, which makes few of them pay
    QUADRATIC = "quadratic"  # price / 2 sum_s x_s^2


@dataclass(frozen=True, kw_only=True)
class IncentiveGrid(OnGame):
    """x are bonuses (S,) from 0 to `most`, one for each cell; the follower has r_x(s, b) = own(s) + x_s.

    The leader wants the follower to be on one cell, its goal: f = cost(x) - E sum_t gamma^t [s_t is the goal]. The
    follower likes another cell, its home, for which it has 1, and minds each of the others by up to 0.5. Goal, home and
    the rest are drawn. Episodes begin anywhere. Without bonuses f moves x towards 0, where x begins: whoever
    forgets that the follower answers stays there.

    Args:
        side: of the grid; S is its square.
        slip: share of moves that go anywhere.
        most: largest bonus.
        cost: of bonuses.
        price: of bonuses.
    """

    side: int
    slip: float
    most: float
    cost: Cost
    price: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.side < 2:
            raise ValueError(f"the side of the grid must be at least 2, got {self.side}")
        if not 0 <= self.slip <= 1 or self.most <= 0 or self.price <= 0:
            raise ValueError("slip must be a share, and most and price above 0")

    def game(self, seed: int) -> Followed:
        """The game of a seed."""
        cells, rng = self.side**2, self.stream(seed)
        goal, home = rng.choice(cells, size=2, replace=False)
        wanted = torch.from_numpy(np.eye(cells)[goal])
        own = torch.from_numpy(rng.uniform(-0.5, 0.0, size=cells))
        own[home] = 1.0
        moves, start = walk(self.side, self.slip), self.begins(seed, cells)
        alike = torch.ones(4, dtype=torch.float64)
        unpaid = Decision(torch.zeros(cells, 4, dtype=torch.float64), moves, self.discount, self.temperature)

        def decision(x: Tensor) -> Decision:
            return Decision(torch.outer(own + x, alike), moves, self.discount, self.temperature)

        def payoff(x: Tensor, y: Tensor) -> Tensor:
            log_policy = torch.log_softmax(y.reshape(cells, -1), dim=1)
            paid = x.sum() if self.cost is Cost.ABSOLUTE else (x**2).sum() / 2
            return self.price * paid - wanted @ unpaid.visits(log_policy, start)  # no entropy is the leader's to count

        return Followed(
            payoff=payoff,
            start=start,
            upper_start=torch.zeros(cells, dtype=torch.float64),
            upper_radius=self.most,
            bounds=(0.0, self.most),
            decision=decision,
            actions=4,
        )

    def problem(self, seed: int) -> StackelbergGame:
        """The problem of a seed."""
        return pose_followed(StackelbergGame, self.game(seed), self.prices, self.budget)
