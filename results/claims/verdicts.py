"""The verdict on a claim: what the records at hand say of a sentence of a paper. Pure: claims and records in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from results.claims import judging
from results.claims.cells import Cells, Setting
from results.claims.columns import Evidence
from results.claims.evidence import Axes, gather
from results.claims.findings import Claim, Finding, Verdict
from results.claims.notes import notes
from results.claims.relations import Comparison, Curve, Part, Pattern, Place, Rank
from results.protocols import PAPER_VALUES
from results.record import Record
from results.stats import LEVEL, holm

# whether something that an attempt logged or measured was ever above zero; None where it did neither
Acted = Callable[[Record, str], bool | None]
Judge = Callable[[Record], str]  # why an attempt is stale; empty where it is not
Told = tuple[Verdict, str, int | None]  # with the reason, and the seeds that an open one would take


def find(claim: Claim, cells: Cells, axes: Axes, acted: Acted, judge: Judge | None = None) -> Finding:
    """The verdict on one claim.

    Args:
        claim: the claim.
        cells: what was run.
        axes: values of the axes of tasks.
        acted: says of an attempt whether something was ever above zero; asked only for claims that need it.
        judge: says of an attempt why it is stale.
    """
    if claim.untestable:
        return Finding(claim, Verdict.NOT_TESTABLE, claim.untestable)
    if not claim.parts:
        return Finding(claim, Verdict.NOT_RUN, "no relation between cells states it yet")
    setting, evidence = _fullest(claim, cells, axes)
    adjusted = _adjusted(evidence)
    known = [piece for piece in evidence if piece.seeds]
    records = {record.id: record for piece in evidence for record in piece.records}
    mechanism = _mechanism(claim, records.values(), acted) if claim.acts else []
    verdict, reason, needed = _verdict(claim, evidence, adjusted, mechanism)
    untuned = setting is not None and not setting.tuned and any(_rivals(part) for part in claim.parts)
    return Finding(
        claim,
        verdict,
        reason,
        setting=str(setting) if setting else "",
        evidence=tuple(evidence),
        adjusted=tuple(adjusted),
        weakest=min(known, key=lambda piece: piece.judged.side * (1 - piece.judged.p), default=None),
        seeds=min((len(piece.seeds) for piece in evidence), default=0),
        needed=needed,
        seconds=sum(
            sum(record.seconds.get(part, 0.0) for part in ("solve", "evaluate")) for record in records.values()
        ),
        notes=tuple(notes(claim, evidence, mechanism, judge, untuned=untuned)),
    )


def wanted_places(parts: Iterable[Part]) -> set[Place]:
    """All tasks that some parts speak of."""
    found: set[Place] = set()
    for part in parts:
        found |= set(part.places)
        found |= {pattern.place for pattern in patterns(part) if pattern.place}
    return found


def patterns(part: Part) -> list[Pattern]:
    """The patterns of a part, those on the left first; none for relations over methods."""
    body = part.body
    if isinstance(body, Rank | Curve):
        return []
    if isinstance(body, Comparison):
        return [*body.left, *(body.right if isinstance(body.right, tuple) else ())]
    return [side for side in (body.left, body.right) if side is not None]


def _fullest(claim: Claim, cells: Cells, axes: Axes) -> tuple[Setting | None, list[Evidence]]:
    """The setting that lacks least; of those that lack nothing and can be decided, one with as many seeds tried as the
    claim asks for, or else as many as there are; of these a tuned one. What the numbers say plays no part."""
    best: tuple[tuple[int, bool, int, bool], Setting | None, list[Evidence]] | None = None
    for setting in cells.settings(wanted_places(claim.parts), claim.scale):
        evidence = [piece for part in claim.parts for piece in gather(part, cells, setting, axes)]
        lacking = sum(len(piece.missing) for piece in evidence)
        decidable = min(len(piece.seeds) for piece in evidence) > 1
        tried = min(min(piece.tried for piece in evidence), claim.seeds)
        key = (-lacking, decidable, tried, setting.tuned)
        if best is None or key > best[0]:
            best = key, setting, evidence
    if best is not None:
        return best[1:]
    nowhere = Setting(claim.scale, PAPER_VALUES, "")
    return None, [piece for part in claim.parts for piece in gather(part, cells, nowhere, axes)]


def _adjusted(evidence: Sequence[Evidence]) -> list[float]:
    """p-values after Holm's correction over all pieces of evidence; what is certain needs none."""
    open_ = [index for index, piece in enumerate(evidence) if not piece.judged.certain]
    corrected = dict(zip(open_, holm([evidence[index].judged.p for index in open_]), strict=True))
    return [corrected.get(index, 0.0) for index in range(len(evidence))]


