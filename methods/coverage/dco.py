"""Direct coverage optimisation: the loss of pass@N."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from methods.base import Method, Run
from methods.coverage._loop import Sampled, trained
from tasks.coverage import Answerer, AnswerTraining

HALF = -math.log(2)  # where the two stable forms of log(1 - e^x) meet
UNLIKELY = -30.0  # log q below which 1 - (1 - q)^N is N q to all digits


@dataclass(frozen=True, kw_only=True)
class DirectCoverage(Method):
    """-log(1 - (1 - q)^N) of the answer (Chen et al., NeurIPS 2025, arXiv 2502.07154).

    Its gradient is that of -log q times F = N q (1 - q)^(N - 1) / (1 - (1 - q)^N), which is 1 where q is small and
    falls to 0 as N q grows: an example that N samples cover is left alone. N = 1 is cross-entropy.

    Deviations from the paper:

    1. The answer is one of a closed set, not a chain of tokens; q is its whole probability either way.
    2. log(1 - q) comes from the logits of the other answers, so that nothing has to be clamped.

    It logs `held_back`, the mean of 1 - F over an epoch.

    Args:
        samples: N of the loss; null takes the N of the problem.
    """

    samples: int | None

    def __post_init__(self) -> None:
        if self.samples is not None and self.samples < 1:
            raise ValueError(f"samples must be 1 or more, or null, got {self.samples}")

    def solve(self, problem: AnswerTraining, run: Run) -> Answerer:
        """Train through all epochs."""
        samples = problem.samples if self.samples is None else self.samples
        held_back: list[Tensor] = []

        def loss(logits: Tensor, labels: Tensor) -> Tensor:
            right, missed = log_chances(logits, labels)
            held_back.append(1 - factor(right.detach(), missed.detach(), samples).mean())
            return coverage_loss(right, missed, samples).mean()

        def log(network: nn.Module, epoch: int) -> None:
            run.log("held_back", float(torch.stack(held_back).mean()), epoch)
            held_back.clear()

        return Sampled(trained(problem, run, loss, log))


def log_chances(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """log q and log(1 - q) of the labels: logits (B, Y), labels (B,) -> (B,), (B,)."""
    logarithms = logits.log_softmax(dim=1)
    right = logarithms.gather(1, labels[:, None])[:, 0]
    rest = logarithms.scatter(1, labels[:, None], -math.inf).logsumexp(dim=1)
    small = right < HALF
    return right, torch.where(small, torch.log1p(-torch.where(small, right, HALF).exp()), rest)


def coverage_loss(right: Tensor, missed: Tensor, samples: int) -> Tensor:
    """-log(1 - (1 - q)^N) from log q and log(1 - q), for each example: (B,), (B,) -> (B,)."""
    unlikely = right < UNLIKELY
    power = torch.where(unlikely, HALF, samples * missed)  # log (1 - q)^N; a harmless value where it is not used
    near = power > HALF
    one = torch.log(-torch.expm1(torch.where(near, power, HALF)))
    other = torch.log1p(-torch.where(near, HALF, power).exp())
    covered = torch.where(near, one, other)
    return -torch.where(unlikely, right + math.log(samples), covered)


def factor(right: Tensor, missed: Tensor, samples: int) -> Tensor:
    """F, from log q and log(1 - q): (B,), (B,) -> (B,), between 0 and 1."""
    return (math.log(samples) + right + (samples - 1) * missed + coverage_loss(right, missed, samples)).exp()
