"""Games of the arena `bilevel` in small, and their values by plain sweeps in NumPy, which share no code with ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.bilevel import GAME_UNITS
from tasks.bilevel.incentive_grid import Cost, IncentiveGrid
from tasks.bilevel.incentive_zero_sum import IncentiveZeroSum
from tasks.bilevel.preference_grid import PreferenceGrid
from tasks.bilevel.stackelberg import Stackelberg

Array = NDArray[np.float64]
PRICES = dict.fromkeys(GAME_UNITS, 1.0) | {
    "lower_values": 0.5,
    "upper_values": 0.5,
    "second_order_products": 2.0,
    "bellman_backups": 0.25,
    "policy_evaluations": 0.5,
    "game_pullbacks": 0.5,
}
COMMON: dict[str, Any] = {"version": 1, "discount": 0.8, "starts": 3, "prices": PRICES, "budget": 300.0}
GAME = Stackelberg(
    name="bilevel/stackelberg",
    states=4,
    leader_actions=3,
    follower_actions=2,
    concentration=0.3,
    temperature=0.2,
    **COMMON,
)
GRID = IncentiveGrid(
    name="bilevel/incentive_grid",
    side=3,
    slip=0.1,
    most=2.0,
    cost=Cost.QUADRATIC,
    price=0.3,
    temperature=0.3,
    **COMMON,
)
PREFERENCE = PreferenceGrid(
    name="bilevel/preference_grid",
    side=2,
    features=3,
    segment=2,
    sharpness=3.0,
    ridge=0.01,
    temperature=0.5,
    **COMMON,
)
ZERO_SUM = IncentiveZeroSum(
    name="bilevel/incentive_zero_sum",
    states=3,
    actions=2,
    concentration=0.3,
    price=0.2,
    temperature=0.3,
    **COMMON,
)
FOLLOWED: tuple[Any, ...] = (GAME, GRID, PREFERENCE)
EVERY: tuple[Any, ...] = (*FOLLOWED, ZERO_SUM)
SWEEPS = 400  # 0.8^400 is 1e-39


def softmax(logits: Array) -> Array:
    """Along the last axis."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    total: Array = raised / raised.sum(axis=-1, keepdims=True)
    return total


def swept(reward: Array, moved: Array, discount: float) -> Array:
    """Values (S,) of a chain with rewards (S,) and transitions (S, S), by adding up what comes."""
    values = np.zeros(len(reward))
    for _ in range(SWEEPS):
        values = reward + discount * moved @ values
    return values


def soft_best(reward: Array, moves: Array, discount: float, temperature: float) -> Array:
    """The q (S, B) of the best policy with an entropy bonus, by value iteration."""
    q = np.zeros_like(reward)
    for _ in range(SWEEPS):
        values = temperature * np.log(np.exp(q / temperature).sum(axis=1))
        q = reward + discount * np.einsum("sbt,t->sb", moves, values)
    return q


class Played:
    """`GAME` at a seed: who gets what from logits of both, and what the follower should do."""

    def __init__(self, seed: int) -> None:
        given = GAME.tables(seed)
        self.transition, (self.leader, self.follower) = given.transition, given.rewards
        self.start = GAME.begins(seed, 4).numpy()

    def _chain(self, x: Array, y: Array) -> tuple[Array, Array, Array]:
        one, two = softmax(x.reshape(4, 3)), softmax(y.reshape(4, 2))
        moved = sum(one[:, a, None] * two[:, b, None] * self.transition[:, a, b] for a in range(3) for b in range(2))
        return one, two, np.asarray(moved)

    def value(self, x: Array, y: Array, player: int) -> float:
        """Of the leader (0) or the follower (1), averaged over where it begins."""
        one, two, moved = self._chain(x, y)
        table, own = (self.leader, one) if player == 0 else (self.follower, two)
        reward = np.einsum("sa,sb,sab->s", one, two, table) - GAME.temperature * (own * np.log(own)).sum(axis=1)
        return float(self.start @ swept(reward, moved, GAME.discount))

    def q(self, x: Array) -> Array:
        """The follower's best (S, B)."""
        one = softmax(x.reshape(4, 3))
        reward = np.einsum("sa,sab->sb", one, self.follower)
        moves = np.einsum("sa,sabt->sbt", one, self.transition)
        return soft_best(reward, moves, GAME.discount, GAME.temperature)

    def value_penalty(self, x: Array, y: Array) -> float:
        """The most that the follower can have, less what it has."""
        q = self.q(x) / GAME.temperature
        most = GAME.temperature * self.start @ np.log(np.exp(q).sum(axis=1))
        return float(most - self.value(x, y, 1))

    def bellman_penalty(self, x: Array, y: Array) -> float:
        """E_start of <pi, -q*> less entropy, less the least of that."""
        q, own = self.q(x), softmax(y.reshape(4, 2))
        here = (own * (GAME.temperature * np.log(own) - q)).sum(axis=1)
        least = -GAME.temperature * np.log(np.exp(q / GAME.temperature).sum(axis=1))
        return float(self.start @ (here - least))

    def phi(self, x: Array) -> float:
        """The leader's loss once the follower answers best."""
        return -self.value(x, (self.q(x) / GAME.temperature).ravel(), 0)


def point(task: Any, key: int = 0, seed: int = 0) -> tuple[Tensor, Tensor]:
    game, rng = task.game(seed), np.random.default_rng(key)
    x = game.project(torch.from_numpy(0.5 * rng.normal(size=len(game.upper_start))) + 0.3)
    return x, game.centre(torch.from_numpy(rng.normal(size=len(game.lower_start))))


def endless(task: Any, seed: int = 0) -> Any:
    return replace(task, budget=1e9).problem(seed)


def differences(function: Callable[[Tensor], float], at: Tensor, width: float = 1e-6) -> Tensor:
    rows = [function(at + width * unit) - function(at - width * unit) for unit in torch.eye(len(at), dtype=at.dtype)]
    return torch.tensor(rows, dtype=at.dtype) / (2 * width)


def deviations(x: Tensor, y: Tensor) -> tuple[float, float]:
    """What each player of `ZERO_SUM` could still gain, by value iteration against the other."""
    game, (one, two) = ZERO_SUM.game(0), (softmax(it.reshape(3, 2).numpy()) for it in (y[:6], y[6:]))
    reward, moves, hot = game.reward(x).numpy(), game.transition.numpy(), ZERO_SUM.temperature
    entropies = [-(it * np.log(it)).sum(axis=1) for it in (one, two)]
    start = game.start.numpy()
    both = np.einsum("sa,sb,sab->s", one, two, reward) + hot * (entropies[0] - entropies[1])
    value = start @ swept(both, np.einsum("sa,sb,sabt->st", one, two, moves), 0.8)
    up = soft_best(
        np.einsum("sb,sab->sa", two, reward) - hot * entropies[1][:, None],
        np.einsum("sb,sabt->sat", two, moves),
        0.8,
        hot,
    )
    down = soft_best(
        -np.einsum("sa,sab->sb", one, reward) - hot * entropies[0][:, None],
        np.einsum("sa,sabt->sbt", one, moves),
        0.8,
        hot,
    )
    most, least = (hot * start @ np.log(np.exp(q / hot).sum(axis=1)) for q in (up, down))
    return most - value, least + value
