"""DistiLLM: skewed divergences, and an adaptive off-policy use of the student's own responses."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from methods.base import Method, Run
from methods.distillation._loop import distil
from methods.distillation._losses import Objective
from methods.distillation._regimes import Regime
from tasks.distillation import LanguageDistillation


@dataclass(frozen=True, kw_only=True)
class DistiLLM(Method):
    """DistiLLM (Ko, Kim, Chen and Yun, ICML 2024, arXiv 2402.03898).

    For the teacher's law p and the student's law q of the next token, the loss is one of

        SKL_a(p, q)  = KL(p, a p + (1 - a) q)     skew forward
        SRKL_a(p, q) = KL(q, (1 - a) p + a q)     skew reverse

    averaged over the response tokens of a batch. In its gradient the ratio p / q becomes (1 - a) p / (a p + (1 - a) q),
    which is at most (1 - a) / a however small q is. With chance phi a step trains on responses of the student; the rest
    of the schedule is in `AdaptiveOffPolicy`. With other divergences and schedules it is a cell of the paper's
    ablation, each divergence with each kind of text.

    Deviations:
        1. From the paper (and as in the released code, commit d47e77f): a step that has just generated trains on those
           sequences; the paper's pseudo-code draws from the buffer even then.
        2. From the paper, as in the released code: the validation loss of the schedule is the cross-entropy of the
           references, and it is compared with its value before training until phi rises for the first time.
        3. From the released code: the first response token of a generated sequence and its end token are scored, as
           those of references are. There the labels of generated sequences are one place late, and their end token is
           lost.
        4. From the released code: mixtures are formed from logarithms, and SKL keeps the entropy of the teacher. The
           gradient is the same wherever the code's does not underflow.
        5. From the released code: no second loss on pre-training text, which no rival gets either.
        6. From the released code: batch size, optimizer, learning rate, number of steps, and the steps between two
           validations are the task's.

    Args:
        loss: the divergence.
        regime: what a step trains on.
    """

    loss: Objective
    regime: Regime

    def solve(self, problem: LanguageDistillation, run: Run) -> nn.Module:
        """Train with the teacher on references and on responses of the student."""
        return distil(problem, run, self.loss, self.regime)
