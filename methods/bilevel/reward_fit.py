"""Reinforcement learning from preferences as two problems: fit a reward to pairs of segments, then solve for it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from methods.base import Method, Run
from methods.bilevel._game import answering, nothing_known, risen, tracked
from methods.bilevel._loop import Steps
from tasks.bilevel import PreferenceGame, Solution
from tasks.metering import PRICED


@dataclass(frozen=True, kw_only=True)
class RewardFit(Method):
    """Fit a reward by the preference loss alone, as if the policy that is compared did not depend on it.

    Two stages: all pairs come from the first policy, the reward is fitted, and then the policy to it. Iterated
    (Christiano et al. 2017, arXiv 1706.03741): the policy follows the reward from step to step, and pairs come from
    it; only the derivative through the policy is missing. Deviations: exact expectations over pairs and exact soft
    Bellman backups in place of samples, networks and A2C; no ensembles.

    Args:
        iterated: whether the policy that is compared is renewed.
        share: of the budget for the first stage; of no effect where iterated.
        backups: for the policy: after each step in x where iterated, or else in the second stage.
        rate: of the steps in x.
    """

    iterated: bool
    share: float
    backups: int
    rate: float

    def solve(self, problem: PreferenceGame, run: Run) -> Solution:
        """Until the budget is spent."""
        x, y, q = problem.upper_start, problem.lower_start, nothing_known(problem)
        steps, budget = Steps(problem, self.rate), run.ledger.left(PRICED)
        run.offer(Solution(x, y))
        rounds = itertools.count() if problem.outer_steps is None else range(problem.outer_steps)
        for _ in rounds:
            if not self.iterated and budget is not None and risen(run, budget, self.share) >= 1:
                break
            x = steps.take(x, problem.upper_gradient(x, y)[0])
            if self.iterated:
                q = tracked(problem, x, q, self.backups)
                y = answering(problem, q)
            run.offer(Solution(x, y if self.iterated else None))
        for _ in range(self.backups):
            q = tracked(problem, x, q, 1)
            run.offer(Solution(x, answering(problem, q)))
        return Solution(x, answering(problem, q))
