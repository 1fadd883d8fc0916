"""Supervised fine-tuning on the references: what a student learns without its teacher."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from methods.base import Method, Run
from methods.distillation._loop import distil
from methods.distillation._losses import CrossEntropy
from methods.distillation._regimes import References
from tasks.distillation import LanguageDistillation


@dataclass(frozen=True, kw_only=True)
class SFT(Method):
    """Cross-entropy of the reference responses, -log q(y), averaged over the response tokens of a batch.

    The baseline `sft` of DistiLLM (Ko et al. 2024) and of MiniLLM (Gu et al. 2024). It goes on from the fine-tuned
    start, like every other method of the arena, for as many steps.
    """

    def solve(self, problem: LanguageDistillation, run: Run) -> nn.Module:
        """Train on references without the teacher."""
        return distil(problem, run, CrossEntropy(), References())
