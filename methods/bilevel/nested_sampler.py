"""The nested loop: sample to the end, then take one step in x."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from methods.base import Method, Run
from methods.bilevel._sampler import chain, covariance, follow, pathwise, walk
from tasks.bilevel import Solution
from tasks.bilevel.samplers import DenoisingBilevel, LangevinBilevel


@dataclass(frozen=True, kw_only=True)
class NestedSampler(Method):
    """The nested loop that Implicit Diffusion is compared with (Marion et al., arXiv 2402.05468, its first algorithm).

    The whole sampler runs between two steps in x. Under Langevin dynamics that are `steps` steps, and the gradient is
    the covariance over the last particles; a denoiser takes all of its steps, and the gradient is by the adjoint. The
    step in x is the arena's; see `methods/bilevel/_loop.py`.

    Args:
        steps: of Langevin dynamics.
        size: of each.
        warm: whether Langevin dynamics go on from the last particles, and not from the start as in the paper.
        rate: of the steps in x.
    """

    steps: int
    size: float
    warm: bool
    rate: float

    def solve(self, problem: LangevinBilevel | DenoisingBilevel, run: Run) -> Solution:
        """Sample and step until the budget is spent."""
        given, ends = chain(problem, self.steps, self.size), [problem.particles_start]

        def langevin(x: Tensor) -> Tensor:
            assert isinstance(problem, LangevinBilevel)
            reached = walk(given, run, x, ends[0]).particles[-1]
            ends[0] = reached if self.warm else ends[0]
            return covariance(problem, x, reached)

        def denoising(x: Tensor) -> Tensor:
            path, ends[0] = walk(given, run, x, ends[0]), given.fresh(run)
            return pathwise(given, x, path.particles, len(given))

        return follow(problem, run, self.rate, langevin if isinstance(problem, LangevinBilevel) else denoising)
