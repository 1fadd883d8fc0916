"""Penalty methods for bilevel optimisation with first-order oracles: the single loop with momentum."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from methods.base import Method, Run
from methods.bilevel._loop import Steps, finite, outer_rounds
from methods.bilevel._penalty import Gradients, curvature, drawn, gradients
from tasks.bilevel import Bilevel, Solution


@dataclass(frozen=True, kw_only=True)
class PenaltySingleLoop(Method):
    """The single-loop penalty method with momentum (Kwon, Kwon, Wright and Nowak, ICLR 2024, arXiv 2309.01753).

    With h_s and grad psi_s as in `penalty_bilevel`, x, w and z take one step each a round, along estimators

        v <- d(new) + (1 - b) (v - d(old))

    of d = grad psi_s, h_s,y and g_y, where d(new) and d(old) are asked on the same rows. With exact gradients v = d.

    Deviations:
        1. s, b and step sizes are constants; the paper's fall with the number of steps.
        2. The step in x is the arena's (see `methods/bilevel/_loop.py`); steps in w and z are 1 / L of h_s and of g,
           times `inner_rate`.

    Args:
        s: of the penalty.
        momentum: b; at 1 there is none, and the old point is not asked.
        share: of the examples in a minibatch; above 1 where draws are noisy and never end.
        inner_rate: of the steps in w and z.
        rate: of the steps in x.
    """

    s: float
    momentum: float
    share: float
    inner_rate: float
    rate: float

    def solve(self, problem: Bilevel, run: Run) -> Solution:
        """Move all three until the budget is spent."""
        x, w, z = problem.upper_start, problem.lower_start, problem.lower_start
        steps = Steps(problem, self.rate)
        run.offer(Solution(x, w))
        kept = self._directions(gradients(problem, x, w, z, drawn(problem, run, self.share)))
        for _ in outer_rounds(problem):
            size_w, size_z = curvature(problem, x, self.s), problem.lower_smoothness(x)
            old = x, w, z
            x = steps.take(x, kept[0])
            w = problem.project_lower(w - self.inner_rate / size_w * kept[1])
            z = problem.project_lower(z - self.inner_rate / size_z * kept[2])
            finite(x, w, z)
            run.offer(Solution(x, w))
            rows = drawn(problem, run, self.share)
            fresh = self._directions(gradients(problem, x, w, z, rows))
            if self.momentum < 1:
                before = self._directions(gradients(problem, *old, rows))
                share = 1 - self.momentum
                kept = tuple(new + share * (v - past) for new, v, past in zip(fresh, kept, before, strict=True))
            else:
                kept = fresh
        return Solution(x, w)

    def _directions(self, of: Gradients) -> tuple[Tensor, ...]:
        return of.direction(self.s), of.penalised(self.s), of.solved_y
