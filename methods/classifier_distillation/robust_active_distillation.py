"""Robust active distillation: queries that are worth their while however the teacher errs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from methods.base import Method, Run
from methods.classifier_distillation._query import Pool, Rows, ask
from tasks.classifier_distillation import PaidQueries, Solution


@dataclass(frozen=True, kw_only=True)
class RobustActiveDistillation(Method):
    """RAD (Baykal et al. 2023, arXiv 2210.01213), the game between who asks and who makes the teacher wrong.

        max over p  min over sets of m inputs that the teacher gets wrong  sum of p_i g_i over all other inputs
        g_i = 1 - margin of the student,    m = pool * (1 - teacher's accuracy)

    With gains sorted downward and H_k = 1/g_1 + .. + 1/g_k the optimum is p_i = 1 / (g_i H_k) for the first k inputs
    and 0 for the rest, where k maximises (k - m) / H_k, which is the value of the game. Deviations:

    1. m from the teacher's accuracy on the task's validation examples, rounded.
    2. For more than one query, draws without replacement by p, one after the other; where the support is too small, the
       rest is drawn evenly from outside. The paper's rule for this could not be read.
    3. No correction for noisy gains.

    Args:
        rounds: in which the budget is spent; each trains a student anew.
        least: gain below which none is taken, so that 1 / g is finite.
    """

    rounds: int
    least: float

    def __post_init__(self) -> None:
        if not 0 < self.least < 1:
            raise ValueError(f"least must be between 0 and 1, got {self.least}")

    def solve(self, problem: PaidQueries, run: Run) -> Solution:
        """Ask and train."""
        return ask(problem, run, self.choose, self.rounds)

    def choose(self, pool: Pool, count: int) -> Rows:
        """Places drawn by the optimum of the game."""
        gains = np.maximum(1 - pool.margins().astype(np.float64), self.least)
        wrong = min(round(len(gains) * (1 - pool.teacher_accuracy)), len(gains) - 1)
        law, _ = optimum(gains, wrong)
        support = np.flatnonzero(law)
        keys = pool.rng.exponential(size=len(gains)) / np.where(law > 0, law, 1.0)  # the least ones are such draws
        inside = support[np.argsort(keys[support], kind="stable")]
        outside = np.setdiff1d(np.arange(len(gains)), support)
        return np.append(inside, pool.rng.permutation(outside))[:count]


def optimum(gains: NDArray[np.float64], wrong: int) -> tuple[NDArray[np.float64], float]:
    """The optimal law (n,) of one query and the value of the game.

    Args:
        gains: (n,), above zero.
        wrong: m, below n.
    """
    order = np.argsort(-gains, kind="stable")
    sums = np.cumsum(1 / gains[order])
    values = (np.arange(1, len(gains) + 1) - wrong) / sums
    best = int(values.argmax())
    law = np.zeros(len(gains))
    law[order[: best + 1]] = 1 / (gains[order[: best + 1]] * sums[best])
    return law, float(values[best])
