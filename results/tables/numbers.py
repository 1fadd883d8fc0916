"""Numbers as text, the same on every platform."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from results.stats import Interval

MISSING = "-"
_WIDE = 1e5  # from here on numbers are written with an exponent
_WHOLE = 1e12  # and from here on even where their last digits matter
_DIGITS = 8  # decimals beyond which numbers are written with an exponent


def number(value: float | None, signed: bool = False) -> str:
    """A number with four significant digits, or all of those before the point."""
    if value is None or math.isnan(value):
        return MISSING
    sign = "+" if signed else ""
    if math.isinf(value):
        return f"{'-' if value < 0 else sign}∞"
    if abs(value) >= _WIDE:
        return f"{value:{sign}.3e}"
    return f"{value:{sign}.0f}" if abs(value) >= 1000 else f"{value + 0.0:{sign}.4g}"  # + 0.0: there is no minus zero


def bounded(estimate: Interval) -> tuple[float, float] | None:
    """The bounds of an interval where it has any that can be written."""
    if estimate.low is None or estimate.high is None:
        return None
    finite = all(math.isfinite(value) for value in (estimate.value, estimate.low, estimate.high))
    return (estimate.low, estimate.high) if finite else None


def symmetric(estimate: Interval) -> bool:
    """Whether the value is the middle of the bounds, but for rounding; True where there are none."""
    bounds = bounded(estimate)
    if bounds is None:
        return True
    low, high = bounds
    return abs((high - estimate.value) - (estimate.value - low)) <= 1e-6 * (high - low)


def interval(estimate: Interval | None, signed: bool = False) -> str:
    """`value ± half`, or `value [low, high]` where the value is not in the middle, or only the value."""
    if estimate is None:
        return MISSING
    bounds = bounded(estimate)
    if not math.isfinite(estimate.value):
        return number(estimate.value, signed)
    if bounds is None:
        return writer(estimate.value, 0.0)(estimate.value, signed) + ("" if estimate.low is None else " ± ∞")
    low, high = bounds
    write = writer(estimate.value, (high - low) / 2)
    if symmetric(estimate):
        return f"{write(estimate.value, signed)} ± {write((high - low) / 2)}"
    return f"{write(estimate.value, signed)} [{write(low, signed)}, {write(high, signed)}]"


def writer(value: float, half: float) -> Callable[..., str]:
    """How to write numbers of the size of `value` that differ by about `half`, all with the same number of decimals, of
    which two digits of the half are seen."""
    digits = 3 if abs(value) < 10 else 1
    smallest = half or abs(value)
    if 0 < smallest < 0.5 * 10.0**-digits:
        digits = 1 - math.floor(math.log10(smallest))
    wide = max(abs(value), half)
    # beside a small half, four digits of a large number would hide what it is there to show
    short = wide >= _WIDE and (not half or half > 0.01 * wide or wide >= _WHOLE)
    if wide >= _WIDE and half >= 10:
        digits = 0

    def write(number: float, signed: bool = False) -> str:
        sign = "+" if signed else ""
        if not short and digits <= _DIGITS:
            return f"{round(number, digits) + 0.0:{sign}.{digits}f}"
        seen = max(3, _digits(number, half or abs(number)))
        return f"{number:{sign}.{max(3, seen - 1)}e}" if abs(number) >= _WIDE else f"{number + 0.0:{sign}.{seen}g}"

    return write


def _digits(number: float, half: float) -> int:
    """How many digits of a number there are down to the second one of `half`; what a float holds at most is 15."""
    if not number or not half:
        return 1
    return min(15, math.floor(math.log10(abs(number))) - math.floor(math.log10(half)) + 2)


def seconds(value: float | None) -> str:
    """Seconds with two decimals; short ones with two digits."""
    if value is None:
        return MISSING
    return f"{value:.2f}" if value >= 0.1 or value == 0 else f"{value:.2g}"


def p_value(value: float | None) -> str:
    """`p = 0.012`, or `p < 0.0001`."""
    if value is None:
        return f"p {MISSING}"
    return "p < 0.0001" if value < 1e-4 else f"p = {value:.2g}"


def portable(value: Any) -> Any:
    """Nested values for files: numbers with twelve digits, since the last ones depend on the machine, and None for
    those that are not finite, which JSON lacks."""
    if isinstance(value, float):
        return float(f"{value:.12g}") + 0.0 if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: portable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [portable(inner) for inner in value]
    return value
