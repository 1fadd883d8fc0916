"""The grammar of claims: `left RELATION right @ tasks : metric`, from text to frozen records.

    calibration/linc above calibration/uncalibrated @ calibration/sst2, calibration/trec
    calibration/linc|sd below calibration/contextual|sd @ calibration/sst2 : accuracy
    distillation/kd.cost.generated_tokens ratio>=2 distillation/distillm @ distillation/docstrings
    trend(calibration/linc - calibration/uncalibrated, labelled, +) @ calibration/sst2 : accuracy
    rank(ece, accuracy, <=-0.5) over calibration/* @ calibration/sst2

`docs/claims.md` is the page for readers.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import replace

from results.claims.patterns import METRIC, NAME, ClaimError, number, pattern, place, split
from results.claims.relations import (
    COMPARED,
    NUMBER,
    SHAPES,
    Body,
    Closer,
    Comparison,
    Crossing,
    Curve,
    Part,
    Pattern,
    Rank,
    Slope,
    Trend,
)

__all__ = ["ClaimError", "parse"]

_SIDES = re.compile(
    rf"(?P<left>.+?) (?P<kind>above|below|at least|at most|(?:equal<=|ratio[<>]=){NUMBER}|bound[<>]=)"
    rf" (?P<right>.+?)(?: by (?P<margin>{NUMBER}))?"
)


def parse(text: str) -> tuple[Part, ...]:
    """The parts of a claim, all of which have to hold.

    Raises:
        ClaimError: the text is no claim.
    """
    text = " ".join(text.split())
    several = re.fullmatch(r"all\((.*)\)", text)
    if several:
        words = split(several[1], ";")
        if len(words) < 2:
            raise ClaimError("all(..) takes two relations or more, with ; between them")
        return tuple(part for word in words for part in parse(word))
    rest, colon, metric = text.partition(" : ")
    if colon and not re.fullmatch(METRIC, metric):
        raise ClaimError(f"'{metric}' is no metric")
    relation, at, tasks = f"{rest} ".partition(" @ ")
    relation = relation.strip()
    if at and not tasks.strip():
        raise ClaimError("there is no task behind @")
    part = Part(_body(relation), tuple(place(word) for word in split(tasks.strip(), ",")), metric)
    _once(part.places, "task")
    _tasks(part, relation)
    return (part,)


def _tasks(part: Part, text: str) -> None:
    """See that every side has a task, and that none is named in vain.

    Raises:
        ClaimError: naming the side.
    """
    body = part.body
    if isinstance(body, Rank | Curve):
        if part.metric:
            raise ClaimError(f"': {part.metric}' says nothing here: '{text}' names its metrics itself")
        sides: tuple[Pattern, ...] = (Pattern(),)
    else:
        sides = body.left if isinstance(body, Comparison) else (body.left,)
    if not part.places and any(side.place is None for side in sides):
        raise ClaimError(f"'{text}' names no task; write it behind @")
    rivals = body.right if isinstance(body, Comparison) and isinstance(body.right, tuple) else ()
    if not part.places and {replace(side, place=None) for side in sides} & set(rivals):
        raise ClaimError(f"'{text}' compares a side with itself")
    if not part.places and len({side.place for side in sides}) > 1:
        raise ClaimError(f"the sides of '{text}' stand on several tasks; write a claim for each, in all(..)")
    if part.places and isinstance(body, Trend | Slope | Crossing | Closer) and body.left.place is not None:
        raise ClaimError(f"'{text}' names a task in its brackets and another behind @")


def _body(text: str) -> Body:
    shape = re.fullmatch(r"(trend|slope|crossing|closer|rank|curve)\((.*)\)(?: over (.+))?", text)
    if shape:
        return _shaped(shape[1], split(shape[2], ","), tuple(split(shape[3] or "", ",")))
    sides = _SIDES.fullmatch(text)
    if not sides:
        raise ClaimError(
            f"'{text}' holds no relation; there are {', '.join(COMPARED)}, trend, slope, crossing, closer, rank, curve"
        )
    return _compared(text, sides["left"], sides["kind"], sides["right"], sides["margin"])


def _compared(text: str, left: str, relation: str, right: str, margin: str | None) -> Comparison:
    found = re.fullmatch(rf"(equal<=|ratio[<>]=)({NUMBER})", relation)
    kind, limit = (found[1], number(found[2], relation)) if found else (relation, 0.0)
    constant = re.fullmatch(NUMBER, right)
    if margin and kind not in ("above", "below"):
        raise ClaimError(f"'by {margin}' belongs to above and below, not to {kind}")
    if found and (limit < 0 or (limit == 0 and kind != "equal<=")):
        raise ClaimError(f"{relation}: the number has to be above zero")
    if constant and kind.startswith("ratio"):
        raise ClaimError(f"{kind} compares two methods, not one with the number {right}")
    if not constant and kind in ("at least", "at most"):
        raise ClaimError(f"{kind} compares with a number; two methods are compared by above, below or ratio")
    lefts = tuple(pattern(word) for word in split(left, ","))
    if any(not side.method for side in lefts):
        raise ClaimError(f"'{left}' names no method")
    rivals = () if constant else tuple(_rival(word, lefts) for word in split(right, ","))
    _once(lefts, "side")
    _once(rivals, "side")
    if set(lefts) & set(rivals):
        raise ClaimError(f"'{text}' compares a side with itself")
    statistics = {side.statistic for side in (*lefts, *rivals)}
    if len(statistics) > 1:
        raise ClaimError(f"'{text}' compares two statistics; name the same one behind | on both sides")
    if statistics != {"mean"} and (constant or margin or kind not in ("above", "below")):
        raise ClaimError(f"|{lefts[0].statistic} can only be above or below that of another method, without a margin")
    number_or_rivals = number(right, kind) if constant else rivals
    return Comparison(lefts, kind, number_or_rivals, limit, number(margin, "by") if margin else 0.0)


def _once(items: Sequence[Hashable], what: str) -> None:
    for item in items:
        if items.count(item) > 1:
            raise ClaimError(f"the {what} '{item}' is named twice")


def _rival(text: str, left: Sequence[Pattern]) -> Pattern:
    """The right side: what it does not name is as on the left; without a method it is another number of the same
    cell."""
    found = pattern(text)
    if found.method:
        if not found.metric and len({side.metric for side in left}) > 1:
            raise ClaimError(f"'{text}' names no metric, and the left sides name several")
        return replace(found, metric=found.metric or left[0].metric)
    if len(left) != 1 or not found.metric or found.place is not None:
        raise ClaimError(f"'{text}' names no method, and is no other metric of a single one")
    return replace(left[0], metric=found.metric, statistic=found.statistic)


def _shaped(kind: str, words: Sequence[str], methods: tuple[str, ...]) -> Body:
    if kind in ("rank", "curve"):
        return _over_methods(kind, words, methods)
    if methods:
        raise ClaimError(f"{kind}: 'over' belongs to rank and curve")
    if len(words) != 3:
        raise ClaimError(f"{kind} takes 3 things in its brackets, got {len(words)}")
    if kind == "closer":
        return _closer(*words)
    sides = _gap(kind, words[0])
    axis, limit = words[1:]
    if not re.fullmatch(r"\w+(\.\w+)*", axis):
        raise ClaimError(f"{kind}: '{axis}' is no axis")
    if kind == "slope":
        ends = [number(end, "slope") for end in split(limit.removeprefix("[").removesuffix("]"), ",")]
        if len(ends) != 2 or not ends[0] < ends[1]:
            raise ClaimError(f"slope: '{limit}' is no band such as [-0.6, -0.4]")
        return Slope(*sides, axis, *ends)
    if kind == "crossing":
        return Crossing(*sides, axis, number(limit, "crossing"))
    return Trend(*sides, axis, *_trend(limit))


def _closer(first: str, second: str, axis: str) -> Closer:
    if not re.fullmatch(r"\w+(\.\w+)*", axis):
        raise ClaimError(f"closer: '{axis}' is no axis")
    left = pattern(first)
    right = _rival(second, [left])
    _on_axis("closer", f"{first}, {second}", left, right)
    return Closer(left, right, axis)


def _trend(limit: str) -> tuple[str, float]:
    """A shape, and the band of the flat one."""
    band = 0.0
    if limit.startswith("flat<="):
        limit, band = "flat<=", number(limit.removeprefix("flat<="), "trend: flat")
        if band <= 0:
            raise ClaimError("trend: the number behind flat<= has to be above zero")
    if limit not in SHAPES or (limit == "flat<=" and not band):
        raise ClaimError(f"trend: '{limit}' is none of {', '.join(SHAPES)}")
    return limit, band


def _gap(kind: str, text: str) -> tuple[Pattern, Pattern | None]:
    """One side, or two with a minus between them."""
    first, minus, second = text.partition(" - ")
    left = pattern(first)
    right = _rival(second, [left]) if minus else None
    _on_axis(kind, text, left, right)
    return left, right


def _on_axis(kind: str, text: str, left: Pattern, right: Pattern | None) -> None:
    """See that one side or two can be read along an axis.

    Raises:
        ClaimError: naming the side.
    """
    if not left.method:
        raise ClaimError(f"{kind}: '{text}' names no method")
    for side in (left, *([right] if right else [])):
        if side.statistic != "mean":
            raise ClaimError(f"{kind}: |{side.statistic} belongs to above and below")
    if right is not None and right.place not in (None, left.place):
        raise ClaimError(f"{kind}: both sides stand on one task, and '{right}' names another")
    if right is not None and replace(right, place=left.place) == left:
        raise ClaimError(f"{kind}: '{text}' compares a side with itself")


def _over_methods(kind: str, words: Sequence[str], methods: tuple[str, ...]) -> Rank | Curve:
    if not methods:
        raise ClaimError(f"{kind}: over which methods? write {kind}(..) over arena/*")
    for glob in methods:
        if not re.fullmatch(NAME, re.sub(r"[*?]", "x", glob)) and glob != "*":
            raise ClaimError(f"{kind}: '{glob}' is no name of methods such as arena/*")
    if len(words) != 3:
        raise ClaimError(f"{kind} takes 3 things in its brackets, got {len(words)}")
    pair = _metric(kind, words[0]), _metric(kind, words[1])
    if pair[0] == pair[1]:
        raise ClaimError(f"{kind}: takes two metrics, got '{pair[0]}' twice")
    if kind == "curve":
        if words[2] != "quadratic over linear":
            raise ClaimError(f"curve: '{words[2]}' is not 'quadratic over linear'")
        return Curve(pair, methods)
    limit = re.fullmatch(rf"([<>])=({NUMBER})", words[2])
    if not limit or not -1 <= float(limit[2]) <= 1:
        raise ClaimError(f"rank: '{words[2]}' is no limit such as >=0.5, between -1 and 1")
    return Rank(pair, limit[1] == ">", float(limit[2]), methods)


def _metric(kind: str, text: str) -> str:
    if not re.fullmatch(METRIC, text):
        raise ClaimError(f"{kind}: '{text}' is no metric")
    return text
