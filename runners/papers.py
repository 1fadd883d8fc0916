"""Cards of papers: what a paper says, and its claims as relations between cells, checked against what there is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, TypeVar

from results.claims.findings import Claim
from results.claims.grammar import ClaimError, parse
from runners import catalog
from runners.cards import SCALES
from runners.errors import CommandError, suggestion
from runners.spoken import Spoken

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
    spoken = Spoken()
    return [paper(entry, spoken) for entry in found]


def paper(entry: catalog.Entry, spoken: Spoken) -> Paper:
    """One paper.

    Args:
        entry: its file.
        spoken: knows what claims may speak of.

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
    claims = [_claim(entry.name, item, spoken) for item in stated]
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
        if not isinstance(value, wanted) or isinstance(value, bool) or not _items(str(known[key].type), value):
            raise CommandError(f"{where}.{key}: expected {str(known[key].type).partition(' | ')[0]}, got {value!r}")
    for name, item in known.items():
        if name not in values and item.default is MISSING and item.default_factory is MISSING:
            raise CommandError(f"{where}.{name}: no value, and {kind.__name__} has none of its own")
    try:
        return kind(**values)
    except ValueError as error:
        raise CommandError(f"{where}: {error}") from error


def _items(kind: str, value: Any) -> bool:
    """Whether the items of a list of texts are texts."""
    return kind != "list[str]" or all(isinstance(item, str) for item in value)


def _claim(name: str, item: StatedClaim, spoken: Spoken) -> Claim:
    try:
        parts = parse(item.relation) if item.relation else ()
        spoken.check(parts, item.scale)
    except (ClaimError, CommandError) as error:
        raise CommandError(f"paper {name}: claim {item.name}: {error}") from error
    return Claim(
        name, item.name, item.sentence, parts, item.relation, item.reported, item.seeds, item.scale, item.scope,
        item.differs, item.acts, item.untestable,
    )  # fmt: skip
