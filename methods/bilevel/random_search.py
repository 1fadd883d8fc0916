"""Random search over hyperparameters."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch

from methods.base import Method, Run
from tasks.bilevel import HyperparameterBilevel, ProgramBilevel, Solution


@dataclass(frozen=True, kw_only=True)
class RandomSearch(Method):
    """Random search (Bergstra and Bengio 2012): uniform draws within the bounds, the best validated one is the answer.

    The first point is the start. A fit takes `fit_steps` steps, or as many as the problem says that it needs.

    Args:
        fit_steps: steps of a fit; None for what the problem says.
    """

    fit_steps: int | None

    def solve(self, problem: HyperparameterBilevel | ProgramBilevel, run: Run) -> Solution:
        """Draw until the budget is spent."""
        low, high = problem.bounds.T
        best = float("inf")
        for number in itertools.count():
            share = torch.from_numpy(run.rng.uniform(size=len(low)))
            x = problem.upper_start if number == 0 else low + share * (high - low)
            reached, y = problem.fit_and_validate(x, self.fit_steps or problem.warm_steps)
            if reached < best:
                best = reached
                run.offer(Solution(x, y))
        raise AssertionError("only a spent budget ends the search")
