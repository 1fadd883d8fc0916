"""Sequence-level knowledge distillation: fine-tuning on what the teacher answers."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from methods.base import Method, Run
from methods.distillation._loop import distil
from methods.distillation._losses import CrossEntropy
from methods.distillation._regimes import TeacherText
from tasks.distillation import LanguageDistillation


@dataclass(frozen=True, kw_only=True)
class SeqKD(Method):
    """Cross-entropy of one response of the teacher to each training prompt (Kim and Rush 2016, arXiv 1606.07947).

    The whole corpus is paid for, as `teacher_generated_tokens`, whatever part of it the training comes to.

    Deviations:
        1. From the paper, as in DistiLLM (Ko et al. 2024): responses are sampled at temperature 1; Kim and Rush take
           the best of a beam search.
    """

    def solve(self, problem: LanguageDistillation, run: Run) -> nn.Module:
        """Train on the teacher's responses, without the teacher."""
        return distil(problem, run, CrossEntropy(), TeacherText())
