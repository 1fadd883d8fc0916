"""The pages of papers: the board of all claims, what is covered, and each paper with the evidence for its claims."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from results.claims.columns import Evidence
from results.claims.findings import Finding, Verdict
from results.report import places
from results.report.boards import Cell, Heading
from results.tables import claims as texts
from results.tables import numbers

Page = tuple[str, dict[str, Any]]
_CLAIMS = ("claim", "arena", "year", "verdict", "the paper's number", "here", "seeds", "clock")
_PAPERS = ("paper", "arena", "year", "how it runs", "methods", "claims", "missing")
_EVIDENCE = ("left", "against", "on", "estimate", "p", "n", "means")
_PLAIN = {"kind": "", "badges": []}


@dataclass(frozen=True)
class PaperFacts:
    """What a paper's card says, which methods play it, and what was found on its claims.

    Args:
        name: name of the card.
        title, authors, venue, year, arxiv, code, arena, run, claim, why, smallest: as on the card.
        baselines: what it should be compared with.
        methods: names of methods whose cards name it.
        missing: what it still needs, in words.
        findings: one for each claim.
    """

    name: str
    title: str
    arena: str
    run: str
    claim: str
    authors: str = ""
    venue: str = ""
    year: int | None = None
    arxiv: str = ""
    code: str = ""
    why: str = ""
    smallest: str = ""
    baselines: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    missing: str = ""
    findings: tuple[Finding, ...] = ()


def verdicts(papers: Sequence[PaperFacts]) -> list[tuple[str, int]]:
    """How many claims have each verdict, in the order of the verdicts."""
    counts = Counter(finding.verdict for one in papers for finding in one.findings)
    return [(verdict.value, counts[verdict]) for verdict in Verdict if counts[verdict]]


def board(papers: Sequence[PaperFacts]) -> dict[str, Any]:
    """All claims, those that were decided first."""
    order = list(Verdict)
    found = [(one, finding) for one in papers for finding in one.findings]
    found.sort(key=lambda pair: (order.index(pair[1].verdict), pair[0].arena, pair[0].name, pair[1].claim.name))
    return {
        "headings": [Heading(word, word in ("year", "seeds", "clock")) for word in _CLAIMS],
        "rows": [(_claim(one, finding), _PLAIN) for one, finding in found],
        "verdicts": verdicts(papers),
    }


def _claim(one: PaperFacts, finding: Finding) -> list[Cell]:
    sentence, reported, here, _, _, clock = texts.cells(finding)
    run = bool(finding.evidence)
    return [
        Cell(sentence, f"{one.name} {finding.claim.name}", f"{places.paper(one.name)}#{anchor(finding)}"),
        Cell(one.arena, one.arena),
        Cell(str(one.year or numbers.MISSING), one.year),
        Cell(finding.verdict.value, finding.verdict.value, hint=finding.reason),
        Cell(reported or numbers.MISSING, reported),
        Cell(here or numbers.MISSING, here),
        Cell(f"{finding.seeds} of {finding.claim.seeds}" if run else numbers.MISSING, finding.seeds if run else None),
        Cell(clock or numbers.MISSING, finding.seconds or None),
    ]


def anchor(finding: Finding) -> str:
    """Where a paper's page shows the evidence for a claim."""
    return f"claim-{places.part(finding.claim.name)}"


def coverage(papers: Sequence[PaperFacts]) -> dict[str, Any]:
    """All papers: how each runs, what plays it, and what is missing."""
    return {
        "headings": [Heading(word, word == "year") for word in _PAPERS],
        "rows": [(_paper(one), _PLAIN) for one in papers],
        "counts": Counter(one.run for one in papers).most_common(),
        "played": sum(bool(one.methods) for one in papers),
        "total": len(papers),
    }


