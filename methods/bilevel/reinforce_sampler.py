"""REINFORCE on the steps of a sampler."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from methods.base import Method, Run
from methods.bilevel._sampler import chain, follow, score_function, walk
from tasks.bilevel import Solution
from tasks.bilevel.samplers import LangevinBilevel, SamplerBilevel


@dataclass(frozen=True, kw_only=True)
class ReinforceSampler(Method):
    """REINFORCE (Williams 1992) with the steps of a sampler as actions, as in DDPO (Black et al., arXiv 2305.13301).

    The score of a step is noise . drift_x / spread. It is weighed with what its particle costs after it, less the mean
    over the other particles, which changes no expectation. All scores of a path are asked in one call. Langevin
    particles go on from where they were or restart; a denoiser always restarts. The step in x is the arena's; see
    `methods/bilevel/_loop.py`.

    Args:
        steps: of Langevin dynamics.
        size: of each.
        warm: whether Langevin dynamics go on from the last particles.
        rate: of the steps in x.
    """

    steps: int
    size: float
    warm: bool
    rate: float

    def solve(self, problem: SamplerBilevel, run: Run) -> Solution:
        """Sample and step until the budget is spent."""
        given, starts = chain(problem, self.steps, self.size), [problem.particles_start]

        def estimate(x: Tensor) -> Tensor:
            path = walk(given, run, x, starts[0])
            if not isinstance(problem, LangevinBilevel):
                starts[0] = given.fresh(run)
            elif self.warm:
                starts[0] = path.particles[-1]
            return score_function(given, x, path)

        return follow(problem, run, self.rate, estimate)
