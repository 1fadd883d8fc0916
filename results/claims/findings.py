"""What is stated of a paper, and what was found."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from results.claims.columns import Evidence
from results.claims.relations import Part
from results.stats import Interval


class Verdict(enum.StrEnum):
    """What the records say of a claim."""

    REPRODUCED = "reproduced"
    DIRECTION = "direction only"  # the side is shown, the size that the claim names is not
    CONTRADICTED = "contradicted"
    INCONCLUSIVE = "inconclusive"
    NOT_RUN = "not run"
    NOT_TESTABLE = "not testable here"


@dataclass(frozen=True)
class Claim:
    """A sentence of a paper as a relation between cells.

    Args:
        paper, name: the paper's card, and the claim's name on it.
        sentence: the claim in our words.
        parts: the relation; empty where nothing here can play it yet.
        relation: the relation as written.
        reported: the paper's own number with its setting; empty where it is not known.
        seeds: how many are wanted.
        scale: tier of the tasks.
        scope: what the tier can show, such as the mechanism only; empty for all of it.
        differs: how this protocol differs from the paper's.
        acts: what must have been logged or measured above zero for the mechanism to have acted: by the methods on the
            left, or where none of these says anything of it, by any.
        untestable: why it cannot be tested here; empty where it can.
    """

    paper: str
    name: str
    sentence: str
    parts: tuple[Part, ...] = ()
    relation: str = ""
    reported: str = ""
    seeds: int = 5
    scale: str = "laptop"
    scope: str = ""
    differs: str = ""
    acts: str = ""
    untestable: str = ""


@dataclass(frozen=True)
class Finding:
    """A claim with what was found.

    Args:
        claim: the claim.
        verdict, reason: the verdict, and why in one sentence.
        setting: scale, hardware and protocol; empty where nothing was run.
        evidence: all of it, with adjusted p-values in `adjusted`.
        adjusted: p-value of each piece of evidence after Holm's correction over all of them.
        weakest: the piece that least supports the claim; None where there is none.
        seeds: seeds behind the least-run piece.
        needed: seeds that would decide it with a chance of 80 %; None where it is decided or none would.
        seconds: clock of all attempts behind it.
        notes: what a reader should know beside.
    """

    claim: Claim
    verdict: Verdict
    reason: str = ""
    setting: str = ""
    evidence: tuple[Evidence, ...] = ()
    adjusted: tuple[float, ...] = ()
    weakest: Evidence | None = None
    seeds: int = 0
    needed: int | None = None
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def estimate(self) -> Interval | None:
        """The estimate of the weakest piece of evidence."""
        return self.weakest.judged.estimate if self.weakest is not None else None
