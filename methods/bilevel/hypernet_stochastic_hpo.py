"""Hyperparameters through hypernetworks: a local linear map from x to weights, learnt while x moves."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from methods.base import Method, Run
from methods.bilevel._hypernet import adam, hypernet, teach, unit_of
from methods.bilevel._loop import Steps, outer_rounds
from tasks.bilevel import Bilevel, Solution


@dataclass(frozen=True, kw_only=True)
class LocalHypernet(Method):
    """Hyper-training, local (Lorraine and Duvenaud 2018, arXiv 1802.09419, algorithm 3).

        y(x) = W x + c;   steps on (W, c) down g(x', y(x')), x' ~ N(x, s^2 I);   x down f(x, y(x)): f_x + W' f_y

    No second derivatives, and y(x), which is returned too, is what the map says and never a fit. With many
    hyperparameters W = U V through a few linear units, as in the paper's experiment with 7,850 of them.

    Deviations:
        1. The map counts from the current x, so that c is y there and W is not collinear with it; when x moves, c moves
           along, and the map is the same function.
        2. s is larger than the paper's 0.003: with that W is learnt from the path of x alone (the authors' script for
           the local map even sets it to 0). It is in the problem's radius over sqrt(n).
        3. The map first has `warm` steps to itself: at the start W is 0, and so is the direction in x.
        4. Adam teaches the map as in the paper, with a larger step, but not for V where x has many entries; x has the
           step of `methods/bilevel/_loop.py`.
        5. All rows in each step; the paper has up to 1,000.

    Args:
        steps: of the map between two steps in x.
        warm: of the map before the first.
        samples: x' in each of them.
        spread: s.
        dense: the largest n for which W is one matrix.
        width: linear units beyond that.
        learning_rate: of Adam.
        rate: of the steps in x.
    """

    steps: int
    warm: int
    samples: int
    spread: float
    dense: int
    width: int
    learning_rate: float
    rate: float

    def solve(self, problem: Bilevel, run: Run) -> Solution:
        """Learn and move in turns until the budget is spent."""
        x, hidden = problem.upper_start, None if len(problem.upper_start) <= self.dense else self.width
        net = hypernet(problem.lower_start, len(x), hidden, rectified=False, rng=run.rng)
        optimiser, steps = adam(net, self.learning_rate), Steps(problem, self.rate)
        here, spread = torch.zeros_like(x), self.spread * unit_of(problem)
        run.offer(Solution(x, problem.lower_start))
        for count in outer_rounds(problem):
            for _ in range(self.steps if count else self.warm):
                teach(net, optimiser, problem, run, x, spread, self.samples)
            f_x, f_y = problem.upper_gradient(x, net.answer(here))
            before, x = x, steps.take(x, f_x + net.pullback(here, f_y))
            net.recentre(x - before)
            run.offer(Solution(x, problem.project_lower(net.answer(here))))
        return Solution(x, problem.project_lower(net.answer(here)))
