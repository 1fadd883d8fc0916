"""The contract over everything in the catalogue: a new plugin is tested by being there.

Cells run at scale `tiny`, once for all tests, through the real attempt.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib
import inspect
import math
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import yaml

from methods.base import Method, Reference
from results.protocols import TUNING
from results.record import Record, Status
from results.selection import flatten
from runners import catalog
from runners.attempt import Attempt
from runners.budget import Budget
from runners.build import build, plugin_class
from runners.cards import SCALES, MethodCard, TaskCard, method_card, task_card
from runners.hardware import Hardware, seed_everything
from runners.match import needed_type, posed_type, refusal
from runners.pair import Choice, Pair, board_of, resolve
from runners.planning import Plan
from runners.preparing import ensure
from runners.run import AttemptRun, Nobody
from runners.trials import searches
from tasks.base import Arena, Direction, Invalid, NotApplicable, Problem, Task
from tasks.data import manifest
from tasks.metering import USE, Ledger, fingerprint, random_stream

TOP = Path(__file__).resolve().parents[2]
FLOOR, CEILING = "reference/trivial", "reference/best"
SEED = 0


def _grouped(kind: str) -> list[Any]:
    """Names of one kind; those of one arena go to one worker, which runs each of their cells once."""
    names = [name for name in catalog.names(kind) if not name.startswith("reference/")]
    return [pytest.param(name, marks=pytest.mark.xdist_group(name.partition("/")[0])) for name in names]


every_method = pytest.mark.parametrize("name", _grouped("method"))
every_task = pytest.mark.parametrize("name", _grouped("task"))
every_yaml = pytest.mark.parametrize("name", [*catalog.names("method")])


@functools.cache
def method_class(name: str) -> type[Any]:
    return plugin_class(catalog.find("method", name).target, f"method {name}")


@functools.cache
def task_class(name: str) -> type[Task]:
    kind = plugin_class(catalog.find("task", name).target, f"task {name}")
    assert issubclass(kind, Task)
    return kind


@functools.cache
def pair_of(method: str, task: str, scale: str = "tiny") -> Pair:
    """The pair as a command would resolve it; skips the test where the task's data or a package are absent."""
    entries = {"method": catalog.find("method", method), "task": catalog.find("task", task)}
    values: dict[str, Mapping[str, Any]] = {kind: {**it.values, "card": it.card} for kind, it in entries.items()}
    values["hardware"] = catalog.find("hardware", "cpu").values | {"threads": 1}
    return resolve(Choice(method, task, "cpu", scale, values))


def there(method: str, task: str, scale: str = "tiny") -> Pair:
    try:
        return pair_of(method, task, scale)
    except NotApplicable as error:
        pytest.skip(str(error))


@dataclass(frozen=True)
class Cell:
    """Two attempts at one cell, and what the problem of the second held before and after."""

    first: Record
    second: Record
    before: str
    after: str


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoints")


_cells = functools.cache(lambda method, task, checkpoints: _run(there(method, task), checkpoints))


def _run(pair: Pair, checkpoints: Path) -> Cell:
    board = board_of(pair)
    posed: list[tuple[Problem, str]] = []
    pose = type(pair.task).problem

    def watched(task: Task, seed: int) -> Problem:
        problem = pose(task, seed)
        posed.append((problem, fingerprint(contents(problem))))
        return problem

    first = Attempt(pair, SEED, board, {}, checkpoints).execute()
    with mock.patch.object(type(pair.task), "problem", watched):
        second = Attempt(pair, SEED, board, {}, checkpoints).execute()
    problem, before = posed[0]
    return Cell(first, second, before, fingerprint(contents(problem)))


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


def guests(task: str) -> list[str]:
    """Methods that match a task by type."""
    names = [name for name in catalog.names("method") if not name.startswith("reference/")]
    return [name for name in names if refusal((name, method_class(name)), (task, task_class(task))) is None]


def asked(task: str) -> list[str]:
    """Of the guests of a task those whose cells are run: all on the first task of each class, and the papers' own on
    the others of that class, which only differ in values."""
    arena, found = task.partition("/")[0], guests(task)
    first = next(name for name in _names(arena) if task_class(name) is task_class(task))
    papers = [name for name in found if method_card(catalog.find("method", name)).role == "paper"]
    return found if task == first else papers or found[:1]


def _names(arena: str) -> list[str]:
    return [name for name in catalog.names("task") if name.startswith(f"{arena}/")]


