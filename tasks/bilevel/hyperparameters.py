"""Hyperparameters of a softmax regression: how much its weights decay, or how much each example counts."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from tasks.base import Run
from tasks.bilevel import HyperparameterBilevel, Rows, Solution
from tasks.bilevel.judged import Judged
from tasks.bilevel.judging import Scale, checked, infeasibility, least, minimised
from tasks.bilevel.oracles import Landscape, Objective, pose, unchanged, value
from tasks.bilevel.tables import CLASSES, Source, Table, check, draw, left_over
from tasks.preparation import Preparation

STEPS = 15  # of L-BFGS in a ceiling


@dataclass(frozen=True)
class World:
    """A landscape with the loss on rows that only the judge sees, and the bounds (n, 2)."""

    landscape: Landscape
    test: Objective
    bounds: Tensor


@dataclass(frozen=True, kw_only=True)
class Hyperparameters(Judged, ABC):
    """A softmax regression whose lower problem is strongly convex; the judge solves it to 1e-8.

    Args:
        source: of the images.
        pool: images are averaged over squares of this width.
        train: lower examples.
        validation: upper examples.
        test: examples of the judge.
        corrupted: share of the training labels that are drawn anew from all ten classes.
        lowest, highest: bounds of every hyperparameter.
        start: of every hyperparameter.
        warm_steps: steps of a fit from the start.
    """

    offers_scored: ClassVar[int] = 24  # each one needs a model
    ceiling_steps: ClassVar[int] = STEPS
    source: Source
    pool: int
    train: int
    validation: int
    test: int
    corrupted: float
    lowest: float
    highest: float
    start: float
    warm_steps: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.lowest < self.start < self.highest:
            raise ValueError("the start must lie between lowest and highest")

    @abstractmethod
    def world(self, seed: int) -> World:
        """The landscape and the judge's loss."""

    @property
    def ceiling(self) -> Ceiling:
        """The best losses that are known; the budget has no part in them."""
        return Ceiling(version=1, task=replace(self, budget=0.0))

    def preparations(self) -> dict[str, Preparation]:
        """The ceiling."""
        return {"ceiling": self.ceiling}

    @property
    def tuning_ceiling(self) -> TuningCeiling:
        """The same for the rows by which values of a method are chosen."""
        return TuningCeiling(version=1, task=replace(self, budget=0.0))

    def validation_preparations(self) -> dict[str, Preparation]:
        """The ceiling on rows for tuning."""
        return {"tuning_ceiling": self.tuning_ceiling}

    def check_validation(self) -> None:
        """Say whether rows are left for tuning.

        Raises:
            NotApplicable: the three parts take all there are.
        """
        self.tuning_part(0)

    def check(self) -> None:
        """Say whether the images are here."""
        check(self.source)

    def problem(self, seed: int) -> HyperparameterBilevel:
        """The problem of a seed."""
        world = self.world(seed)
        return pose(
            HyperparameterBilevel,
            world.landscape,
            self.prices,
            self.budget,
            tangent=unchanged,
            bounds=world.bounds,
            warm_steps=self.warm_steps,
        )

    def evaluate(self, solution: Solution, seed: int, run: Run) -> Mapping[str, float]:
        """Losses on test and validation rows with the model solved anew at x."""
        return self._score(solution, seed, 1e-8)

    def score_offer(self, solution: Solution, seed: int, run: Run) -> Mapping[str, float]:
        """The same, the model solved to 1e-4: good for 8 digits of a loss, and a curve needs no more."""
        return self._score(solution, seed, 1e-4)

    def validate(self, solution: Solution, seed: int, run: Run) -> Mapping[str, float]:
        """Regret on rows of none of the three parts: a method sees the upper rows, and test rows are the judge's.

        Raises:
            Invalid, Diverged: as for `evaluate`.
        """
        landscape = self.world(seed).landscape
        solution = checked(solution, landscape)
        solved = minimised(landscape.lower, solution.upper, landscape.lower_start)
        reached = value(self.tuning_part(seed), solution.upper, solved)
        return {"regret": self.tuning_ceiling.artefact(seed).regret(reached)}

    def _score(self, solution: Solution, seed: int, tolerance: float) -> Mapping[str, float]:
        world = self.world(seed)
        landscape = world.landscape
        solution = checked(solution, landscape)
        known = self.ceiling.artefact(seed)
        solved = minimised(landscape.lower, solution.upper, landscape.lower_start, tolerance)
        tested = value(world.test, solution.upper, solved)
        seen = value(landscape.upper, solution.upper, solved)
        scores = {
            "regret": known["test"].regret(tested),
            "validation_regret": known["validation"].regret(seen),
            "overfitting": tested - seen,
            "infeasibility": infeasibility(landscape, solution),
        }
        if solution.lower is not None:
            gap = value(landscape.lower, solution.upper, solution.lower)
            scores["lower_gap"] = gap - value(landscape.lower, solution.upper, solved)
        return scores

    def trivial(self, seed: int) -> Solution:
        """The start."""
        return Solution(self.world(seed).landscape.upper_start)

    def best(self, seed: int) -> Solution:
        """The best x that is known for the judge's own rows, which no method sees."""
        return Solution(self.ceiling.artefact(seed)["point"])

    def first_weights(self, seed: int, size: int) -> Tensor:
        """Where a fit begins: small weights (size,), drawn as is usual for a model."""
        return torch.from_numpy(self.stream(seed, "weights").normal(scale=0.01, size=size))

    def part(self, table: tuple[Tensor, Tensor]) -> Objective:
        """The mean cross-entropy of some rows as an objective; it does not depend on x."""
        features, labels = table

        def loss(x: Tensor, y: Tensor, rows: Rows) -> Tensor:
            some = slice(None) if rows is None else torch.from_numpy(rows)
            return cross_entropy(features[some] @ y.view(-1, CLASSES), labels[some])

        return loss

    def tables(self, seed: int) -> Table:
        """The rows of a seed, some training labels drawn anew."""
        table = draw(self.source, self.stream(seed, "rows"), self.pool, self._sizes)
        rng, labels = self.stream(seed, "labels"), table.train[1].clone()
        wrong = torch.from_numpy(rng.permutation(self.train)[: round(self.corrupted * self.train)])
        labels[wrong] = torch.from_numpy(rng.integers(CLASSES, size=len(wrong)))
        return replace(table, train=(table.train[0], labels))

    def tuning_part(self, seed: int) -> Objective:
        """The mean cross-entropy of rows that no part has, as many as test rows if there are so many.

        Raises:
            NotApplicable: there are none.
        """
        return self.part(left_over(self.source, self.stream(seed, "rows"), self.pool, self._sizes, self.test))

    @property
    def _sizes(self) -> tuple[int, int, int]:
        return self.train, self.validation, self.test