def _paper(one: PaperFacts) -> list[Cell]:
    told = Counter(finding.verdict.value for finding in one.findings)
    return [
        Cell(one.title, one.title, places.paper(one.name), hint=one.name),
        Cell(one.arena, one.arena),
        Cell(str(one.year or numbers.MISSING), one.year),
        Cell(one.run, one.run),
        Cell(", ".join(one.methods) or numbers.MISSING, len(one.methods)),
        Cell(", ".join(f"{count} {verdict}" for verdict, count in told.items()) or numbers.MISSING, len(told)),
        Cell(one.missing or numbers.MISSING, one.missing),
    ]


def pages(papers: Sequence[PaperFacts], known: Mapping[str, str], attempts: frozenset[str]) -> Iterator[Page]:
    """The page of every paper.

    Args:
        papers: the papers.
        known: pages of methods by name; others are not linked.
        attempts: names of the attempts that have pages.
    """
    for one in papers:
        facts = [("by", one.authors), ("in", f"{one.venue} {one.year or ''}".strip()), ("arena", one.arena),
                 ("how it runs", one.run), ("still needs", one.missing)]  # fmt: skip
        yield (
            places.paper(one.name),
            {
                "paper": one,
                "facts": [(term, text) for term, text in facts if text],
                "links": [*([("arXiv", f"https://arxiv.org/abs/{one.arxiv}")] if one.arxiv else []),
                          *([("authors' code", one.code)] if one.code.startswith("https://") else [])],
                "methods": [(name, known.get(name, "")) for name in one.methods],
                "claims": [_shown(finding, attempts) for finding in one.findings],
                "evidence_headings": [Heading(word, word in ("p", "n")) for word in _EVIDENCE],
            },
        )  # fmt: skip


def _shown(finding: Finding, attempts: frozenset[str]) -> dict[str, Any]:
    pieces = list(zip(finding.evidence, finding.adjusted, strict=True))
    sentence = finding.claim.sentence
    behind = sorted({record.id for piece in finding.evidence for record in piece.records} & attempts)
    return {
        "id": anchor(finding),
        "name": finding.claim.name,
        "sentence": sentence,
        "relation": finding.claim.relation,
        "kind": finding.verdict.value,
        "told": texts.verdict(finding).removeprefix(finding.verdict.value).lstrip(":; "),
        "facts": [(term, text) for term, text in (("the paper", finding.claim.reported), ("here", texts.ours(finding)))
                  if text],
        "notes": texts.notes(finding),
        "rows": [row for piece, p in pieces for row in _pieces(piece, p)],
        "attempts": [(name, places.attempt(name)) for name in behind],
        "command": f"bakeoff claims paper={finding.claim.paper} run=true" if finding.claim.parts else "",
    }  # fmt: skip


def _pieces(piece: Evidence, p: float) -> Iterator[tuple[list[Cell], Mapping[str, Any]]]:
    """The line of a piece of evidence, and one for each of its tasks alone."""
    estimate = numbers.interval(piece.judged.estimate) if piece.judged.estimate else numbers.MISSING
    told = "every seed" if piece.judged.certain else numbers.p_value(p) if piece.seeds else ""
    means = " and ".join(numbers.number(value) for value in piece.means[:2]) if len(piece.means) < 3 else ""
    places_ = ", ".join(piece.places)
    yield _line(piece, places_, f"{texts.KINDS[piece.kind]} {estimate}", told, means), _PLAIN
    for place, alone in zip(piece.places, piece.by_place, strict=False):
        if alone is not None:
            yield _line(piece, f"{place} alone", f"{texts.KINDS[piece.kind]} {numbers.interval(alone)}", "", ""), _PLAIN


def _line(piece: Evidence, where: str, estimate: str, p: str, means: str) -> list[Cell]:
    count = len(piece.seeds)
    return [
        Cell(piece.left, piece.left),
        Cell(piece.right or numbers.MISSING, piece.right),
        Cell(where, where),
        Cell(estimate, estimate),
        Cell(p or numbers.MISSING, p),
        Cell(str(count), count),
        Cell(means or numbers.MISSING, means),
    ]
