"""Cards of papers: what a paper says, and its claims as relations between cells, checked against what there is."""

from __future__ import annotations

import functools
import importlib
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, TypeVar

from results.claims.findings import Claim
from results.claims.grammar import ClaimError, parse
from results.claims.relations import Comparison, Curve, Part, Place, Rank
from results.claims.verdicts import patterns, wanted_places
from results.selection import flatten
from runners import catalog
from runners.cards import SCALES, task_card
from runners.errors import CommandError, suggestion
from tasks.base import Arena

KINDS = ("method", "algorithm-theory", "theory", "analysis", "survey", "application", "system", "benchmark", "hardware")
RUNS = ("plugin", "plugin-gpu", "simulated", "analysis", "reference")
Card = TypeVar("Card", "StatedClaim", "PaperCard")
_ARXIV = re.compile(r"\d{4}\.\d{4,5}|[a-z-]+(\.[A-Z]{2})?/\d{7}")
_PHASES = ("prepare", "problem", "solve", "evaluate")
_TYPES: Mapping[str, type[Any]] = {
    "str": str, "int": int, "int | None": int, "list[str]": list, "list[dict[str, Any]]": list
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class StatedClaim:
    """One claim on a card; the fields are those of `results.claims.findings.Claim`, the relation as text."""

    name: str
    sentence: str
    relation: str = ""
    reported: str = ""
    seeds: int = 5
    scale: str = "laptop"
    scope: str = ""
    differs: str = ""
    acts: str = ""
    untestable: str = ""

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise ValueError(f"scale {self.scale!r} is none of {', '.join(SCALES)}")
        if self.seeds < 2:
            raise ValueError("seeds: no claim is decided by fewer than two")
        if self.untestable and self.relation:
            raise ValueError("a claim that cannot be tested here has no relation")


@dataclass(frozen=True, kw_only=True)
class PaperCard:
    """Card of a paper.

    Args:
        title, authors, venue, year: as published; what could not be confirmed is left out.
        arxiv: id of the preprint, only where it was seen with this title.
        code: address of the authors' code.
        arena: whose question it answers; `none` where no arena has it.
        kind: what the paper contributes, one of `KINDS`.
        run: how it can be run here, one of `RUNS`.
        claim: its main claim in our words.
        why: of a reference, why nothing is run.
        baselines: what it should be compared with.
        smallest: the smallest faithful reproduction.
        claims: its claims as relations.
    """

    title: str
    arena: str
    kind: str
    run: str
    claim: str
    authors: str = ""
    arxiv: str = ""
    venue: str = ""
    year: int | None = None
    code: str = ""
    why: str = ""
    baselines: list[str] = field(default_factory=list)
    smallest: str = ""
    claims: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind {self.kind!r} is none of {', '.join(KINDS)}")
        if self.run not in RUNS:
            raise ValueError(f"run {self.run!r} is none of {', '.join(RUNS)}")
        if (self.run == "reference") != bool(self.why):
            raise ValueError("why: a reference says why nothing is run, and nothing else does")
        if self.run == "reference" and self.claims:
            raise ValueError("claims: nothing of a reference is run")
        if self.arxiv and not _ARXIV.fullmatch(self.arxiv):
            raise ValueError(f"arxiv {self.arxiv!r} is no id such as 2401.12406")


@dataclass(frozen=True)
class Paper:
    """A paper by its name, with its card and its claims, checked.

    Args:
        name: file name of the card without the ending.
        card: the card.
        claims: the claims; a paper whose card states none has one, its main claim, without a relation.
    """

    name: str
    card: PaperCard
    claims: tuple[Claim, ...]


def papers(names: Iterable[str] | None = None) -> list[Paper]:
    """The papers of these names, or all, by name.

    Raises:
        CommandError: there is no such paper, or a card is broken, naming what is wrong.
    """
    found = [catalog.find("paper", name) for name in names] if names is not None else catalog.entries("paper")
    return [paper(entry) for entry in found]


def paper(entry: catalog.Entry) -> Paper:
    """One paper.

    Raises:
        CommandError: the card is broken, or a claim speaks of something that there is not.
    """
    where = f"paper {entry.name}"
    if entry.broken:
        raise CommandError(f"{where} is broken: {entry.broken}")
    card = _record(entry.values, PaperCard, where)
    stated = [_record(item, StatedClaim, f"{where}: claims") for item in card.claims]
    twice = {item.name for item in stated if [other.name for other in stated].count(item.name) > 1}
    if twice:
        raise CommandError(f"{where}: two claims are called '{min(twice)}'")
    claims = [_claim(entry.name, item) for item in stated]
    if not claims and card.run != "reference":
        claims = [Claim(entry.name, "main", card.claim)]
    return Paper(entry.name, card, tuple(claims))


def _record(values: Any, kind: type[Card], where: str) -> Card:
    """A record from what a card says; hundreds of cards are read at once, for which `build` is too slow.

    Raises:
        CommandError: naming the key at fault.
    """
    if not isinstance(values, Mapping):
        raise CommandError(f"{where}: expected a mapping, got {values!r}")
    known = {item.name: item for item in fields(kind)}
    for key, value in values.items():
        if key not in known:
            raise CommandError(f"{where}.{key}: {kind.__name__} has no such field{suggestion(str(key), known)}")
        wanted = _TYPES[str(known[key].type)]
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise CommandError(f"{where}.{key}: expected {wanted.__name__}, got {value!r}")
    for name, item in known.items():
        if name not in values and item.default is MISSING and item.default_factory is MISSING:
            raise CommandError(f"{where}.{name}: no value, and {kind.__name__} has none of its own")
    try:
        return kind(**values)
    except ValueError as error:
        raise CommandError(f"{where}: {error}") from error


def _claim(name: str, item: StatedClaim) -> Claim:
    try:
        parts = parse(item.relation) if item.relation else ()
        _check(parts)
    except (ClaimError, CommandError) as error:
        raise CommandError(f"paper {name}: claim {item.name}: {error}") from error
    return Claim(
        name, item.name, item.sentence, parts, item.relation, item.reported, item.seeds, item.scale, item.scope,
        item.differs, item.acts, item.untestable,
    )  # fmt: skip


def _check(parts: Sequence[Part]) -> None:
    """See that there is everything that a claim speaks of.

    Raises:
        CommandError: naming the method, task, value, axis or metric that there is not.
    """
    for part in parts:
        for place in wanted_places([part]):
            _check_values("task", place.task, place.values)
        for pattern in patterns(part):
            _check_values("method", pattern.method, pattern.fields)
            for place in [pattern.place] if pattern.place else part.places:
                _check_metric(pattern.metric or part.metric, place)
        body = part.body
        if isinstance(body, Rank | Curve):
            for metric, place in itertools.product(body.metrics, part.places):
                _check_metric(metric, place)
            if not any(catalog.entries("method", glob) for glob in body.methods):
                raise CommandError(f"no method matches {', '.join(body.methods)}")
        elif not isinstance(body, Comparison):
            _axis(wanted_places([part]), body.axis)


def _check_values(kind: str, name: str, values: Sequence[tuple[str, Any]]) -> None:
    known = flatten(catalog.find(kind, name).values)
    for key, _ in values:
        if key not in known:
            raise CommandError(f"{name} has no value called '{key}'{suggestion(key, known)}")


def _axis(places: Iterable[Place], axis: str) -> None:
    for place in places:
        axes = task_card(catalog.find("task", place.task)).axes
        if axis not in axes:
            raise CommandError(f"task {place.task} has no axis '{axis}'; it has {', '.join(axes) or 'none'}")


def _check_metric(metric: str, place: Place) -> None:
    kind, _, rest = metric.partition(".")
    if metric in ("", "memory") or (kind == "cost" and rest) or (kind == "seconds" and rest in _PHASES):
        return
    known = metrics(place.task.partition("/")[0])
    if metric not in known:
        raise CommandError(f"the arena of {place.task} has no metric '{metric}'{suggestion(metric, known)}")


@functools.cache
def metrics(arena: str) -> tuple[str, ...]:
    """The metrics of all boards of an arena.

    Raises:
        CommandError: there is no such arena.
    """
    try:
        stated = vars(importlib.import_module(f"tasks.{arena}")).get("ARENA")
    except ModuleNotFoundError as error:
        raise CommandError(f"there is no arena called '{arena}'") from error
    if not isinstance(stated, Arena):
        raise CommandError(f"tasks.{arena} states no ARENA")
    return tuple(dict.fromkeys(metric.name for board in stated.boards for metric in board.metrics))


def axis_values(task: str, axis: str) -> Sequence[Any]:
    """The values of an axis of a task, in order."""
    values: Mapping[str, Any] = task_card(catalog.find("task", task)).axes
    return sorted(values[axis])
