"""The training loop that every network in bakeoff is trained with.

It owns the optimizer, the schedule, clipping, device placement, progress and checkpoints. What it is given are the
slots: where batches come from, and the loss. A recipe is the task's, so that methods share it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from tasks.base import Diverged, Run

Batch = TypeVar("Batch")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained: AdamW, linear warm-up, cosine decay.

    Args:
        steps: optimizer steps.
        batch_size: sequences (or rows) a step.
        lr: highest learning rate.
        weight_decay: of AdamW, on matrices only.
        clip: largest gradient norm.
        warmup: share of the steps over which the rate rises from 0.
        floor: last learning rate, as a share of `lr`.
    """

    steps: int
    batch_size: int
    lr: float
    weight_decay: float
    clip: float
    warmup: float
    floor: float

    def __post_init__(self) -> None:
        if self.steps < 0 or self.batch_size < 1 or not self.lr > 0:
            raise ValueError(f"steps >= 0, batch_size >= 1 and lr > 0 are needed, got {self}")

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        warm = self.warmup * self.steps
        if step < warm:
            return self.lr * (step + 1) / (warm + 1)
        share = (step - warm) / max(1.0, self.steps - warm)
        return self.lr * (self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * share)))


@dataclass(frozen=True)
class Saving:
    """How a loop saves what its caller keeps beside the network, so that a cut-off run can go on.

    Args:
        every: steps between checkpoints.
        state: the caller's state, as plain values and tensors.
        resume: puts such a state back.
    """

    every: int
    state: Callable[[], Mapping[str, Any]]
    resume: Callable[[Mapping[str, Any]], None]


def fit(
    run: Run,
    module: nn.Module,
    recipe: Recipe,
    draw: Callable[[int], Batch],
    objective: Callable[[Batch], Tensor],
    *,
    after_step: Callable[[int], None] | None = None,
    saving: Saving | None = None,
) -> nn.Module:
    """Train a module in place by a recipe.

    Args:
        run: gives the device, takes progress and checkpoints.
        module: what is trained; moved to the run's device.
        recipe: optimizer and schedule.
        draw: the batch of a step.
        objective: the scalar loss of a batch.
        after_step: called with the number of steps done.
        saving: makes the loop write checkpoints and continue from one.

    Returns:
        The module, on the device, in evaluation mode.

    Raises:
        Diverged: a loss is not finite.
    """
    fabric = run.fabric
    matrices = [parameter for parameter in module.parameters() if parameter.requires_grad and parameter.ndim >= 2]
    vectors = [parameter for parameter in module.parameters() if parameter.requires_grad and parameter.ndim < 2]
    groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    wrapped, optimizer = fabric.setup(module, torch.optim.AdamW(groups, lr=recipe.lr))
    start = _continue(run, module, optimizer, saving)
    module.train()
    for step in range(start, recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate(step)
        batch = draw(step)
        with fabric.autocast():
            loss = objective(batch)
        if not torch.isfinite(loss):
            raise Diverged(f"the loss is {loss.item()} at step {step}")
        optimizer.zero_grad()
        fabric.backward(loss)
        fabric.clip_gradients(wrapped, optimizer, max_norm=recipe.clip, error_if_nonfinite=False)
        optimizer.step()
        run.progress(step + 1, recipe.steps)
        if after_step is not None:
            after_step(step + 1)
            module.train()
        if saving is not None and (step + 1) % saving.every == 0:
            content = {"module": module.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}
            run.checkpoint(content | {"random": _random_states(), "kept": dict(saving.state())})
    module.eval()
    return module


def _continue(run: Run, module: nn.Module, optimizer: Any, saving: Saving | None) -> int:
    content = run.restore() if saving is not None else None
    if saving is None or content is None:
        return 0
    module.load_state_dict(content["module"])
    optimizer.load_state_dict(content["optimizer"])
    torch.set_rng_state(content["random"][0])
    if len(content["random"]) > 1:
        torch.cuda.set_rng_state_all(content["random"][1:])
    saving.resume(content["kept"])
    return int(content["step"])


def _random_states() -> list[Tensor]:
    """Of torch's generators, the processor's first: dropout draws from them."""
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [])]
