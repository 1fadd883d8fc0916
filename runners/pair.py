"""From a composed config to something that can be run: a method, a task and a machine, checked against each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from methods.base import Method, Reference
from results.protocols import PAPER_VALUES, TUNING
from results.selection import flatten
from runners import catalog
from runners.arenas import arena_of
from runners.build import build, plugin_class
from runners.cards import MethodCard, TaskCard, at_scale, method_card, task_card
from runners.errors import CommandError, one_line
from runners.hardware import Hardware
from runners.match import posed_type, refusal
from runners.provenance import code_fingerprint
from runners.words import spelled
from tasks.base import Board, Task
from tasks.metering import fingerprint
from tasks.preparation import Preparation, identity


@dataclass(frozen=True)
class Choice:
    """One distinct choice of a sweep: names, and the values that Hydra composed for them.

    Args:
        method, task, hardware: names in the catalogue.
        scale: tier of the task.
        values: the composed `method`, `task` and `hardware` nodes, as plain values, interpolations not yet resolved.
        overridden: keys below `task` that the command line named; a tier does not change them.
    """

    method: str
    task: str
    hardware: str
    scale: str
    values: Mapping[str, Mapping[str, Any]]
    overridden: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Pair:
    """A method that can attempt a task on a machine. Each seed of it is a cell.

    Args:
        choice: where it came from.
        method, task: the built records.
        method_card, task_card: their cards.
        problem: name of the problem type.
        declared: the hardware profile as declared.
        hardware: the profile on this machine.
        overrides: what a command must say beside the names to choose the same values.
        protocol: how the values of the method's fields were found.
        tuning: the same in detail, for the record; empty where they are those of the YAML or the command.
    """

    choice: Choice
    method: Method | Reference
    task: Task
    method_card: MethodCard
    task_card: TaskCard
    problem: str
    declared: Hardware
    hardware: Hardware
    overrides: tuple[str, ...] = ()
    protocol: str = PAPER_VALUES
    tuning: Mapping[str, Any] = field(default_factory=dict)

    @property
    def trial(self) -> bool:
        """Whether it is only tried, on validation data, and counts nowhere."""
        return self.protocol == TUNING

    @property
    def arena(self) -> str:
        """The arena of the task, to whose board the row belongs."""
        return self.choice.task.partition("/")[0]

    def preparations(self) -> dict[str, Preparation]:
        """What an attempt needs to be built."""
        further = self.task.validation_preparations() if self.trial else {}
        return self.task.preparations() | further

    def identity(self, seed: int) -> dict[str, Any]:
        """Everything that can move a number of the cell."""
        return {
            "method": {"name": self.choice.method, "version": self.method_card.version} | identity(self.method),
            "task": identity(self.task),
            "preparations": {name: part.key(seed) for name, part in self.preparations().items()},
            "hardware": self.hardware.identity(),
            "scale": self.choice.scale,
            "protocol": self.protocol,
            "seed": seed,
        }

    def cell(self, seed: int) -> str:
        """Name of a cell: the hash of its identity."""
        return fingerprint(self.identity(seed))

    def cells(self, seeds: Iterable[int]) -> dict[int, str]:
        """The names of many cells; what they have in common is looked up once."""
        common, parts = self.identity(0), self.preparations()
        return {
            seed: fingerprint(common | {"preparations": {n: p.key(seed) for n, p in parts.items()}, "seed": seed})
            for seed in seeds
        }

    def label(self, seed: int) -> str:
        """The cell in words."""
        trial = f", trial {self.tuning['trial']}" if self.trial else ""
        return f"{self.choice.method} on {self.choice.task}{trial}, seed {seed}"


def mismatch(method: str, task: str) -> str | None:
    """Why a method cannot attempt a task, from their types alone; None if it can.

    Raises:
        CommandError: one of them is not there or is broken.
        NotApplicable: one of them needs a package that is not installed.
    """
    left = plugin_class(catalog.find("method", method).target, f"method {method}")
    right = plugin_class(catalog.find("task", task).target, f"task {task}")
    return refusal((method, left), (task, right))


def resolve(choice: Choice, workers: int = 1, *, elsewhere: bool = False, tuned: bool = False) -> Pair:
    """Build and check one choice.

    Args:
        choice: names and values.
        workers: attempts that will share the machine.
        elsewhere: whether it will run on another machine, so that this one's accelerators and cores do not matter.
        tuned: whether values will be chosen by validation.

    Raises:
        CommandError: naming what is wrong with the config.
        NotApplicable: the machine, a package, a data set, or the task's validation is missing.
    """
    method_entry, task_entry = catalog.find("method", choice.method), catalog.find("task", choice.task)
    left, right = method_card(method_entry), task_card(task_entry)
    for kind, entry in (("method", method_entry), ("task", task_entry)):
        if choice.values[kind].get("card", {}) != entry.card:
            raise CommandError(f"{kind}.card: a card describes its file and cannot be changed on the command line")
        if choice.values[kind].get("_target_") != entry.target:
            target = choice.values[kind].get("_target_")
            raise CommandError(f"{kind}._target_: {entry.name} is {entry.target}, and {target} would be another {kind}")
    if sentence := mismatch(choice.method, choice.task):
        raise CommandError(sentence)
    values = plain_values(choice, task_entry, at_scale(right, choice.task, choice.scale))
    method = build(values["method"], object, "method")
    if not isinstance(method, Method | Reference):
        raise CommandError(f"method._target_: {type(method).__name__} is not a Method")
    task = build(values["task"], Task, "task", name=choice.task, version=right.version)  # type: ignore[type-abstract]
    task.check()
    if tuned:
        task.check_validation()
    declared = build(values["hardware"], Hardware, "hardware")
    hardware = declared.elsewhere() if elsewhere else declared.resolved(workers)
    said = overrides({"method": method_entry, "task": task_entry}, choice)
    pair = Pair(choice, method, task, left, right, posed_type(type(task)).__name__, declared, hardware, said)
    board_of(pair)
    pair.cell(0)  # what a preparation is built from may turn out to be missing
    for plugin in (method, task):
        code_fingerprint(plugin)  # remembered: of the code as it was loaded, should a file change during a sweep
    return pair


def overrides(entries: Mapping[str, catalog.Entry], choice: Choice) -> tuple[str, ...]:
    """The values that were chosen otherwise than in the YAML files and in the tier, as words of a command."""
    words = []
    for kind, entry in entries.items():
        there, chosen = flatten(entry.values), flatten(choice.values[kind])
        if kind == "task":  # what the tier would have changed, had the command not named it
            tier = flatten(at_scale(task_card(entry), choice.task, choice.scale))
            there |= {k: v for k, v in tier.items() if any(f"{k}.".startswith(f"{own}.") for own in choice.overridden)}
        words += [
            f"{kind}.{key}={spelled(value)}"
            for key, value in chosen.items()
            if key.partition(".")[0] != "card" and (key not in there or there[key] != value)
        ]
    return tuple(words)


def board_of(pair: Pair) -> Board:
    """The board that measures a pair: the one its arena keeps for the task's problem type.

    Raises:
        CommandError: the arena states no such board, or the board has not the metric by which the task ranks.
    """
    try:
        board = arena_of(pair.arena).board(posed_type(type(pair.task)))
    except LookupError as error:
        raise CommandError(f"the arena {pair.arena}: {error}") from error
    if pair.task_card.rank not in {metric.name for metric in board.metrics}:
        raise CommandError(f"task {pair.choice.task} ranks by {pair.task_card.rank}, which its board does not declare")
    return board


def plain_values(choice: Choice, entry: catalog.Entry, tier: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The three nodes without cards, the task's tier merged in, and interpolations replaced by what they point to.

    Raises:
        CommandError: an interpolation points nowhere.
    """
    nodes = {kind: {key: value for key, value in node.items() if key != "card"} for kind, node in choice.values.items()}
    nodes["task"] = _merge(entry.values, nodes["task"], tier, choice.overridden, "")
    try:
        plain = OmegaConf.to_container(OmegaConf.create(nodes), resolve=True)
    except OmegaConfBaseException as error:
        raise CommandError(f"{choice.method} on {choice.task}: {one_line(error)}") from error
    return cast("dict[str, dict[str, Any]]", plain)


def _merge(
    base: Mapping[str, Any], composed: Mapping[str, Any], tier: Mapping[str, Any], named: frozenset[str], above: str
) -> dict[str, Any]:
    """The task's YAML, then the tier, then whatever an experiment or the command line changed."""
    result = dict(composed)
    for key, value in tier.items():
        path = f"{above}{key}"
        if path in named or any(path.startswith(f"{name}.") for name in named):
            continue
        there, before = composed.get(key), base.get(key)
        if isinstance(value, Mapping) and isinstance(there, Mapping):
            result[key] = _merge(before if isinstance(before, Mapping) else {}, there, value, named, f"{path}.")
        elif key not in composed or there == before:
            result[key] = value
    return result
