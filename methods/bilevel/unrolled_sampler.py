"""Unrolled differentiation through the steps of a sampler."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from methods.base import Method, Run
from methods.bilevel._sampler import chain, follow, pathwise, walk
from tasks.bilevel import Solution
from tasks.bilevel.samplers import LangevinBilevel, SamplerBilevel


@dataclass(frozen=True, kw_only=True)
class UnrolledSampler(Method):
    """Reverse differentiation through sampling steps, with their noise held fixed.

    Through all steps this is unrolling; through the last ones only, it is truncated (DRaFT-K, Clark et al. 2024, arXiv
    2309.17400). Where steps cost something, those that are not differentiated are taken to cost nothing. Langevin
    particles go on from where they were or restart; a denoiser always restarts. The step in x is the arena's; see
    `methods/bilevel/_loop.py`.

    Args:
        steps: of Langevin dynamics.
        size: of each.
        differentiated: how many of the last steps; None for all.
        warm: whether Langevin dynamics go on from the last particles.
        rate: of the steps in x.
    """

    steps: int
    size: float
    differentiated: int | None
    warm: bool
    rate: float

    def solve(self, problem: SamplerBilevel, run: Run) -> Solution:
        """Sample, differentiate and step until the budget is spent."""
        given, starts = chain(problem, self.steps, self.size), [problem.particles_start]
        last = len(given) if self.differentiated is None else min(self.differentiated, len(given))

        def estimate(x: Tensor) -> Tensor:
            path = walk(given, run, x, starts[0])
            if not isinstance(problem, LangevinBilevel):
                starts[0] = given.fresh(run)
            elif self.warm:
                starts[0] = path.particles[-1]
            return pathwise(given, x, path.particles, last)

        return follow(problem, run, self.rate, estimate)
