"""Training a teacher, for methods that make or change one."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from methods.base import Run
from methods.classifier_distillation._loop import passes, tensor
from tasks.classifier_distillation import TEACHER_TRAINED_EXAMPLES, WhiteBoxDistillation
from tasks.classifier_distillation.networks import Staged
from tasks.training import Recipe, fit


def train_teacher(
    problem: WhiteBoxDistillation,
    run: Run,
    network: Staged,
    recipe: Recipe,
    loss: Callable[[Tensor, Tensor], Tensor],
    after_step: Callable[[int], None] | None = None,
) -> Staged:
    """Train a network in place on the teacher's examples.

    Args:
        loss: of logits (B, K) and labels (B,).

    Raises:
        Diverged: a loss is not finite.
    """
    inputs, labels = tensor(problem.teacher_inputs), tensor(problem.teacher_labels)
    order, device = passes(run, len(labels), recipe), run.fabric.device

    def objective(rows: Tensor) -> Tensor:
        problem.ledger.spend(TEACHER_TRAINED_EXAMPLES, len(rows))
        return loss(network(inputs[rows].to(device)), labels[rows].to(device))

    fit(run, network, recipe, lambda step: order[step], objective, after_step=after_step)
    return network
