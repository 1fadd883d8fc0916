"""What a claim says, as frozen records: patterns of cells and the relations between them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

COMPARED = ("above", "below", "at least", "at most", "equal<=", "ratio>=", "ratio<=", "bound>=", "bound<=")
SHAPES = ("+", "-", "hump", "flat<=")
STATISTICS = ("mean", "sd", "median", "worst")
REFERENCES = ("trivial", "best")
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"


@dataclass(frozen=True)
class Place:
    """A task, with the values in which it differs from its YAML."""

    task: str
    values: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        return self.task + brackets(self.values)


@dataclass(frozen=True)
class Pattern:
    """Cells of one method on one task, and the number that is read from them; what is empty, the claim fills in.

    Args:
        method: name in the catalogue.
        fields: values in which the method differs from its YAML.
        place: task.
        metric: a metric of the board, `cost.<unit>`, `seconds.<phase>` or `memory`.
        statistic: over seeds.
    """

    method: str = ""
    fields: tuple[tuple[str, Any], ...] = ()
    place: Place | None = None
    metric: str = ""
    statistic: str = "mean"

    def __str__(self) -> str:
        text = self.method + brackets(self.fields) + (f"@{self.place}" if self.place else "")
        text += f".{self.metric}" if self.metric else ""
        return text + (f"|{self.statistic}" if self.statistic != "mean" else "")


@dataclass(frozen=True)
class Comparison:
    """Each of `left` against each of `right`.

    Args:
        kind: one of `COMPARED`.
        limit: the number of `equal<=`, `ratio>=` and `ratio<=`.
        margin: of `above` and `below`: by how much, in units of the metric.
    """

    left: tuple[Pattern, ...]
    kind: str
    right: tuple[Pattern, ...] | float
    limit: float = 0.0
    margin: float = 0.0


@dataclass(frozen=True)
class Trend:
    """How a value, or the gap of two, moves along an axis of the task: one of `SHAPES`."""

    left: Pattern
    right: Pattern | None
    axis: str
    shape: str
    band: float = 0.0


@dataclass(frozen=True)
class Slope:
    """The slope of log value over log axis lies between two numbers."""

    left: Pattern
    right: Pattern | None
    axis: str
    low: float
    high: float


@dataclass(frozen=True)
class Crossing:
    """Along the axis, a value, or the gap of two, goes from one side of a level to the other."""

    left: Pattern
    right: Pattern | None
    axis: str
    level: float


@dataclass(frozen=True)
class Closer:
    """The left number follows the order of an axis more closely than the right one: the size of its rank correlation
    with the axis is larger."""

    left: Pattern
    right: Pattern
    axis: str


@dataclass(frozen=True)
class Rank:
    """The rank correlation of two metrics over methods is at least, or at most, a number."""

    metrics: tuple[str, str]
    least: bool
    limit: float
    methods: tuple[str, ...] = ()


@dataclass(frozen=True)
class Curve:
    """Over methods, one metric is explained by another better with a square than by a straight line alone."""

    metrics: tuple[str, str]
    methods: tuple[str, ...] = ()


Body = Comparison | Trend | Slope | Crossing | Closer | Rank | Curve


@dataclass(frozen=True)
class Part:
    """One relation on some tasks.

    Args:
        body: the relation.
        places: tasks; the relation is about the mean over them.
        metric: what the patterns read that name none; empty for the metric by which the task ranks.
    """

    body: Body
    places: tuple[Place, ...] = field(default=())
    metric: str = ""


def brackets(values: Sequence[tuple[str, Any]]) -> str:
    """Values as they stand in brackets behind a name; empty where there are none."""
    return "[" + ", ".join(f"{key}={written(value)}" for key, value in values) + "]" if values else ""


def written(value: Any) -> str:
    """A value as the grammar writes it, so that reading it gives the same: text in quotes where it would be read as
    something else."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if not isinstance(value, str):
        return repr(value)
    return value if value and read(value) == value and value.strip() == value else f"'{value}'"


def read(text: str) -> Any:
    """The value that a text stands for: null, true, false, a number, or text, with or without quotes.

    >>> read("1e-3"), read("'1e-3'"), read("null"), read("kd")
    (0.001, '1e-3', None, 'kd')
    """
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    if text in ("null", "true", "false"):
        return {"null": None, "true": True, "false": False}[text]
    if re.fullmatch(r"[-+]?\d+", text):
        return int(text)
    return float(text) if re.fullmatch(NUMBER, text) else text
