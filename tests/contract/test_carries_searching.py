"""The contract carries searching: oracles and a budget inside `solve`, and offers on the way.

Awkward paper: CONFIG, constrained efficient global optimisation. It needs the general search problem, with
constraints, and is a legal guest where there are none. A method that knows nothing of constraints must not be let
near a constrained task, where it could win by breaking them. So the problem *with* the duty is the base, and the
plain one the subclass that fixes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from methods.base import Method
from results.record import Record, Status
from runners.match import needed_type, posed_type, refusal, satisfies
from tasks.base import Board, Direction, Invalid, Metric, Problem, Run, Task, read_only
from tasks.metering import BudgetSpent, Ledger, Limit, Oracle


@dataclass(frozen=True)
class Observation:
    value: float
    limits: tuple[float, ...]  # each must be <= 0


@dataclass(frozen=True, kw_only=True)
class SearchProblem(Problem):
    """Find the point of least value among those that meet `constraints` limits."""

    points: NDArray[np.float64]  # (n,)
    slope: float  # no function of this problem is steeper
    constraints: int
    evaluate: Oracle[Observation]  # evaluate(index)


@dataclass(frozen=True, kw_only=True)
class PlainSearch(SearchProblem):
    """A search without constraints: the duty is fixed to none."""


BOARD = Board(
    SearchProblem,
    "index of a point that meets every limit",
    (
        Metric("regret", "value", Direction.LOWER, "above the best point that meets the limits, noise-free"),
        Metric("evaluations_to_half", "evaluations", Direction.LOWER, "until the regret was at most 0.5"),
        Metric("violation", "limit", Direction.NONE, "how far the answer lies beyond its limits"),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Valley(Task):
    """A wavy valley, and a limit that cuts off its lowest part."""

    budget: float
    constraints: int = 1

    def problem(self, seed: int) -> SearchProblem:
        return self._pose(SearchProblem, seed)

    def evaluate(self, solution: int, seed: int, run: Run) -> dict[str, float]:
        _, values, limits = self._world(seed)
        if limits[:, solution].max(initial=0.0) > 0:
            raise Invalid(f"point {solution} breaks a limit")
        legal = limits.max(axis=0, initial=0.0) <= 0
        return {"regret": float(values[solution] - values[legal].min())}

    def score_offer(self, solution: int, seed: int, run: Run) -> dict[str, float]:
        _, values, limits = self._world(seed)
        legal = limits.max(axis=0, initial=0.0) <= 0
        regret = float(values[solution] - values[legal].min())
        return {"regret": regret, "violation": float(limits[:, solution].max(initial=0.0))}

    def score_curve(self, points: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        reached = [it["cost"]["evaluations"] for it in points if it["metrics"].get("regret", np.inf) <= 0.5]
        return {"evaluations_to_half": reached[0]} if reached else {}

    def trivial(self, seed: int) -> int:
        return 0

    def _pose(self, kind: type[SearchProblem], seed: int) -> SearchProblem:
        points, values, limits = self._world(seed)
        ledger = Ledger(Limit("evaluations", self.budget))
        answers = [Observation(float(values[i]), tuple(limits[:, i].tolist())) for i in range(len(points))]
        oracle = Oracle(ledger, "evaluations", answers.__getitem__)
        return kind(points=read_only(points), slope=6.0, constraints=self.constraints, evaluate=oracle, ledger=ledger)

    def _world(self, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        points = np.linspace(0, 1, 101)
        middle = self.stream(seed).uniform(0.5, 0.8)
        values = 3 * np.abs(points - middle) + 0.1 * np.sin(20 * points)
        limits = np.stack([points - middle + 0.1] * self.constraints) if self.constraints else np.empty((0, 101))
        return points, values, limits


@dataclass(frozen=True, kw_only=True)
class OpenValley(Valley):
    constraints: int = 0

    def problem(self, seed: int) -> PlainSearch:
        posed = self._pose(PlainSearch, seed)
        assert isinstance(posed, PlainSearch)
        return posed


@dataclass(frozen=True, kw_only=True)
class Config(Method):
    """Evaluate where the lower bound of the value is least among points whose limits may still hold.

    Deviation: the lower bounds come from the known slope, not from a Gaussian process.
    """

    offers: bool = True

    def solve(self, problem: SearchProblem, run: Run) -> int:
        seen: dict[int, Observation] = {}
        best: int | None = None
        while True:
            low = self._bound(problem, {i: (seen[i].value, *seen[i].limits) for i in seen})  # (1 + constraints, n)
            hope = np.where(low[1:].max(axis=0, initial=-np.inf) <= 0, low[0], np.inf)
            hope[list(seen)] = np.inf
            chosen = int(hope.argmin())
            seen[chosen] = problem.evaluate(chosen)
            legal = [i for i in seen if max(seen[i].limits, default=0.0) <= 0]
            found = min(legal, key=lambda i: seen[i].value, default=None)
            if self.offers and found is not None and found != best:
                best = found
                run.offer(best)

    @staticmethod
    def _bound(problem: SearchProblem, seen: dict[int, tuple[float, ...]]) -> NDArray[np.float64]:
        if not seen:
            return np.zeros((1 + problem.constraints, len(problem.points)))
        gaps = np.abs(problem.points[list(seen)][:, None] - problem.points)  # (seen, n)
        heights = np.array(list(seen.values()))  # (seen, 1 + constraints)
        bounds: NDArray[np.float64] = (heights[:, :, None] - problem.slope * gaps[:, None, :]).max(axis=0)
        return bounds


@dataclass(frozen=True, kw_only=True)
class Descend(Method):
    """Knows nothing of constraints: goes down from the left, and says so in its annotation."""

    def solve(self, problem: PlainSearch, run: Run) -> int:
        here = 0
        for index in range(len(problem.points)):
            if problem.evaluate(index).value <= problem.evaluate(here).value:
                here = index
                run.offer(here)
        return here


@dataclass(frozen=True, kw_only=True)
class Silent(Method):
    """Looks at every fourth point and only says its answer."""

    def solve(self, problem: PlainSearch, run: Run) -> int:
        return 4 * int(np.argmin([problem.evaluate(4 * place).value for place in range(25)]))


@dataclass(frozen=True, kw_only=True)
class Reckless(Method):
    """Claims to handle constraints and ignores them."""

    def solve(self, problem: SearchProblem, run: Run) -> int:
        run.offer(0)
        return len(problem.points) - 1


CONSTRAINED = Valley(name="toy/valley", version=1, budget=25)
PLAIN = OpenValley(name="toy/open_valley", version=1, budget=25)


def test_the_constrained_method_searches_both_tasks(execute: Callable[..., Record]) -> None:
    for task in (CONSTRAINED, PLAIN):
        record = execute(Config(), task, BOARD)
        assert record.status is Status.OK
        assert record.metrics["regret"] < 0.1
        assert record.cost == {"solve": {"evaluations": 25}, "use": {}}
        assert record.limits == {"solve": {"evaluations": 25}}


def test_pairing_refuses_the_unconstrained_method_on_the_constrained_task_alone() -> None:
    assert satisfies(posed_type(OpenValley), needed_type(Config))
    assert satisfies(posed_type(Valley), needed_type(Config))
    assert satisfies(posed_type(OpenValley), needed_type(Descend))
    assert not satisfies(posed_type(Valley), needed_type(Descend))
    sentence = refusal(("hpo/descend", Descend), ("hpo/valley", Valley))
    assert sentence == "hpo/descend needs PlainSearch, but hpo/valley poses SearchProblem"


def test_a_spent_budget_makes_the_last_offer_the_answer(execute: Callable[..., Record]) -> None:
    record = execute(Config(), CONSTRAINED, BOARD)
    assert record.status is Status.OK
    assert record.reason == "the solve budget of 25 evaluations is spent; the last offer counts"
    assert record.metrics["regret"] == record.curve[-1]["metrics"]["regret"]


def test_a_spent_budget_without_an_offer_is_a_failure(execute: Callable[..., Record]) -> None:
    record = execute(Config(offers=False), CONSTRAINED, BOARD)
    assert record.status is Status.FAILED
    assert record.phase == "solve"
    assert "the solve budget of 25 evaluations is spent, and the method had offered no answer" in record.reason
    assert BudgetSpent.__name__ in record.traceback
    assert record.metrics == {}


def test_offers_are_stamped_when_made_and_scored_after_the_clock_stopped(
    execute: Callable[..., Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    evaluate, score_offer, solve = Valley.evaluate, Valley.score_offer, Config.solve

    def ends(method: Config, problem: SearchProblem, run: Run) -> int:
        try:
            return solve(method, problem, run)
        finally:
            events.append("solve ended")

    monkeypatch.setattr(Valley, "evaluate", lambda *a: events.append("evaluate") or evaluate(*a))  # type: ignore[func-returns-value]
    monkeypatch.setattr(Valley, "score_offer", lambda *a: events.append("offer") or score_offer(*a))  # type: ignore[func-returns-value]
    monkeypatch.setattr(Config, "solve", ends)
    record = execute(Config(), CONSTRAINED, BOARD)
    assert events == ["solve ended", "evaluate", *["offer"] * len(record.curve)]
    costs = [point["cost"]["evaluations"] for point in record.curve]
    seconds = [point["seconds"] for point in record.curve]
    assert len(costs) >= 3
    assert costs == sorted(set(costs))
    assert seconds == sorted(seconds)
    assert seconds[-1] <= record.seconds["solve"]


def test_what_is_measured_on_the_whole_curve_is_a_metric_and_missing_where_it_was_not_reached(
    execute: Callable[..., Record],
) -> None:
    record = execute(Config(), CONSTRAINED, BOARD)
    reached = next(point for point in record.curve if point["metrics"]["regret"] <= 0.5)
    assert record.metrics["evaluations_to_half"] == reached["cost"]["evaluations"]
    assert "evaluations_to_half" not in execute(Config(), replace(CONSTRAINED, budget=1), BOARD).metrics


def test_an_answer_that_was_never_offered_is_the_last_point_of_the_curve(execute: Callable[..., Record]) -> None:
    record = execute(Silent(), PLAIN, BOARD)
    assert record.curve == []
    assert record.metrics["evaluations_to_half"] == 25


def test_the_anytime_curve_only_falls_for_a_method_that_offers_improvements(execute: Callable[..., Record]) -> None:
    regrets = [point["metrics"]["regret"] for point in execute(Config(), CONSTRAINED, BOARD).curve]
    assert regrets == sorted(regrets, reverse=True)
    assert regrets[0] > regrets[-1]


def test_the_method_never_leaves_the_limits_when_it_answers(execute: Callable[..., Record]) -> None:
    for seed in range(5):
        record = execute(Config(), CONSTRAINED, BOARD, seed)
        assert {point["metrics"]["violation"] for point in record.curve} == {0.0}


def test_an_answer_beyond_a_limit_is_invalid_and_has_no_score(execute: Callable[..., Record]) -> None:
    record = execute(Reckless(), CONSTRAINED, BOARD)
    assert (record.status, record.reason) == (Status.INVALID, "point 100 breaks a limit")
    assert record.metrics == {}
    assert record.curve == []


def test_the_budget_is_not_crossed_by_the_plain_method_either(execute: Callable[..., Record]) -> None:
    record = execute(Descend(), PLAIN, BOARD)
    assert record.status is Status.OK
    assert record.cost["solve"] == {"evaluations": 25}
