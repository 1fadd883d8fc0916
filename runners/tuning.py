"""The tuned protocol, the part that touches nothing: domains of `card.search`, draws of trials, and which trial wins.

A domain is written in one of three ways:

    [low, high]         uniform between the bounds, both included
    [low, high, log]    the same on a logarithmic scale; low is above 0
    {values: [..]}      one of these, each as likely

Bounds that are both whole numbers give whole numbers, all others give fractions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from tasks.metering import random_stream

Value: TypeAlias = bool | int | float | str | None

DIGITS = 8  # of a drawn fraction: the last bits of a logarithm differ between machines, and would rename the cell


@dataclass(frozen=True)
class Span:
    """Numbers between two bounds, both included.

    Args:
        low, high: the bounds; both are `int` where only whole numbers are meant.
        log: whether the logarithm is drawn uniformly.
    """

    low: float
    high: float
    log: bool

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def at(self, share: float) -> Value:
        """The number at a share in [0, 1) of the way from the low bound to the high one."""
        low, high = self.low, self.high + 1 if self.whole else self.high  # a whole number takes the room up to the next
        if self.log:
            number = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
        else:
            number = low + share * (high - low)
        return self.tidy(math.floor(number) if self.whole else number)

    def tidy(self, number: float) -> Value:
        """A number as it is written: rounded to `DIGITS`, and not beyond a bound."""
        rounded = number if self.whole else float(f"{number:.{DIGITS}g}")
        return min(max(rounded, self.low), self.high)

    def holds(self, value: Value) -> bool:
        """Whether a value lies within."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return self.low <= value <= self.high and (isinstance(value, int) or not self.whole)


@dataclass(frozen=True)
class Options:
    """Some values, each as likely."""

    values: tuple[Value, ...]

    def at(self, share: float) -> Value:
        """The value at a share in [0, 1) of the list."""
        return self.values[math.floor(share * len(self.values))]

    def tidy(self, value: Value) -> Value:
        """The value itself."""
        return value

    def holds(self, value: Value) -> bool:
        """Whether it is one of them, of the same type."""
        return any(type(value) is type(one) and value == one for one in self.values)


Domain: TypeAlias = Span | Options


def domain(name: str, written: Any) -> Domain:
    """A domain as `card.search` writes it.

    Raises:
        ValueError: it is none; the sentence names the field.
    """
    if isinstance(written, Mapping):
        return _options(name, written)
    if not isinstance(written, list | tuple) or len(written) not in (2, 3):
        raise ValueError(f"search.{name}: expected [low, high], [low, high, log] or {{values: [..]}}, got {written!r}")
    low, high = (_bound(name, bound) for bound in written[:2])
    log = len(written) == 3
    if log and written[2] != "log":
        raise ValueError(f"search.{name}: behind the bounds only the word log may stand, got {written[2]!r}")
    if not low < high:
        raise ValueError(f"search.{name}: the low bound must be below the high one, got {low} and {high}")
    if log and low <= 0:
        raise ValueError(f"search.{name}: a logarithmic scale begins above 0, got {low}")
    return Span(low, high, log)


def _bound(name: str, bound: Any) -> float:
    if isinstance(bound, bool) or not isinstance(bound, int | float) or not math.isfinite(bound):
        hint = "; YAML takes 1e-3 for text, write 1.0e-3" if isinstance(bound, str) else ""
        raise ValueError(f"search.{name}: a bound is a finite number, got {bound!r}{hint}")
    return bound


def _options(name: str, written: Mapping[Any, Any]) -> Options:
    values = written.get("values")
    if set(written) != {"values"} or not isinstance(values, list | tuple):
        raise ValueError(f"search.{name}: expected {{values: [..]}}, got {dict(written)!r}")
    for value in values:
        if not (value is None or isinstance(value, bool | int | float | str)):
            raise ValueError(f"search.{name}: a value is a number, a text, true, false or null, got {value!r}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"search.{name}: a value must be finite, got {value!r}")
    if len({(type(value), value) for value in values}) < max(2, len(values)):
        raise ValueError(f"search.{name}: expected two or more values, none of them twice, got {list(values)!r}")
    return Options(tuple(values))


@dataclass(frozen=True)
class Key:
    """What the draws of a method on a task belong to, beside the number of the trial and the name of the field."""

    method: str
    version: int
    task: str

    def draw(self, domains: Mapping[str, Domain], trial: int) -> dict[str, Value]:
        """The values of a trial by field; none for trial 0, which takes what the YAML says.

        Each value has a random stream of its own, so that another field, method, task or trial moves none.
        """
        if trial == 0:
            return {}
        key = ("tuning", self.method, self.version, self.task, trial)
        return {name: one.at(float(random_stream(*key, name).random())) for name, one in domains.items()}

    def sampler_seed(self, trial: int) -> int:
        """A seed for a sampler that draws the values of a trial together."""
        key = ("tuning sampler", self.method, self.version, self.task, trial)
        return int(random_stream(*key).integers(2**32))


@dataclass(frozen=True)
class Outcome:
    """How a trial went.

    Args:
        trial: its number.
        scores: the rank metric on each tuning seed; None where it did not end ok.
    """

    trial: int
    scores: tuple[float | None, ...]

    @property
    def mean(self) -> float | None:
        """Mean over the tuning seeds; None unless it ended ok on all of them."""
        good = [score for score in self.scores if score is not None]
        return math.fsum(good) / len(good) if good and len(good) == len(self.scores) else None


def best(outcomes: Sequence[Outcome], *, higher: bool) -> Outcome | None:
    """The trial with the best mean; among equals that with the lowest number. None if no trial ended ok.

    Args:
        outcomes: of all trials, in any order.
        higher: whether the rank metric is better when it is higher.
    """
    scored = [(outcome.mean if higher else -outcome.mean, -outcome.trial, outcome)
              for outcome in outcomes if outcome.mean is not None]  # fmt: skip
    return max(scored, key=lambda one: one[:2])[2] if scored else None
