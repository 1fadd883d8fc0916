"""Implicit Diffusion on a denoiser: a queue of batches, each at a later step than the next."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from methods.base import Method, NotApplicable, Run
from methods.bilevel._loop import finite
from methods.bilevel._sampler import Chain, at, chain, follow, pathwise
from tasks.bilevel import Solution
from tasks.bilevel.samplers import DenoisingBilevel


@dataclass(frozen=True, kw_only=True)
class ImplicitDiffusionQueue(Method):
    """Implicit Diffusion (Marion et al., AISTATS 2025, arXiv 2402.05468), the algorithm for a finite horizon.

    A queue holds M batches. Each step in x is preceded by T / M steps of all of them at once, batch j being at step
    j T / M, and of a fresh one; the oldest is then done, and gives the gradient by reverse differentiation (adjoint).
    At M = 1 this is the nested loop. Every path has seen several x; the gradient is taken at the current one.

    Deviations:
        1. `pipelined`: reverse differentiation takes T calls, one after the other, which undoes what the queue gains.
           So there is a second queue of M batches on their way back, T / M steps at a time, and x moves along the sum
           of what they collect between two steps: parts of M gradients that together are one.
        2. The queue begins empty, and x rests until the first batch is done.
        3. The step in x is the arena's; see `methods/bilevel/_loop.py`.

    Args:
        queue: M, a divisor of T.
        pipelined: whether the way back is queued too.
        rate: of the steps in x.
    """

    queue: int
    pipelined: bool
    rate: float

    def __post_init__(self) -> None:
        if self.queue < 1:
            raise ValueError(f"a queue holds at least 1 batch, got {self.queue}")

    def solve(self, problem: DenoisingBilevel, run: Run) -> Solution:
        """Work the queue until the budget is spent."""
        if problem.horizon % self.queue:
            raise NotApplicable(f"a queue of {self.queue} does not divide {problem.horizon} steps")
        given, length = chain(problem, 0, 1.0), problem.horizon // self.queue
        forward, backward = _Forward(given), _Backward(given)

        def estimate(x: Tensor) -> Tensor | None:
            forward.add(problem.particles_start if not forward.begun else given.fresh(run))
            done = forward.advance(x, run, length)
            if not self.pipelined:
                return None if done is None else pathwise(given, x, done, problem.horizon)
            if done is not None:
                backward.add(x, done)
            return backward.advance(x, length)

        return follow(problem, run, self.rate, estimate)


@dataclass
class _Forward:
    """Batches on their way to step T; of each all particles so far, the oldest batch first."""

    given: Chain
    paths: list[list[Tensor]] = field(default_factory=list)
    begun: int = 0

    def add(self, start: Tensor) -> None:
        """A fresh batch (N, d)."""
        self.paths.append([start])
        self.begun += 1

    def advance(self, x: Tensor, run: Run, steps: int) -> list[Tensor] | None:
        """Move all batches, a call a step; the one that arrives leaves the queue."""
        for _ in range(steps):
            ends = [path[-1] for path in self.paths]
            times = torch.cat([at(len(path) - 1, path[-1]) for path in self.paths])
            noise = torch.cat([self.given.fresh(run) for _ in ends])
            moved = self.given.moved(x, torch.cat(ends), times, noise)
            for path, end in zip(self.paths, moved.chunk(len(ends)), strict=True):
                path.append(end)
        finite(*(path[-1] for path in self.paths))
        return self.paths.pop(0) if len(self.paths[0]) > len(self.given) else None


@dataclass
class _Backward:
    """Batches on their way back: the particles that are still to be passed, and the adjoint."""

    given: Chain
    paths: list[list[Tensor]] = field(default_factory=list)
    adjoints: list[Tensor] = field(default_factory=list)

    def add(self, x: Tensor, path: list[Tensor]) -> None:
        """A batch that has arrived."""
        self.adjoints.append(self.given.problem.loss_gradient(x, path[-1]) / len(path[-1]))
        self.paths.append(path[:-1])

    def advance(self, x: Tensor, steps: int) -> Tensor | None:
        """Move all batches, a call a step; the sum (n,) of what they collect, if there are any."""
        if not self.paths:
            return None
        total = torch.zeros_like(x)
        for _ in range(steps):
            times = torch.cat([at(len(path) - 1, path[-1]) for path in self.paths])
            here = torch.cat([path.pop() for path in self.paths])
            own, adjoint = self.given.pulled(x, here, times, torch.cat(self.adjoints))
            self.adjoints = list(adjoint.chunk(len(self.paths)))
            total = total + own
        kept = [index for index, path in enumerate(self.paths) if path]
        self.paths, self.adjoints = [self.paths[k] for k in kept], [self.adjoints[k] for k in kept]
        return total
