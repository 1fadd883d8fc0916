"""A comparison as a figure for print: pairs of values, and their differences against zero.

Colours are of Okabe and Ito (2008), which colour-blind readers tell apart; nothing is told by colour alone.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from results.comparison import Comparison
from results.tables.comparisons import measured
from results.tables.content import INTERVAL, clean, title
from results.tables.numbers import bounded

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ENDINGS = (".svg", ".pdf", ".png")
_BETTER, _WORSE, _EQUAL, _MEAN = "#0072B2", "#D55E00", "#999999", "#000000"
_SIZE = (6.8, 2.9)  # inches: the width of a page of text, and the height of one comparison
_SETTINGS: Mapping[str, Any] = MappingProxyType(
    {
        "axes.spines.right": False,
        "axes.spines.top": False,
        "font.family": "DejaVu Sans",  # comes with matplotlib, so that a figure is the same everywhere
        "font.size": 8,
        "pdf.fonttype": 42,
        "savefig.dpi": 200,
        "svg.hashsalt": "bakeoff",
        "svg.fonttype": "path",
    }
)


def draw(comparisons: Sequence[Comparison], ending: str) -> bytes:
    """The figure, one row a comparison with a shared seed, as the bytes of a file; the same for the same comparisons.

    Args:
        comparisons: at least one with a shared seed.
        ending: one of `ENDINGS`.
    """
    import matplotlib
    from matplotlib.figure import Figure

    drawn = [comparison for comparison in comparisons if comparison.seeds]
    settings: dict[Any, Any] = {k: value for k, value in matplotlib.rcParamsDefault.items() if k != "backend"}
    stream = io.BytesIO()
    with matplotlib.rc_context(settings | dict(_SETTINGS)):
        figure = Figure(figsize=(_SIZE[0], _SIZE[1] * len(drawn)), layout="constrained")
        axes = figure.subplots(len(drawn), 2, squeeze=False)
        for comparison, (left, right) in zip(drawn, axes, strict=True):
            _pairs(left, comparison)
            _differences(right, comparison)
            if len(drawn) > 1:
                left.set_title(_wrapped(title(comparison.board), 90), loc="left", fontsize=8, parse_math=False)
        told: dict[str, dict[str, None]] = {
            ".svg": {"Date": None}, ".pdf": {"CreationDate": None}, ".png": {"Software": None}
        }  # fmt: skip
        figure.savefig(stream, format=ending[1:], metadata=told[ending])
    return stream.getvalue()


def _pairs(axes: Axes, comparison: Comparison) -> None:
    """A line for each seed, from the value of the left side to that of the right."""
    for ours, theirs, colour in zip(comparison.left_values, comparison.right_values, _colours(comparison), strict=True):
        axes.plot([0, 1], [ours, theirs], color=colour, linewidth=0.9, marker="o", markersize=3)
    for place, side in ((0, comparison.left), (1, comparison.right)):
        if side.mean is not None and len(comparison.seeds) > 1:
            axes.plot(place, side.mean.value, color=_MEAN, marker="D", markersize=4.5, linestyle="none")
    axes.set_xlim(-0.35, 1.35)
    names = [_wrapped(side.method) for side in (comparison.left, comparison.right)]
    axes.set_xticks([0, 1], names, parse_math=False)
    axes.set_ylabel(_wrapped(measured(comparison), 40), parse_math=False)


def _differences(axes: Axes, comparison: Comparison) -> None:
    """A dot for each seed and, apart from them, the mean with its interval; zero is a line."""
    count, gap = len(comparison.seeds), comparison.difference
    axes.axhline(0, color=_EQUAL, linewidth=0.8, zorder=0)
    axes.scatter(range(count), comparison.differences, color=_colours(comparison), s=14)
    places, labels = _labelled(comparison.seeds)
    if gap is not None and count > 1:
        bounds = bounded(gap)
        if bounds is not None:
            axes.plot([count + 0.5] * 2, bounds, color=_MEAN, linewidth=1.4, marker="_", markersize=7)
        axes.plot(count + 0.5, gap.value, color=_MEAN, marker="D", markersize=4.5)
        places, labels = [*places, count + 0.5], [*labels, "mean"]
    axes.set_xticks(places, labels, parse_math=False)
    axes.set_xlim(-0.7, count + (1.2 if count > 1 else -0.3))
    axes.set_xlabel(f"seed; mean with its {INTERVAL}" if count > 1 else "seed", parse_math=False)
    unit = f" ({comparison.unit})" if comparison.unit else ""
    side = {"higher": "\nleft is better above 0", "lower": "\nleft is better below 0"}.get(comparison.direction, "")
    axes.set_ylabel(_wrapped(f"left - right in {comparison.metric}{unit}", 40) + side, parse_math=False)


def _labelled(seeds: Sequence[int]) -> tuple[list[float], list[str]]:
    """At most about a dozen seeds with their places."""
    step = 1 + (len(seeds) - 1) // 12
    return [float(place) for place in range(0, len(seeds), step)], [str(seed) for seed in seeds[::step]]


def _colours(comparison: Comparison) -> list[str]:
    sign = -1 if comparison.direction == "lower" else 1
    return [_EQUAL if not gap else (_BETTER if sign * gap > 0 else _WORSE) for gap in comparison.differences]


def _wrapped(text: str, width: int = 22) -> str:
    return "\n".join(textwrap.wrap(printable(text), width)[:4])


def printable(text: str) -> str:
    """Text in letters that the font has; others become their code point."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    letters = get_font(findfont(FontProperties(family=str(_SETTINGS["font.family"])))).get_charmap()
    return "".join(one if ord(one) in letters else f"[U+{ord(one):04X}]" for one in clean(text))
