"""ImitKD: the teacher corrects what the student says, more and more of it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from methods.base import Method, Run
from methods.distillation._loop import distil
from methods.distillation._losses import ForwardKL
from methods.distillation._regimes import Decaying
from tasks.distillation import LanguageDistillation


@dataclass(frozen=True, kw_only=True)
class ImitKD(Method):
    """Imitation learning of Lin, Wohlwend, Chen and Lei (EMNLP 2020, arXiv 2009.07253), its loss of whole laws.

    KL(p, q) at every token of a response, which is a reference with chance base^(-t / T) at step t of T, else the
    student's own; no gradient passes through the drawing.

    Deviations:
        1. One draw decides for all sequences of a step; in the released code (asappresearch/imitkd, commit 8b9fadd)
           each sequence has its own. The share is the same.
        2. Responses are sampled at temperature 1, as those of all rivals; the released code decodes greedily.
        3. The chance falls from step to step; in the released code from epoch to epoch.
        4. DistiLLM's baseline of this name trains on a buffer of old responses from the first step; that is the row
           `cross_kd_replay`.

    Args:
        regime: what a step trains on.
    """

    regime: Decaying

    def solve(self, problem: LanguageDistillation, run: Run) -> nn.Module:
        """Train with the teacher on references and on responses of the student."""
        return distil(problem, run, ForwardKL(), self.regime)
