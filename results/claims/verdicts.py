"""The verdict on a claim: what the records at hand say of a sentence of a paper. Pure: claims and records in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from results.claims.cells import Cells, Setting
from results.claims.evidence import Axes, Evidence, gather, places
from results.claims.findings import Claim, Finding, Verdict
from results.claims.relations import Comparison, Curve, Part, Pattern, Place, Rank
from results.protocols import PAPER_VALUES
from results.record import Record
from results.stats import LEVEL, holm

Acted = Callable[[Record, str], bool]  # whether something that an attempt logged or measured was ever above zero
Judge = Callable[[Record], str]  # why an attempt is stale; empty where it is not


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
    verdict, reason, needed = _verdict(claim, evidence, adjusted, acted)
    records = {record.id: record for piece in evidence for record in piece.records}
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
        notes=tuple(_notes(claim, setting, evidence, records.values(), acted, judge)),
    )


def wanted_places(parts: Iterable[Part]) -> set[Place]:
    """All tasks that some parts speak of."""
    found: set[Place] = set()
    for part in parts:
        found |= set(part.places)
        for pattern in patterns(part):
            found |= set(places(part, pattern))
            found |= {pattern.place} if pattern.place else set()
    return found


def patterns(part: Part) -> list[Pattern]:
    """The patterns of a part; none for relations over methods."""
    body = part.body
    if isinstance(body, Rank | Curve):
        return []
    if isinstance(body, Comparison):
        return [*body.left, *(body.right if isinstance(body.right, tuple) else ())]
    return [side for side in (body.left, body.right) if side is not None]


def _fullest(claim: Claim, cells: Cells, axes: Axes) -> tuple[Setting | None, list[Evidence]]:
    """The first setting in which everything was run, tuned ones first, or else the one that lacks least."""
    nowhere = Setting(claim.scale, PAPER_VALUES, "")
    best: tuple[Setting | None, list[Evidence]] | None = None
    for setting in cells.settings(wanted_places(claim.parts), claim.scale):
        evidence = [piece for part in claim.parts for piece in gather(part, cells, setting, axes)]
        lacking = sum(len(piece.missing) for piece in evidence)
        if not lacking and all(len(piece.seeds) > 1 or not setting.tuned for piece in evidence):
            return setting, evidence
        if best is None or lacking < sum(len(piece.missing) for piece in best[1]):
            best = setting, evidence
    return best or (None, [piece for part in claim.parts for piece in gather(part, cells, nowhere, axes)])


def _adjusted(evidence: Sequence[Evidence]) -> list[float]:
    """p-values after Holm's correction over all pieces of evidence; what is certain needs none."""
    open_ = [index for index, piece in enumerate(evidence) if not piece.judged.certain]
    corrected = dict(zip(open_, holm([evidence[index].judged.p for index in open_]), strict=True))
    return [corrected.get(index, 0.0) for index in range(len(evidence))]


def _verdict(
    claim: Claim, evidence: Sequence[Evidence], adjusted: Sequence[float], acted: Acted
) -> tuple[Verdict, str, int | None]:
    """Verdict, reason, and the seeds that an open one would take."""
    missing = list(dict.fromkeys(word for piece in evidence for word in piece.missing))
    if missing:
        more = f" and {len(missing) - 2} more" if len(missing) > 2 else ""
        return Verdict.NOT_RUN, f"there is no {', '.join(missing[:2])}{more}", None
    if claim.acts and not any(acted(record, claim.acts) for record in _contenders(claim, evidence)):
        return Verdict.NOT_RUN, f"its mechanism never acted: {claim.acts} stayed at zero", None
    lost = [piece for piece in evidence if not piece.seeds]
    if lost:
        methods = sorted({record.method for piece in lost for record in piece.failed})
        why = f"{', '.join(methods)} ended otherwise" if methods else "the sides share no seed"
        return Verdict.INCONCLUSIVE, f"{why}, which decides nothing", None
    if min(len(piece.seeds) for piece in evidence) < 2:
        return Verdict.INCONCLUSIVE, "one seed decides nothing", 2
    sides = [piece.judged.side if p < LEVEL else 0 for piece, p in zip(evidence, adjusted, strict=True)]
    weaker = holm([piece.judged.direction[1] if piece.judged.direction else 1.0 for piece in evidence])
    shown = [
        side > 0 or (piece.judged.direction is not None and piece.judged.direction[0] > 0 and p < LEVEL)
        for piece, side, p in zip(evidence, sides, weaker, strict=True)
    ]
    if all(side > 0 for side in sides):
        return Verdict.REPRODUCED, "", None
    if all(shown):
        return Verdict.DIRECTION, "the direction is shown, the size is not", None
    against = [_words(piece) for piece, side, seen in zip(evidence, sides, shown, strict=True) if side < 0 and not seen]
    if against:
        return Verdict.CONTRADICTED, f"the opposite is shown for {'; '.join(against)}", None
    undecided = [piece for piece, seen in zip(evidence, shown, strict=True) if not seen]
    needed = [piece.judged.needed for piece in undecided]
    count = f"{len(undecided)} of {len(evidence)} comparisons are undecided" if len(evidence) > 1 else "undecided"
    return Verdict.INCONCLUSIVE, count, max((n for n in needed if n), default=None) if all(needed) else None


