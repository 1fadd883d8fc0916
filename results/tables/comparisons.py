"""Comparisons of two rows as text: terminal, Markdown and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.cells import cell_len

from results.comparison import Comparison, Side
from results.stats import LEVEL
from results.tables.content import INTERVAL, STALE, TEST, clean, title
from results.tables.markdown import escaped, table
from results.tables.numbers import MISSING, bounded, interval, number, p_value, portable, seconds, writer

FORMATS = ("terminal", "md", "json")
SHOWN = 40  # seeds that the terminal lists
_PLOT = 49  # characters of the plot of differences


def render(comparisons: Sequence[Comparison], form: str) -> str:
    """The comparisons as text in one of `FORMATS`, without a last line break.

    Raises:
        ValueError: there is no such format.
    """
    if form == "json":
        made = [_flat(comparison) for comparison in comparisons]
        return json.dumps({"comparisons": made}, indent=1, allow_nan=False)
    if form == "md":
        return "\n\n".join(_markdown(comparison) for comparison in comparisons)
    if form == "terminal":
        return "\n\n\n".join(_terminal(comparison) for comparison in comparisons)
    raise ValueError(f"'{form}' is none of {', '.join(FORMATS)}")


def measured(comparison: Comparison) -> str:
    """The metric with its unit and its better side, such as `error (nats, lower is better)`."""
    side = f"{comparison.direction} is better" if comparison.direction != "none" else "no side is better"
    return clean(f"{comparison.metric} ({', '.join(part for part in (comparison.unit, side) if part)})")


def verdict(comparison: Comparison) -> str:
    """What the comparison shows, in one sentence."""
    left, right, metric = (clean(x) for x in (comparison.left.method, comparison.right.method, comparison.metric))
    count, gap = len(comparison.seeds), comparison.difference
    if gap is None:
        return f"no verdict: no seed was scored for both {left} and {right}"
    if comparison.p_value is None:
        seed = comparison.seeds[0]
        return f"no verdict from one seed: {left} - {right} is {interval(gap, signed=True)} in {metric} on seed {seed}"
    if not any(comparison.differences):
        return f"{left} and {right} are equal in {metric} on all {count} seeds"
    numbers = f"{interval(gap, signed=True)}, {p_value(comparison.p_value)}, {count} seeds"
    if not comparison.apart:
        return f"{left} and {right} cannot be told apart in {metric}: {numbers}{_advice(comparison)}"
    higher = gap.value > 0
    if comparison.direction == "none":
        word = "higher" if higher else "lower"
    else:
        word = "better" if higher == (comparison.direction == "higher") else "worse"
    return f"{left} is {word} than {right} in {metric}: {numbers}"


def _advice(comparison: Comparison) -> str:
    """What it would take to tell the two apart."""
    if comparison.detectable is None:
        least = 1 + math.ceil(-math.log2(LEVEL))
        return f"; differences that are all equal show something from {least} seeds on"
    text = f"; with this spread {len(comparison.seeds)} seeds show differences from {comparison.detectable:.2g} on"
    more = comparison.needed is not None and comparison.needed > len(comparison.seeds)
    return text + (f", and this one would take {comparison.needed} seeds" if more else "") + " (power 80 %)"


def _facts(comparison: Comparison) -> list[str]:
    """What else is to be said, one sentence a line."""
    words = ("higher", "lower") if comparison.direction == "none" else ("better", "worse")
    lines = []
    if len(comparison.seeds) > 1:
        line = f"A is {words[0]} on {comparison.wins} of {len(comparison.seeds)} shared seeds, equal on "
        line += f"{comparison.ties}, {words[1]} on {comparison.losses}."
        if comparison.probability is not None:
            line += f" A run of A is {words[0]} than one of B with a chance of {comparison.probability:.0%}."
        if comparison.effect is not None:
            line += f" Effect (A - B): {comparison.effect:+.2f} standard deviations of the differences."
        lines.append(line.replace("%", " %"))
        lines.append(f"± is half the {INTERVAL}; p is of the {TEST}, for this comparison alone.")
    for name, side in (("A", comparison.left), ("B", comparison.right)):
        if side.only:
            lines.append(f"Only {name} has seeds {_listed(side.only)}; they do not count.")
        if side.endings:
            endings = ", ".join(f"{count} {status}" for status, count in sorted(side.endings.items()))
            lines.append(f"{name} also ended otherwise: {endings}.")
        if side.stale:
            lines.append(f"{STALE} {name}: stale: {clean(side.stale)}")
    if comparison.clocks and comparison.seeds:
        lines.append(f"Seconds are not compared: {comparison.clocks}.")
    return lines


def _listed(seeds: Sequence[int]) -> str:
    more = f" and {len(seeds) - 10} more" if len(seeds) > 10 else ""
    return ", ".join(str(seed) for seed in seeds[:10]) + more


def _costs(comparison: Comparison) -> list[list[str]]:
    """Mean work and seconds of both sides and their ratio, one line a unit."""
    left, right = comparison.left, comparison.right
    lines = []
    for unit in sorted(left.cost.keys() | right.cost.keys()):
        ours, theirs = (number(side.cost.get(unit, 0.0)) for side in (left, right))
        lines.append([clean(unit.replace("_", " ")), ours, theirs, _ratio(comparison, unit)])
    for phase, name in (("solve", "solve s"), ("evaluate", "use s")):
        if phase in left.seconds and phase in right.seconds:
            ours, theirs = (seconds(side.seconds[phase]) for side in (left, right))
            lines.append([name, ours, theirs, _ratio(comparison, name)])
    return lines


def _ratio(comparison: Comparison, name: str) -> str:
    return f"{comparison.ratios[name]:.3g}" if name in comparison.ratios else MISSING


def _pairs(comparison: Comparison) -> list[list[str]]:
    """Seed, both values and their difference, one line a seed, and the means."""
    columns = comparison.left_values, comparison.right_values, comparison.differences
    write = writer(max((abs(value) for column in columns for value in column), default=0.0), comparison.spread or 0.0)
    return [
        [str(seed), write(ours), write(theirs), write(difference, True)]
        for seed, ours, theirs, difference in zip(comparison.seeds, *columns, strict=True)
    ]


def _means(comparison: Comparison) -> list[str]:
    left, right = (interval(side.mean) for side in (comparison.left, comparison.right))
    return ["mean", left, right, interval(comparison.difference, signed=True)]


def _terminal(comparison: Comparison) -> str:
    names = [f"{name}: {_named(side)}" for name, side in (("A", comparison.left), ("B", comparison.right))]
    lines = [title(comparison.board), measured(comparison), *names, "", _sentence(comparison)]
    if comparison.seeds:
        pairs, means = _pairs(comparison), _means(comparison)
        plot, scale = _dots(comparison)
        rows = [["seed", "A", "B", "A - B"], *pairs[:SHOWN], means]
        texts = _aligned(rows)
        lines += ["", f"{texts[0]}   {scale}", *(f"{a}   {b}" for a, b in zip(texts[1:-1], plot, strict=False))]
        lines += [f"and {len(pairs) - SHOWN} more seeds (format=json has all)"] if len(pairs) > SHOWN else []
        lines += [f"{texts[-1]}   {plot[-1]}"]
    lines += ["", *_facts(comparison)]
    costs = _costs(comparison)
    lines += ["", *_aligned([["mean work", "A", "B", "A / B"], *costs])] if costs else []
    return "\n".join(line.rstrip() for line in lines)


def _named(side: Side) -> str:
    return clean(side.method) + (f" {STALE}" if side.stale else "")


def _sentence(comparison: Comparison) -> str:
    text = verdict(comparison)
    return f"{text[0].upper()}{text[1:]}." if text.startswith("no ") else f"{text}."


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns side by side, the first to the left and the others to the right."""
    widths = [max(cell_len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return [
        "   ".join(
            text + " " * (width - cell_len(text)) if index == 0 else " " * (width - cell_len(text)) + text
            for index, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _dots(comparison: Comparison) -> tuple[list[str], str]:
    """A line of the plot for each seed and, last, for the mean with its interval; and the line above them."""
    gap = comparison.difference
    bounds = (bounded(gap) if gap is not None else None) or ()
    low, high = min(0.0, *comparison.differences, *bounds), max(0.0, *comparison.differences, *bounds)
    reach = (high - low) or 1.0

    def place(value: float) -> int:
        return round((value - low) / reach * (_PLOT - 1))

    def line(marks: Sequence[tuple[int, str]]) -> str:
        canvas = [" "] * _PLOT
        for index, mark in [(place(0.0), "│"), *marks]:
            canvas[index] = mark
        return "".join(canvas).rstrip()

    lines = [line([(place(difference), "●")]) for difference in comparison.differences[:SHOWN]]
    ends = [place(bound) for bound in bounds]
    bar = [(index, "─") for index in range(ends[0], ends[1] + 1)] if ends else []
    bar += [(ends[0], "├"), (ends[1], "┤")] if ends else []
    lines.append(line([*bar, (place(gap.value), "◆")] if gap is not None else []))
    left, right = (f"{end:+.3g}" if end else "" for end in (low, high))
    # the ends of the axis stand as far from zero as there is room
    head = list(" " * _PLOT)
    head[: len(left)] = left
    head[_PLOT - len(right) :] = right
    zero = place(0.0)
    head[zero] = "0" if head[zero] == " " else head[zero]
    return lines, "".join(head).rstrip()


def _markdown(comparison: Comparison) -> str:
    names = [f"- {name}: {escaped(_named(side))}" for name, side in (("A", comparison.left), ("B", comparison.right))]
    lines = [f"### {escaped(title(comparison.board))}", "", escaped(measured(comparison)), "", *names, ""]
    lines += [escaped(_sentence(comparison)), ""]
    if comparison.seeds:
        lines += [*table(["seed", "A", "B", "A - B"], [*_pairs(comparison), _means(comparison)]), ""]
    lines += [f"- {escaped(fact)}" for fact in _facts(comparison)]
    costs = [[escaped(text) for text in line] for line in _costs(comparison)]
    lines += ["", *table(["mean work", "A", "B", "A / B"], costs)] if costs else []
    return "\n".join(lines).rstrip()


def _flat(comparison: Comparison) -> dict[str, Any]:
    board = comparison.board
    about = {"arena": board.arena, "problem": board.problem, "task": board.task, "task_variant": board.variant,
             "scale": board.scale, "hardware": board.hardware, "protocol": board.protocol,
             "task_version": board.version, "verdict": verdict(comparison), "apart": comparison.apart}  # fmt: skip
    own = {name: value for name, value in vars(comparison).items() if name not in ("board", "left", "right")}
    sides = {"left": asdict(comparison.left), "right": asdict(comparison.right)}
    difference = asdict(comparison.difference) if comparison.difference is not None else None
    flat: dict[str, Any] = portable(about | own | sides | {"difference": difference})
    return flat
