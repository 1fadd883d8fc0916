"""Inverse mean-field games: a field is planted, and the density and the flux of the equilibrium are observed."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from tasks.base import Run, read_only
from tasks.bilevel import SPACE_TIME_SOLVES, EquilibriumBilevel, Rows, Solution
from tasks.bilevel.equilibria import Equilibrium, Solver, Unknown, closest
from tasks.bilevel.judged import Judged
from tasks.bilevel.judging import Scale, checked, infeasibility
from tasks.bilevel.mean_field_games import Array, Continuity, Game
from tasks.bilevel.oracles import Landscape, check_prices, pose, value
from tasks.metering import PRICED, Oracle
from tasks.preparation import Preparation

FIELD_TOLERANCE = 0.1  # of the error of the field, for `work_to_field`


@dataclass(frozen=True)
class Drawn:
    """A game and the field that is planted in it (cells,)."""

    game: Game
    planted: Array


@dataclass(frozen=True)
class Observation:
    """What f is made of: w norm(y - observed)^2 / 2 + s int x'^2 / 2, as residuals.

    Args:
        observed: (m,).
        weight: w.
        smoothness: s.
    """

    observed: Array
    weight: float
    smoothness: float

    def residual(self, x: Array, y: Array) -> tuple[Array, Any, Any]:
        """r with f = norm(r)^2 / 2, dr/dx and dr/dy."""
        steep = (self.smoothness * len(x)) ** 0.5 * (np.eye(len(x) - 1, len(x), k=1) - np.eye(len(x) - 1, len(x)))
        root = self.weight**0.5
        own = np.concatenate([np.zeros((len(y), len(x))), steep])
        through = sparse.vstack([root * sparse.eye(len(y)), sparse.csr_matrix((len(steep), len(y)))]).tocsr()
        return np.concatenate([root * (y - self.observed), steep @ x]), own, through

    def value(self, x: Array, y: Array) -> float:
        """f(x, y)."""
        residual = self.residual(x, y)[0]
        return float(residual @ residual) / 2

    def hyper_gradient(self, x: Array, solved: Equilibrium) -> Array:
        """Of f(x, y*(x)), (n,)."""
        residual, own, through = self.residual(x, solved.y)
        slope: Array = own.T @ residual + solved.pulled_back(through.T @ residual)
        return slope


@dataclass(frozen=True, kw_only=True)
class Field(Judged, ABC):
    """A field x of the running cost, which f = misfit of density and flux + smoothness noise^2 int x'^2 / 2 looks for.

    The misfit is the integral of squares over time and space, halved. The observation is the equilibrium with Gaussian
    noise, of which the scale is a share of the root mean square of the density and of the flux. Without noise the
    planted field is the best one, and Phi is 0 there; with noise the best one is found by Levenberg's and Marquardt's
    method, and the roughness is weighted as a Gaussian prior would be. Everybody starts from the nearest y with
    A y = c to what was observed.

    Args:
        steps: of time.
        cells: of space; also n.
        congestion: weight of rho log rho.
        terminal: weight of the divergence from the goal.
        floor: densities below are continued, see `Game`.
        noise: of the observation.
        smoothness: see above.
        radius: how far a value of the field may be thought to be from the start, on average.
    """

    offers_scored: ClassVar[int] = 24  # each one needs an equilibrium
    unknown: ClassVar[Unknown]
    steps: int
    cells: int
    congestion: float
    terminal: float
    floor: float
    noise: float
    smoothness: float
    radius: float

    def __post_init__(self) -> None:
        if SPACE_TIME_SOLVES not in self.prices:
            raise ValueError(f"prices must name {SPACE_TIME_SOLVES}")
        check_prices({unit: price for unit, price in self.prices.items() if unit != SPACE_TIME_SOLVES})
        if self.steps < 2 or self.cells < 4:
            raise ValueError("a grid needs at least 2 steps and 4 cells")
        if min(self.noise, self.smoothness) < 0 or min(self.congestion, self.terminal, self.floor, self.radius) <= 0:
            raise ValueError("noise and smoothness may be 0; congestion, terminal, floor and radius must be above")

    @abstractmethod
    def drawn(self, seed: int) -> Drawn:
        """The game of a seed."""

    @abstractmethod
    def kept(self, x: Tensor, planted: Array) -> Tensor:
        """The nearest legal x; of the planted field it may only use what methods are told."""

    @abstractmethod
    def first_guess(self, planted: Array) -> Array:
        """Where x starts (n,)."""

    @abstractmethod
    def basis(self) -> Array:
        """(n, k), orthonormal columns that span the ways in which x may move."""

    def game(self, first: Array, goal: Array) -> Game:
        """The game between two densities (cells,)."""
        return Game(self.steps, self.cells, first, goal, self.congestion, self.terminal, self.floor)

    @property
    def ceiling(self) -> Planted:
        """The equilibrium of the planted field and the best field; the budget has no part in them."""
        return Planted(version=1, task=replace(self, budget=0.0))

    def preparations(self) -> dict[str, Preparation]:
        """The ceiling."""
        return {"ceiling": self.ceiling}

    def observation(self, seed: int, truth: Array) -> Observation:
        """What was seen of an equilibrium (m,); the same draws at any level of noise."""
        inside = self.steps * self.cells
        parts = truth[:inside], truth[inside:]
        scale = np.concatenate([np.full(len(part), np.sqrt(np.mean(part**2))) for part in parts])
        noise = self.stream(seed, "noise").normal(size=len(truth))
        seen = truth + self.noise * scale * noise
        return Observation(seen, 1 / inside, self.smoothness * self.noise**2)

    def landscape(self, seed: int) -> tuple[Landscape, Continuity]:
        """As functions, and the projections."""
        given, seen = self.drawn(seed), self.observation(seed, self.ceiling.artefact(seed)["truth"])
        game, observed = given.game, torch.from_numpy(seen.observed)
        continuity = Continuity(game.steps, game.cells, game.first)

        def upper(x: Tensor, y: Tensor, rows: Rows) -> Tensor:
            rough = seen.smoothness * len(x) * (x[1:] - x[:-1]).square().sum()
            return (seen.weight * (y - observed).square().sum() + rough) / 2

        def lower(x: Tensor, y: Tensor, rows: Rows) -> Tensor:
            return game.energy(*self.unknown.fields(x), y)

        def steepest(x: Tensor) -> float:
            metric = self.unknown.fields(x)[0]
            return game.smoothness(float(metric.max()) if isinstance(metric, Tensor) else metric)

        landscape = Landscape(
            upper=upper,
            lower=lower,
            upper_start=torch.from_numpy(self.first_guess(given.planted)),
            lower_start=continuity.project(observed),
            upper_radius=self.radius * self.cells**0.5,
            lower_smoothness=steepest,
            upper_smoothness=lambda x: seen.weight,
            project_upper=lambda x: self.kept(x, given.planted),
            project_lower=continuity.project,
        )
        return landscape, continuity

    def problem(self, seed: int) -> EquilibriumBilevel:
        """The problem of a seed, whose projections are metered."""
        landscape, continuity = self.landscape(seed)
        seen = self.observation(seed, self.ceiling.artefact(seed)["truth"])
        posed = pose(
            EquilibriumBilevel,
            landscape,
            self.prices,
            self.budget,
            tangent=continuity.tangent,
            steps=self.steps,
            cells=self.cells,
            observed=torch.from_numpy(seen.observed),
        )

        def solve(project: Any) -> Oracle[Any]:
            return Oracle(posed.ledger, SPACE_TIME_SOLVES, project)

        return replace(
            posed,
            project_lower=solve(lambda y: continuity.project(y.detach())),
            tangent=solve(lambda v: continuity.tangent(v.detach())),
            project_joint=solve(lambda x, y: (landscape.project_upper(x.detach()), continuity.project(y.detach()))),
        )

    def evaluate(self, solution: Solution, seed: int, run: Run) -> Mapping[str, float]:
        """With the equilibrium at x, found anew, and the planted field."""
        known, (landscape, _) = self.ceiling.artefact(seed), self.landscape(seed)
        solution = checked(solution, landscape)
        scores, solved = self._scored(solution, seed)
        x, seen = solution.upper.numpy(), self.observation(seed, known["truth"])
        slope = self.basis().T @ seen.hyper_gradient(x, solved)
        scores["stationarity"] = float(np.linalg.norm(slope)) / known["steepness"]
        scores["infeasibility"] = infeasibility(landscape, solution)
        if solution.lower is not None:
            least = value(landscape.lower, solution.upper, torch.from_numpy(solved.y))
            scores["lower_gap"] = value(landscape.lower, solution.upper, solution.lower) - least
        return scores

    def score_offer(self, solution: Solution, seed: int, run: Run) -> Mapping[str, float]:
        """Regret and error of the field."""
        return self._scored(checked(solution, self.landscape(seed)[0]), seed)[0]

    def score_curve(self, points: Sequence[Mapping[str, Any]]) -> Mapping[str, float]:
        """The work to a regret of 0.05 and to an error of 0.1, where they were reached."""
        scores = dict(super().score_curve(points))
        for point in points:
            if point["metrics"].get("field_error", float("inf")) <= FIELD_TOLERANCE:
                return scores | {"work_to_field": point["cost"].get(PRICED, 0.0)}
        return scores

    def _scored(self, solution: Solution, seed: int) -> tuple[dict[str, float], Equilibrium]:
        known, given = self.ceiling.artefact(seed), self.drawn(seed)
        x, truth = solution.upper.numpy(), known["truth"]
        solved = Solver(given.game, self.unknown).solve(x, truth)
        reached = self.observation(seed, truth).value(x, solved.y)
        return {"regret": known["scale"].regret(reached), "field_error": self.error(x, given.planted)}, solved

    def error(self, x: Array, planted: Array) -> float:
        """Of a field, relative; that of an obstacle without its mean, which no observation shows."""
        true = self.kept(torch.from_numpy(planted), planted).numpy()
        return float(np.linalg.norm(x - true) / np.linalg.norm(true))

    def trivial(self, seed: int) -> Solution:
        """The start."""
        return Solution(torch.from_numpy(self.first_guess(self.drawn(seed).planted)))

    def best(self, seed: int) -> Solution:
        """The field with the least Phi; without noise the planted one."""
        point = torch.from_numpy(self.ceiling.artefact(seed)["point"].copy())
        return Solution(self.kept(point, self.drawn(seed).planted))


@dataclass(frozen=True, kw_only=True)
class Planted(Preparation):
    """The equilibrium of the planted field, and the field with the least Phi.

    Args:
        task: whose game is solved.
    """

    per_seed = True
    task: Field

    def build(self, seed: int, run: Run) -> None:
        """Solve the game, then the inverse problem from the planted field."""
        given = self.task.drawn(seed)
        solver = Solver(given.game, self.task.unknown)
        truth = solver.solve(given.planted, solver.between())
        seen, start = self.task.observation(seed, truth.y), self.task.first_guess(given.planted)
        first = solver.solve(start, truth.y)
        kept = self.task.kept(torch.from_numpy(given.planted), given.planted).numpy()
        point, least = closest(solver, seen.residual, self.task.basis(), (kept, truth))
        steepness = np.linalg.norm(self.task.basis().T @ seen.hyper_gradient(start, first))
        found = {"truth": truth.y.tolist(), "point": point.tolist(), "steepness": float(steepness)}
        found["scale"] = [seen.value(start, first.y), least]
        (run.folder / "planted.json").write_text(json.dumps(found), encoding="utf-8")

    def load(self, folder: Path) -> dict[str, Any]:
        """`truth` (m,), `point` (n,), `scale`, and `steepness`, the norm of the hyper-gradient at the start."""
        found = json.loads((folder / "planted.json").read_text(encoding="utf-8"))
        arrays = {name: read_only(found[name]) for name in ("truth", "point")}
        return {**arrays, "scale": Scale(*found["scale"]), "steepness": found["steepness"]}
