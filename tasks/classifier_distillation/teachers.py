"""Trained teachers, one for each seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from tasks.base import Run
from tasks.classifier_distillation.networks import Network, Staged
from tasks.classifier_distillation.worlds import CLASSES, Source
from tasks.images import Labelled
from tasks.preparation import Preparation
from tasks.training import Recipe, fit


@dataclass(frozen=True, kw_only=True)
class TrainedTeacher(Preparation):
    """A network trained on labels.

    Args:
        source: of the examples.
        rows: how many of the source's training examples it is trained on, the first ones.
        network: its size.
        recipe: of the training.
    """

    per_seed = True

    source: Source
    rows: int
    network: Network
    recipe: Recipe

    def __post_init__(self) -> None:
        if not 1 <= self.rows <= self.source.train:
            raise ValueError(f"a teacher learns from 1 to {self.source.train} examples, got {self.rows}")

    def examples(self, seed: int) -> Labelled:
        """What it is trained on."""
        return self.source.world(seed).train.take(slice(0, self.rows))

    def build(self, seed: int, run: Run) -> None:
        """Train by cross-entropy; write the first and the last weights."""
        examples = self.examples(seed)
        network = self.network.build(examples.inputs.shape[1:], CLASSES)
        first = plain(network)
        inputs, labels = torch.from_numpy(np.array(examples.inputs)), torch.from_numpy(np.array(examples.labels))
        order = orders(run.rng, len(examples), self.recipe)
        device = run.fabric.device

        def objective(rows: Tensor) -> Tensor:
            return cross_entropy(network(inputs[rows].to(device)), labels[rows].to(device))

        fit(run, network, self.recipe, lambda step: order[step], objective)
        save(run.folder / "first.npz", first)
        save(run.folder / "last.npz", plain(network))

    def load(self, folder: Path) -> Taught:
        """The networks, as often as wanted."""
        return Taught(folder, self.network)


@dataclass(frozen=True)
class Taught:
    """A teacher on disk."""

    folder: Path
    network: Network

    def read(self, shape: tuple[int, ...], *, trained: bool) -> Staged:
        """A network of its own, before or after the training."""
        with torch.random.fork_rng(devices=[]):
            network = self.network.build(shape, CLASSES)
        restore(network, self.folder / ("last.npz" if trained else "first.npz"))
        return network.eval()


def orders(rng: np.random.Generator, count: int, recipe: Recipe) -> Tensor:
    """Rows (steps, batch) of every step: pass after pass, each in an order of its own."""
    needed = recipe.steps * recipe.batch_size
    passes = [rng.permutation(count) for _ in range(-(-needed // count))]
    rows = np.concatenate([np.empty(0, np.int64), *passes])[:needed]
    return torch.from_numpy(rows.reshape(recipe.steps, recipe.batch_size))


def save(path: Path, state: dict[str, Any]) -> None:
    """Write arrays by name."""
    np.savez(path, **state)


def restore(network: torch.nn.Module, path: Path) -> None:
    """Put weights back that `save` has written."""
    with np.load(path, allow_pickle=False) as content:
        network.load_state_dict({name: torch.from_numpy(content[name]) for name in content.files})


def plain(network: torch.nn.Module) -> dict[str, Any]:
    """The weights as arrays by name."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in network.state_dict().items()}
