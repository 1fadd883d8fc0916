"""Word-level knowledge distillation: the student imitates the teacher along the references."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from methods.base import Method, Run
from methods.distillation._loop import distil
from methods.distillation._losses import ForwardKL
from methods.distillation._regimes import References
from tasks.distillation import LanguageDistillation


@dataclass(frozen=True, kw_only=True)
class KD(Method):
    """KL(p, q) = sum_v p_v (log p_v - log q_v) at every response token of the references.

    Hinton et al. 2015 (arXiv 1503.02531) at temperature 1, over the next token as in Kim and Rush 2016 (arXiv
    1606.07947) and in the baseline `kd` of DistiLLM (Ko et al. 2024, arXiv 2402.03898).

    Deviations:
        1. From DistiLLM's released code: the entropy of the teacher is kept, which changes the value, not the gradient.
        2. From Hinton et al.: no cross-entropy of the labels is mixed in, as in the scripts of DistiLLM (`kd-ratio` 1).
    """

    def solve(self, problem: LanguageDistillation, run: Run) -> nn.Module:
        """Train on references with the teacher."""
        return distil(problem, run, ForwardKL(), References())
