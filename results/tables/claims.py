"""Claims with their verdicts, as a terminal table, Markdown, and plain values."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from results.claims.findings import Finding
from results.claims.judging import finite
from results.tables.content import clean
from results.tables.markdown import escaped, table
from results.tables.numbers import interval, seconds

HEADINGS = ("claim", "the paper's number", "here", "verdict", "seeds", "clock")
_PROSE = 120  # columns of sentences
KINDS = {
    "difference": "difference", "value": "value", "ratio": "ratio", "statistic": "difference", "change": "change",
    "slope": "slope", "step": "step", "correlation": "rank correlation", "gain": "gain of a square",
    "closeness": "difference of rank correlations",
}  # fmt: skip


def record(finding: Finding) -> dict[str, Any]:
    """A finding as plain values: what the claim is, what was found, and all evidence."""
    estimate = finding.estimate
    claim = finding.claim
    return {
        "paper": claim.paper,
        "claim": claim.name,
        "sentence": claim.sentence,
        "relation": claim.relation,
        "reported": claim.reported,
        "differs": claim.differs,
        "scope": claim.scope,
        "verdict": finding.verdict.value,
        "reason": finding.reason,
        "kind": finding.weakest.kind if finding.weakest else None,
        "effect": finite(estimate.value) if estimate else None,
        "low": finite(estimate.low) if estimate else None,
        "high": finite(estimate.high) if estimate else None,
        "seeds": finding.seeds,
        "wanted": claim.seeds,
        "needed": finding.needed,
        "setting": finding.setting,
        "seconds": finding.seconds,
        "notes": list(finding.notes),
        "evidence": [_piece(piece, p) for piece, p in zip(finding.evidence, finding.adjusted, strict=True)],
    }


def _piece(piece: Any, p: float) -> dict[str, Any]:
    estimate = piece.judged.estimate
    return {
        "left": piece.left,
        "right": piece.right,
        "tasks": list(piece.places),
        "metric": piece.metric,
        "kind": piece.kind,
        "effect": finite(estimate.value) if estimate else None,
        "low": finite(estimate.low) if estimate else None,
        "high": finite(estimate.high) if estimate else None,
        "means": [finite(value) for value in piece.means],
        "by_task": [
            None if one is None else [finite(one.value), finite(one.low), finite(one.high)] for one in piece.by_place
        ],
        "p": None if piece.judged.certain else p,
        "seeds": list(piece.seeds),
        "missing": list(piece.missing),
        "attempts": [one.id for one in piece.records],
    }


def ours(finding: Finding) -> str:
    """The number here, with what it is of; empty where there is none."""
    if finding.weakest is None or finding.estimate is None:
        return ""
    piece = finding.weakest
    sides = f" to {piece.right}" if piece.kind in ("difference", "ratio", "statistic") and piece.right else ""
    signed = piece.kind in ("difference", "statistic", "change")
    more = " (the weakest)" if len(finding.evidence) > 1 else ""
    return f"{KINDS[piece.kind]}{sides} {interval(finding.estimate, signed=signed)}{more}"


def verdict(finding: Finding) -> str:
    """The verdict with its reason and what it would take."""
    text = finding.verdict.value + (f": {finding.reason}" if finding.reason else "")
    return text + (f"; about {finding.needed} seeds would decide it" if finding.needed else "")


def cells(finding: Finding) -> list[str]:
    """One claim as text, under `HEADINGS`."""
    claim = finding.claim
    count = f"{finding.seeds} of {claim.seeds}" if finding.evidence else ""
    name = f"{claim.paper}, {claim.name}: {claim.sentence}"
    clock = seconds(finding.seconds) + " s" if finding.seconds else ""
    return [clean(text) for text in (name, claim.reported, ours(finding), verdict(finding), count, clock)]


def markdown(findings: Sequence[Finding]) -> str:
    """The claims as a Markdown table, with notes behind it."""
    lines = table(HEADINGS, [[escaped(cell) or "-" for cell in cells(finding)] for finding in findings])
    told = [f"- {escaped(f'{one.claim.paper}, {one.claim.name}: {note}')}" for one in findings for note in notes(one)]
    return "\n".join([*lines, "", *told]) if told else "\n".join(lines)


def notes(finding: Finding) -> list[str]:
    """What a reader should know beside the table."""
    setting = [finding.setting] if finding.setting else []
    differs = [f"differs from the paper: {finding.claim.differs}"] if finding.claim.differs else []
    return [clean(text) for text in (*setting, *differs, *finding.notes)]


def terminal(findings: Sequence[Finding], width: int | None) -> str:
    """The claims as blocks of lines, wrapped to a terminal of so many columns."""
    columns = min(width or _PROSE, _PROSE)
    return "\n\n".join("\n".join(_block(finding, columns)) for finding in findings)


def _block(finding: Finding, columns: int) -> Iterator[str]:
    name, reported, here, told, count, clock = cells(finding)
    yield from textwrap.wrap(name, columns)
    spent = f" ({', '.join(part for part in (f'{count} seeds' if count else '', clock) if part)})" if clock else ""
    lines = [("verdict", told + spent), ("the paper", reported), ("here", here)]
    for label, text in [*lines, *(("", note) for note in notes(finding))]:
        if text:
            indent = " " * 12
            yield from textwrap.wrap(text, columns, initial_indent=f"  {label:10s}", subsequent_indent=indent)
