"""What methods for a `SharedEncoder` share: one loop, the problem's minibatches in the problem's order, one budget.

A method is a plan: for each step of the optimiser the weights of f and of g in the loss. What has weight 0 is not asked
for and costs nothing. So methods differ in nothing but how they mix the two losses over time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from methods.base import NotApplicable, Run
from tasks.bilevel import LOWER_GRADIENTS, UPPER_GRADIENTS, SharedEncoder, Solution
from tasks.metering import PRICED
from tasks.training import fit

OFFERS = 50  # in a plan, evenly spread


@dataclass(frozen=True)
class Mixture:
    """The weights of f and of g in the loss of one step."""

    upper: float
    lower: float


SUPERVISED = Mixture(1.0, 0.0)
SELF_SUPERVISED = Mixture(0.0, 1.0)


def penalised(weight: float) -> Mixture:
    """min(1 / weight, 1) (f + weight g)."""
    scale = min(1 / weight, 1.0) if weight else 1.0
    return Mixture(scale, scale * weight)


class Vectors(nn.Module):
    """What is trained.

    Args:
        problem: gives the starts of x (n,) and y (m,).
        apart: whether g is asked about an encoder of its own, which starts as y does.
    """

    def __init__(self, problem: SharedEncoder, *, apart: bool = False) -> None:
        super().__init__()
        self.head = nn.Parameter(problem.upper_start.clone())
        self.encoder = nn.Parameter(problem.lower_start.clone())
        self.other = nn.Parameter(problem.lower_start.clone()) if apart else None

    def solution(self) -> Solution:
        """x and y as they are now."""
        head, encoder = (it.detach().cpu().clone() for it in (self.head, self.encoder))
        return Solution(head, encoder)


def pass_steps(problem: SharedEncoder) -> int:
    """Steps in which minibatches run through all unlabelled rows."""
    return max(1, round(problem.unlabelled / problem.recipe.batch_size))


def whole_budget(problem: SharedEncoder) -> float:
    """The work that may be done.

    Raises:
        NotApplicable: nothing limits it.
    """
    left = problem.ledger.left(PRICED)
    if left is None:
        raise NotApplicable("how long to train follows from a budget of work, and this problem has none")
    return left


def work(problem: SharedEncoder, mixture: Mixture) -> float:
    """What a step costs."""
    prices = problem.ledger.prices()
    price = prices[UPPER_GRADIENTS] * bool(mixture.upper) + prices[LOWER_GRADIENTS] * bool(mixture.lower)
    return price * problem.recipe.batch_size / problem.unlabelled


def affordable(problem: SharedEncoder, budget: float, mixtures: Iterable[Mixture]) -> list[Mixture]:
    """As many steps of a plan, which may be endless, as a budget of work pays."""
    plan, spent = [], 0.0
    for mixture in mixtures:
        spent += work(problem, mixture)
        if spent > budget * (1 - 1e-9):
            break
        plan.append(mixture)
    return plan


def follow(problem: SharedEncoder, run: Run, vectors: Vectors, plan: Sequence[Mixture], rate: float) -> Solution:
    """Train by a plan, and offer on the way.

    Args:
        problem: gives oracles, minibatches and recipe.
        run: takes the offers.
        vectors: trained in place.
        plan: of all steps.
        rate: times the learning rate of the recipe.

    Raises:
        Diverged: a loss is not finite.
    """
    asked = [np.cumsum([0, *used]) for used in ([bool(it.upper) for it in plan], [bool(it.lower) for it in plan])]
    recipe = replace(problem.recipe, steps=len(plan), lr=rate * problem.recipe.lr)
    every = max(1, len(plan) // OFFERS)

    def objective(step: int) -> Tensor:
        mixture, loss = plan[step], torch.zeros((), device=vectors.head.device)
        if mixture.upper:
            rows = problem.upper_batch(int(asked[0][step]))
            reached, f_x, f_y = problem.upper_gradient(vectors.head, vectors.encoder, rows=rows)
            loss = loss + mixture.upper * attached(reached, (vectors.head, f_x), (vectors.encoder, f_y))
        if mixture.lower:
            number = int(asked[1][step])
            pupil = vectors.encoder if vectors.other is None else vectors.other
            reached, g_y = problem.lower_gradient(pupil, rows=problem.lower_batch(number), draw=number)
            loss = loss + mixture.lower * attached(reached, (pupil, g_y))
        return loss

    def after(done: int) -> None:
        if done % every == 0:
            run.offer(vectors.solution())

    run.offer(vectors.solution())
    fit(run, vectors, recipe, lambda step: step, objective, after_step=after)
    return vectors.solution()


def attached(reached: float, *slopes: tuple[Tensor, Tensor]) -> Tensor:
    """A scalar with the value `reached` whose gradient in each vector is the slope that stands behind it."""
    return sum((slope @ (vector - vector.detach()) for vector, slope in slopes), torch.tensor(reached))
