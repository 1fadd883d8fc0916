"""What checks share: classes, pairs and cells of the catalogue at scale `tiny`, each made once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from results.record import Record
from runners import catalog
from runners.attempt import Attempt
from runners.build import build, plugin_class
from runners.cards import method_card
from runners.errors import CommandError
from runners.match import refusal
from runners.pair import Choice, Pair, board_of, resolve
from runners.preparing import ensure
from runners.run import Nobody
from tasks.base import NotApplicable, Problem, Task
from tasks.metering import fingerprint

FLOOR, CEILING = "reference/trivial", "reference/best"
SEED = 0


@dataclass(frozen=True)
class Cell:
    """Two attempts at one cell, and what the problem of the second held before and after."""

    first: Record
    second: Record
    before: str
    after: str


class Bench:
    """Where checks are made.

    Args:
        checkpoints: a folder that attempts may use.
    """

    def __init__(self, checkpoints: Path) -> None:
        self.checkpoints = checkpoints
        self._pairs: dict[tuple[str, str, str], Pair] = {}
        self._cells: dict[tuple[str, str], Cell] = {}

    def method_class(self, name: str) -> type[Any]:
        """The class of a method."""
        return plugin_class(catalog.find("method", name).target, f"method {name}")

    def task_class(self, name: str) -> type[Task]:
        """The class of a task.

        Raises:
            CommandError: it is no task.
        """
        kind = plugin_class(catalog.find("task", name).target, f"task {name}")
        if not issubclass(kind, Task):
            raise CommandError(f"task {name}: {kind.__name__} is not a Task")
        return kind

    def built(self, name: str) -> Any:
        """A method with the values of its YAML."""
        return build(catalog.find("method", name).values, object, f"method {name}")

    def pair(self, method: str, task: str, scale: str = "tiny") -> Pair:
        """The pair as a command would resolve it.

        Raises:
            NotApplicable: data or a package are missing here.
        """
        key = method, task, scale
        if key not in self._pairs:
            entries = {"method": catalog.find("method", method), "task": catalog.find("task", task)}
            values: dict[str, Mapping[str, Any]] = {
                kind: {**it.values, "card": it.card} for kind, it in entries.items()
            }
            values["hardware"] = catalog.find("hardware", "cpu").values | {"threads": 1}
            self._pairs[key] = resolve(Choice(method, task, "cpu", scale, values))
        return self._pairs[key]

    def prepared(self, task: str) -> Pair:
        """The floor on a task, whose problems of two seeds can then be posed."""
        pair = self.pair(FLOOR, task)
        for part in pair.task.preparations().values():
            for seed in (SEED, SEED + 1):
                ensure(part, seed, pair.hardware, Nobody())
        return pair

    def cell(self, method: str, task: str) -> Cell:
        """A cell that was run twice."""
        if (method, task) not in self._cells:
            self._cells[method, task] = self._run(self.pair(method, task))
        return self._cells[method, task]

    def guests(self, task: str) -> list[str]:
        """Methods of its arena that match a task by type; those that are broken match nothing."""
        found = []
        for name in catalog.names("method"):
            if name.startswith(f"{task.partition('/')[0]}/"):
                try:
                    fits = refusal((name, self.method_class(name)), (task, self.task_class(task))) is None
                except (CommandError, NotApplicable):
                    continue
                found += [name] if fits else []
        return found

    def asked(self, task: str) -> list[str]:
        """Of the guests of a task those whose cells are run: all on the first task of each class, and on the others of
        that class, which only differ in values, those of papers."""
        arena, found = task.partition("/")[0], self.guests(task)
        first = next(name for name in self.tasks(arena) if self.task_class(name) is self.task_class(task))
        papers = [name for name in found if method_card(catalog.find("method", name)).role == "paper"]
        return found if task == first else papers or found[:1]

    def tasks(self, arena: str) -> list[str]:
        """The tasks of an arena that can be imported."""
        found = []
        for name in catalog.names("task"):
            if name.startswith(f"{arena}/"):
                try:
                    self.task_class(name)
                except (CommandError, NotApplicable):
                    continue
                found.append(name)
        return found

    def hosts(self, method: str) -> list[str]:
        """Tasks of its arena that match a method by type."""
        kind, there = self.method_class(method), self.tasks(method.partition("/")[0])
        return [name for name in there if refusal((method, kind), (name, self.task_class(name))) is None]

    def _run(self, pair: Pair) -> Cell:
        board = board_of(pair)
        posed: list[tuple[Problem, str]] = []
        pose = type(pair.task).problem

        def watched(task: Task, seed: int) -> Problem:
            problem = pose(task, seed)
            posed.append((problem, fingerprint(contents(problem))))
            return problem

        first = Attempt(pair, SEED, board, {}, self.checkpoints).execute()
        with mock.patch.object(type(pair.task), "problem", watched):
            second = Attempt(pair, SEED, board, {}, self.checkpoints).execute()
        problem, before = posed[0] if posed else (None, "")
        return Cell(first, second, before, fingerprint(contents(problem)) if posed else "")


@contextmanager
def bench() -> Iterator[Bench]:
    """A bench with a folder of its own, which is removed."""
    with tempfile.TemporaryDirectory(prefix="bakeoff-check-") as folder:
        yield Bench(Path(folder))


def contents(value: Any) -> Any:
    """Everything in a problem that has a value: numbers, texts, arrays, tensors. Oracles and factories have none."""
    if value is None or isinstance(value, bool | int | float | str | bytes | np.generic):
        return value
    if isinstance(value, np.ndarray):
        return value.tolist() if value.dtype == object else value
    if isinstance(value, list | tuple | set | frozenset):
        items = [contents(item) for item in value]
        return sorted(items, key=str) if isinstance(value, set | frozenset) else items
    if isinstance(value, Mapping):
        return {str(key): contents(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: contents(getattr(value, item.name)) for item in fields(value) if item.name != "ledger"}
    if type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "numpy"):
        return value.detach().cpu().numpy()
    return type(value).__name__


def arrays(value: Any, where: str) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Every array inside a problem, with its place."""
    if isinstance(value, np.ndarray):
        yield where, value
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from arrays(item, f"{where}[{index}]")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from arrays(item, f"{where}[{key!r}]")
    elif is_dataclass(value) and not isinstance(value, type):
        for item in fields(value):
            yield from arrays(getattr(value, item.name), f"{where}.{item.name}")


def records(value: Any) -> Iterator[Any]:
    """A built record and every part inside it."""
    if isinstance(value, tuple):
        for item in value:
            yield from records(item)
    elif is_dataclass(value) and not isinstance(value, type):
        yield value
        for item in fields(value):
            yield from records(getattr(value, item.name))
