"""Data hyper-cleaning with a network: a lower problem that is not convex, so that x is judged by training anew."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from tasks.base import Diverged, Run
from tasks.bilevel import HyperparameterBilevel, Rows, Solution
from tasks.bilevel.judged import Judged
from tasks.bilevel.judging import Scale, checked, infeasibility
from tasks.bilevel.oracles import Landscape, Objective, fit, pose, unchanged, value
from tasks.bilevel.tables import CLASSES, Source, Table, check, draw
from tasks.preparation import Preparation


@dataclass(frozen=True)
class NetworkWorld:
    """A landscape, the losses by which x is judged, and the x that knows which labels are wrong.

    Args:
        landscape: g and f with their sets.
        losses: the mean cross-entropy of test, validation and tuning rows, by name.
        clean: (n,), the highest weight for each example whose label is right, and the lowest for the others.
    """

    landscape: Landscape
    losses: dict[str, Objective]
    clean: Tensor


@dataclass(frozen=True, kw_only=True)
class CleaningNetwork(Judged):
    """Data hyper-cleaning of images: g = mean of sigmoid(x_i) times the cross-entropy of example i, f on clean rows.

    The model is a network with one hidden layer of tanh units, and y its weights. The lower problem has many minima, so
    Phi(x) is what the recipe makes of x: `warm_steps` accelerated gradient steps of size `step` over the largest
    weight, from fresh first weights, and the mean loss over `retrained` of these. A y that a method returns is not
    judged. A share of the training labels is drawn anew from all ten classes.

    Args:
        source: of the images.
        pool: images are averaged over squares of this width.
        train: lower examples.
        validation: upper examples.
        test: examples of the judge.
        tuning: examples by which values of methods are chosen.
        corrupted: share of the training labels that are drawn anew.
        ridge: g holds ridge / 2 norm(y)^2.
        lowest, highest: bounds of every x_i.
        start: of every x_i.
        hidden: units.
        step: of gradient descent on the plain loss: a network has no Lipschitz constant, so 1 / step stands for it.
        warm_steps: steps of a training.
        retrained: trainings of an answer; an offer gets one.
    """

    offers_scored: ClassVar[int] = 12  # each one is a training
    source: Source
    pool: int
    train: int
    validation: int
    test: int
    tuning: int
    corrupted: float
    ridge: float
    lowest: float
    highest: float
    start: float
    hidden: int
    step: float
    warm_steps: int
    retrained: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.lowest < self.start < self.highest:
            raise ValueError("the start must lie between lowest and highest")
        if self.hidden < 1 or self.retrained < 1 or not self.step > 0:
            raise ValueError("hidden and retrained must be at least 1, and step above 0")

    @property
    def scale(self) -> NetworkScale:
        """The losses at the start and with the wrong labels known; the budget has no part in them."""
        return NetworkScale(version=1, task=replace(self, budget=0.0))

    def preparations(self) -> dict[str, Preparation]:
        """The scale."""
        return {"scale": self.scale}

    def check(self) -> None:
        """Say whether the images are here."""
        check(self.source)

    def world(self, seed: int) -> NetworkWorld:
        """The landscape and the judge's losses."""
        table, right = self._tables(seed)
        features, labels = table.train
        ridge, steepest = self.ridge, 1 / self.step

        def lower(x: Tensor, y: Tensor, rows: Rows) -> Tensor:
            some = slice(None) if rows is None else torch.from_numpy(rows)
            losses = cross_entropy(self.scores(features[some], y), labels[some], reduction="none")
            return (torch.sigmoid(x[some]) * losses).mean() + ridge / 2 * (y**2).sum()

        landscape = Landscape(
            upper=self._loss(table.validation),
            lower=lower,
            upper_start=torch.full((self.train,), self.start, dtype=torch.float64),
            lower_start=self.first_weights(seed, "weights", features.shape[1]),
            upper_radius=2 * self.train**0.5,
            lower_smoothness=lambda x: steepest * float(torch.sigmoid(x).max()) + ridge,
            upper_smoothness=lambda x: steepest,
            project_upper=lambda x: x.clamp(self.lowest, self.highest),
            lower_examples=self.train,
            upper_examples=self.validation,
        )
        inputs, answers = table.test
        parts = {
            "test": (inputs[: self.test], answers[: self.test]),
            "validation": table.validation,
            "tuning": (inputs[self.test :], answers[self.test :]),
        }
        clean = torch.where(right, self.highest, self.lowest).double()
        return NetworkWorld(landscape, {name: self._loss(part) for name, part in parts.items()}, clean)

    def problem(self, seed: int) -> HyperparameterBilevel:
        """The problem of a seed."""
        return pose(
            HyperparameterBilevel,
            self.world(seed).landscape,
            self.prices,
            self.budget,
            tangent=unchanged,
            bounds=torch.tensor([self.lowest, self.highest], dtype=torch.float64).repeat(self.train, 1),
            warm_steps=self.warm_steps,
        )

    def scores(self, features: Tensor, y: Tensor) -> Tensor:
        """Logits (rows, 10) of features (rows, F) by the weights y (F h + (h + 1) 10,)."""
        split = features.shape[1] * self.hidden
        seen = torch.tanh(features @ y[:split].view(-1, self.hidden))
        last = y[split:].view(-1, CLASSES)
        return seen @ last[:-1] + last[-1]

    def first_weights(self, seed: int, purpose: str, features: int) -> Tensor:
        """Normal with variance 1 over the inputs of a unit, and zeros for the last constants."""
        rng, hidden = self.stream(seed, purpose), self.hidden
        first = rng.normal(scale=features**-0.5, size=features * hidden)
        last = rng.normal(scale=hidden**-0.5, size=hidden * CLASSES)
        return torch.from_numpy(np.concatenate([first, last, np.zeros(CLASSES)]))

    def trained(self, world: NetworkWorld, seed: int, x: Tensor, count: int) -> dict[str, float]:
        """Phi(x) for each part: the mean loss over so many trainings.

        Raises:
            Diverged: a training ran off.
        """
        landscape, found = world.landscape, []
        features = (len(landscape.lower_start) - CLASSES * (self.hidden + 1)) // self.hidden
        for number in range(count):
            start = self.first_weights(seed, f"training {number}", features)
            y = fit(replace(landscape, lower_start=start), x, self.warm_steps)
            found.append([value(loss, x, y) for loss in world.losses.values()])
        means = np.mean(found, axis=0)
        if not np.isfinite(means).all():
            raise Diverged("training the network at this x ran off")
        return dict(zip(world.losses, means.tolist(), strict=True))

    def evaluate(self, solution: Solution, seed: int, run: Run) -> Mapping[str, float]:
        """Losses on test and validation rows of networks trained at x."""
        return self._judged(solution, seed, self.retrained, "test")

    def score_offer(self, solution: Solution, seed: int, run: Run) -> Mapping[str, float]:
        """The same of one network."""
        return self._judged(solution, seed, 1, "test")

    def validate(self, solution: Solution, seed: int, run: Run) -> Mapping[str, float]:
        """The same on rows that nothing else uses."""
        return self._judged(solution, seed, self.retrained, "tuning")

    def trivial(self, seed: int) -> Solution:
        """The start."""
        return Solution(torch.full((self.train,), self.start, dtype=torch.float64))

    def best(self, seed: int) -> Solution:
        """The x that knows which labels are wrong."""
        return Solution(self.world(seed).clean)

    def _judged(self, solution: Solution, seed: int, count: int, part: str) -> Mapping[str, float]:
        world, known = self.world(seed), self.scale.artefact(seed)
        solution = checked(solution, world.landscape)
        found = self.trained(world, seed, solution.upper, count)
        scores = {"regret": known[part].regret(found[part])}
        scores["validation_regret"] = known["validation"].regret(found["validation"])
        return {**scores, "infeasibility": infeasibility(world.landscape, solution)}

    def _tables(self, seed: int) -> tuple[Table, Tensor]:
        """The rows of a seed, tuning rows behind those of the test, and which training labels are right."""
        sizes = (self.train, self.validation, self.test + self.tuning)
        table = draw(self.source, self.stream(seed, "rows"), self.pool, sizes)
        rng, labels = self.stream(seed, "labels"), table.train[1].clone()
        wrong = torch.from_numpy(rng.permutation(self.train)[: round(self.corrupted * self.train)])
        labels[wrong] = torch.from_numpy(rng.integers(CLASSES, size=len(wrong)))
        return replace(table, train=(table.train[0], labels)), labels == table.train[1]

    def _loss(self, part: tuple[Tensor, Tensor]) -> Objective:
        """The mean cross-entropy of some rows as an objective; it does not depend on x."""
        features, labels = part

        def loss(x: Tensor, y: Tensor, rows: Rows) -> Tensor:
            some = slice(None) if rows is None else torch.from_numpy(rows)
            return cross_entropy(self.scores(features[some], y), labels[some])

        return loss


@dataclass(frozen=True, kw_only=True)
class NetworkScale(Preparation):
    """The mean losses at the start and at the x that knows which labels are wrong.

    They are of as many trainings as an answer gets, from the same first weights, so that the two are scored as 1 and 0.
    That x need not be the best: some right labels mislead. Regret may then be below 0.

    Args:
        task: whose problem is solved.
    """

    per_seed = True
    task: CleaningNetwork

    def build(self, seed: int, run: Run) -> None:
        """Train at both."""
        world, task = self.task.world(seed), self.task
        both = [task.trained(world, seed, x, task.retrained) for x in (world.landscape.upper_start, world.clean)]
        found = {name: [it[name] for it in both] for name in world.losses}
        (run.folder / "scale.json").write_text(json.dumps(found), encoding="utf-8")

    def load(self, folder: Path) -> dict[str, Scale]:
        """The scales by part."""
        found = json.loads((folder / "scale.json").read_text(encoding="utf-8"))
        return {name: Scale(*pair) for name, pair in found.items()}
