"""GKD: generalised knowledge distillation on the student's own responses."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from methods.base import Method, Run
from methods.distillation._loop import distil
from methods.distillation._losses import JensenShannon
from methods.distillation._regimes import OnPolicy
from tasks.distillation import LanguageDistillation


@dataclass(frozen=True, kw_only=True)
class GKD(Method):
    """On-policy distillation of Agarwal et al. (ICLR 2024, arXiv 2306.13649), algorithm 1.

    With chance lambda (`regime.share`) a step trains on responses that the student gives at that moment, else on
    references; no gradient passes through the drawing. The loss is the generalised Jensen-Shannon divergence of the
    paper's equation 1, with beta the teacher's share of the mixture; 0 and 1 are KL(p, q) and KL(q, p), as in TRL.

    Deviations:
        1. Sampling at temperature 1, as for all rivals; TRL's default is 0.9.
        2. DistiLLM's baseline of this name has beta 0.1 and trains on a buffer; this one is that of the paper.

    Args:
        loss: the divergence.
        regime: what a step trains on.
    """

    loss: JensenShannon
    regime: OnPolicy

    def solve(self, problem: LanguageDistillation, run: Run) -> nn.Module:
        """Train with the teacher on references and on responses of the student."""
        return distil(problem, run, self.loss, self.regime)