def hosts(method: str) -> list[str]:
    """Tasks that match a method by type."""
    return [name for name in catalog.names("task") if method in guests(name)]


def built(name: str) -> Any:
    return build(catalog.find("method", name).values, object, f"method {name}")


def check_record_class(kind: type[Any]) -> None:
    """Frozen, keyword-only, final, without values of its own."""
    assert kind.__dataclass_params__.frozen, f"{kind.__name__} is not frozen"
    for item in fields(kind):
        assert item.kw_only, f"{kind.__name__}.{item.name} can be given by place"
        assert item.default is MISSING, f"{kind.__name__}.{item.name} has a value in Python"
        assert item.default_factory is MISSING, f"{kind.__name__}.{item.name} has a value in Python"
    for base in kind.__mro__[1:]:
        if base.__module__.partition(".")[0] in ("methods", "tasks"):
            assert inspect.isabstract(base), f"{kind.__name__} extends {base.__name__}, which is concrete"


def value_lines(node: Any) -> Iterator[tuple[str, int, int]]:
    """Key, line and end column of every value of a YAML file outside cards that is written on one line."""
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.value == "card":
            continue
        if isinstance(value, yaml.MappingNode) and not value.flow_style:
            yield from value_lines(value)
        elif isinstance(value, yaml.SequenceNode) and not value.flow_style:
            for item in value.value:
                if isinstance(item, yaml.MappingNode):
                    yield from value_lines(item)
                else:
                    yield key.value, item.end_mark.line, item.end_mark.column
        elif key.value != "_target_":
            yield key.value, value.end_mark.line, value.end_mark.column


# --- what every method says about itself ---


@every_yaml
def test_a_method_is_built_from_its_yaml_and_its_card_fits(name: str) -> None:
    entry = catalog.find("method", name)
    card, record = method_card(entry), built(name)
    assert isinstance(record, Method | Reference)
    assert isinstance(card, MethodCard)
    assert (card.role == "reference") == isinstance(record, Reference)
    assert card.role != "paper" or card.paper, "a paper's method names the paper"
    assert card.role != "baseline" or card.source or card.paper, "a baseline says where it comes from"
    assert type(record).__module__.startswith(f"methods.{entry.arena}.")


@every_yaml
def test_a_method_and_its_parts_are_frozen_keyword_only_final_and_hold_no_values(name: str) -> None:
    for record in records(built(name)):
        check_record_class(type(record))
        assert not [kind for kind in type(record).__subclasses__() if is_dataclass(kind)]


@every_yaml
def test_a_method_is_documented_and_short(name: str) -> None:
    kind = method_class(name)
    written = vars(kind).get("__doc__") or ""
    assert written, f"{kind.__name__} has no docstring"
    assert not written.startswith(f"{kind.__name__}("), f"{kind.__name__} has no docstring"
    source = Path(inspect.getsourcefile(kind) or "").read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(source)), "the module has no docstring"
    assert len(source.splitlines()) <= 300


@every_method
def test_solve_says_which_problems_it_needs(name: str) -> None:
    needed = needed_type(method_class(name))
    assert needed is not Problem, "a method that needs nothing of a problem answers no question"


@every_yaml
def test_every_value_has_a_source_beside_it(name: str) -> None:
    text = catalog.find("method", name).path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for key, line, column in value_lines(yaml.compose(text, Loader=yaml.SafeLoader)):
        rest = lines[line][column:].lstrip(" ,]}")
        assert rest.startswith("#"), f"{key} in line {line + 1} does not say where its value comes from"
        assert len(rest.lstrip("# ")) > 2, f"{key} in line {line + 1} has an empty comment"


@every_yaml
def test_what_is_searched_exists(name: str) -> None:
    record = built(name)
    for place in method_card(catalog.find("method", name)).search:
        here = record
        for step in place.split("."):
            assert step in {item.name for item in fields(here)}, f"card.search names {place}, which is no field"
            here = getattr(here, step)


@every_yaml
def test_a_claim_of_fidelity_has_a_test(name: str) -> None:
    short, paper = name.rpartition("/")[2], method_card(catalog.find("method", name)).paper
    if method_card(catalog.find("method", name)).fidelity != "none":
        folder = TOP / "tests" / "fidelity"
        files = sorted({*folder.rglob(f"test_{short}*.py"), *(folder.rglob(f"test_{paper}*.py") if paper else ())})
        assert files, f"no tests/fidelity/test_{short}*.py"
        text = "\n".join(path.read_text(encoding="utf-8") for path in files)
        assert "def test_" in text
        assert method_class(name).__name__ in text or short in text.replace(f"test_{short}", "")


