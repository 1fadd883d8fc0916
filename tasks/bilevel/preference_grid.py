"""Reinforcement learning from preferences on a grid: a reward is learnt from what the policy of that reward does."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from tasks.bilevel import PreferenceGame
from tasks.bilevel.games import Decision, Followed, Reached
from tasks.bilevel.grids import reached_cells, walk
from tasks.bilevel.on_game import OnGame
from tasks.bilevel.posed_games import pose_followed


@dataclass(frozen=True)
class Segments:
    """All ways to begin somewhere and make so many moves.

    Args:
        cells: numbers of the cells (N, H) from which the moves begin.
        moves: numbers of the moves (N, H).
        entered: numbers of the cells (N, H) that they lead to.
    """

    cells: Tensor
    moves: Tensor
    entered: Tensor


def segments(side: int, length: int) -> Segments:
    """On a grid without slips: N = S 4^H."""
    there = reached_cells(side)
    moves = torch.tensor(list(itertools.product(range(4), repeat=length))).repeat(side**2, 1)
    here, cells, entered = torch.arange(side**2).repeat_interleave(4**length), [], []
    for step in range(length):
        cells.append(here)
        here = there[here, moves[:, step]]
        entered.append(here)
    return Segments(torch.stack(cells, dim=1), moves, torch.stack(entered, dim=1))


@dataclass(frozen=True, kw_only=True)
class PreferenceGrid(OnGame):
    """x are weights of features of cells, r_x(s, b) = features(the cell that b leads to)' x, and y a policy for r_x.

        f = E over pairs of segments of pi_y of the cross-entropy of the preference between the two + ridge / 2 |x|^2

    Which is preferred is drawn with the odds of Bradley and Terry, exp(return of one) to exp(return of the other), by
    the true reward times `sharpness`; r_x foretells it by the same rule, so that both are in one unit. As in the
    paper (arXiv 2402.06886, as far as is known; its text was not at hand) pairs come from the current policy, so f
    depends on y.
    All pairs are enumerated and f is exact. Where there are fewer features than cells no x is right everywhere, and
    where the policy goes decides what is learnt. What is lost where preferences themselves are uncertain counts in f.

    Args:
        side: of the grid; S is its square.
        features: n; as many as cells can express every reward.
        segment: H, moves in a segment. There are S 4^H segments.
        sharpness: of preferences.
        ridge: on x.
    """

    side: int
    features: int
    segment: int
    sharpness: float
    ridge: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.features <= self.side**2:
            raise ValueError(f"features must be from 1 to the {self.side**2} cells, got {self.features}")
        if not 1 <= self.segment <= 4 or self.side < 2:
            raise ValueError("a segment has 1 to 4 moves, and a grid a side of at least 2")
        if self.sharpness <= 0 or self.ridge <= 0:
            raise ValueError("sharpness and ridge must be above 0")

    def tables(self, seed: int) -> tuple[Tensor, Tensor]:
        """The true reward (S,) of entering a cell, and features (S, n) of cells with orthogonal columns."""
        rng, cells = self.stream(seed), self.side**2
        true = torch.from_numpy(rng.uniform(size=cells))
        basis = torch.linalg.qr(torch.from_numpy(rng.normal(size=(cells, cells))))[0]
        return true, basis[:, : self.features].contiguous() * cells**0.5

    def game(self, seed: int) -> Followed:
        """The game of a seed."""
        cells, all_of = self.side**2, segments(self.side, self.segment)
        true, features = self.tables(seed)
        there, moves = reached_cells(self.side), walk(self.side, 0.0)
        start = self.begins(seed, cells)
        returns = self.sharpness * true[all_of.entered].sum(dim=1)
        preferred = torch.sigmoid(returns[:, None] - returns[None, :])  # (N, N), row over column
        seen = self.sharpness * features[all_of.entered].sum(dim=1)  # (N, n)

        def decision(x: Tensor) -> Decision:
            return Decision((features @ x)[there], moves, self.discount, self.temperature)

        def payoff(x: Tensor, y: Tensor) -> Tensor:
            log_policy = torch.log_softmax(y.reshape(cells, 4), dim=1)
            likely = log_policy[all_of.cells, all_of.moves].sum(dim=1).exp() * start[all_of.cells[:, 0]]  # (N,), sum 1
            foretold = seen @ x
            # both orders of a pair have the same cross-entropy, so that twice the part where rows win is all of it
            lost = torch.nn.functional.softplus(foretold[None, :] - foretold[:, None])
            return 2 * likely @ ((preferred * lost) @ likely) + self.ridge / 2 * x @ x

        return Followed(
            payoff=payoff,
            start=start,
            upper_start=torch.zeros(self.features, dtype=torch.float64),
            upper_radius=1 / 12**0.5,  # about the length of the weights that come nearest to the true reward
            bounds=None,
            decision=decision,
            actions=4,
        )

    def problem(self, seed: int) -> PreferenceGame:
        """The problem of a seed."""
        return pose_followed(PreferenceGame, self.game(seed), self.prices, self.budget, segment=self.segment)

    def further(self, seed: int, reached: Reached) -> Mapping[str, float]:
        """The true return of the policy that answers x, from 0 for a uniform one to 1 for the best without entropy."""
        game, true = self.game(seed), self.tables(seed)[0]
        entered = true[reached_cells(self.side)]
        moves = walk(self.side, 0.0)

        def earned(log_policy: Tensor) -> float:
            real = Decision(entered, moves, self.discount, self.temperature)
            visits = real.visits(log_policy, game.start)
            return float((visits[:, None] * log_policy.exp() * entered).sum())

        cold = Decision(entered, moves, self.discount, 1e-3)  # a thousandth of the reward: next to no entropy
        low, high = earned(game.log_policy(game.lower_start)), earned(cold.policy(cold.solved()))
        return {"true_return": (earned(game.log_policy(reached.answer)) - low) / (high - low)}
