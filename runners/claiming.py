"""The verbs `claims` and `papers`: what the store says of the claims of papers, and what of them is there at all."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from results.claims.cells import Cells
from results.claims.findings import Finding
from results.claims.verdicts import find, wanted_places
from results.record import Record
from results.report.papers import PaperFacts
from results.selection import Texts
from results.store import Store
from results.tables import claims as tables
from results.tables.content import clean
from runners import catalog
from runners.errors import CommandError, suggestion
from runners.papers import Paper, papers
from runners.spoken import Spoken
from runners.staleness import Judge

_SHOWN = ("title", "arena", "run", "claim", "authors", "venue", "year", "arxiv", "code", "why", "smallest")
FORMATS = ("terminal", "md", "json")


@dataclass(frozen=True)
class Asked:
    """Papers with the findings on their claims."""

    papers: Sequence[Paper]
    findings: Mapping[str, Sequence[Finding]]


def asked(store: Store, *, paper: str = "", arena: str = "") -> Asked:
    """The papers asked for, with what the store says of their claims.

    Args:
        store: the attempts.
        paper: name of one; empty for all.
        arena: only papers of this arena, and those with a claim on one of its tasks; empty for all.

    Raises:
        CommandError: there is no such paper or arena, or a card is broken.
        StoreError: the store cannot be read.
    """
    chosen = papers([paper] if paper else None)
    if arena:
        arenas = {name for one in chosen for name in _arenas(one)}
        if arena not in arenas:
            raise CommandError(f"there is no paper in an arena called '{arena}'{suggestion(arena, arenas)}")
        chosen = [one for one in chosen if arena in _arenas(one)]
    return Asked(chosen, found(store, chosen))


def _arenas(one: Paper) -> set[str]:
    """The arena of a paper, and those on whose tasks it claims something."""
    places = (place for claim in one.claims for place in wanted_places(claim.parts))
    return {one.card.arena, *(place.task.partition("/")[0] for place in places)}


def found(store: Store, chosen: Sequence[Paper]) -> dict[str, list[Finding]]:
    """What the store says of the claims of some papers, by paper.

    Raises:
        StoreError: the store cannot be read.
    """
    tasks = {place.task for one in chosen for claim in one.claims for place in wanted_places(claim.parts)}
    spoken, judge, acted = Spoken(), Judge(), _Acted(store)
    heads = [record for task in sorted(tasks) for record in store.heads(task=task)]
    cells = Cells(heads, Texts(), spoken.defaults)
    return {one.name: [find(claim, cells, spoken.axis, acted, judge) for claim in one.claims] for one in chosen}


class _Acted:
    """Says whether something that an attempt measured or logged was ever above zero, None where it did neither; logs
    are read when asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._logged: dict[tuple[str, str], bool | None] = {}

    def __call__(self, record: Record, name: str) -> bool | None:
        if name in record.metrics:
            return record.metrics[name] > 0
        if (record.id, name) not in self._logged:
            points = [
                point for one in self._store.find(record.id) if one.id == record.id for point in one.logs.get(name, ())
            ]
            self._logged[record.id, name] = any(point[-1] > 0 for point in points) if points else None
        return self._logged[record.id, name]


def claims(asked: Asked, form: str, width: int | None) -> str:
    """The claims with their verdicts, as text in a format."""
    findings = [finding for one in asked.papers for finding in asked.findings[one.name]]
    if form == "json":
        return json.dumps([tables.record(finding) for finding in findings], indent=1)
    if not findings:
        return "there is no claim here that could be tested"
    return tables.markdown(findings) if form == "md" else tables.terminal(findings, width)


def facts(asked: Asked) -> list[PaperFacts]:
    """The papers as a report shows them."""
    methods = methods_of(asked.papers)
    return [
        PaperFacts(
            name=one.name,
            **{key: getattr(one.card, key) for key in _SHOWN},
            baselines=tuple(one.card.baselines),
            methods=tuple(entry.name for entry in methods[one.name]),
            missing=_missing(one, methods[one.name]),
            findings=tuple(asked.findings[one.name]),
        )
        for one in asked.papers
    ]


def methods_of(chosen: Iterable[Paper]) -> dict[str, list[catalog.Entry]]:
    """The methods whose cards name each paper."""
    result: defaultdict[str, list[catalog.Entry]] = defaultdict(list)
    for entry in catalog.entries("method"):
        if entry.card.get("paper"):
            result[str(entry.card["paper"])].append(entry)
    return {one.name: result[one.name] for one in chosen}


def coverage(asked: Asked) -> list[dict[str, Any]]:
    """One row a paper: how it can be run, which methods play it, what its claims came to, and what is missing."""
    methods = methods_of(asked.papers)
    rows = []
    for one in asked.papers:
        card, entries = one.card, methods[one.name]
        rows.append(
            {
                "id": one.name,
                "title": card.title,
                "arena": card.arena,
                "year": card.year,
                "arxiv": card.arxiv or None,
                "run": card.run,
                "methods": [entry.name for entry in entries],
                "fidelity": sorted({str(entry.card.get("fidelity")) for entry in entries}),
                "claims": [
                    {"claim": finding.claim.name, "verdict": finding.verdict.value, "reason": finding.reason}
                    for finding in asked.findings[one.name]
                ],
                "missing": _missing(one, entries),
            }
        )
    return rows


def _missing(one: Paper, entries: Sequence[catalog.Entry]) -> str:
    """What a paper still needs, in a few words; empty where nothing."""
    if one.card.run == "reference":
        return ""
    if not entries and one.card.run != "analysis":
        return "a method"
    return "" if any(claim.parts for claim in one.claims) else "claims as relations"


def papers_text(asked: Asked, form: str) -> str:
    """The coverage as text in a format."""
    rows = coverage(asked)
    if form == "json":
        return json.dumps(rows, indent=1)
    width = max((len(row["id"]) for row in rows), default=0)
    lines = [_line(row, width) for row in rows]
    kinds = Counter(row["run"] for row in rows)
    done = sum(bool(row["methods"]) for row in rows)
    verdicts = Counter(claim["verdict"] for row in rows for claim in row["claims"])
    lines.append("")
    lines.append(f"{len(rows)} papers: {', '.join(f'{count} {kind}' for kind, count in kinds.most_common())}")
    lines.append(f"{done} with a method; claims: " + ", ".join(f"{n} {v}" for v, n in verdicts.most_common()))
    return "\n".join(lines)


def _line(row: Mapping[str, Any], width: int) -> str:
    verdicts = Counter(claim["verdict"] for claim in row["claims"])
    told = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
    names = ", ".join(row["methods"]) or (f"needs {row['missing']}" if row["missing"] else "-")
    return f"{row['id']:{width}s}  {clean(row['arena']):15s} {row['run']:11s} {told or '-'}; {names}"
