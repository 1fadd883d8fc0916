"""The contract of a method: a frozen record of hyperparameters with one verb, `solve`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from tasks.base import Diverged, NotApplicable, Problem, Run, Task
from tasks.metering import BudgetSpent

__all__ = ["BudgetSpent", "Diverged", "Method", "NotApplicable", "Problem", "Reference", "Run"]


@dataclass(frozen=True, kw_only=True)
class Method(ABC):
    """One way to answer a question. Fields are hyperparameters or parts; their values live in the method's YAML.

    The annotation of `solve`'s first argument says what the method needs to know, and so which tasks it can attempt.
    A method never sees a task, a config, the store or another method.
    """

    @abstractmethod
    def solve(self, problem: Any, run: Run) -> Any:
        """Answer a problem.

        Raises:
            NotApplicable: the data show that this method cannot attempt this problem.
            BudgetSpent: passed on from an oracle; the last `run.offer` is then the answer.
            Diverged: numbers stopped being finite.
        """


@dataclass(frozen=True, kw_only=True)
class Reference(ABC):
    """A row that the task itself answers: the floor or the ceiling of a board. Not a method; costs nothing."""

    @abstractmethod
    def answer(self, task: Task, seed: int) -> Any:
        """The task's own answer to its problem."""
