"""From a choice to a pair: scales, overrides, identity, boards."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from results.protocols import TUNING
from runners import catalog
from runners.catalog import Entry
from runners.errors import CommandError
from runners.pair import Choice, Pair, board_of, mismatch, overrides, resolve
from runners.searched import with_values
from tasks.base import NotApplicable

Write = Callable[[str, str], Path]

ARENA = """
from dataclasses import dataclass
from tasks.base import Arena, Board, Direction, Metric, Problem

@dataclass(frozen=True, kw_only=True)
class Sum(Problem):
    numbers: int

@dataclass(frozen=True, kw_only=True)
class Other(Problem):
    pass

ARENA = Arena("how much?", "the numbers", (Board(Sum, "a number", (Metric("error", "", Direction.LOWER, "off"),)),))
"""
TASK = """
from dataclasses import dataclass
from tasks.base import NotApplicable, Task
from tasks.sums import Other, Sum

@dataclass(frozen=True, kw_only=True)
class Part:
    weight: float
    depth: int

@dataclass(frozen=True, kw_only=True)
class Adding(Task):
    size: int
    rows: int
    part: Part
    there: bool

    def problem(self, seed: int) -> Sum:
        return Sum(numbers=self.size)

    def evaluate(self, solution, seed, run):
        return {"error": float(abs(solution - self.size))}

    def trivial(self, seed):
        return 0

    def check(self):
        if not self.there:
            raise NotApplicable("the numbers are not here")

@dataclass(frozen=True, kw_only=True)
class Boardless(Adding):
    def problem(self, seed: int) -> Other:
        return Other()
"""
METHOD = """
from dataclasses import dataclass
from methods.base import Method
from tasks.sums import Other, Sum

@dataclass(frozen=True, kw_only=True)
class Adder(Method):
    rate: float
    def solve(self, problem: Sum, run):
        return problem.numbers

@dataclass(frozen=True, kw_only=True)
class Stranger(Method):
    def solve(self, problem: Other, run):
        return 0

@dataclass(frozen=True, kw_only=True)
class NoMethod:
    rate: float
    def solve(self, problem: Sum, run):
        return 0
"""
TASK_YAML = """
_target_: tasks.sums.adding.Adding
size: 100
rows: 10
part: {weight: 0.5, depth: 2}
there: true
card:
  version: 4
  rank: error
  title: adding
  scales: {tiny: {size: 3, part: {depth: 1}}, laptop: {}, paper: {size: 10000}}
