"""The small pieces of the grammar of claims: patterns of cells, tasks, values in brackets and numbers, from text."""

from __future__ import annotations

import math
import re
from typing import Any

from results.claims.relations import NUMBER, REFERENCES, STATISTICS, Pattern, Place, read

NAME = r"[a-z0-9_]+/[a-z0-9_]+"
METRIC = r"[a-z]\w*(?:\.\w+)?"
_PATTERN = re.compile(
    rf"(?P<method>{NAME}|trivial|best)?(?:\[(?P<fields>[^\]]*)\])?"
    rf"(?:@(?P<task>{NAME})(?:\[(?P<values>[^\]]*)\])?)?(?:\.(?P<metric>{METRIC}))?(?:\|(?P<statistic>.+))?"
)
_TASK = re.compile(rf"(?P<task>{NAME})(?:\[(?P<values>[^\]]*)\])?")


class ClaimError(Exception):
    """A claim that cannot be understood; the message names the part at fault."""


def pattern(text: str) -> Pattern:
    """A pattern of cells from its text.

    Raises:
        ClaimError: it is none.
    """
    found = _PATTERN.fullmatch(text)
    if not found or not text:
        raise ClaimError(f"'{text}' is no pattern of cells: method[field=value]@task[axis=value].metric|statistic")
    method = f"reference/{found['method']}" if found["method"] in REFERENCES else found["method"] or ""
    if found["fields"] is not None and not method:
        raise ClaimError(f"'{text}' has values in brackets but no method before them")
    statistic = found["statistic"] or "mean"
    if statistic not in STATISTICS and not re.fullmatch(r"q\d\d?", statistic):
        raise ClaimError(f"'{statistic}' is none of the statistics {', '.join(STATISTICS)}, q10")
    own = Place(found["task"], _values(found["values"])) if found["task"] else None
    return Pattern(method, _values(found["fields"]), own, found["metric"] or "", statistic)


def place(text: str) -> Place:
    """A task from its text.

    Raises:
        ClaimError: it is none.
    """
    found = _TASK.fullmatch(text)
    if not found:
        raise ClaimError(f"'{text}' is no task: arena/name or arena/name[field=value]")
    return Place(found["task"], _values(found["values"]))


def _values(text: str | None) -> tuple[tuple[str, Any], ...]:
    if text is None:
        return ()
    pairs: dict[str, Any] = {}
    for word in text.split(","):
        key, equals, value = (part.strip() for part in word.partition("="))
        if not equals or not re.fullmatch(r"\w+(\.\w+)*", key) or not value or set(value) & set("[](){}:"):
            raise ClaimError(f"'{word.strip()}' is not field=value with a number, a word, true, false or null")
        if key in pairs:
            raise ClaimError(f"[{text}] gives {key} twice")
        pairs[key] = read(value)
    return tuple(sorted(pairs.items()))


def number(text: str, what: str) -> float:
    """A finite number from its text.

    Args:
        text: the text.
        what: where it stands, for the message.

    Raises:
        ClaimError: it is none.
    """
    if not re.fullmatch(NUMBER, text) or not math.isfinite(float(text)):
        raise ClaimError(f"{what}: '{text}' is no number")
    return float(text)


def split(text: str, mark: str) -> list[str]:
    """The pieces between marks that stand in no brackets, without the blanks around them; none of an empty text.

    Raises:
        ClaimError: a piece is empty, or brackets do not match.
    """
    pieces, depth = [""], 0
    for letter in text:
        depth += (letter in "[(") - (letter in "])")
        if depth < 0:
            break
        if letter == mark and depth == 0:
            pieces.append("")
        else:
            pieces[-1] += letter
    if depth:
        raise ClaimError(f"the brackets of '{text}' do not match")
    stripped = [piece.strip() for piece in pieces]
    if len(stripped) > 1 and "" in stripped:
        raise ClaimError(f"there is nothing between two '{mark}' of '{text}'")
    return [piece for piece in stripped if piece]
