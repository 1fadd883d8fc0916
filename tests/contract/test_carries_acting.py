"""The contract carries acting: the learner is the solution, and `evaluate` plays it.

Awkward paper: StepMix, conservative exploration. Its claims are about what happens *while* it learns (regret, and no
episode below a share of a baseline's value), in a finite decision process whose rewards it does not know. So `solve`
hands over a learner, the task asks it for the policy of each episode, and what that costs is booked under `use`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

import numpy as np
import pytest
from numpy.typing import NDArray

from methods.base import Method
from methods.reference.trivial import Trivial
from results.record import Record, Status
from tasks.base import Board, Direction, Invalid, Metric, Problem, Run, Task, read_only
from tasks.metering import Ledger, Limit, Oracle

HORIZON, ACTIONS = 2, 3
Policy = NDArray[np.int64]  # (HORIZON,) actions
Trajectory = list[tuple[int, int, float]]  # step, action, reward


@dataclass(frozen=True, kw_only=True)
class BaselineProblem(Problem):
    """An unknown decision process and a known safe policy. The rewards are not in here."""

    baseline: Policy
    baseline_value: float
    fraction: float  # an episode may lose this share of the baseline's value


class Player(Protocol):
    def answer(self, question: Trajectory) -> Policy | None:
        """The policy of the next episode, given the last one; None means that the player gives up."""


class Learner(Protocol):
    def begin(self, rng: np.random.Generator) -> Player:
        """Start to learn."""


BOARD = Board(
    BaselineProblem,
    "a learner: begin(rng) -> player, player.answer(trajectory) -> policy",
    (
        Metric("regret", "reward", Direction.LOWER, "lost against the best policy, exact"),
        Metric("violations", "episodes", Direction.LOWER, "episodes below the share of the baseline's value, exact"),
        Metric("collected", "reward", Direction.NONE, "rewards as drawn"),
        Metric("early_regret", "reward", Direction.NONE, "regret before episode `turn`"),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Corridor(Task):
    episodes: int
    turn: int  # from this episode on the rewards are other ones; never, if it is not reached
    steps: int | None = None  # limit on what a learner may spend while it acts

    def problem(self, seed: int) -> BaselineProblem:
        baseline = read_only(np.zeros(HORIZON), np.int64)
        limits = [] if self.steps is None else [Limit("environment steps", self.steps, "use")]
        value = _value(baseline, self._rewards(seed, 0))
        return BaselineProblem(baseline=baseline, baseline_value=value, fraction=0.6, ledger=Ledger(*limits))

    def evaluate(self, solution: Learner, seed: int, run: Run) -> dict[str, float]:
        problem = self.problem(seed)
        player = solution.begin(run.rng)
        regret, violations, collected, early = 0.0, 0, 0.0, 0.0
        reward = Oracle(run.ledger, "environment steps", self._draw, noise=f"corridor {seed}")
        trajectory: Trajectory = []
        for episode in range(self.episodes):
            policy = player.answer(trajectory)
            if policy is None:
                raise Invalid(f"the learner stopped after {episode} of {self.episodes} episodes")
            rewards = self._rewards(seed, episode)
            value = _value(policy, rewards)
            regret += max(_value(other, rewards) for other in _policies()) - value
            violations += value < (1 - problem.fraction) * problem.baseline_value
            early = regret if episode < self.turn else early
            trajectory = []
            for step in range(HORIZON):
                action = int(policy[step])
                got = reward(float(rewards[step, action]), step, action)
                trajectory.append((step, action, got))
                collected += got
        return {"regret": regret, "violations": violations, "collected": collected, "early_regret": early}

    def trivial(self, seed: int) -> Learner:
        return Repeat(policies=(self.problem(seed).baseline,))

    def _rewards(self, seed: int, episode: int) -> NDArray[np.float64]:
        """Chances of a reward, (HORIZON, ACTIONS): action 0 is safe, 1 is a trap, 2 is best."""
        means = np.array([0.5, 0.05, 0.9]) + self.stream(seed).uniform(-0.05, 0.05, (HORIZON, ACTIONS))
        return means if episode < self.turn else means[:, ::-1]

    @staticmethod
    def _draw(mean: float, step: int, action: int, *, rng: np.random.Generator) -> float:
        return float(rng.random() < mean)


def _value(policy: Policy, rewards: NDArray[np.float64]) -> float:
    return float(rewards[np.arange(HORIZON), policy].sum())


def _policies() -> list[Policy]:
    return [np.array(actions) for actions in itertools.product(range(ACTIONS), repeat=HORIZON)]


@dataclass(frozen=True, kw_only=True)
class StepMix(Method):
    """Play "baseline up to step h, optimistic after", with the boldest h whose lower bound keeps the promise."""

    width: float
    safe: bool  # False plays the optimistic policy whatever its lower bound, as plain UCB value iteration does

    def solve(self, problem: BaselineProblem, run: Run) -> Learner:
        return Conservative(problem, self.width, self.safe)


@dataclass(frozen=True)
class Conservative:
    problem: BaselineProblem
    width: float
    safe: bool

    def begin(self, rng: np.random.Generator) -> Player:
        return ConservativePlayer(self)


@dataclass
class ConservativePlayer:
    rule: Conservative
    count: NDArray[np.float64] = field(default_factory=lambda: np.zeros((HORIZON, ACTIONS)))
    total: NDArray[np.float64] = field(default_factory=lambda: np.zeros((HORIZON, ACTIONS)))

    def answer(self, question: Trajectory) -> Policy:
        for step, action, reward in question:
            self.count[step, action] += 1
            self.total[step, action] += reward
        mean = self.total / np.maximum(self.count, 1)
        radius = self.rule.width / np.sqrt(np.maximum(self.count, 1))
        upper = np.where(self.count > 0, np.minimum(mean + radius, 1), 1.0)
        lower = np.where(self.count > 0, np.maximum(mean - radius, 0), 0.0)
        bold = max(_policies(), key=lambda policy: _value(policy, upper))
        promised = (1 - self.rule.problem.fraction) * self.rule.problem.baseline_value
        for start in range(HORIZON):  # the baseline acts before `start`
            mixed = np.where(np.arange(HORIZON) < start, self.rule.problem.baseline, bold)
            if not self.rule.safe or _value(mixed, lower) >= promised:
                return mixed
        return self.rule.problem.baseline


@dataclass(frozen=True, kw_only=True)
class Repeat(Method):
    """Plays the given policies in turn; is its own learner and player, which plain answers may be."""

    policies: tuple[Any, ...]
    patience: int = 10**9

    def solve(self, problem: BaselineProblem, run: Run) -> Learner:
        return self

    def begin(self, rng: np.random.Generator) -> Player:
        turns = iter([np.asarray(self.policies[i % len(self.policies)]) for i in range(min(self.patience, 1000))])

        class Turns:
            def answer(self, question: Trajectory) -> Policy | None:
                return next(turns, None)

        return Turns()


TASK = Corridor(name="toy/corridor", version=1, episodes=150, turn=10**6)
SAFE, TRAP = (0, 0), (1, 1)


def test_the_claim_about_acting_can_be_checked(execute: Callable[..., Record]) -> None:
    mixed = execute(StepMix(width=0.5, safe=True), TASK, BOARD)
    bold = execute(StepMix(width=0.5, safe=False), TASK, BOARD)
    assert (mixed.status, bold.status) == (Status.OK, Status.OK)
    assert mixed.metrics["violations"] == 0 < bold.metrics["violations"]
    trivial = execute(Trivial(), TASK, BOARD)
    assert mixed.metrics["regret"] < trivial.metrics["regret"]


def test_what_acting_costs_is_booked_under_use_and_timed_apart(execute: Callable[..., Record]) -> None:
    record = execute(StepMix(width=0.5, safe=True), TASK, BOARD)
    assert record.cost == {"solve": {}, "use": {"environment steps": TASK.episodes * HORIZON}}
    assert record.seconds["evaluate"] > record.seconds["solve"]


def test_a_learner_that_stops_early_is_invalid(execute: Callable[..., Record]) -> None:
    record = execute(Repeat(policies=(SAFE,), patience=7), TASK, BOARD)
    assert record.status is Status.INVALID
    assert record.reason == "the learner stopped after 7 of 150 episodes"
    assert record.metrics == {}


def test_an_answer_is_given_before_its_consequences_are_drawn(execute: Callable[..., Record]) -> None:
    """Two worlds that agree until episode 30 and differ afterwards: nobody can tell before episode 30."""
    turning = Corridor(name="toy/corridor", version=1, episodes=60, turn=30)
    ending = Corridor(name="toy/corridor", version=1, episodes=30, turn=30)
    method = StepMix(width=0.5, safe=False)
    whole, first_half = execute(method, turning, BOARD), execute(method, ending, BOARD)
    assert whole.metrics["early_regret"] == first_half.metrics["regret"]
    assert whole.metrics["regret"] > whole.metrics["early_regret"]


def test_the_problem_holds_no_rewards() -> None:
    assert {item.name for item in fields(BaselineProblem)} == {"ledger", "baseline", "baseline_value", "fraction"}


def test_two_learners_that_ask_the_same_see_the_same_draws(execute: Callable[..., Record]) -> None:
    one = execute(Repeat(policies=(SAFE, TRAP)), TASK, BOARD, name="toy/one")
    other = execute(Repeat(policies=(TRAP, SAFE)), TASK, BOARD, name="toy/other")  # the same questions, another order
    assert one.metrics["collected"] == other.metrics["collected"]
    elsewhere = execute(Repeat(policies=(SAFE, TRAP)), TASK, BOARD, seed=1)
    assert elsewhere.metrics["collected"] != one.metrics["collected"]


def test_a_limit_on_use_stops_the_play_at_that_unit(execute: Callable[..., Record]) -> None:
    limited = Corridor(name="toy/corridor", version=1, episodes=60, turn=10**6, steps=11)
    record = execute(Repeat(policies=(SAFE,)), limited, BOARD)
    assert record.status is not Status.OK
    assert "the use budget of 11 environment steps is spent" in record.reason
    assert record.cost["use"] == {"environment steps": 11}


@pytest.mark.parametrize("seed", range(3))
def test_playing_the_same_cell_again_gives_the_same_numbers(execute: Callable[..., Record], seed: int) -> None:
    method = StepMix(width=0.5, safe=True)
    assert execute(method, TASK, BOARD, seed).metrics == execute(method, TASK, BOARD, seed).metrics
