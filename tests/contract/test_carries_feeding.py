"""The contract carries feeding: the feeder is the solution, and `evaluate` trains the student.

Awkward paper: active self-paced learning (ASPL), in miniature. Its method chooses, while a student learns, which
examples of a partly mislabelled pool come next: those whose loss lies below a growing pace. The student and its
recipe must be the task's, or methods would be compared by their loops. So the task trains the student by its own
recipe, asks the feeder what comes next, and hands it a student that answers questions about losses for a price.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import FrozenInstanceError, dataclass
from typing import Protocol

import numpy as np
import pytest
from numpy.typing import NDArray

from methods.base import Method
from methods.reference.best import Best
from methods.reference.trivial import Trivial
from results.record import Record, Status
from tasks.base import Board, Direction, Invalid, Metric, Problem, Run, Task, read_only
from tasks.metering import BudgetSpent, Ledger, Limit, Oracle

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Student:
    """The student as a feeder sees it: it can be asked, not changed."""

    losses: Oracle[NDArray[np.float64]]  # losses(indices) -> (n,)


@dataclass(frozen=True)
class Question:
    step: int
    student: Student


class Player(Protocol):
    def answer(self, question: Question) -> Sequence[int]:
        """Indices of the pool that the student learns from in this step."""


class Feeder(Protocol):
    def begin(self, rng: np.random.Generator) -> Player:
        """Start to feed one student."""


@dataclass(frozen=True)
class Selection:
    """The constant feeder: one-shot data selection is a special case of feeding."""

    indices: tuple[int, ...]

    def begin(self, rng: np.random.Generator) -> Player:
        return self

    def answer(self, question: Question) -> Sequence[int]:
        return self.indices


@dataclass(frozen=True, kw_only=True)
class CurationProblem(Problem):
    """A pool with labels that may be wrong. The recipe is told, the student is not handed over."""

    inputs: NDArray[np.float64]  # (n, d)
    labels: NDArray[np.float64]  # (n,)
    steps: int


BOARD = Board(
    CurationProblem,
    "a feeder: begin(rng) -> player, player.answer(question) -> indices of the pool",
    (Metric("target_error", "squared units", Direction.LOWER, "error of the student against clean test answers"),),
)


@dataclass(frozen=True, kw_only=True)
class NoisyPool(Task):
    size: int
    wrong: float  # share of labels that are of the opposite sign
    steps: int
    questions: int  # example losses that a feeder may ask for

    def problem(self, seed: int) -> CurationProblem:
        inputs, labels, _ = self._world(seed)
        ledger = Ledger(Limit("example losses", self.questions, "use"))
        return CurationProblem(inputs=read_only(inputs), labels=read_only(labels), steps=self.steps, ledger=ledger)

    def evaluate(self, solution: Feeder, seed: int, run: Run) -> dict[str, float]:
        inputs, labels, truth = self._world(seed)
        weights = np.zeros(inputs.shape[1])
        player = solution.begin(run.rng)
        for step in range(self.steps):
            now = weights.copy()
            student = Student(Oracle(run.ledger, "example losses", self._losses(inputs, labels, now), price=len))
            try:
                chosen = np.asarray(player.answer(Question(step, student)), dtype=np.int64)
            except BudgetSpent as spent:
                raise Invalid(f"the feeder asked for too much in step {step}: {spent}") from spent
            if chosen.size == 0 or chosen.min() < 0 or chosen.max() >= self.size:
                raise Invalid(f"the feeder named examples outside the pool in step {step}")
            residual = inputs[chosen] @ weights - labels[chosen]
            weights = weights - 0.3 * inputs[chosen].T @ residual / chosen.size  # the task's recipe, for everybody
        return {"target_error": float(np.mean((weights - truth) ** 2))}

    def trivial(self, seed: int) -> Feeder:
        return Selection(tuple(range(self.size)))

    def best(self, seed: int) -> Feeder:
        inputs, labels, truth = self._world(seed)
        return Selection(tuple(np.flatnonzero(np.abs(inputs @ truth - labels) < 0.5).tolist()))

    def _world(self, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        rng = self.stream(seed)
        truth, inputs = rng.normal(size=4), rng.normal(size=(self.size, 4))
        labels = inputs @ truth + 0.1 * rng.normal(size=self.size)
        return inputs, np.where(rng.random(self.size) < self.wrong, -labels, labels), truth

    @staticmethod
    def _losses(
        inputs: NDArray[np.float64], labels: NDArray[np.float64], weights: NDArray[np.float64]
    ) -> Callable[[Indices], NDArray[np.float64]]:
        return lambda indices: (inputs[indices] @ weights - labels[indices]) ** 2


@dataclass(frozen=True, kw_only=True)
class SelfPaced(Method):
    """Feed what lies below the pace: everything at first, then the share of smallest losses."""

    warm_up: int
    pace: float

    def solve(self, problem: CurationProblem, run: Run) -> Feeder:
        return Paced(len(problem.labels), self.warm_up, self.pace)


@dataclass(frozen=True)
class Paced:
    size: int
    warm_up: int
    pace: float

    def begin(self, rng: np.random.Generator) -> Player:
        return self

    def answer(self, question: Question) -> Sequence[int]:
        everything = np.arange(self.size)
        if question.step < self.warm_up:
            return everything.tolist()
        losses = question.student.losses(everything)
        easy: list[int] = everything[losses <= np.quantile(losses, self.pace)].tolist()
        return easy


@dataclass(frozen=True, kw_only=True)
class Choose(Method):
    """One-shot selection of the pool's first examples."""

    first: int
    start: int = 0

    def solve(self, problem: CurationProblem, run: Run) -> Feeder:
        return Selection(tuple(range(self.start, self.start + self.first)))