# --- what every task says about itself ---


@every_task
def test_a_task_states_its_arena_and_ranks_by_a_metric_of_its_board(name: str) -> None:
    card, kind = task_card(catalog.find("task", name)), task_class(name)
    arena = importlib.import_module(f"tasks.{name.partition('/')[0]}").ARENA
    assert isinstance(arena, Arena)
    assert isinstance(card, TaskCard)
    metrics = {metric.name: metric for metric in arena.board(posed_type(kind)).metrics}
    assert len(metrics) == len(arena.board(posed_type(kind)).metrics), "two metrics share a name"
    assert metrics[card.rank].direction is not Direction.NONE
    assert {"tiny", "laptop"} <= set(card.scales) <= set(SCALES)
    values = flatten(catalog.find("task", name).values)
    own = {item.name for item in fields(kind)}
    assert all(axis in (own if "." not in axis else values) for axis in card.axes), "an axis is a value, also of a part"
    assert set(card.data) <= set(manifest()), "the card names data that the manifest does not know"


@every_task
def test_a_task_is_built_at_every_scale(name: str) -> None:
    for scale in task_card(catalog.find("task", name)).scales:
        pair = there(FLOOR, name, scale)
        assert (pair.task.name, pair.choice.scale) == (name, scale)
        for record in records(pair.task):
            check_record_class(type(record))


@every_task
def test_a_problem_is_drawn_by_its_seed_alone(name: str) -> None:
    pair = _prepared(name)
    one, again, other = (fingerprint(contents(pair.task.problem(seed))) for seed in (SEED, SEED, SEED + 1))
    assert one == again
    assert one != other


@every_task
def test_a_problem_is_of_the_stated_type_with_a_fresh_ledger(name: str) -> None:
    pair = _prepared(name)
    problem, again = pair.task.problem(SEED), pair.task.problem(SEED)
    assert isinstance(problem, posed_type(type(pair.task)))
    assert problem.ledger is not again.ledger
    assert problem.ledger.totals() == {}
    for item in fields(problem):
        assert item.kw_only
    assert not hasattr(type(problem), "__slots__") or not type(problem).__slots__  # type: ignore[attr-defined]


@every_task
def test_the_arrays_of_a_problem_cannot_be_written_to(name: str) -> None:
    writable = [
        place for place, array in arrays(_prepared(name).task.problem(SEED), "problem") if array.flags.writeable
    ]
    assert writable == []


@every_task
def test_the_dumb_answer_is_scored_and_scored_alike_each_time(name: str, checkpoints: Path) -> None:
    cell = _cells(FLOOR, name, checkpoints)
    assert cell.first.status is Status.OK, cell.first.reason + cell.first.traceback
    assert math.isfinite(cell.first.metrics[cell.first.rank_metric])
    assert cell.first.metrics == cell.second.metrics
    assert cell.first.cost["solve"] == {}, "the dumb answer costs nothing"


@every_task
def test_the_ceiling_is_scored_or_said_to_be_unknown(name: str, checkpoints: Path) -> None:
    cell = _cells(CEILING, name, checkpoints)
    if cell.first.status is Status.SKIPPED:
        assert cell.first.reason
        return
    assert cell.first.status is Status.OK, cell.first.reason + cell.first.traceback
    assert cell.first.metrics == cell.second.metrics


@every_task
def test_every_guest_is_run_and_gives_the_same_numbers_twice(name: str, checkpoints: Path) -> None:
    for guest in asked(name):
        cell = _cells(guest, name, checkpoints)
        record = cell.first
        assert record.status in (Status.OK, Status.SKIPPED), f"{guest}: {record.reason}\n{record.traceback}"
        assert record.status is Status.OK or record.reason, f"{guest} does not say why it is skipped"
        assert cell.second.status is record.status, guest
        assert cell.second.metrics == record.metrics, guest
        assert cell.second.cost == record.cost, guest
        assert cell.second.cell == record.cell, guest


@every_task
def test_no_guest_changes_the_problem(name: str, checkpoints: Path) -> None:
    changed = [guest for guest in asked(name) if (cell := _cells(guest, name, checkpoints)).before != cell.after]
    assert changed == []


