"""What a reader should know beside the verdict on a claim."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from results.claims.columns import Evidence
from results.claims.findings import Claim
from results.claims.relations import Comparison
from results.record import Record

_SIGNS = {"above": 1, "at least": 1, "below": -1, "at most": -1}


def notes(
    claim: Claim,
    evidence: Sequence[Evidence],
    mechanism: Sequence[bool | None],
    judge: Callable[[Record], str] | None,
    *,
    untuned: bool,
) -> Iterator[str]:
    """The notes, a sentence each.

    Args:
        claim: the claim.
        evidence: what was found.
        mechanism: of each attempt that says so, whether the claim's mechanism acted.
        judge: says of an attempt why it is stale.
        untuned: whether methods are compared that nobody tuned.
    """
    few = min((len(piece.seeds) for piece in evidence), default=0)
    if 0 < few < claim.seeds:
        yield f"{few} of the {claim.seeds} seeds that it asks for"
    if untuned and few:
        yield "all methods at the values of their YAML files, none tuned here"
    yield from _opposites(claim, evidence)
    yield from _failures(evidence)
    for words in dict.fromkeys(word for piece in evidence if piece.seeds for word in piece.unread):
        yield f"seeds are left out: {words}"
    if claim.acts and few and 0 < sum(map(bool, mechanism)) < len(mechanism):
        yield f"its mechanism acted in {sum(map(bool, mechanism))} of {len(mechanism)} attempts"
    yield from _clocks(evidence)
    records = [record for piece in evidence for record in piece.records]
    stale = sorted({f"{record.method} on {record.task}" for record in records if judge is not None and judge(record)})
    if stale:
        yield f"may no longer be what the code gives: {', '.join(stale)}"
    if claim.scope:
        yield f"shows {claim.scope}"


def _opposites(claim: Claim, evidence: Sequence[Evidence]) -> Iterator[str]:
    """Tasks on which, taken alone, the opposite of what a comparison says is shown."""
    kinds = {part.body.kind if isinstance(part.body, Comparison) else "" for part in claim.parts}
    sign = _SIGNS.get(kinds.pop(), 0) if len(kinds) == 1 else 0
    for piece in evidence:
        for place, one in zip(piece.places, piece.by_place, strict=False):
            far = None if one is None else (one.high if sign > 0 else one.low)
            if sign and far is not None and sign * far < 0 and piece.kind == "difference":
                yield f"on {place} alone the opposite is shown for {piece.left} against {piece.right}"


def _failures(evidence: Sequence[Evidence]) -> Iterator[str]:
    failed: defaultdict[str, set[int]] = defaultdict(set)
    for record in (record for piece in evidence for record in piece.failed):
        failed[f"{record.method} on {record.task} ended {record.status.value}"].add(record.seed)
    for sentence, seeds in sorted(failed.items()):
        yield f"{sentence} on seeds {', '.join(map(str, sorted(seeds)))}, which are left out"


def _clocks(evidence: Sequence[Evidence]) -> Iterator[str]:
    timed = [piece for piece in evidence if f"{piece.metric} {piece.left} {piece.right}".count("seconds.")]
    if any(not record.settings.get("alone", True) for piece in timed for record in piece.records):
        yield "some attempts ran beside others on the same machine, which moves their clocks"
