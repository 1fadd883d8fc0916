"""PBRL: penalty-based policy gradients for a leader and its follower."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from methods.base import Method, Run
from methods.bilevel._game import bellman_gap, nothing_known, risen, tracked, value_gap
from methods.bilevel._loop import Steps, finite, outer_rounds
from tasks.bilevel import Solution, StackelbergGame
from tasks.metering import PRICED


class Penalty(enum.StrEnum):
    """On a policy y that is not the follower's best one."""

    VALUE = "value"
    BELLMAN = "bellman"


@dataclass(frozen=True, kw_only=True)
class PBRL(Method):
    """Penalty-based bilevel policy gradients (Shen, Yang and Chen, ICML 2024, arXiv 2402.06886).

    Each round finds an approximately best answer pi* to x, forms the gradient of a penalty p(x, y) with it, and goes
    down f + l p in x and y. The two penalties and their gradients are those of `methods/bilevel/_game.py`.

    Deviations:
        1. Tables and exact policy gradients in place of samples. pi* comes from soft Bellman backups that go on from
           the last round; the paper takes steps of policy mirror descent, each of which evaluates a policy.
        2. l may rise linearly over a share of the budget; without such a ramp it is constant, as in the paper.
        3. x moves by the arena's step (see `methods/bilevel/_loop.py`) along min(1 / l, 1) times its part of the
           gradient, as in the authors' code of V-PBGD; y by 1 / (L of f + l L of
           p). The paper has one constant step for both.

    Args:
        penalty: p.
        largest: l in the end.
        ramp: share of the budget over which it rises; 0 for a constant one.
        backups: of the best answer, in a round.
        rate: of the steps in x.
    """

    penalty: Penalty
    largest: float
    ramp: float
    backups: int
    rate: float

    def solve(self, problem: StackelbergGame, run: Run) -> Solution:
        """Go down until the budget is spent."""
        x, y, q = problem.upper_start, problem.lower_start, nothing_known(problem)
        steps, budget = Steps(problem, self.rate), run.ledger.left(PRICED)
        of = value_gap if self.penalty is Penalty.VALUE else bellman_gap
        run.offer(Solution(x, y))
        for _ in outer_rounds(problem):
            weight = self.largest * risen(run, budget, self.ramp)
            q = tracked(problem, x, q, self.backups)
            f_x, f_y = problem.upper_gradient(x, y)
            gap = of(problem, x, y, q)
            size = 1 / (problem.upper_smoothness(x) + weight * gap.curvature)
            x = steps.take(x, min(1 / weight, 1.0) * (f_x + weight * gap.upper) if weight else f_x)
            y = problem.project_lower(y - size * (f_y + weight * gap.lower))
            finite(x, y, q)
            run.offer(Solution(x, y))
        return Solution(x, y)
