"""Distillation of a masked autoencoder into a small vision transformer, with few labels."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tasks.base import Invalid, Run, read_only
from tasks.classifier_distillation import QUERIES, MaskedDistillation, Solution
from tasks.classifier_distillation.judging import Notebook, accuracy_of
from tasks.classifier_distillation.labelled import right_share, soft_labels
from tasks.classifier_distillation.masked_networks import (
    MaskedAutoencoder,
    MaskedTeacher,
    Transformer,
    VisionTransformer,
)
from tasks.classifier_distillation.networks import FrozenTeacher, Staged, fresh, logits_of, pooled
from tasks.classifier_distillation.posing import Distillation, Judged
from tasks.classifier_distillation.teachers import orders, plain, restore, save
from tasks.classifier_distillation.worlds import CLASSES, Source, World
from tasks.images import Labelled
from tasks.metering import Limit, random_stream
from tasks.preparation import Preparation
from tasks.training import Recipe, fit

NOISE = 0.2  # of the textures for training
JUDGED_NOISE = 0.6  # of those on which features are judged; with 0.2 untrained networks were right in 90 %
RIDGE = 1e-2  # of the regression on features, per example, in units of their mean square


@dataclass(frozen=True, kw_only=True)
class MaskedTraining(Preparation):
    """A masked autoencoder trained on images and textures, and its encoder fine-tuned on the labels of the images.

    Args:
        source: of the images.
        textures: rendered images without labels.
        network: the size of both.
        ratio: share of masked patches.
        pretraining, tuning: how the two are trained.
    """

    per_seed = True

    source: Source
    textures: int
    network: Transformer
    ratio: float
    pretraining: Recipe
    tuning: Recipe

    def unlabelled(self, seed: int) -> NDArray[np.float32]:
        """Images, then textures."""
        images = self.source.world(seed).train.inputs
        made = rendered(images.shape[1:], self.textures, random_stream("textures", seed), NOISE)
        return read_only(np.concatenate([images, made.inputs]))

    def build(self, seed: int, run: Run) -> None:
        """Train both; write their weights."""
        examples, device = self.source.world(seed).train, run.fabric.device
        images = torch.from_numpy(np.array(self.unlabelled(seed)))
        network = self.network.masked(tuple(images.shape[1:]), CLASSES)
        order = orders(run.rng, len(images), self.pretraining)

        def masked(rows: Tensor) -> Tensor:
            noise = torch.rand(len(rows), network.patch_count)
            return network.loss(images[rows].to(device), noise.to(device), self.ratio)

        fit(run, network, self.pretraining, lambda step: order[step], masked)
        save(run.folder / "masked.npz", plain(network))
        inputs, labels = images[: len(examples)], torch.from_numpy(np.array(examples.labels))
        order = orders(run.rng, len(examples), self.tuning)

        def tuned(rows: Tensor) -> Tensor:
            return cross_entropy(network.encoder(inputs[rows].to(device)), labels[rows].to(device))

        fit(run, network.encoder, self.tuning, lambda step: order[step], tuned)
        save(run.folder / "tuned.npz", plain(network.encoder))

    def load(self, folder: Path) -> Path:
        """Where the weights are."""
        return folder

    def networks(self, seed: int, shape: tuple[int, ...]) -> tuple[MaskedAutoencoder, VisionTransformer]:
        """The autoencoder and the classifier."""
        folder: Path = self.artefact(seed)
        with torch.random.fork_rng(devices=[]):
            masked, tuned = self.network.masked(shape, CLASSES), self.network.build(shape, CLASSES)
        restore(masked, folder / "masked.npz")
        restore(tuned, folder / "tuned.npz")
        return masked.eval(), tuned.eval()


@dataclass(frozen=True, kw_only=True)
class FewLabelsDistillation(Distillation):
    """Images of which few have labels, and a teacher that stems from a masked autoencoder.

    Args:
        teacher: trained for each seed.
        student, assistant: size of the student, and of networks between it and the teacher.
        labelled: share of the images whose labels are known.
        generic_steps: of the first of two stages.
        on_top: whether these come on top of the steps of `recipe`, so that everybody has as many steps with labels, or
            are taken from them, so that everybody has as many in all.
        transfer: rendered textures on which features are judged, half to fit and half to test.
    """

    teacher: MaskedTraining
    student: Transformer
    assistant: Transformer
    labelled: float
    generic_steps: int
    on_top: bool
    transfer: int

    def __post_init__(self) -> None:
        if not 0 < self.labelled <= 1:
            raise ValueError(f"labelled must be above 0 and at most 1, got {self.labelled}")
        if self.generic_steps < 1 or (not self.on_top and self.generic_steps >= self.recipe.steps):
            raise ValueError("generic_steps must be at least 1, and fewer than all where they are taken from these")
        if self.transfer < 4 * CLASSES:
            raise ValueError(f"transfer must be at least {4 * CLASSES}, got {self.transfer}")

    def check(self) -> None:
        """Say whether the data are here."""
        self.teacher.source.check()

    def problem(self, seed: int) -> MaskedDistillation:
        """The problem of a seed."""
        world, ledger = self._world(seed), Notebook(Limit(QUERIES, self.teacher.source.train))
        inputs, labels = world.train.inputs, world.train.labels
        shape, rows = inputs.shape[1:], self._rows(seed)
        masked, teacher = self.teacher.networks(seed, shape)
        return MaskedDistillation(
            ledger=ledger,
            classes=CLASSES,
            inputs=inputs,
            labelled=read_only(rows),
            labels=read_only(labels[rows]),
            soft_labels=soft_labels(ledger, teacher, inputs, labels),
            query_budget=len(inputs),
            teacher_accuracy=right_share(teacher, world.validation),
            student=self._fresh(self.student, seed, shape),
            recipe=self.recipe,
            teacher=FrozenTeacher(teacher, ledger, shape),
            assistant=self._fresh(self.assistant, seed, shape),
            unlabelled=self.teacher.unlabelled(seed),
            masked_teacher=MaskedTeacher(masked, ledger),
            masked_student=self._masked(seed, shape),
            from_encoder=_encoder,
            generic=replace(self.recipe, steps=self.generic_steps),
            specific=self.recipe if self.on_top else replace(self.recipe, steps=self.recipe.steps - self.generic_steps),
        )

    def judged(self, seed: int) -> Judged:
        """What the judge has."""
        world = self._world(seed)
        shape = world.test.inputs.shape[1:]
        teacher, student = self.teacher.networks(seed, shape)[1], self._fresh(self.student, seed, shape)()
        return Judged(CLASSES, world.train.labels[self._rows(seed)], world.validation, world.test, teacher, student)

    def evaluate(self, solution: Solution, seed: int, run: Run) -> Mapping[str, float]:
        """As for all tasks, and how well the features serve on textures, where the answer has any.

        Raises:
            Invalid, Diverged: as for all tasks.
        """
        metrics = dict(Distillation.evaluate(self, solution, seed, run))
        if isinstance(solution.network, Staged):
            shape = self._world(seed).test.inputs.shape[1:]
            made = rendered(shape, self.transfer, self.stream(seed, "transfer"), JUDGED_NOISE)
            metrics["transfer_accuracy"] = regression(solution.network, made, run.fabric.device)
        return metrics

    def _world(self, seed: int) -> World:
        return self.teacher.source.world(seed)

    def _rows(self, seed: int) -> NDArray[np.int64]:
        count = self.teacher.source.train
        return np.sort(self.stream(seed).permutation(count)[: max(1, round(self.labelled * count))])

    def _fresh(self, network: Transformer, seed: int, shape: tuple[int, ...]) -> Callable[[], Staged]:
        return fresh(functools.partial(network.build, shape, CLASSES), self.stream(seed, "student"))

    def _masked(self, seed: int, shape: tuple[int, ...]) -> Callable[[], MaskedAutoencoder]:
        return fresh(functools.partial(self.student.masked, shape, CLASSES), self.stream(seed, "student"))


def rendered(shape: tuple[int, ...], count: int, rng: np.random.Generator, noise: float) -> Labelled:
    """Stripes of five directions and two widths with any phase, and noise of some deviation: ten classes."""
    labels = rng.integers(CLASSES, size=count)
    down, across = np.meshgrid(np.arange(shape[1]), np.arange(shape[2]), indexing="ij")
    angles, waves = np.pi * (labels % 5) / 5, 2 * np.pi / np.where(labels < 5, 5.0, 9.0)
    along = np.cos(angles)[:, None, None] * across + np.sin(angles)[:, None, None] * down
    phases = rng.uniform(0, 2 * np.pi, count)[:, None, None]
    pixels = 0.5 + 0.5 * np.sin(waves[:, None, None] * along + phases)
    noisy = pixels[:, None].repeat(shape[0], axis=1) + rng.normal(0, noise, (count, *shape))
    return Labelled(read_only(noisy, np.float32), read_only(labels))


def regression(network: Staged, examples: Labelled, device: torch.device) -> float:
    """Accuracy, on the second half, of a ridge regression of classes on the last hidden layer, fitted to the first."""
    found = logits_of(lambda inputs: pooled(network.features(inputs)[-1]), examples.inputs, device).double()
    if not torch.isfinite(found).all():
        raise Invalid("the features of the solution are not finite")
    half = len(examples) // 2
    mean = found[:half].mean(dim=0)
    rows = torch.cat([found - mean, torch.ones(len(found), 1, dtype=torch.float64)], dim=1)
    wanted = nn.functional.one_hot(torch.from_numpy(np.array(examples.labels[:half])), CLASSES).double()
    known = rows[:half]
    ridge = RIDGE * half * float(known.pow(2).mean()) * torch.eye(known.shape[1], dtype=torch.float64)
    weights = torch.linalg.solve(known.T @ known + ridge, known.T @ wanted)
    return accuracy_of(rows[half:] @ weights, examples.labels[half:])


def _encoder(autoencoder: MaskedAutoencoder) -> VisionTransformer:
    return autoencoder.encoder
