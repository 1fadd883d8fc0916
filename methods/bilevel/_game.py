"""Followers in a game: their best answer, tracked by soft Bellman backups, and penalties on answers that are not best.

With pi* the best policy and pi that of y, and q* that of the best answer, the penalties are

    value:   V*(start) - V_pi(start);   Bellman:   E_start <pi - pi*, -q*> + temperature (entropy of pi* - that of pi)

The second is the divergence KL(pi || pi*) times the temperature, averaged over the start. Their gradients in x need no
derivative of pi*, since it is a maximiser (Danskin).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from methods.base import Run
from tasks.bilevel import StackelbergGame
from tasks.metering import PRICED


@dataclass(frozen=True)
class Gap:
    """The gradient of a penalty.

    Args:
        upper: in x (n,).
        lower: in y (m,).
        curvature: a Lipschitz constant of the part in y.
    """

    upper: Tensor
    lower: Tensor
    curvature: float


def nothing_known(problem: StackelbergGame) -> Tensor:
    """The q (S, B) to begin with."""
    return problem.start.new_zeros(problem.states, problem.actions)


def tracked(problem: StackelbergGame, x: Tensor, q: Tensor, count: int) -> Tensor:
    """Q (S, B) after soft Bellman backups at x, by each of which it gets nearer to q* by the discount."""
    for _ in range(count):
        q = problem.backup(x, q)
    return q


def answering(problem: StackelbergGame, q: Tensor) -> Tensor:
    """The logits (m,) of the policy that is best if q is right."""
    return problem.project_lower((q / problem.temperature).flatten())


def log_policy(problem: StackelbergGame, y: Tensor) -> Tensor:
    """(S, B)."""
    return torch.log_softmax(y.reshape(problem.states, problem.actions), dim=1)


def value_gap(problem: StackelbergGame, x: Tensor, y: Tensor, q: Tensor) -> Gap:
    """Of the value penalty, by evaluating two policies: the one that is best by q, and y.

    The gradient of V_pi in x is that of r_x + gamma P_x V_pi, weighted by the visits of pi; in the logits it is
    visits pi (q_pi - temperature log pi - V_pi).
    """
    best = answering(problem, q)
    parts = []
    for policy in (best, y):
        ahead, values, visits = problem.evaluate_policy(x, policy)
        log_of = log_policy(problem, policy)
        often = visits[:, None] * log_of.exp()
        better = ahead - problem.temperature * log_of - values[:, None]
        parts.append((problem.pullback(x, values, often)[0], (often * better).flatten()))
    return Gap(parts[0][0] - parts[1][0], -parts[1][1], problem.lower_smoothness(x))


def bellman_gap(problem: StackelbergGame, x: Tensor, y: Tensor, q: Tensor) -> Gap:
    """Of the Bellman penalty; q stands for q*.

    In x it is E_start sum_b (pi* - pi)(b) dq*(s, b) with pi* held fixed in q*: what these weights come to now, and what
    they come to later, along the visits of pi*.
    """
    best = answering(problem, q)
    log_best, log_own = log_policy(problem, best), log_policy(problem, y)
    values = problem.temperature * torch.logsumexp(q / problem.temperature, dim=1)
    weights = problem.start[:, None] * (log_best.exp() - log_own.exp())
    now, onward = problem.pullback(x, values, weights)
    visits = problem.evaluate_policy(x, best, start=onward)[2]
    later = problem.pullback(x, values, visits[:, None] * log_best.exp())[0]
    worse = problem.temperature * log_own - q
    often = problem.start[:, None] * log_own.exp()
    lower = often * (worse - (log_own.exp() * worse).sum(dim=1, keepdim=True))
    width = worse.amax(dim=1) - worse.amin(dim=1)
    curvature = float((problem.start * (width + problem.temperature)).max()) / 2
    return Gap(now + later, lower.flatten(), curvature)


def risen(run: Run, budget: float | None, ramp: float) -> float:
    """From 0 to 1 while a share `ramp` of the budget of work is spent; 1 where there is no ramp or no budget."""
    left = run.ledger.left(PRICED)
    return 1.0 if not ramp or budget is None or left is None else min(1.0, (1 - left / budget) / ramp)
