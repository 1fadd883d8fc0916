"""The grammar of claims: `left RELATION right @ tasks : metric`, as text and as frozen records.

    calibration/linc above calibration/uncalibrated @ calibration/sst2, calibration/trec
    calibration/linc|sd below calibration/contextual|sd @ calibration/sst2 : accuracy
    distillation/kd.cost.generated_tokens ratio>=2 distillation/distillm @ distillation/docstrings
    trend(calibration/linc - calibration/uncalibrated, labelled, +) @ calibration/sst2 : accuracy
    rank(ece, accuracy, <=-0.5) over calibration/* @ calibration/sst2

`docs/claims.md` is the page for readers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import yaml

from results.claims.relations import (
    COMPARED,
    REFERENCES,
    SHAPES,
    STATISTICS,
    Body,
    Comparison,
    Crossing,
    Curve,
    Part,
    Pattern,
    Place,
    Rank,
    Slope,
    Trend,
)

_NAME = r"[a-z0-9_]+/[a-z0-9_]+"
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_PATTERN = re.compile(
    rf"(?P<method>{_NAME}|trivial|best)?(?:\[(?P<fields>[^\]]*)\])?"
    rf"(?:@(?P<task>{_NAME})(?:\[(?P<values>[^\]]*)\])?)?(?:\.(?P<metric>[a-z][\w.]*))?(?:\|(?P<statistic>.+))?"
)
_TASK = re.compile(rf"(?P<task>{_NAME})(?:\[(?P<values>[^\]]*)\])?")
_SIDES = re.compile(
    rf"(?P<left>.+?) (?P<kind>above|below|at least|at most|(?:equal<=|ratio[<>]=){_NUMBER}|bound[<>]=)"
    rf" (?P<right>.+?)(?: by (?P<margin>{_NUMBER}))?"
)


class ClaimError(Exception):
    """A claim that cannot be understood; the message names the part at fault."""


def parse(text: str) -> tuple[Part, ...]:
    """The parts of a claim, all of which have to hold.

    Raises:
        ClaimError: the text is no claim.
    """
    text = " ".join(text.split())
    if text.startswith("all(") and text.endswith(")"):
        return tuple(part for inner in split(text[4:-1], ";") for part in parse(inner))
    text, _, metric = text.partition(" : ")
    body, at, tasks = text.partition(" @ ")
    if at and not tasks:
        raise ClaimError("there is no task behind @")
    if metric and not re.fullmatch(r"[a-z][\w.]*", metric):
        raise ClaimError(f"'{metric}' is no metric")
    part = Part(_body(body), tuple(_place(word) for word in split(tasks, ",")), metric)
    sides = part.body.left if isinstance(part.body, Comparison) else (getattr(part.body, "left", Pattern()),)
    if not part.places and any(side.place is None for side in sides):
        raise ClaimError(f"'{text}' names no task; write it behind @")
    return (part,)


def _body(text: str) -> Body:
    shape = re.fullmatch(r"(trend|slope|crossing|rank|curve)\((.*)\)(?: over (.+))?", text)
    if shape:
        return _shaped(shape[1], split(shape[2], ","), tuple(split(shape[3] or "", ",")))
    sides = _SIDES.fullmatch(text)
    if not sides:
        raise ClaimError(
            f"'{text}' holds no relation; there are {', '.join(COMPARED)}, trend, slope, crossing, rank, curve"
        )
    found = re.fullmatch(rf"(equal<=|ratio[<>]=)({_NUMBER})", sides["kind"])
    kind, limit = (found[1], float(found[2])) if found else (sides["kind"], 0.0)
    if sides["margin"] and kind not in ("above", "below"):
        raise ClaimError(f"'by {sides['margin']}' belongs to above and below, not to {kind}")
    right = sides["right"]
    constant = re.fullmatch(_NUMBER, right)
    if constant and kind.startswith("ratio"):
        raise ClaimError(f"{kind} compares two methods, not one with the number {right}")
    if not constant and kind in ("at least", "at most"):
        raise ClaimError(f"{kind} compares with a number; two methods are compared by above, below or ratio")
    left = tuple(_pattern(word) for word in split(sides["left"], ","))
    if any(not pattern.method for pattern in left):
        raise ClaimError(f"'{sides['left']}' names no method")
    rivals = float(right) if constant else tuple(_rival(word, left) for word in split(right, ","))
    if isinstance(rivals, tuple) and len({pattern.statistic for pattern in (*left, *rivals)}) > 1:
        raise ClaimError(f"'{text}' compares two statistics; name the same one behind | on both sides")
    if left[0].statistic != "mean" and (constant or kind not in ("above", "below")):
        raise ClaimError(f"|{left[0].statistic} can only be above or below that of another method")
    return Comparison(left, kind, rivals, limit, float(sides["margin"] or 0.0))


def _rival(text: str, left: Sequence[Pattern]) -> Pattern:
    """The right side: what it does not name is as on the left; without a method it is another number of the same
    cell."""
    pattern = _pattern(text)
    if pattern.method:
        return replace(pattern, metric=pattern.metric or left[0].metric)
    if len(left) != 1 or not pattern.metric:
        raise ClaimError(f"'{text}' names no method, and is no other metric of a single one")
    return replace(left[0], metric=pattern.metric, statistic=pattern.statistic)


def _shaped(kind: str, words: Sequence[str], methods: tuple[str, ...]) -> Body:
    if kind in ("rank", "curve"):
        return _over_methods(kind, words, methods)
    if methods:
        raise ClaimError(f"{kind}: 'over' belongs to rank and curve")
    if len(words) != 3:
        raise ClaimError(f"{kind} takes 3 things in its brackets, got {len(words)}")
    left, minus, right = words[0].partition(" - ")
    sides = _pattern(left), _pattern(right) if minus else None
    if not sides[0].method:
        raise ClaimError(f"{kind}: '{words[0]}' names no method")
    if kind == "slope":
        ends = split(words[2].removeprefix("[").removesuffix("]"), ",")
        if len(ends) != 2:
            raise ClaimError(f"slope: '{words[2]}' is no band such as [-0.6, -0.4]")
        return Slope(*sides, words[1], _number(ends[0]), _number(ends[1]))
    if kind == "crossing":
        return Crossing(*sides, words[1], _number(words[2]))
    shape, band = words[2], 0.0
    if shape.startswith("flat<="):
        shape, band = "flat<=", _number(shape.removeprefix("flat<="))
    if shape not in SHAPES:
        raise ClaimError(f"trend: '{shape}' is none of {', '.join(SHAPES)}")
    return Trend(*sides, words[1], shape, band)


def _over_methods(kind: str, words: Sequence[str], methods: tuple[str, ...]) -> Rank | Curve:
    if not methods:
        raise ClaimError(f"{kind}: over which methods? write {kind}(..) over arena/*")
    if len(words) != 3:
        raise ClaimError(f"{kind} takes 3 things in its brackets, got {len(words)}")
    pair = words[0], words[1]
    if kind == "curve":
        if words[2] != "quadratic over linear":
            raise ClaimError(f"curve: '{words[2]}' is not 'quadratic over linear'")
        return Curve(pair, methods)
    limit = re.fullmatch(rf"([<>])=({_NUMBER})", words[2])
    if not limit:
        raise ClaimError(f"rank: '{words[2]}' is no limit such as >=0.5")
    return Rank(pair, limit[1] == ">", float(limit[2]), methods)


def _pattern(text: str) -> Pattern:
    found = _PATTERN.fullmatch(text)
    if not found or not text:
        raise ClaimError(f"'{text}' is no pattern of cells: method[field=value]@task[axis=value].metric|statistic")
    method = f"reference/{found['method']}" if found["method"] in REFERENCES else found["method"] or ""
    statistic = found["statistic"] or "mean"
    if statistic not in STATISTICS and not re.fullmatch(r"q\d\d?", statistic):
        raise ClaimError(f"'{statistic}' is none of the statistics {', '.join(STATISTICS)}, q10")
    place = Place(found["task"], _values(found["values"])) if found["task"] else None
    return Pattern(method, _values(found["fields"]), place, found["metric"] or "", statistic)


def _place(text: str) -> Place:
    found = _TASK.fullmatch(text)
    if not found:
        raise ClaimError(f"'{text}' is no task: arena/name or arena/name[field=value]")
    return Place(found["task"], _values(found["values"]))


def _values(text: str | None) -> tuple[tuple[str, Any], ...]:
    pairs = []
    for word in split(text or "", ","):
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise ClaimError(f"'{word}' is not field=value")
        pairs.append((key, yaml.safe_load(value)))
    return tuple(sorted(pairs))


def _number(text: str) -> float:
    if not re.fullmatch(_NUMBER, text.strip()):
        raise ClaimError(f"'{text}' is no number")
    return float(text)


def split(text: str, mark: str) -> list[str]:
    """The pieces between marks that stand in no brackets, without the blanks around them."""
    pieces, depth = [""], 0
    for letter in text:
        depth += (letter in "[(") - (letter in "])")
        if letter == mark and depth == 0:
            pieces.append("")
        else:
            pieces[-1] += letter
    return [piece.strip() for piece in pieces if piece.strip()]
