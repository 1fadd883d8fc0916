"""Generalised Jensen-Shannon divergence along the references."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from methods.base import Method, Run
from methods.distillation._loop import distil
from methods.distillation._losses import JensenShannon
from methods.distillation._regimes import References
from tasks.distillation import LanguageDistillation


@dataclass(frozen=True, kw_only=True)
class JSD(Method):
    """b KL(p, m) + (1 - b) KL(q, m) with m = b p + (1 - b) q, at every response token of the references.

    The baseline `jsd` of DistiLLM (Ko et al. 2024, arXiv 2402.03898), whose released code has b = 0.1, the mixture
    0.1 p + 0.9 q. b = 0.5 is the Jensen-Shannon divergence itself, as in f-distillation (Wen et al. 2023, arXiv
    2307.15190).

    Deviations:
        1. From DistiLLM's released code: the mixture is formed from logarithms, so that nothing underflows.

    Args:
        loss: the divergence.
    """

    loss: JensenShannon

    def solve(self, problem: LanguageDistillation, run: Run) -> nn.Module:
        """Train on references with the teacher."""
        return distil(problem, run, self.loss, References())
