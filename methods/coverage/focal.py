"""The focal loss: what is answered well counts less."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from methods.base import Method, Run
from methods.coverage._loop import Sampled, trained
from tasks.coverage import Answerer, AnswerTraining

SMALLEST = 1e-12  # of 1 - q: a power below 1 has no finite slope at 0


@dataclass(frozen=True, kw_only=True)
class Focal(Method):
    """-(1 - q)^g log q (Lin et al., ICCV 2017, arXiv 1708.02002, equation 4).

    Deviation from the paper:

    1. Its weights for classes are left out: here all are equally frequent.

    Args:
        gamma: g; 0 is cross-entropy.
    """

    gamma: float

    def __post_init__(self) -> None:
        if self.gamma < 0:
            raise ValueError(f"gamma must not be negative, got {self.gamma}")

    def solve(self, problem: AnswerTraining, run: Run) -> Answerer:
        """Train through all epochs."""

        def loss(logits: Tensor, labels: Tensor) -> Tensor:
            logarithms = logits.log_softmax(dim=1).gather(1, labels[:, None])[:, 0]
            missed = -torch.expm1(logarithms)
            return -(missed.clamp_min(SMALLEST) ** self.gamma * logarithms).mean()

        return Sampled(trained(problem, run, loss))
