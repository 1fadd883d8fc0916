"""Unrolled follower: the hyper-gradient through soft Bellman backups."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from methods.base import Method, Run
from methods.bilevel._game import answering, nothing_known
from methods.bilevel._loop import follow
from tasks.bilevel import Solution, StackelbergGame


@dataclass(frozen=True, kw_only=True)
class UnrolledFollower(Method):
    """Reverse differentiation of T soft Bellman backups q_t = B(x, q_t-1), after which y = q_T / temperature.

        w_T = f_y / temperature;   for t = T..1: G += (dB / dx)' w_t, w_t-1 = (dB / dq)' w_t;   grad = f_x + G

    As truncated unrolling (Shaban et al. 2019, arXiv 1810.10667), with the follower's own fast solver as the lower
    step: q goes on from where it was, and the start of q does not count as a function of x. Each step backwards forgets
    by the discount, so that T should be some multiples of 1 / (1 - discount). The step in x is the arena's; see
    `methods/bilevel/_loop.py`.

    Args:
        backups: T.
        rate: of the steps in x.
    """

    backups: int
    rate: float

    def solve(self, problem: StackelbergGame, run: Run) -> Solution:
        """Go down the gradients until the budget is spent."""
        kept = [nothing_known(problem)]

        def estimate(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            path = [kept[0]]
            for _ in range(self.backups):
                path.append(problem.backup(x, path[-1]))
            kept[0] = path[-1]
            y = answering(problem, path[-1])
            f_x, f_y = problem.upper_gradient(x, y)
            return f_x + through(problem, x, path[:-1], f_y), y

        return follow(problem, run, self.rate, estimate)


def through(problem: StackelbergGame, x: Tensor, path: list[Tensor], right: Tensor) -> Tensor:
    """The part (n,) of the gradient that goes through the backups.

    Args:
        problem, x: where.
        path: the q (S, B) that were backed up, oldest first.
        right: f_y (m,) at the end.
    """
    weights = right.reshape(problem.states, problem.actions) / problem.temperature
    total = torch.zeros_like(x)
    for q in reversed(path):
        values = problem.temperature * torch.logsumexp(q / problem.temperature, dim=1)
        in_x, in_values = problem.pullback(x, values, weights)
        total = total + in_x
        weights = in_values[:, None] * torch.softmax(q / problem.temperature, dim=1)
    return total
