"""Reverse KL along the references: the student avoids what the teacher finds unlikely."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from methods.base import Method, Run
from methods.distillation._loop import distil
from methods.distillation._losses import ReverseKL
from methods.distillation._regimes import References
from tasks.distillation import LanguageDistillation


@dataclass(frozen=True, kw_only=True)
class RKL(Method):
    """KL(q, p) = sum_v q_v (log q_v - log p_v) at every response token of the references, p the teacher, q the student.

    The baseline `rkl` of DistiLLM (Ko et al. 2024, arXiv 2402.03898). Over whole sequences, and so on the student's own
    responses, it is the loss of MiniLLM (Gu et al. 2024), which is another method of the arena.

    Deviations: none from the released code of DistiLLM, commit d47e77f, but those of the task's recipe.
    """

    def solve(self, problem: LanguageDistillation, run: Run) -> nn.Module:
        """Train on references with the teacher."""
        return distil(problem, run, ReverseKL(), References())