def _words(piece: Evidence) -> str:
    return f"{piece.left} against {piece.right}" if piece.right else piece.left


def _opposites(claim: Claim, evidence: Sequence[Evidence]) -> Iterator[str]:
    """Tasks on which, taken alone, the opposite of what holds on average is shown."""
    bodies = [part.body for part in claim.parts if isinstance(part.body, Comparison)]
    signs = {"above": 1, "below": -1}
    kinds = {signs.get(body.kind, 0) for body in bodies}
    sign = kinds.pop() if len(kinds) == 1 and len(bodies) == len(claim.parts) else 0
    for piece in evidence:
        for place, one in zip(piece.places, piece.by_place, strict=False):
            far = None if one is None else (one.high if sign > 0 else one.low)
            if sign and far is not None and sign * far < 0 and piece.kind == "difference":
                yield f"on {place} alone the opposite is shown for {_words(piece)}"


def _contenders(claim: Claim, evidence: Sequence[Evidence]) -> list[Record]:
    """The attempts of the methods on the left sides."""
    names = {pattern.method for part in claim.parts for pattern in patterns(part)[: _lefts(part)]}
    return [record for piece in evidence for record in piece.records if record.method in names]


def _lefts(part: Part) -> int:
    return len(part.body.left) if isinstance(part.body, Comparison) else 1


def _notes(
    claim: Claim,
    setting: Setting | None,
    evidence: Sequence[Evidence],
    records: Iterable[Record],
    acted: Acted,
    judge: Judge | None,
) -> Iterable[str]:
    """What a reader should know beside the verdict."""
    few = min((len(piece.seeds) for piece in evidence), default=0)
    if 0 < few < claim.seeds:
        yield f"{few} of the {claim.seeds} seeds that it asks for"
    rivals = [
        p for part in claim.parts for p in patterns(part)[_lefts(part) :] if not p.method.startswith("reference/")
    ]
    if setting is not None and not setting.tuned and rivals and few:
        yield "all methods at the values of their YAML files, none tuned here"
    yield from _opposites(claim, evidence)
    failed: defaultdict[str, set[int]] = defaultdict(set)
    for piece in evidence:
        for record in piece.failed:
            failed[f"{record.method} on {record.task} ended {record.status.value}"].add(record.seed)
    for sentence, seeds in sorted(failed.items()):
        yield f"{sentence} on seeds {', '.join(map(str, sorted(seeds)))}, which are left out"
    if claim.acts and few:
        own = {record.id: record for record in _contenders(claim, evidence)}
        count = sum(acted(record, claim.acts) for record in own.values())
        if 0 < count < len(own):
            yield f"its mechanism acted in {count} of {len(own)} attempts"
    stale = sorted({f"{record.method} on {record.task}" for record in records if judge is not None and judge(record)})
    if stale:
        yield f"may no longer be what the code gives: {', '.join(stale)}"
    if claim.scope:
        yield f"shows {claim.scope}"
