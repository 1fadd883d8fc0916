"""What methods of the arena share: steps in x, steps in y, minibatches, and the loop of those that estimate gradients.

One rule gives all step sizes, so that none is tuned to a task by hand. In y a step is 1 / L, where L is the Lipschitz
constant that the problem hands over for the objective that is descended. In x, where no constant is known, the step is
AdaGrad's for a whole vector (Ward, Wu and Bottou 2019, arXiv 1806.01811),

    x <- P(x - rate R d_k / sqrt(norm(d_1)^2 + ... + norm(d_k)^2)),

with the radius R that the problem states. It keeps the direction of d and is blind to its scale. The rate is 1 or 0.1,
for each method the one with the lesser geometric mean of regret on `quadratic`, and on `quadratic_flat` where it can
enter, at scale laptop and seeds 100 and 101, which no board has; methods for linear constraints are compared on
`coupled_plane` and `coupled_strong` instead.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from methods.base import Diverged, Run
from tasks.bilevel import CoupledBilevel, Rows, Solution
from tasks.bilevel.samplers import SamplerBilevel


def outer_rounds(problem: CoupledBilevel) -> Iterator[int]:
    """Numbers of the steps in x, from 0; without end where only the budget ends them."""
    return iter(itertools.count() if problem.outer_steps is None else range(problem.outer_steps))


class Steps:
    """Steps in x, whose lengths depend on the directions so far.

    Args:
        problem: gives the radius and the set of x.
        rate: of the radius, the length of the first step.
    """

    def __init__(self, problem: CoupledBilevel | SamplerBilevel, rate: float) -> None:
        self._problem, self._length, self._squares = problem, rate * problem.upper_radius, 0.0

    def size(self, direction: Tensor) -> float:
        """The step size for a direction (n,), which counts from now on.

        Raises:
            Diverged: the direction is not finite.
        """
        square = float(direction @ direction)
        if not np.isfinite(square):
            raise Diverged("the direction in x is not finite")
        self._squares += square
        return self._length / self._squares**0.5 if self._squares else 0.0

    def take(self, x: Tensor, direction: Tensor) -> Tensor:
        """x after a step against a direction (n,)."""
        return self._problem.project_upper(x - self.size(direction) * direction)


def follow(
    problem: CoupledBilevel, run: Run, rate: float, estimate: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
) -> Solution:
    """Go down estimates of the hyper-gradient, offering every pair.

    Args:
        problem: gives the start.
        run: takes the offers.
        rate: see `Steps`.
        estimate: (x, y) -> an estimate (n,) of the hyper-gradient at x, and the y that was reached for it.

    Raises:
        BudgetSpent: the last offer is the answer.
        Diverged: a direction is not finite.
    """
    x, y, steps = problem.upper_start, problem.lower_start, Steps(problem, rate)
    run.offer(Solution(x, y))
    for _ in outer_rounds(problem):
        direction, y = estimate(x, y)
        x = steps.take(x, direction)
        run.offer(Solution(x, y))
    return Solution(x, y)


def descend(problem: CoupledBilevel, x: Tensor, y: Tensor, count: int, run: Run, share: float = 1.0) -> list[Tensor]:
    """Projected gradient steps of size 1 / L on g(x, .), all of them kept, for those who go back over them.

    Args:
        problem, x, y: where to begin.
        count: T, of steps.
        run: draws minibatches.
        share: of the lower examples in a minibatch.

    Returns:
        y_0 to y_T, each (m,).
    """
    return [y, *_lower_steps(problem, x, y, count, run, share)]


def settle(problem: CoupledBilevel, x: Tensor, y: Tensor, count: int, run: Run, share: float = 1.0) -> Tensor:
    """y_T (m,) of the same steps, and no other kept: memory does not grow with T."""
    last = deque([y], maxlen=1)
    last.extend(_lower_steps(problem, x, y, count, run, share))
    return last[0]


def _lower_steps(problem: CoupledBilevel, x: Tensor, y: Tensor, count: int, run: Run, share: float) -> Iterator[Tensor]:
    size = 1 / problem.lower_smoothness(x)
    for _ in range(count):
        slope = problem.lower_gradient(x, y, rows=lower_rows(problem, run, share))[1]
        y = problem.project_lower(y - size * slope)
        yield y


def lower_rows(problem: CoupledBilevel, run: Run, share: float) -> Rows:
    """Rows of a minibatch for g: a share of what a full pass has. None for full passes over a finite set."""
    return _rows(run, problem.lower_rows, problem.lower_examples, share)


def upper_rows(problem: CoupledBilevel, run: Run, share: float) -> Rows:
    """Rows of a minibatch for f, likewise."""
    return _rows(run, problem.upper_rows, problem.upper_examples, share)


def _rows(run: Run, population: int, examples: int, share: float) -> Rows:
    count = max(1, round(share * examples))
    if count >= population:
        return None
    if population > examples:  # numbers of noise vectors, of which there is no end
        return run.rng.integers(population, size=count)
    return run.rng.choice(population, size=count, replace=False)


def finite(*vectors: Tensor) -> None:
    """Stop where numbers have run off.

    Raises:
        Diverged: an entry is not finite.
    """
    if not all(torch.isfinite(vector).all() for vector in vectors):
        raise Diverged("an iterate is not finite")
