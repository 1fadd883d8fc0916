"""Figures for papers, as SVG and PDF: made once for each board and standing, the same bytes for the same numbers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from results.aggregates import pareto_front
from results.standing import Standing
from results.tables.content import words
from results.tables.figure import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#7f7f7f")  # Okabe and Ito
MOST = 20  # rows of a figure; a page can show more
_MARKS = "osD^Pvp*"
_STYLE: Any = {
    "svg.hashsalt": "bakeoff",  # else the names inside an SVG are drawn anew each time
    "svg.fonttype": "none",
    "pdf.fonttype": 42,  # what journals ask for
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that a figure is the same everywhere
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.unicode_minus": False,  # letters beyond Latin-1 would embed a second font
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
}


def save(figure: Figure, path: Path) -> None:
    """Write a figure beside `path` with the endings .svg and .pdf."""
    from matplotlib.text import Text

    path.parent.mkdir(parents=True, exist_ok=True)
    for text in figure.findobj(Text):
        text.set_fontfeatures(("-liga",))  # a ligature hides letters from searches, and embeds a second font
    figure.savefig(path.with_name(f"{path.name}.svg"), metadata={"Date": None})
    figure.set_layout_engine("none")  # as it was laid out just now
    figure.savefig(path.with_name(f"{path.name}.pdf"), metadata={"CreationDate": None})


def of_board(board: Mapping[str, Any]) -> list[str]:
    """Which figures a board has, from the data of its charts."""
    kinds = ["scores", "cost"] if board["rows"] else []
    return kinds + (["curves"] if any(row["curves"] for row in board["rows"]) else [])


def of_standing(standing: Standing) -> list[str]:
    """Which figures a standing has."""
    kinds = ["profile"] if standing.profiles and len(standing.thresholds) else []
    return kinds + (["ranks"] if standing.difference is not None else [])


def draw_board(board: Mapping[str, Any], kinds: Iterable[str], folder: Path) -> None:
    """Draw figures of a board into a folder."""
    _draw({"scores": _scores, "cost": _cost, "curves": _curves}, board, kinds, folder)


def draw_standing(standing: Standing, kinds: Iterable[str], folder: Path) -> None:
    """Draw figures of a standing into a folder."""
    _draw({"profile": _profile, "ranks": _ranks}, standing, kinds, folder)


def _draw(known: Mapping[str, Callable[[Any], Figure]], what: Any, kinds: Iterable[str], folder: Path) -> None:
    import matplotlib as mpl  # slow, and only reports draw

    with mpl.rc_context(_STYLE):
        for kind in kinds:
            save(known[kind](what), folder / kind)


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _label(metric: Mapping[str, Any]) -> str:
    unit = f" ({metric['unit']})" if metric["unit"] else ""
    return printable(f"{metric['name']}{unit}, {'higher' if metric['higher'] else 'lower'} is better")


def _left_out(axes: Axes, count: int, what: str = "rows") -> None:
    if count > MOST:
        axes.set_title(f"the first {MOST} of {count} {what}", fontsize=8, loc="right")


def _scores(board: Mapping[str, Any]) -> Figure:
    rows = board["rows"][:MOST]
    figure, axes = _axes(5.5, 0.8 + 0.26 * len(rows))
    for place, row in enumerate(rows):
        scores = np.array(row["scores"], dtype=float)
        axes.plot(scores, [place - 0.14] * len(scores), "o", ms=3, alpha=0.5, color=PALETTE[0], mew=0)
        mean, low, high = row["interval"]
        if low is not None:
            axes.plot([low, high], [place + 0.14] * 2, "-", color=PALETTE[1], lw=1.4)
        if mean is not None:
            axes.plot([mean], [place + 0.14], "D", ms=4, color=PALETTE[1])
    axes.set_yticks(range(len(rows)), [printable(row["method"]) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel(_label(board["metric"]))
    axes.grid(visible=False, axis="y")
    _left_out(axes, len(board["rows"]))
    return figure


def _cost(board: Mapping[str, Any]) -> Figure:
    unit = next(iter(board["units"]), None)
    found = [(row, row["work"].get(unit, 0.0) if unit else row["seconds"]) for row in board["rows"]]
    found = [(row, cost) for row, cost in found if cost is not None and row["interval"][0] is not None]
    known = found[:MOST]
    figure, axes = _axes(6.5, 3.4 + 0.02 * MOST)
    for index, (row, cost) in enumerate(known):
        face = "none" if row["reference"] else PALETTE[index % len(PALETTE)]
        mark = _MARKS[index // len(PALETTE) % len(_MARKS)]
        axes.scatter([cost], [row["interval"][0]], s=26, marker=mark, facecolor=face,
                     edgecolor=PALETTE[index % len(PALETTE)], label=printable(row["method"]), zorder=3)  # fmt: skip
    ranked = [(cost, row["interval"][0]) for row, cost in known if not row["reference"]]
    if ranked:
        cost, quality = (np.array(values, dtype=float) for values in zip(*ranked, strict=True))
        front = pareto_front(cost, quality if board["metric"]["higher"] else -quality)
        order = np.argsort(cost[front], kind="stable")
        axes.step(cost[front][order], quality[front][order], where="post", color="#777777", lw=1, ls=":", zorder=2)
    axes.set_xlabel(printable(words(unit)) if unit else "seconds to solve")
    axes.set_ylabel(_label(board["metric"]))
    _legend(axes, len(known))
    _left_out(axes, len(found))
    return figure


def _curves(board: Mapping[str, Any]) -> Figure:
    rows = [row for row in board["rows"] if row["curves"]]
    name = _commonest(name for row in rows for name in row["curves"])
    having = [row for row in rows if name in row["curves"]]
    figure, axes = _axes(6.5, 3.4 + 0.02 * MOST)
    for row, look in zip(having[:MOST], _looks(), strict=False):
        curve = row["curves"][name]
        along = np.array(next(iter(curve["axes"].values())), dtype=float)  # None becomes a gap
        mean, low, high = (np.array(curve[kind], dtype=float) for kind in ("mean", "low", "high"))
        axes.plot(along, mean, lw=1.3, label=printable(row["method"]), **look)
        if curve["seeds"] > 1:
            axes.fill_between(along, low, high, color=look["color"], alpha=0.12, lw=0)
    axes.set_xlabel(printable(next(iter(having[0]["curves"][name]["axes"]))))
    axes.set_ylabel(printable(name))
    _legend(axes, len(having))
    _left_out(axes, len(having), "curves")
    return figure


def _commonest(names: Iterable[str]) -> str:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return min(counts, key=lambda name: (-counts[name], name))


def _looks() -> Iterable[dict[str, Any]]:
    return ({"color": colour, "linestyle": line} for line in ("-", "--", ":", "-.") for colour in PALETTE)


def _legend(axes: Axes, count: int) -> None:
    if 0 < count <= MOST:
        axes.legend(fontsize=6.5, frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))


def _profile(standing: Standing) -> Figure:
    methods = {place.key: printable(place.method) for place in standing.places}
    keys = [place.key for place in standing.places if place.key in standing.profiles]
    figure, axes = _axes(6.5, 3.4 + 0.02 * MOST)
    for key, look in zip(keys[:MOST], _looks(), strict=False):
        axes.step(standing.thresholds, standing.profiles[key].value, where="post", lw=1.3, label=methods[key], **look)
    axes.set_xlabel("normalised score")
    axes.set_ylabel("share of runs above it")
    axes.set_ylim(0, 1.03)
    _legend(axes, len(keys))
    _left_out(axes, len(keys), "methods")
    return figure


def _ranks(standing: Standing) -> Figure:
    """Mean ranks on a line, the best left; a bar joins methods that are not told apart (Demsar 2006)."""
    methods = {place.key: printable(place.method) for place in standing.places}
    places = sorted((p for p in standing.places if p.mean_rank is not None), key=lambda p: (p.mean_rank, p.key))
    shown = places[:MOST]
    kept = {place.key for place in shown}
    groups = [group for group in standing.cliques if len(group) > 1 and kept.intersection(group)]
    bars = 0.34 * len(groups)
    longest = max(len(methods[place.key]) for place in shown)
    width = max(5.5, 3.0 + 0.12 * longest)  # names stand on both sides, and the line between them must not shrink
    figure, axes = _axes(width, 0.9 + 0.11 * len(groups) + 0.2 * ((len(shown) + 1) // 2))
    ranks = {place.key: float(place.mean_rank or 0.0) for place in places}
    for line, group in enumerate(groups):
        own = [ranks[key] for key in group]  # those without a name in the figure among them
        axes.plot([min(own) - 0.04, max(own) + 0.04], [-0.35 - 0.34 * line] * 2, color="#333333", lw=2.6)
    half = (len(shown) + 1) // 2
    lowest, highest = 1.0, float(max(len(places), 2))
    for index, place in enumerate(shown):
        left = index < half
        depth = -0.9 - bars - 0.62 * (index if left else len(shown) - 1 - index)
        edge = lowest - 0.06 * (highest - lowest) if left else highest + 0.06 * (highest - lowest)
        axes.plot([ranks[place.key]] * 2 + [edge], [0, depth, depth], color="#555555", lw=0.8)
        name = f" {methods[place.key]} ({ranks[place.key]:.2f}) "
        axes.text(edge, depth, name, va="center", ha="right" if left else "left", fontsize=7.5)
    axes.set_xlim(lowest, highest)
    axes.set_ylim(-1.2 - bars - 0.62 * half, 0.0)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    named = f"; the first {MOST} of {len(places)} methods are named" if len(places) > MOST else ""
    axes.set_xlabel(f"mean rank; critical difference {standing.difference:.2f}{named}")
    axes.set_yticks([])
    axes.grid(visible=False)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "top")
    for artist in itertools.chain(axes.lines, axes.texts):
        artist.set_clip_on(False)
    return figure
