"""The contract between tasks and everything else: problems, tasks, arenas, metrics and the run.

    Task.problem(seed) -> Problem -> Method.solve(problem, run) -> solution -> Task.evaluate(solution, seed, run)

A problem holds all that a method may know and nothing else. A task draws problems and scores solutions. An arena
(`tasks/<arena>/__init__.py`, the constant `ARENA`) is the question that several papers answer: its problem types and,
for each, what a solution is and how it is measured.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.metering import Ledger, random_stream
from tasks.preparation import Preparation

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class NotApplicable(Exception):
    """This method cannot attempt this problem, or this task cannot be posed here; the message says why."""


class Invalid(Exception):
    """Raised by `Task.evaluate`: the solution breaks a rule of the problem; the message says which."""


class Diverged(Exception):
    """The numbers of a method stopped being finite; the message says where."""


class Run(Protocol):
    """What one attempt may use and change.

    `solve` and `evaluate` each get one, with random streams of their own. In `evaluate` the ledger books into the
    account `use`, and there is nothing to offer or to checkpoint.
    """

    @property
    def rng(self) -> np.random.Generator:
        """The attempt's own random stream."""

    @property
    def ledger(self) -> Ledger:
        """The problem's ledger."""

    @property
    def fabric(self) -> Fabric:
        """Device, precision and strategy of the hardware profile. Imports torch when first asked for."""

    @property
    def folder(self) -> Path:
        """An empty folder for files; it is removed when the attempt ends."""

    def log(self, name: str, value: float, step: float | None = None) -> None:
        """Add one point to a curve of the record. What a method logs is marked as its own word, never ranked."""

    def progress(self, done: float, total: float) -> None:
        """Say how far the work is; shown as a bar, never recorded."""

    def offer(self, solution: Any) -> None:
        """Name the best answer so far.

        The ledger and the clock are stamped; the task scores what was offered after the clock has stopped. When
        `BudgetSpent` leaves `solve`, the last offer is the answer. An offer must not change afterwards.
        """

    def checkpoint(self, state: Mapping[str, Any]) -> None:
        """Store a state (plain values and tensors, nested in mappings and lists) to continue from."""

    def restore(self) -> dict[str, Any] | None:
        """The last checkpoint of this cell, if an attempt was cut off; clock, ledger and rng go on from there.

        Offers are not part of it: a method that goes on must offer again.
        """


class Direction(enum.StrEnum):
    """Which way a metric is better."""

    HIGHER = "higher"
    LOWER = "lower"
    NONE = "none"


@dataclass(frozen=True)
class Metric:
    """One number that `evaluate` may return.

    Args:
        name: key in the returned mapping.
        unit: unit of the number ("share", "nats per token"), or "" for a pure number.
        direction: which way is better; `none` for descriptions such as a spread.
        meaning: one line for the reader of a table.
    """

    name: str
    unit: str
    direction: Direction
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Problem:
    """All that a method may know. Frozen; arrays are read-only; models come as factories; never holds test answers.

    A subclass may add information, an oracle or a permission. It never adds a duty, another kind of solution, or
    another meaning of an inherited field.
    """

    ledger: Ledger = field(default_factory=Ledger, repr=False, compare=False)


@dataclass(frozen=True)
class Board:
    """How the answers to one problem type are measured.

    Args:
        problem: the problem type; it also serves types that extend it, unless they have a board of their own.
        solution: what `solve` must return, in words.
        metrics: everything that `evaluate` may return. A task names the one that ranks.
    """

    problem: type[Problem]
    solution: str
    metrics: tuple[Metric, ...]


@dataclass(frozen=True)
class Arena:
    """A question several papers answer, what is held equal for all, and the boards."""

    question: str
    equal: str
    boards: tuple[Board, ...]

    def board(self, posed: type[Problem]) -> Board:
        """The board of the most specific listed type that `posed` is or extends.

        Raises:
            LookupError: no board of this arena measures such problems.
        """
        for ancestor in posed.__mro__:
            for board in self.boards:
                if board.problem is ancestor:
                    return board
        raise LookupError(f"no board for problems of type {posed.__name__}")


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """Draws problems and scores solutions. Fields are the values of the task's YAML; parts may be nested.

    `name` and `version` come from the place and the card of the YAML and key the task's random streams. Values along
    an axis are not part of that key, so that points on an axis are paired.
    """

    name: str
    version: int
    offers_scored: ClassVar[int] = 12  # at most, a geometric selection; more where a level is looked for on the curve

    @abstractmethod
    def problem(self, seed: int) -> Problem:
        """The problem that belongs to a seed: the same for every method, with a fresh ledger."""

    @abstractmethod
    def evaluate(self, solution: Any, seed: int, run: Run) -> Mapping[str, float]:
        """Score a solution of `problem(seed)`.

        Raises:
            Invalid: the solution breaks a rule of the problem.
        """

    @abstractmethod
    def trivial(self, seed: int) -> Any:
        """The legal, dumb answer: the floor of the board and the test of the scoring."""

    def best(self, seed: int) -> Any:
        """The known optimum or an oracle's answer: the ceiling of the board.

        Raises:
            NotApplicable: this task knows none.
        """
        raise NotApplicable(f"{self.name} knows no best answer")

    def validate(self, solution: Any, seed: int, run: Run) -> Mapping[str, float]:
        """Score a solution of `problem(seed)` on validation data, never on test data; hyperparameters are chosen by it.

        Returns:
            Metrics by the names that `evaluate` gives them, the one that ranks among them.

        Raises:
            Invalid: the solution breaks a rule of the problem.
            NotApplicable: this task provides no validation data.
        """
        raise NotApplicable(f"{self.name} provides no validation data, so nothing can be tuned on it")

    def check_validation(self) -> None:
        """Say early whether this task provides validation data; the runner asks before it plans a trial.

        Raises:
            NotApplicable: it does not.
        """
        if type(self).validate is Task.validate:
            raise NotApplicable(f"{self.name} provides no validation data, so nothing can be tuned on it")

    def score_offer(self, solution: Any, seed: int, run: Run) -> Mapping[str, float]:
        """Score one offer for the anytime curve; may be a cheaper form of `evaluate`."""
        return self.evaluate(solution, seed, run)

    def score_curve(self, points: Sequence[Mapping[str, Any]]) -> Mapping[str, float]:
        """Further metrics of the anytime curve as a whole, such as the work at which a level was first reached.

        Args:
            points: scored offers, oldest first, and last the answer: `seconds`, `cost` and `metrics` of each. An offer
                that could not be scored has no metrics.
        """
        return {}

    def stream(self, seed: int, purpose: str = "problem") -> np.random.Generator:
        """The task's random stream for a seed and a purpose. Methods never see it."""
        return random_stream("task", self.name, self.version, seed, purpose)

    def check(self) -> None:  # noqa: B027 (most tasks need nothing)
        """Say early whether this task can be posed here; the runner asks before it plans a cell.

        Raises:
            NotApplicable: something that the task needs, such as a data set, is missing.
        """

    def preparations(self) -> dict[str, Preparation]:
        """Preparations that `problem` and `evaluate` ask for, by field name."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Preparation)}

    def validation_preparations(self) -> dict[str, Preparation]:
        """Further preparations that only `validate` asks for, by a name of their own."""
        return {}


def read_only(values: ArrayLike, dtype: Any = None) -> NDArray[Any]:
    """A copy of an array that cannot be written to."""
    array = np.array(values, dtype=dtype)
    array.setflags(write=False)
    return array
