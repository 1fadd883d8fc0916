"""Numbers as the pages show them."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

from results.stats import Interval

_CODE = re.compile(r"`+([^`]+)`+")
MISSING = "\u2013"
ARROWS = {"higher": "↑", "lower": "↓", "none": ""}


def number(value: float | None) -> str:
    """Four significant digits; whole numbers up to a million with thin separators."""
    if value is None:
        return MISSING
    if float(value).is_integer() and abs(value) < 1e7:
        return f"{int(value):,}".replace(",", "\u202f")
    return f"{value:.4g}"


def interval(found: Interval | None, signed: bool = False) -> str:
    """Mean ± half the interval, or mean [low, high] where it is not symmetric."""
    if found is None:
        return MISSING
    sign = "+" if signed else ""
    if found.low is None or found.high is None:
        return f"{found.value:{sign}.4g}"
    digits = 3 if abs(found.value) < 10 else 1
    if abs((found.low + found.high) / 2 - found.value) <= 1e-9 * max(abs(found.low), abs(found.high)):
        return f"{found.value:{sign}.{digits}f} ± {(found.high - found.low) / 2:.{digits}f}"
    return f"{found.value:{sign}.{digits}f} [{found.low:{sign}.{digits}f}, {found.high:{sign}.{digits}f}]"


def seconds(value: float | None) -> str:
    """A duration in seconds with three digits."""
    return MISSING if value is None else f"{value:.3g}" if value < 1000 else number(round(value))


def ticked(text: str) -> Markup:
    """Text of a docstring, what stands between backticks set as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 (escaped before)


def words(name: str) -> str:
    """A name of a metric or a unit as words."""
    return name.replace("_", " ")