"""
METHOD_YAML = """
_target_: methods.sums.adder.Adder
rate: 0.1
card: {role: baseline, version: 2, fidelity: none, title: adds}
"""


@pytest.fixture(autouse=True)
def project(plugins: Write) -> Write:
    plugins("tasks/sums/__init__.py", ARENA)
    plugins("tasks/sums/adding.py", TASK)
    plugins("methods/sums/adder.py", METHOD)
    plugins("configs/task/sums/adding.yaml", TASK_YAML)
    plugins("configs/method/sums/adder.yaml", METHOD_YAML)
    plugins("configs/method/sums/stranger.yaml", METHOD_YAML.replace("Adder", "Stranger").replace("rate: 0.1\n", ""))
    plugins("configs/method/sums/no_method.yaml", METHOD_YAML.replace("Adder", "NoMethod"))
    return plugins


def choice(
    changes: Mapping[str, Any] = {},
    scale: str = "laptop",
    method: str = "sums/adder",
    named: frozenset[str] = frozenset(),
) -> Choice:
    entries = {"method": catalog.find("method", method), "task": catalog.find("task", "sums/adding")}
    values: dict[str, dict[str, Any]] = {kind: {**it.values, "card": it.card} for kind, it in entries.items()}
    values["hardware"] = {
        "accelerator": "cpu", "devices": 1, "precision": "32-true", "threads": 1, "deterministic": True,
        "time_limit": None, "memory_limit": None, "device_memory_limit": None,
    }  # fmt: skip
    for key, value in changes.items():
        kind, _, rest = key.partition(".")
        node = values[kind]
        *path, last = rest.split(".")
        for step in path:
            node[step] = dict(node[step])
            node = node[step]
        node[last] = value
    return Choice(method, "sums/adding", "cpu", scale, values, named)


def resolved(**arguments: Any) -> Pair:
    return resolve(choice(**arguments))


def task_of(pair: Pair) -> tuple[int, int, float, int]:
    task: Any = pair.task
    return task.size, task.rows, task.part.weight, task.part.depth


def test_a_choice_becomes_built_and_checked_records() -> None:
    pair = resolved()
    assert (pair.task.name, pair.task.version, pair.problem, pair.arena) == ("sums/adding", 4, "Sum", "sums")
    assert task_of(pair) == (100, 10, 0.5, 2)
    assert pair.label(3) == "sums/adder on sums/adding, seed 3"
    assert board_of(pair).metrics[0].name == "error"
    assert pair.hardware.threads == 1


def test_a_tier_changes_what_it_names_and_nothing_else() -> None:
    assert task_of(resolved(scale="tiny")) == (3, 10, 0.5, 1)
    assert task_of(resolved(scale="paper")) == (10000, 10, 0.5, 2)


def test_what_an_experiment_or_the_command_line_changed_wins_over_the_tier() -> None:
    assert task_of(resolved(scale="tiny", changes={"task.size": 7})) == (7, 10, 0.5, 1)
    assert task_of(resolved(scale="tiny", changes={"task.part.depth": 9})) == (3, 10, 0.5, 9)
    named = frozenset({"size", "part.depth"})  # given by name, with the very value of the file
    assert task_of(resolved(scale="tiny", named=named)) == (100, 10, 0.5, 2)
    assert task_of(resolved(scale="tiny", named=frozenset({"part"}))) == (3, 10, 0.5, 2)


def test_one_value_may_point_to_another() -> None:
    assert task_of(resolved(changes={"task.rows": "${task.size}"})) == (100, 100, 0.5, 2)
    assert task_of(resolved(scale="tiny", changes={"task.rows": "${task.size}"})) == (3, 3, 0.5, 1)
    with pytest.raises(CommandError, match=r"sums/adder on sums/adding: .*nowhere"):
        resolved(changes={"task.rows": "${task.nowhere}"})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": "huge"}, "task sums/adding has no scale 'huge'; it has tiny, laptop, paper"),
        ({"changes": {"method.rate": "banana"}}, "method.rate: cannot use 'banana' as float"),
        ({"changes": {"method.rat": 1.0}}, "method.rat: Adder has no such field; did you mean rate?"),
        ({"changes": {"task.part.weight": "x"}}, "task.part.weight: cannot use 'x' as float"),
        ({"changes": {"task.name": "mine"}}, "task.name: Adding has no such field"),
        ({"changes": {"hardware.devices": 0}}, "hardware: devices must be at least 1, got 0"),
        ({"changes": {"method.card": {"version": 9}}}, "method.card: a card describes its file"),
        (
            {"changes": {"method._target_": "methods.sums.adder.Stranger"}},
            "method._target_: sums/adder is methods.sums.adder.Adder, and methods.sums.adder.Stranger would be another",
        ),
        ({"changes": {"task.card": {}}}, "task.card: a card describes its file"),
        ({"method": "sums/stranger"}, "sums/stranger needs Other, but sums/adding poses Sum"),
    ],
)
def test_what_cannot_be_run_is_refused_by_name(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(CommandError, match=f"^{re.escape(message)}"):
        resolved(**arguments)


def test_a_class_that_is_no_method_is_refused() -> None:
    with pytest.raises(CommandError, match=r"NoMethod is not a Method"):
        resolved(method="sums/no_method")


def test_a_task_whose_data_are_absent_does_not_apply() -> None:
    with pytest.raises(NotApplicable, match="the numbers are not here"):
        resolved(changes={"task.there": False})


def test_names_that_are_not_there_are_named() -> None:
    with pytest.raises(CommandError, match="there is no method called 'sums/addr'; did you mean sums/adder"):
        mismatch("sums/addr", "sums/adding")
    with pytest.raises(CommandError, match="there is no task called 'sums/none'"):
        mismatch("sums/adder", "sums/none")


def test_a_task_without_a_board_is_refused(project: Write) -> None:
    project("configs/task/sums/adding.yaml", TASK_YAML.replace("adding.Adding", "adding.Boardless"))
    with pytest.raises(CommandError, match=r"the arena sums: no board for problems of type Other"):
        resolved(method="sums/stranger")


def test_a_rank_metric_that_the_board_does_not_declare_is_refused(project: Write) -> None:
    project("configs/task/sums/adding.yaml", TASK_YAML.replace("rank: error", "rank: beauty"))
    with pytest.raises(CommandError, match="task sums/adding ranks by beauty, which its board does not declare"):
        resolved()


def test_an_arena_that_states_nothing_is_refused(project: Write) -> None:
    project("tasks/sums/__init__.py", ARENA.replace("ARENA = Arena", "NOTHING = Arena"))
    with pytest.raises(CommandError, match=r"tasks\.sums states no ARENA"):
        resolved()


# --- the name of a cell ---


def test_a_cell_is_named_by_what_can_move_a_number() -> None:
    base = resolved().cell(0)
    assert base == resolved().cell(0)
    moved = {
        "seed": resolved().cell(1),
        "rate": resolved(changes={"method.rate": 0.2}).cell(0),
        "rows": resolved(changes={"task.rows": 11}).cell(0),
        "part": resolved(changes={"task.part.depth": 3}).cell(0),
        "precision": resolved(changes={"hardware.precision": "64-true"}).cell(0),
        "scale": resolved(scale="paper").cell(0),
    }
    assert len({base, *moved.values()}) == 1 + len(moved)


def test_a_cell_is_not_named_by_what_cannot() -> None:
    pair = resolved()
    other = replace(pair, declared=replace(pair.declared, threads=2), hardware=replace(pair.hardware, threads=2))
    assert other.cell(0) == pair.cell(0)
    assert resolved(changes={"method.rate": 0.1}).cell(0) == pair.cell(0)


@pytest.mark.parametrize("file", ["configs/method/sums/adder.yaml", "configs/task/sums/adding.yaml"])
def test_a_bumped_version_is_another_cell(project: Write, file: str) -> None:
    before = resolved().cell(0)
    text = METHOD_YAML if "method" in file else TASK_YAML
    project(file, text.replace("version: 2", "version: 3").replace("version: 4", "version: 5"))
    assert resolved().cell(0) != before
    project(file, text.replace("title: add", "title: another add"))
    assert resolved().cell(0) == before


def test_a_pair_says_in_words_what_was_chosen_otherwise_than_in_its_files() -> None:
    entry = Entry("method", "toys/a", Path("a.yaml"), {"lr": 0.1, "name": "x", "part": {"size": 3}, "kept": None})
    values = {"lr": 0.5, "name": "it's", "part": {"size": 3, "shape": [1, 2]}, "kept": None, "card": {"version": 1}}
    choice = Choice("toys/a", "toys/t", "cpu", "laptop", {"method": values})
    said = overrides({"method": entry}, choice)
    assert said == ("method.lr=0.5", "method.name='it\\'s'", "method.part.shape=[1,2]")
    parsed = [override.value() for override in OverridesParser.create().parse_overrides(list(said))]
    assert parsed == [0.5, "it's", [1, 2]]
    words = ("true", "1", "null", "a b", "\\", "$x")
    for word in words:
        made = Choice("toys/a", "toys/t", "cpu", "laptop", {"method": {"name": word}})
        (text,) = overrides({"method": entry}, made)
        assert OverridesParser.create().parse_override(text).value() == word


def test_the_cells_of_paper_values_keep_the_names_that_they_have_had() -> None:
    """These were noted before there was a second protocol; other names would orphan every attempt in every store."""
    assert resolved().cell(3) == "354727e241c38f4cc06bfc684dc18333"
    assert resolved(changes={"method.rate": 0.25}, scale="tiny").cell(0) == "15cd6e03ced442e5c208d1fee757461e"


def test_protocols_are_cells_of_their_own_and_trials_need_more() -> None:
    pair = resolved()
    trial = replace(pair, protocol=TUNING, tuning={"trial": 2})
    tuned = replace(pair, protocol="tuned, 4 trials", tuning={"trial": 2})
    assert len({one.cell(3) for one in (pair, trial, tuned)}) == 3
    assert tuned.cell(3) == replace(tuned, tuning={"trial": 1}).cell(3), "how values were found moves no number"
    assert (pair.trial, trial.trial, tuned.trial) == (False, True, False)
    assert trial.label(-1) == "sums/adder on sums/adding, trial 2, seed -1"
    assert trial.cells([-1]) == {-1: trial.cell(-1)}
    assert pair.preparations() == trial.preparations() == {}


def test_values_are_put_where_dotted_names_say() -> None:
    pair = resolved()
    other = with_values(pair, {"rate": 0.7})
    method: Any = other.method
    assert (method.rate, other.choice.values["method"]["rate"]) == (0.7, 0.7)
    assert pair.choice.values["method"]["rate"] == 0.1
    assert other.cell(0) == resolved(changes={"method.rate": 0.7}).cell(0)
    with pytest.raises(CommandError, match=r"method\.rate: cannot use 'banana' as float"):
        with_values(pair, {"rate": "banana"})
