"""What tasks on games have in common: their judge, and the best x that many starts find."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import optimize
from torch import Tensor

from tasks.base import Diverged, Run
from tasks.bilevel import Solution
from tasks.bilevel.games import Game, Reached
from tasks.bilevel.judged import Judged
from tasks.bilevel.judging import Scale, checked, infeasibility
from tasks.bilevel.oracles import value
from tasks.bilevel.posed_games import check_game, check_game_prices
from tasks.preparation import Preparation

STEPS = 200  # of L-BFGS from each start


@dataclass(frozen=True, kw_only=True)
class OnGame(Judged, ABC):
    """A leader's task. Phi is exact: Newton's method solves for the answer, and Phi is differentiated through it.

    Args:
        discount: gamma.
        temperature: of the entropy of all players.
        starts: from how many x the best one is looked for.
    """

    discount: float
    temperature: float
    starts: int

    def __post_init__(self) -> None:
        check_game_prices(self.prices)
        check_game(self.discount, self.temperature)
        if self.starts < 1:
            raise ValueError(f"starts must be at least 1, got {self.starts}")

    @abstractmethod
    def game(self, seed: int) -> Game:
        """The game of a seed, without meters."""

    def begins(self, seed: int, states: int) -> Tensor:
        """How likely an episode begins in each state (S,): drawn, none more than twice as likely as another."""
        weights = 1 + self.stream(seed, "start").uniform(size=states)
        return torch.from_numpy(weights / weights.sum())

    @property
    def ceiling(self) -> GameCeiling:
        """The best x that is known; the budget has no part in it."""
        return GameCeiling(version=1, task=replace(self, budget=0.0))

    def preparations(self) -> dict[str, Preparation]:
        """The ceiling."""
        return {"ceiling": self.ceiling}

    def evaluate(self, solution: Solution, seed: int, run: Run) -> Mapping[str, float]:
        """Phi at x, with the answer solved to rounding."""
        game = self.game(seed)
        landscape = game.landscape()
        solution = checked(solution, landscape)
        known = self.ceiling.artefact(seed)
        reached = game.reached(solution.upper)
        scores = {
            "regret": known["scale"].regret(reached.phi),
            "stationarity": moved(game, solution.upper, reached) / known["moved"],
            "infeasibility": infeasibility(landscape, solution),
            "leader_value": -reached.phi,
            **self.further(seed, reached),
        }
        if solution.lower is not None:
            gap = value(landscape.lower, solution.upper, solution.lower) - game.least(solution.upper)
            scores["lower_gap"] = gap
        return scores

    def further(self, seed: int, reached: Reached) -> Mapping[str, float]:
        """Metrics of one task alone."""
        return {}

    def trivial(self, seed: int) -> Solution:
        """The start."""
        return Solution(self.game(seed).upper_start)

    def best(self, seed: int) -> Solution:
        """The best x that is known, and what answers it."""
        point = self.ceiling.artefact(seed)["point"]
        return Solution(point, self.game(seed).reached(point).answer)


def moved(game: Game, x: Tensor, reached: Reached) -> float:
    """The norm of a unit gradient step that is kept within bounds: of the gradient where there are none."""
    return float((game.project(x - reached.slope) - x).norm())


@dataclass(frozen=True, kw_only=True)
class GameCeiling(Preparation):
    """The least Phi that L-BFGS finds with exact gradients, from the start and from drawn ones.

    Args:
        task: whose game is played.
    """

    per_seed = True
    task: OnGame

    def build(self, seed: int, run: Run) -> None:
        """Search from all starts."""
        game, rng = self.task.game(seed), self.task.stream(seed, "ceiling")
        first = game.upper_start
        length = 2 * game.upper_radius / len(first) ** 0.5
        drawn = torch.from_numpy(rng.normal(scale=length, size=(self.task.starts - 1, len(first))))
        found = [_descended(game, start) for start in (first, *(game.project(first + it) for it in drawn))]
        phi, point = min(found, key=lambda it: it[0])
        start = game.reached(first)
        stored = {
            "scale": [start.phi, phi],
            "moved": moved(game, first, start),
            "point": point.tolist(),
            "found": [it[0] for it in found],
        }
        (run.folder / "ceiling.json").write_text(json.dumps(stored), encoding="utf-8")

    def load(self, folder: Path) -> dict[str, Any]:
        """The scale of regret, the projected gradient at the start, the x, and what each start came to."""
        stored = json.loads((folder / "ceiling.json").read_text(encoding="utf-8"))
        point = torch.tensor(stored["point"], dtype=torch.float64)
        return {**stored, "scale": Scale(*stored["scale"]), "point": point}


def _descended(game: Game, start: Tensor) -> tuple[float, Tensor]:
    """The least Phi on the way down from a start, and its x."""
    seen = [(game.reached(start).phi, start)]

    def sloped(point: Any) -> tuple[float, Any]:
        x = torch.from_numpy(np.array(point))
        try:
            reached = game.reached(x)
        except Diverged:  # a step of the line search that went too far
            return float("inf"), np.zeros(len(x))
        seen.append((reached.phi, x))
        return reached.phi, reached.slope.numpy()

    bounds = None if game.bounds is None else [game.bounds] * len(start)
    options = {"maxiter": STEPS, "maxfun": 2 * STEPS, "ftol": 1e-12, "gtol": 1e-8}
    optimize.minimize(sloped, start.numpy(), jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return min(seen, key=lambda it: it[0])
