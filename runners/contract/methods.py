"""What every method has to keep to. A check yields sentences, one for each fault."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from methods.base import Method, Reference
from results.record import Status
from runners import catalog, plugins
from runners.budget import Budget
from runners.cards import method_card
from runners.contract.bench import SEED, Bench, records
from runners.match import needed_type
from runners.planning import Plan
from runners.trials import searches
from tasks.base import NotApplicable, Problem

LONGEST = 300  # lines of a module
Check = Callable[[str, Bench], Iterator[str]]


def fits_its_card(name: str, bench: Bench) -> Iterator[str]:
    """It is built from its YAML, and its card says what it has to say."""
    entry = catalog.find("method", name)
    card, record = method_card(entry), bench.built(name)
    if not isinstance(record, Method | Reference):
        yield f"{type(record).__name__} is not a Method"
    if (card.role == "reference") != isinstance(record, Reference):
        yield "only the task's own answers have the role reference"
    if card.role == "paper" and not card.paper:
        yield "card.paper: a paper's method names the paper"
    if card.role == "baseline" and not (card.source or card.paper):
        yield "card.source: a baseline says where it comes from"
    inside = [f"{package}.{entry.arena}." for package in ("methods", *_theirs("methods"))]
    if not any(type(record).__module__.startswith(place) for place in inside):
        yield f"its module {type(record).__module__} does not lie in the folder methods/{entry.arena}"


def is_frozen(name: str, bench: Bench) -> Iterator[str]:
    """The method and its parts are frozen, keyword-only, final, and hold no values of their own."""
    for record in records(bench.built(name)):
        yield from record_faults(type(record))
        if heirs := [kind.__name__ for kind in type(record).__subclasses__() if is_dataclass(kind)]:
            yield f"{type(record).__name__} is extended by {', '.join(heirs)}, and is not abstract"


def is_documented(name: str, bench: Bench) -> Iterator[str]:
    """Module and class have docstrings, and the module is short."""
    kind = bench.method_class(name)
    written = vars(kind).get("__doc__") or ""
    if not written or written.startswith(f"{kind.__name__}("):
        yield f"{kind.__name__} has no docstring"
    source = Path(inspect.getsourcefile(kind) or "").read_text(encoding="utf-8")
    if not ast.get_docstring(ast.parse(source)):
        yield f"the module {kind.__module__} has no docstring"
    if (lines := len(source.splitlines())) > LONGEST:
        yield f"the module {kind.__module__} has {lines} lines, more than {LONGEST}"


def says_what_it_needs(name: str, bench: Bench) -> Iterator[str]:
    """`solve` is annotated with a problem type."""
    if not name.startswith("reference/") and needed_type(bench.method_class(name)) is Problem:
        yield "solve: a method that needs nothing of a problem answers no question; name a problem type"


def values_have_sources(name: str, bench: Bench) -> Iterator[str]:
    """Beside every value in the YAML stands where it comes from."""
    text = catalog.find("method", name).path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for key, line, column in _value_lines(yaml.compose(text, Loader=yaml.SafeLoader)):
        rest = lines[line][column:].lstrip(" ,]}")
        if not rest.startswith("#") or len(rest.lstrip("# ")) <= 2:
            yield f"{key} in line {line + 1} of its YAML does not say where its value comes from"


def searches_fields(name: str, bench: Bench) -> Iterator[str]:
    """What the card lets be searched are fields."""
    for place in method_card(catalog.find("method", name)).search:
        here = bench.built(name)
        for step in place.split("."):
            if step not in {item.name for item in fields(here)}:
                yield f"card.search names {place}, which is no field"
                break
            here = getattr(here, step)


def takes_what_may_be_drawn(name: str, bench: Bench) -> Iterator[str]:
    """Whatever its card lets be drawn can be built, and trial 0 is the YAML."""
    for task in bench.hosts(name):
        try:
            pair = bench.pair(name, task)
        except NotApplicable:
            continue
        (search,) = searches(Plan([(pair, [SEED])]), Budget(trials=9, seeds=1, sampler="random"))
        trials = search.advance({})
        wanted = 9 if method_card(catalog.find("method", name)).search else 1
        if len(trials) != wanted:
            yield f"{len(trials)} of {wanted} trials can be built on {task}"
        if trials[0].identity(SEED)["method"] != pair.identity(SEED)["method"]:
            yield f"trial 0 on {task} does not have the values of the YAML"


def is_run(name: str, bench: Bench) -> Iterator[str]:
    """Some task that is here can be run, gives the same numbers twice, and is not changed by it."""
    reasons = []
    for task in bench.hosts(name):
        try:
            bench.pair(name, task)
        except NotApplicable as error:
            reasons.append(f"{task}: {error}")
            continue
        cell = bench.cell(name, task)
        if cell.first.status is not Status.OK:
            reasons.append(f"{task}: {cell.first.status} {cell.first.reason}")
            continue
        yield from repeated(name, task, bench)
        return
    yield f"no task could be run: {'; '.join(reasons) or 'none poses what it needs'}"


def repeated(method: str, task: str, bench: Bench) -> Iterator[str]:
    """Faults of a cell that was run twice."""
    cell = bench.cell(method, task)
    one, two = cell.first, cell.second
    if one.status not in (Status.OK, Status.SKIPPED, Status.DIVERGED):  # to run off, alike each time, is an answer
        yield f"{method} on {task} {one.status}: {one.reason}\n{one.traceback}".rstrip()
    if one.status is Status.SKIPPED and not one.reason:
        yield f"{method} on {task} does not say why it is skipped"
    for what, left, right in (
        ("ending", one.status, two.status),
        ("metrics", one.metrics, two.metrics),
        ("cost", one.cost, two.cost),
        ("cell", one.cell, two.cell),
    ):
        if left != right:
            yield f"{method} on {task}: a second run of the same seed has another {what}: {left} and {right}"
    if cell.before != cell.after:
        yield f"{method} on {task} changes the problem that it is given"


def record_faults(kind: type[Any]) -> Iterator[str]:
    """Faults of the class of a record: frozen, keyword-only, without values of its own, no concrete base."""
    if not kind.__dataclass_params__.frozen:
        yield f"{kind.__name__} is not frozen"
    for item in fields(kind):
        if not item.kw_only:
            yield f"{kind.__name__}.{item.name} can be given by place; say kw_only=True"
        if item.default is not MISSING or item.default_factory is not MISSING:
            yield f"{kind.__name__}.{item.name} has a value in Python; values belong into the YAML"
    for base in kind.__mro__[1:]:
        if plugins.owns(base.__module__) and not inspect.isabstract(base):
            yield f"{kind.__name__} extends {base.__name__}, which is concrete"


def _theirs(kind: str) -> list[str]:
    return [f"{name}.{kind}" for name in plugins.names() if name not in plugins.OWN]


def _value_lines(node: Any) -> Iterator[tuple[str, int, int]]:
    """Key, line and end column of every value of a YAML file outside cards that is written on one line."""
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.value == "card":
            continue
        if isinstance(value, yaml.MappingNode) and not value.flow_style:
            yield from _value_lines(value)
        elif isinstance(value, yaml.SequenceNode) and not value.flow_style:
            for item in value.value:
                if isinstance(item, yaml.MappingNode):
                    yield from _value_lines(item)
                else:
                    yield key.value, item.end_mark.line, item.end_mark.column
        elif key.value != "_target_":
            yield key.value, value.end_mark.line, value.end_mark.column


STATED: Mapping[str, Check] = MappingProxyType(
    {
        check.__name__: check
        for check in (fits_its_card, is_frozen, is_documented, says_what_it_needs, values_have_sources, searches_fields)
    }
)
RUN: Mapping[str, Check] = MappingProxyType({check.__name__: check for check in (takes_what_may_be_drawn, is_run)})