@dataclass(frozen=True, kw_only=True)
class Ceiling(Preparation):
    """The best losses that exact hyper-gradients find, on test rows and on validation rows.

    L-BFGS from the start, and from the best of a grid with all hyperparameters equal; x is within its bounds. Where it
    has as many entries as the model, this need not be the least loss, but no method has more to go by.

    Args:
        task: whose problem is solved.
    """

    per_seed = True
    task: Hyperparameters

    def build(self, seed: int, run: Run) -> None:
        """Search twice."""
        world = self.task.world(seed)
        found = searched(self.task, world, {"test": world.test, "validation": world.landscape.upper})
        (run.folder / "ceiling.json").write_text(json.dumps(found), encoding="utf-8")

    def load(self, folder: Path) -> dict[str, Any]:
        """The two scales, and the x that is best on test rows."""
        found = json.loads((folder / "ceiling.json").read_text(encoding="utf-8"))
        scales = {name: Scale(*found[name]) for name in ("test", "validation")}
        return {**scales, "point": torch.tensor(found["test_point"], dtype=torch.float64)}


@dataclass(frozen=True, kw_only=True)
class TuningCeiling(Preparation):
    """The best loss that exact hyper-gradients find on rows for tuning, as in `Ceiling`.

    Args:
        task: whose problem is solved.
    """

    per_seed = True
    task: Hyperparameters

    def build(self, seed: int, run: Run) -> None:
        """Search once."""
        found = searched(self.task, self.task.world(seed), {"tuning": self.task.tuning_part(seed)})
        (run.folder / "ceiling.json").write_text(json.dumps(found["tuning"]), encoding="utf-8")

    def load(self, folder: Path) -> Scale:
        """The scale."""
        return Scale(*json.loads((folder / "ceiling.json").read_text(encoding="utf-8")))


def searched(task: Hyperparameters, world: World, objectives: Mapping[str, Objective]) -> dict[str, list[float]]:
    """Search for the x that is best for each objective.

    Args:
        task: whose bounds are kept to.
        world: whose lower problem is solved.
        objectives: by name.

    Returns:
        By name the hyper-objective of the start and of the best x, and by `<name>_point` that x.
    """
    landscape = world.landscape
    first = minimised(landscape.lower, landscape.upper_start, landscape.lower_start)
    grid = torch.linspace(task.lowest, task.highest, 9, dtype=torch.float64).tolist()
    even = [torch.full_like(landscape.upper_start, entry) for entry in grid]
    fits = [minimised(landscape.lower, x, landscape.lower_start, 1e-5) for x in even]
    found: dict[str, list[float]] = {}
    for name, objective in objectives.items():
        losses = [value(objective, x, y) for x, y in zip(even, fits, strict=True)]
        chosen = even[losses.index(min(losses))]
        starts = [landscape.upper_start] + ([] if torch.equal(chosen, landscape.upper_start) else [chosen])
        point, best = least(landscape, objective, world.bounds, starts, task.ceiling_steps)
        found[name] = [value(objective, landscape.upper_start, first), best]
        found[f"{name}_point"] = point.tolist()
    return found
