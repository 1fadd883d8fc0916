"""Training on a problem's batches, and a trained network as an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from methods.base import Run
from tasks.coverage import AnswerTraining, Inputs, Laws
from tasks.training import fit

Loss = Callable[[Tensor, Tensor], Tensor]  # logits (B, Y), labels (B,) -> scalar
Epoch = Callable[[nn.Module, int], None]  # the network and the number of epochs done

ROWS = 4096  # questions in one forward pass of an answer


def trained(problem: AnswerTraining, run: Run, loss: Loss, after_epoch: Epoch | None = None) -> nn.Module:
    """Train the problem's network on its batches.

    Args:
        problem: gives the network, the batches and the recipe.
        run: of the attempt.
        loss: what is minimised.
        after_epoch: called after each epoch.

    Returns:
        The network, in evaluation mode.
    """
    network = problem.network()

    def draw(step: int) -> tuple[Tensor, Tensor]:
        inputs, labels = problem.training(problem.batches[step])
        return run.fabric.to_device(inputs), run.fabric.to_device(labels)

    def objective(batch: tuple[Tensor, Tensor]) -> Tensor:
        return loss(network(batch[0]), batch[1])

    def after_step(done: int) -> None:
        if after_epoch is not None and done % problem.epoch_steps == 0:
            after_epoch(network.eval(), done // problem.epoch_steps)

    return fit(run, network, problem.recipe, draw, objective, after_step=after_step)


@torch.no_grad()
def logits_of(network: nn.Module, inputs: Tensor) -> Tensor:
    """Logits (n, Y), float64, on the processor."""
    device = next(network.parameters()).device
    return torch.cat([network(piece.to(device)).double().cpu() for piece in torch.split(inputs, ROWS)])


def pass_at(logits: Tensor, labels: Tensor, samples: int) -> float:
    """Mean chance that the label is among N samples: logits (n, Y), labels (n,)."""
    right = logits.log_softmax(dim=1).exp().gather(1, labels[:, None])
    return float(-torch.expm1(samples * torch.log1p(-right)).mean())


@dataclass(frozen=True)
class Sampled:
    """Answers by the softmax of a network's logits over a temperature."""

    network: nn.Module
    temperature: float = 1.0

    def __call__(self, inputs: Inputs) -> Laws:
        """(n, d) -> (n, Y)."""
        laws: Laws = (logits_of(self.network, torch.tensor(inputs)) / self.temperature).softmax(dim=1).numpy()
        return np.asarray(laws, dtype=np.float64)
