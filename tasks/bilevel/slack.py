"""The slack bounds of a support vector machine: a lower problem that is a quadratic program with inequalities."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize
from torch import Tensor

from tasks.base import Run
from tasks.bilevel import FIT_PASSES, UPPER_VALUES, LinearBilevel, ProgramBilevel, Solution
from tasks.bilevel.judged import Judged
from tasks.bilevel.judging import Scale, checked, infeasibility
from tasks.bilevel.machine import Machine, drawn, norms_of
from tasks.bilevel.oracles import Objective, pose, value
from tasks.bilevel.two_class import TwoClasses, check, draw
from tasks.metering import Oracle
from tasks.preparation import Preparation

Array = NDArray[np.float64]
STEPS = 200  # of L-BFGS in a ceiling


@dataclass(frozen=True, kw_only=True)
class SlackBounds(Judged):
    """g = norm(w)^2 / 2 + sum exp(x_i) slack_i^2 / 2 under 1 - slack_i - sign_i (w'z_i + b) <= 0; x weighs the slacks.

    As in the experiments of LV-HBA (arXiv 2401.16164) and GAM (arXiv 2302.01970), but f is the mean over validation
    rows of the smoothed hinge of the margin m (0 above 1, (1 - m)^2 / 2 down to 0, 1/2 - m below): theirs divides m by
    norm(w) and bends it by a sigmoid. Some training signs are turned, so that it matters which slacks weigh how much.
    The constraints are divided by the norms of their gradients. Exact to rounding: without its slacks the program is
    piecewise quadratic in (w, b).

    Args:
        source: of the rows.
        train: lower examples, each with a slack and a weight.
        validation: upper examples.
        test: examples of the judge.
        tuning: examples by which values of methods are chosen.
        flipped: share of the training signs that are turned.
        lowest, highest: bounds of every x_i.
        start: of every x_i.
        warm_steps: steps of Newton's method that a solution costs.
    """

    source: TwoClasses
    train: int
    validation: int
    test: int
    tuning: int
    flipped: float
    lowest: float
    highest: float
    start: float
    warm_steps: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.lowest < self.start < self.highest:
            raise ValueError("the start must lie between lowest and highest")
        if not 0 <= self.flipped < 1:
            raise ValueError("flipped must be a share from 0 to below 1")

    def check(self) -> None:
        """Say whether the rows are here."""
        check(self.source)

    @property
    def ceiling(self) -> SlackCeiling:
        """The best losses that are known; the budget has no part in them."""
        return SlackCeiling(version=1, task=replace(self, budget=0.0), judged_on=("test", "validation"))

    @property
    def tuning_ceiling(self) -> SlackCeiling:
        """The same on rows by which values of methods are chosen."""
        return SlackCeiling(version=1, task=replace(self, budget=0.0), judged_on=("tuning",))

    def preparations(self) -> dict[str, Preparation]:
        """The ceiling."""
        return {"ceiling": self.ceiling}

    def validation_preparations(self) -> dict[str, Preparation]:
        """The ceiling on tuning rows."""
        return {"tuning_ceiling": self.tuning_ceiling}

    def machine(self, seed: int) -> Machine:
        """The machine of a seed."""
        sizes = (self.train, self.validation, self.test, self.tuning)
        train, validation, test, tuning = draw(self.source, self.stream(seed), sizes, self.flipped)
        parts = {"test": test, "validation": validation, "tuning": tuning}
        return drawn(train, parts, self.start, (self.lowest, self.highest))

    def problem(self, seed: int) -> ProgramBilevel:
        """The problem of a seed."""
        machine = self.machine(seed)
        norms = norms_of(machine.rows)[:, None]
        matrix = torch.from_numpy(-np.concatenate([machine.rows, np.eye(self.train)], axis=1) / norms)
        linear = pose(
            LinearBilevel,
            machine.landscape,
            self.prices,
            self.budget,
            upper_matrix=torch.zeros((self.train, self.train), dtype=torch.float64),
            lower_matrix=matrix,
            offset=torch.from_numpy(-1 / norms[:, 0]),
        )
        judged = self.prices[UPPER_VALUES] * self.validation / self.train / self.prices[FIT_PASSES]

        def fit(x: Tensor, steps: int) -> tuple[float, Tensor]:
            y = machine.fitted(x.detach(), steps)
            return value(machine.landscape.upper, x, y), y

        return ProgramBilevel(
            **vars(linear),
            bounds=torch.tensor([self.lowest, self.highest], dtype=torch.float64).repeat(self.train, 1),
            warm_steps=self.warm_steps,
            solve_lower=Oracle(
                linear.ledger, FIT_PASSES, lambda x: machine.solved(x.detach()), price=float(self.warm_steps)
            ),
            fit_and_validate=Oracle(linear.ledger, FIT_PASSES, fit, price=lambda x, steps: steps + judged),
        )

    def evaluate(self, solution: Solution, seed: int, run: Run) -> Mapping[str, float]:
        """Losses on test and validation rows with the program solved at x."""
        machine = self.machine(seed)
        landscape = machine.landscape
        solution = checked(solution, landscape)
        known, x = self.ceiling.artefact(seed), solution.upper
        solved = machine.solved(x)[0]
        scores = {
            "regret": known["test"].regret(value(machine.losses["test"], x, solved)),
            "validation_regret": known["validation"].regret(value(machine.losses["validation"], x, solved)),
            "infeasibility": infeasibility(landscape, solution),
        }
        if solution.lower is not None:
            scores["lower_gap"] = value(landscape.lower, x, solution.lower) - value(landscape.lower, x, solved)
        return scores

    def validate(self, solution: Solution, seed: int, run: Run) -> Mapping[str, float]:
        """The loss on tuning rows, likewise."""
        machine = self.machine(seed)
        x = checked(solution, machine.landscape).upper
        scale = self.tuning_ceiling.artefact(seed)["tuning"]
        return {"regret": scale.regret(value(machine.losses["tuning"], x, machine.solved(x)[0]))}

    def trivial(self, seed: int) -> Solution:
        """The start."""
        return Solution(self.machine(seed).landscape.upper_start)

    def best(self, seed: int) -> Solution:
        """The best x that is known for the judge's own rows, which no method sees."""
        return Solution(self.ceiling.artefact(seed)["test_point"])


@dataclass(frozen=True, kw_only=True)
class SlackCeiling(Preparation):
    """The best losses that L-BFGS with exact hyper-gradients finds on some parts of the rows.

    It begins at the start and at the best of a grid with all weights equal. Phi is not convex and has kinks, so this
    need not be the least loss.

    Args:
        task: whose problem is solved.
        judged_on: test, validation or tuning.
    """

    per_seed = True
    task: SlackBounds
    judged_on: tuple[str, ...]

    def build(self, seed: int, run: Run) -> None:
        """Search for each part."""
        machine = self.task.machine(seed)
        landscape, found = machine.landscape, {}
        bounds = [(self.task.lowest, self.task.highest)] * self.task.train
        grid = np.linspace(self.task.lowest, self.task.highest, 9)
        even = [torch.full_like(landscape.upper_start, float(entry)) for entry in grid]
        for name in self.judged_on:
            objective = machine.losses[name]

            def sloped(point: Array, objective: Objective = objective) -> tuple[float, Array]:
                return machine.slope(objective, torch.from_numpy(np.array(point)))

            tried: list[tuple[float, list[float]]] = [(sloped(x.numpy())[0], x.tolist()) for x in even]
            for start in (landscape.upper_start.tolist(), min(tried)[1]):
                options = {"maxiter": STEPS, "maxfun": 2 * STEPS}
                end = optimize.minimize(sloped, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
                tried.append((float(end.fun), end.x.tolist()))
            best, point = min(tried)
            found[name] = [sloped(landscape.upper_start.numpy())[0], best]
            found[f"{name}_point"] = point
        (run.folder / "ceiling.json").write_text(json.dumps(found), encoding="utf-8")

    def load(self, folder: Path) -> dict[str, Any]:
        """The scale of each part, and by `<part>_point` the x that is best there."""
        found = json.loads((folder / "ceiling.json").read_text(encoding="utf-8"))
        points = {f"{name}_point": torch.tensor(found[f"{name}_point"], dtype=torch.float64) for name in self.judged_on}
        return {**{name: Scale(*found[name]) for name in self.judged_on}, **points}
