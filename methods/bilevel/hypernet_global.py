"""Hyperparameters through hypernetworks: one map for all x, learnt first and searched afterwards."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from methods.base import Method, NotApplicable, Run
from methods.bilevel._hypernet import Hypernet, adam, hypernet, teach, unit_of
from methods.bilevel._loop import Steps, outer_rounds
from tasks.bilevel import Bilevel, Solution
from tasks.metering import PRICED


@dataclass(frozen=True, kw_only=True)
class GlobalHypernet(Method):
    """Hyper-training, global (Lorraine and Duvenaud 2018, arXiv 1802.09419, algorithm 2).

        first steps on the map y(.) down g(x', y(x')), x' ~ N(x0, s^2 I); then x down f(x, y(x)), the map held

    Deviations:
        1. The first phase takes a share of the budget of work, where the paper counts iterations.
        2. s is in the problem's radius over sqrt(n), and the map counts from x0.
        3. Adam with a larger step, but not for V where x has many entries; the step in x is the arena's
           (`methods/bilevel/_loop.py`).

    Args:
        share: of the budget, for the map.
        samples: x' in each of its steps.
        spread: s.
        width: rectified hidden units.
        learning_rate: of Adam.
        rate: of the steps in x.
    """

    share: float
    samples: int
    spread: float
    width: int
    learning_rate: float
    rate: float

    def solve(self, problem: Bilevel, run: Run) -> Solution:
        """Learn the map, then go down.

        Raises:
            NotApplicable: there is no budget of which the first phase could have a share.
        """
        start = problem.upper_start
        net = hypernet(problem.lower_start, len(start), self.width, rectified=True, rng=run.rng)
        run.offer(Solution(start, problem.lower_start))
        self._learn(net, problem, run)
        x, steps = start, Steps(problem, self.rate)
        for _ in outer_rounds(problem):
            f_x, f_y = problem.upper_gradient(x, net.answer(x - start))
            x = steps.take(x, f_x + net.pullback(x - start, f_y))
            run.offer(Solution(x, self._weights(net, problem, x)))
        return Solution(x, self._weights(net, problem, x))

    def _learn(self, net: Hypernet, problem: Bilevel, run: Run) -> None:
        """The first phase."""
        budget = run.ledger.left(PRICED)
        if budget is None:
            raise NotApplicable("the map is learnt with a share of the budget of work, and there is no budget")
        optimiser, spread = adam(net, self.learning_rate), self.spread * unit_of(problem)
        while budget - (run.ledger.left(PRICED) or 0.0) < self.share * budget:
            teach(net, optimiser, problem, run, problem.upper_start, spread, self.samples)

    def _weights(self, net: Hypernet, problem: Bilevel, x: Tensor) -> Tensor:
        return problem.project_lower(net.answer(x - problem.upper_start))