@dataclass(frozen=True, kw_only=True)
class Meddle(Method):
    """Tries to train the student itself."""

    def solve(self, problem: CurationProblem, run: Run) -> Feeder:
        return Meddler()


class Meddler:
    def begin(self, rng: np.random.Generator) -> Player:
        return self

    def answer(self, question: Question) -> Sequence[int]:
        question.student.losses = lambda indices: np.zeros(len(indices))  # type: ignore[misc,assignment]
        return [0]


TASK = NoisyPool(name="toy/noisy_pool", version=1, size=200, wrong=0.3, steps=40, questions=40 * 200)


def test_feeding_by_loss_beats_feeding_everything(execute: Callable[..., Record]) -> None:
    paced = execute(SelfPaced(warm_up=5, pace=0.6), TASK, BOARD)
    everything = execute(Trivial(), TASK, BOARD)
    best = execute(Best(), TASK, BOARD)
    assert best.metrics["target_error"] < paced.metrics["target_error"]
    assert paced.status is Status.OK
    assert paced.metrics["target_error"] < 0.2 * everything.metrics["target_error"]


def test_asking_the_student_is_metered_while_it_is_used(execute: Callable[..., Record]) -> None:
    record = execute(SelfPaced(warm_up=5, pace=0.6), TASK, BOARD)
    assert record.cost == {"solve": {}, "use": {"example losses": 35 * 200}}


def test_a_selection_is_the_constant_feeder_and_asks_nothing(execute: Callable[..., Record]) -> None:
    chosen = execute(Choose(first=200), TASK, BOARD)
    never_paced = execute(SelfPaced(warm_up=40, pace=0.6), TASK, BOARD)
    assert chosen.metrics == never_paced.metrics
    assert chosen.cost["use"] == {}


def test_the_student_is_trained_by_the_task_alone(execute: Callable[..., Record]) -> None:
    record = execute(Meddle(), TASK, BOARD)
    assert record.status is Status.FAILED
    assert record.phase == "evaluate"
    assert FrozenInstanceError.__name__ in record.reason


def test_a_feeder_that_asks_too_much_is_invalid(execute: Callable[..., Record]) -> None:
    frugal = NoisyPool(name="toy/noisy_pool", version=1, size=200, wrong=0.3, steps=40, questions=450)
    record = execute(SelfPaced(warm_up=5, pace=0.6), frugal, BOARD)
    assert record.status is Status.INVALID
    assert record.reason == "the feeder asked for too much in step 7: the use budget of 450 example losses is spent"
    assert record.cost["use"] == {"example losses": 400}


@pytest.mark.parametrize("method", [Choose(first=1, start=200), Choose(first=0), Choose(first=1, start=-1)])
def test_a_feeder_that_names_nothing_of_the_pool_is_invalid(execute: Callable[..., Record], method: Method) -> None:
    record = execute(method, TASK, BOARD)
    assert record.status is Status.INVALID
    assert record.reason == "the feeder named examples outside the pool in step 0"


def test_the_pool_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        TASK.problem(0).labels[0] = 1.0
