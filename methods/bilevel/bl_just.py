"""BL-JUST: joint unsupervised and supervised training as a bilevel problem, by a penalty."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from methods.base import Method, Run
from methods.bilevel._encoder import (
    SELF_SUPERVISED,
    SUPERVISED,
    Mixture,
    Vectors,
    affordable,
    follow,
    pass_steps,
    penalised,
    whole_budget,
    work,
)
from tasks.bilevel import SharedEncoder, Solution


@dataclass(frozen=True, kw_only=True)
class BLJust(Method):
    """BL-JUST (Saif et al., ICASSP 2024, arXiv 2401.06980): min over x, y of f(x, y) subject to y in argmin g, by

        min(1 / gamma, 1) (f(x, y) + gamma (g(y) - min g)),   gamma rising from epoch to epoch, from 0.

    An epoch is first `passes` passes through the unlabelled rows on g alone, then as many steps as one such pass has on
    the penalised sum. min g does not depend on x or y, and so has no part in the gradient. With `coupled` off, g trains
    an encoder of its own, and nothing of it reaches x and y, for the same work.

    Deviations:
        1. One AdamW with one learning rate, warm-up and cosine, as all methods here; the code has two one-cycle
           schedules (5e-4 and 5e-3), and in a later version other rates for each phase.
        2. The joint phase has as many steps as a pass through the unlabelled rows, and meets the few labelled ones
           several times; in the paper both sets are large.
        3. gamma would reach `largest` at the end of the budget, however many epochs that has; the code adds 0.002 in
           each of 100.
        4. `finish` is the share of the budget, at its end, that is supervised only. The paper's code has none, the
           later one 5 epochs of 200.
        5. In the released files the penalty has no gradient and the two encoders share no weights. Done here is what
           the paper states; `coupled: false` is what is stored, except that the other encoder goes on to learn in the
           joint phase.

    Args:
        largest: see above.
        passes: see above.
        finish: see above.
        coupled: see above.
        rate: times the learning rate of the task.
    """

    largest: float
    passes: int
    finish: float
    coupled: bool
    rate: float

    def __post_init__(self) -> None:
        if self.largest < 0 or self.passes < 0 or not 0 <= self.finish <= 1:
            raise ValueError("largest and passes must not be negative, and finish must lie between 0 and 1")

    def solve(self, problem: SharedEncoder, run: Run) -> Solution:
        """Train until the budget is spent."""
        budget = whole_budget(problem)
        plan = affordable(problem, (1 - self.finish) * budget, self._epochs(problem, budget))
        joint = [it.lower / it.upper for it in plan if it.upper]
        run.log("gamma", joint[-1] if joint and self.coupled else 0.0)
        plan += affordable(problem, self.finish * budget, itertools.repeat(SUPERVISED))
        return follow(problem, run, Vectors(problem, apart=not self.coupled), plan, self.rate)

    def _epochs(self, problem: SharedEncoder, budget: float) -> Iterator[Mixture]:
        """Epoch after epoch, without end."""
        steps = pass_steps(problem)
        each = steps * (self.passes * work(problem, SELF_SUPERVISED) + work(problem, penalised(1.0)))
        for epoch in itertools.count():
            yield from itertools.repeat(SELF_SUPERVISED, self.passes * steps)
            yield from itertools.repeat(penalised(self.largest * epoch * each / budget), steps)
