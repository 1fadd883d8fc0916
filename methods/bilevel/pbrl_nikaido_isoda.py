"""PBRL where two players of opposite interests answer: the penalty is what both could still gain."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from methods.base import Method, Run
from methods.bilevel._game import risen
from methods.bilevel._loop import Steps, finite, outer_rounds
from tasks.bilevel import Solution, ZeroSumGame
from tasks.metering import PRICED


@dataclass(frozen=True, kw_only=True)
class PBRLNikaidoIsoda(Method):
    """PBRL with a zero-sum lower level (Shen, Yang and Chen, JMLR 26, 2025, arXiv 2402.06886).

        p(x, y) = max over pi_1 of V(pi_1, y_2) - min over pi_2 of V(y_1, pi_2)

    Each round finds approximately best answers z_1 to y_2 and z_2 to y_1. By Danskin's theorem

        p_x = V_x(z_1, y_2) - V_x(y_1, z_2),   p_y = (-V_y1(y_1, z_2), V_y2(z_1, y_2))

    and x and y go down f + l p. Deviations: as `pbrl`, 1 to 3, with the smoothness of the penalty in place of that of
    the value.

    Args:
        largest: l in the end.
        ramp: share of the budget over which it rises; 0 for a constant one.
        backups: of each best answer, in a round.
        rate: of the steps in x.
    """

    largest: float
    ramp: float
    backups: int
    rate: float

    def solve(self, problem: ZeroSumGame, run: Run) -> Solution:
        """Go down until the budget is spent."""
        x, y = problem.upper_start, problem.lower_start
        tables = [problem.start.new_zeros(problem.states, count) for count in problem.actions]
        steps, budget = Steps(problem, self.rate), run.ledger.left(PRICED)
        run.offer(Solution(x, y))
        for _ in outer_rounds(problem):
            weight = self.largest * risen(run, budget, self.ramp)
            for player in (0, 1):
                for _ in range(self.backups):
                    tables[player] = problem.respond(x, y, player, tables[player])
            f_x, f_y = problem.upper_gradient(x, y)
            p_x, p_y = nikaido_isoda_gap(problem, x, y, tables)
            size = 1 / (problem.upper_smoothness(x) + weight * problem.lower_smoothness(x))
            x = steps.take(x, min(1 / weight, 1.0) * (f_x + weight * p_x) if weight else f_x)
            y = problem.project_lower(y - size * (f_y + weight * p_y))
            finite(x, y)
            run.offer(Solution(x, y))
        return Solution(x, y)


def nikaido_isoda_gap(problem: ZeroSumGame, x: Tensor, y: Tensor, tables: list[Tensor]) -> tuple[Tensor, Tensor]:
    """The gradient of p in x (n,) and y (m,), if the q of the best answers are (S, A) and (S, B) in `tables`."""
    first = problem.states * problem.actions[0]
    one, two = ((table / problem.temperature).flatten() for table in tables)
    up_x, up_y = problem.value_gradient(x, torch.cat([one, y[first:]]))
    down_x, down_y = problem.value_gradient(x, torch.cat([y[:first], two]))
    return up_x - down_x, torch.cat([-down_y[:first], up_y[first:]])
