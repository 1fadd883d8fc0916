"""Implicit Diffusion on Langevin dynamics: sampling and optimisation in a single loop."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from methods.base import Method, Run
from methods.bilevel._loop import finite
from methods.bilevel._sampler import at, chain, covariance, follow
from tasks.bilevel import Solution
from tasks.bilevel.samplers import LangevinBilevel


@dataclass(frozen=True, kw_only=True)
class ImplicitDiffusion(Method):
    """Implicit Diffusion (Marion et al., AISTATS 2025, arXiv 2402.05468), the algorithm for an infinite horizon.

        P <- P - a V_P(P, x) + sqrt(2 a) noise,   x <- x - step Cov over P of (R + l (V - V(., x0)), V_x)

    in turns, one step of the particles for each step of x: the particles never restart and lag behind x.

    Deviations:
        1. The step in x is the arena's (see `methods/bilevel/_loop.py`); the released code has a constant, 0.1.
        2. The divergence from the start is KL(law of x, law of x0), which this arena's objective has; the released code
           has a term for KL(law of x0, law of x), which is switched off there.

    Args:
        size: a.
        rate: of the steps in x.
    """

    size: float
    rate: float

    def solve(self, problem: LangevinBilevel, run: Run) -> Solution:
        """Take turns until the budget is spent."""
        one, here = chain(problem, 1, self.size), [problem.particles_start]

        def estimate(x: Tensor) -> Tensor:
            here[0] = one.moved(x, here[0], at(0, here[0]), one.fresh(run))
            finite(here[0])
            return covariance(problem, x, here[0])

        return follow(problem, run, self.rate, estimate)