@every_task
def test_validation_scores_the_dumb_answer_and_moves_nothing_else(name: str, one_core: Hardware) -> None:
    """On a seed that no user can type, by metrics of the board, the same each time."""
    pair = there(FLOOR, name)
    if type(pair.task).validate is Task.validate:
        with pytest.raises(NotApplicable, match="provides no validation data, so nothing can be tuned on it"):
            pair.task.check_validation()
        return
    pair.task.check_validation()
    assert set(pair.task.validation_preparations()) & set(pair.task.preparations()) == set()
    trial = replace(pair, protocol=TUNING)
    for part in trial.preparations().values():
        ensure(part, -1, pair.hardware, Nobody())
    before = fingerprint(contents(pair.task.problem(-1)))
    scores = []
    for verb in (pair.task.evaluate, pair.task.validate, pair.task.validate, pair.task.evaluate):
        run = AttemptRun(random_stream("test"), pair.task.problem(-1).ledger, one_core, Path())
        seed_everything(random_stream("test globals"))
        with run.ledger.booking(USE):
            scores.append(dict(verb(pair.task.trivial(-1), -1, run)))
        assert run.ledger.totals("solve") == {}
    assert scores[0] == scores[3]
    assert scores[1] == scores[2]
    assert math.isfinite(scores[1][pair.task_card.rank])
    assert set(scores[1]) <= {metric.name for metric in board_of(pair).metrics}
    assert fingerprint(contents(pair.task.problem(-1))) == before


@every_method
def test_a_method_takes_whatever_its_card_lets_be_drawn(name: str) -> None:
    for task in hosts(name):
        try:
            pair = pair_of(name, task)
        except NotApplicable:
            continue
        (search,) = searches(Plan([(pair, [SEED])]), Budget(trials=9, seeds=1, sampler="random"))
        trials = search.advance({})
        assert len(trials) == (9 if method_card(catalog.find("method", name)).search else 1)
        assert trials[0].identity(SEED)["method"] == pair.identity(SEED)["method"], "trial 0 is the YAML"


@every_task
def test_a_task_scores_the_dumb_answers_of_the_tasks_that_it_extends(name: str, one_core: Hardware) -> None:
    """A subclass of a problem type never adds a duty: what answers the base is an answer here too."""
    pair, arena = _prepared(name), name.partition("/")[0]
    for other in catalog.names("task"):
        base, own = posed_type(task_class(other)), posed_type(task_class(name))
        if other.startswith(f"{arena}/") and base is not own and issubclass(own, base):
            answer = _prepared(other).task.trivial(SEED)
            ledger = pair.task.problem(SEED).ledger
            run = AttemptRun(random_stream("test"), ledger, one_core, Path())
            seed_everything(random_stream("test globals"))
            with contextlib.suppress(Invalid), ledger.booking(USE):  # refused with a sentence is not crashed on
                assert pair.task_card.rank in pair.task.evaluate(answer, SEED, run)


@every_method
def test_a_method_is_run_by_some_test(name: str, checkpoints: Path) -> None:
    """A skip must not be silence: a method that no task here could run has not been tested."""
    reasons = []
    for task in hosts(name):
        try:
            pair_of(name, task)
        except NotApplicable as error:
            reasons.append(f"{task}: {error}")
            continue
        cell = _cells(name, task, checkpoints)
        if cell.first.status is Status.OK:
            return
        reasons.append(f"{task}: {cell.first.status} {cell.first.reason}")
    pytest.fail(f"no test ran {name}: {'; '.join(reasons) or 'no task poses what it needs'}")


def _prepared(task: str) -> Pair:
    pair = there(FLOOR, task)
    for part in pair.task.preparations().values():
        for seed in (SEED, SEED + 1):
            ensure(part, seed, pair.hardware, Nobody())
    return pair


# --- the folders ---


def test_no_file_of_the_catalogue_is_broken() -> None:
    broken = [entry.broken for kind in catalog.KINDS for entry in catalog.entries(kind) if entry.broken]
    assert broken == []


def test_every_public_module_of_methods_has_a_yaml() -> None:
    targets = {entry.target.rpartition(".")[0] for entry in catalog.entries("method")}
    found = {
        ".".join(path.relative_to(TOP).with_suffix("").parts)
        for path in (TOP / "methods").glob("*/*.py")
        if not path.name.startswith("_") and path.parent.name != "parts"
    }
    assert found - targets == set()


def test_the_ledger_of_a_problem_is_its_own() -> None:
    assert Problem().ledger is not Problem().ledger
    assert isinstance(Problem().ledger, Ledger)
