"""Total variation along the references."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from methods.base import Method, Run
from methods.distillation._loop import distil
from methods.distillation._losses import TotalVariation
from methods.distillation._regimes import References
from tasks.distillation import LanguageDistillation


@dataclass(frozen=True, kw_only=True)
class TVD(Method):
    """Half of sum_v |p_v - q_v| at every response token of the references, p the teacher, q the student.

    The token-wise bound of f-distillation (Wen et al. 2023, arXiv 2307.15190), and the baseline `tvd` of DistiLLM (Ko
    et al. 2024, arXiv 2402.03898). It is at most 1, whatever the laws.

    Deviations:
        1. From Wen et al.: along the references alone, as in DistiLLM; they mix in responses of teacher and student.
    """

    def solve(self, problem: LanguageDistillation, run: Run) -> nn.Module:
        """Train on references with the teacher."""
        return distil(problem, run, TotalVariation(), References())
