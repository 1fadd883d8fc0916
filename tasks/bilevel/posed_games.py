"""From a game, which the judge keeps, to a problem, which sees it through metered oracles."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

import torch
from torch import Tensor

from tasks.bilevel import BACKUPS, EVALUATIONS, GAME_UNITS, PULLBACKS, SecondOrderBilevel, StackelbergGame
from tasks.bilevel.games import Followed, Game
from tasks.bilevel.oracles import Pair, pose
from tasks.metering import Oracle

Kind = TypeVar("Kind", bound=StackelbergGame)


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
