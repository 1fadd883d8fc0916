"""The arena `coins`: how probable is heads?"""

from __future__ import annotations

from dataclasses import dataclass

from tasks.base import Arena, Board, Direction, Metric, Problem
from tasks.metering import Oracle


@dataclass(frozen=True, kw_only=True)
class Coin(Problem):
    """A coin that can be tossed.

    Args:
        toss: () -> 1 for heads, 0 for tails.
        tosses: how often.
    """

    toss: Oracle[int]
    tosses: int


ARENA = Arena(
    question="How probable is heads?",
    equal="the number of tosses, and what each of them shows",
    boards=(Board(Coin, "the probability of heads", (Metric("error", "", Direction.LOWER, "distance to the truth"),)),),
)