def _verdict(
    claim: Claim, evidence: Sequence[Evidence], adjusted: Sequence[float], mechanism: Sequence[bool | None]
) -> Told:
    """What the evidence amounts to: first whether there is any, then what it shows."""
    missing = list(dict.fromkeys(word for piece in evidence for word in piece.missing))
    if missing:
        more = f" and {len(missing) - 2} more" if len(missing) > 2 else ""
        return Verdict.NOT_RUN, f"there is no {', '.join(missing[:2])}{more}", None
    lost = [piece for piece in evidence if not piece.seeds]
    if lost:
        return Verdict.INCONCLUSIVE, f"{_lost(lost)}, which decides nothing", None
    if claim.acts and not any(mechanism):
        known = any(acted is not None for acted in mechanism)
        why = "stayed at zero" if known else "was neither logged nor measured"
        return Verdict.NOT_RUN, f"its mechanism never acted: {claim.acts} {why}", None
    if min(len(piece.seeds) for piece in evidence) < 2:
        return Verdict.INCONCLUSIVE, "one seed decides nothing", None
    return _shown(evidence, adjusted)


def _lost(lost: Sequence[Evidence]) -> str:
    """Why sides share no seed."""
    unread = dict.fromkeys(word for piece in lost for word in piece.unread)
    failed = [record for piece in lost for record in piece.failed]
    told = [f"{', '.join(sorted({record.method for record in failed}))} ended otherwise"] if failed else []
    return ", ".join([*told, *unread]) or "the sides share no seed"


def _shown(evidence: Sequence[Evidence], adjusted: Sequence[float]) -> Told:
    """What evidence with two seeds or more shows."""
    sides = [piece.judged.side if p < LEVEL else 0 for piece, p in zip(evidence, adjusted, strict=True)]
    if all(side > 0 for side in sides):
        return Verdict.REPRODUCED, "", None
    weaker = holm([piece.judged.direction[1] if piece.judged.direction else 1.0 for piece in evidence])
    shown = [
        side > 0 or (piece.judged.direction is not None and piece.judged.direction[0] > 0 and p < LEVEL)
        for piece, side, p in zip(evidence, sides, weaker, strict=True)
    ]
    if all(shown):
        return Verdict.DIRECTION, "the direction is shown, the size is not", None
    against = [_words(piece) for piece, side, seen in zip(evidence, sides, shown, strict=True) if side < 0 and not seen]
    if against:
        return Verdict.CONTRADICTED, f"the opposite is shown for {'; '.join(against)}", None
    undecided = [piece for piece, seen in zip(evidence, shown, strict=True) if not seen]
    trouble = dict.fromkeys(piece.judged.trouble for piece in undecided if piece.judged.trouble)
    if trouble:
        return Verdict.INCONCLUSIVE, "; ".join(trouble), None
    count = f"{len(undecided)} of {len(evidence)} comparisons are undecided" if len(evidence) > 1 else "undecided"
    return Verdict.INCONCLUSIVE, count, _needed(undecided, len(evidence))


def _needed(undecided: Sequence[Evidence], comparisons: int) -> int | None:
    """The seeds that would decide all that is undecided; more than there are, and None where none would."""
    counts = [judging.needed(piece.judged.effect, comparisons) for piece in undecided]
    found = [max(count, len(piece.seeds) + 1) for count, piece in zip(counts, undecided, strict=True) if count]
    return max(found) if len(found) == len(counts) else None


def _words(piece: Evidence) -> str:
    return f"{piece.left} against {piece.right}" if piece.right else piece.left


def _mechanism(claim: Claim, records: Iterable[Record], acted: Acted) -> list[bool | None]:
    """Of each attempt of the methods on the left whether the mechanism acted; of all attempts, where those say nothing
    of it."""
    names = {side.method for part in claim.parts for side in patterns(part)[: _lefts(part)]}
    said = [(record.method in names, acted(record, claim.acts)) for record in records]
    own = [one for ours, one in said if ours and one is not None]
    return list(own) or [one for _, one in said if one is not None]


def _rivals(part: Part) -> bool:
    """Whether methods are compared with each other."""
    over = isinstance(part.body, Rank | Curve)
    return over or any(not side.method.startswith("reference/") for side in patterns(part)[_lefts(part) :])


def _lefts(part: Part) -> int:
    return len(part.body.left) if isinstance(part.body, Comparison) else 1
