"""Leaderboards as text: terminal, Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from results.leaderboard import Leaderboard, Row
from results.stats import Interval

FORMATS = ("terminal", "md", "csv", "json")
WIDTH = 240  # columns of text where there is no terminal to ask: room for all
_ARROWS = {"higher": " ↑", "lower": " ↓", "none": ""}


def render(boards: Sequence[Leaderboard], form: str, width: int | None = None) -> str:
    """The boards as text in one of `FORMATS`."""
    if form == "json":
        return json.dumps({"rows": [_flat(board, row) for board in boards for row in board.rows]}, indent=1)
    if form == "csv":
        return _csv(boards)
    if form == "md":
        return "\n\n".join(_markdown(board) for board in boards)
    return _terminal(boards, width)


def title(board: Leaderboard) -> str:
    """What a board is about, on one line."""
    parts = [f"{board.task} v{board.version}", board.scale, board.hardware, board.protocol]
    return ", ".join(parts + ([board.variant] if board.variant else []))


def note(board: Leaderboard) -> str:
    """How to read a board."""
    sentences = [
        f"Ranked by {board.rank_metric}. Mean over seeds, ± half the 95 % t interval; rows that paired tests "
        "(Holm, 5 %) cannot tell apart share a rank; only cells that ended ok are averaged."
    ]
    if board.prices:
        first, *others = (f"{price:g}{{}} per {unit}" for unit, price in board.prices.items())
        total = f" {board.priced}" if board.priced else ""
        sentences.append(f"prices: {', '.join([first.format(total), *(other.format('') for other in others)])}.")
    if any(row.seconds and not row.alone for row in board.rows):
        sentences.append("* ran beside other cells.")
    return " ".join(sentences)


def columns(board: Leaderboard) -> list[str]:
    """Headings of a board: the rank metric first, then what else was measured, costs and clock."""
    return ["rank", "method", *(_heading(board, name) for name in _metrics(board)), "to best", "n", "other endings",
            *(unit.replace("_", " ") for unit in _units(board)), "solve s", "use s", "MiB", "fidelity"]  # fmt: skip


def cells(board: Leaderboard, row: Row) -> list[str]:
    """One row as text, under `columns`."""
    rank = str(row.rank) if row.rank is not None else ("ref" if row.role == "reference" and row.seeds else "-")
    numbers = [_interval(row.metrics.get(name)) for name in _metrics(board)]
    gap = _interval(row.to_best[0], signed=True) if row.to_best else "-"
    endings = ", ".join(f"{count} {status}" for status, count in sorted(row.endings.items())) or "-"
    work = [_number(row.cost["solve"].get(unit, 0.0) + row.cost["use"].get(unit, 0.0)) for unit in _units(board)]
    mark = "" if row.alone else "*"
    clock = [f"{row.seconds[phase]:.2f}{mark}" if phase in row.seconds else "-" for phase in ("solve", "evaluate")]
    memory = f"{row.memory:.0f}" if row.memory is not None else "-"
    return [rank, row.method, *numbers, gap, str(len(row.seeds)), endings, *work, *clock, memory, row.fidelity]


def _metrics(board: Leaderboard) -> list[str]:
    measured = {name for row in board.rows for name in row.metrics}
    return [board.rank_metric] + [n for n in board.metric_info if n in measured and n != board.rank_metric]


def _units(board: Leaderboard) -> list[str]:
    return sorted({unit for row in board.rows for account in row.cost.values() for unit in account})


def _heading(board: Leaderboard, name: str) -> str:
    return name.replace("_", " ") + _ARROWS[board.metric_info[name]["direction"]]


def _number(value: float) -> str:
    return f"{value:.4g}" if value < 1e5 else f"{value:.3e}"


def _interval(interval: Interval | None, signed: bool = False) -> str:
    if interval is None:
        return "-"
    sign = "+" if signed else ""
    if interval.low is None or interval.high is None:
        return f"{interval.value:{sign}.4g}"
    half = (interval.high - interval.low) / 2
    digits = 3 if abs(interval.value) < 10 else 1
    return f"{interval.value:{sign}.{digits}f} ± {half:.{digits}f}"


def _terminal(boards: Sequence[Leaderboard], width: int | None) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width or WIDTH, highlight=False)
    for board in boards:
        kept, dropped = _fitting(board, console.width)
        table = Table(title=title(board), title_justify="left", title_style="bold", caption_justify="left")
        table.caption = note(board) + (
            f" Too wide to show: {', '.join(dropped)} (format=md has all)." if dropped else ""
        )
        headings = columns(board)
        for index in kept:
            table.add_column(headings[index], justify="left" if index == 1 else "right", overflow="fold")
        for row in board.rows:
            texts = cells(board, row)
            style = "bold" if row.rank == 1 and len(row.seeds) > 1 else ""
            table.add_row(*(Text(texts[index], style=style) for index in kept))
        reasons = [Text(f"  {row.method}: {reason}") for row in board.rows for reason in row.reasons]
        console.print(Group(table, *reasons), "")
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def _fitting(board: Leaderboard, width: int) -> tuple[list[int], list[str]]:
    """Which columns fit, and the headings of those that do not: the ones that say least are left out first."""
    headings = columns(board)
    texts = [cells(board, row) for row in board.rows]
    widths = [max(len(line[index]) for line in [headings, *texts]) + 3 for index in range(len(headings))]
    metrics = len(_metrics(board))
    kept = list(range(len(headings)))
    # the rank metric, the gap, n and the endings always stay; costs and clock go first, from the right, then metrics
    for index in [*reversed(range(metrics + 5, len(headings))), *reversed(range(3, metrics + 2))]:
        if sum(widths[column] for column in kept) + 1 > width:
            kept.remove(index)
    return kept, [heading for index, heading in enumerate(headings) if index not in kept]


def _markdown(board: Leaderboard) -> str:
    def line(values: Sequence[str]) -> str:
        return "| " + " | ".join(value.replace("|", "\\|") for value in values) + " |"

    headings = columns(board)
    body = [line(cells(board, row)) for row in board.rows]
    reasons = [f"- {row.method}: {reason}" for row in board.rows for reason in row.reasons]
    head = [f"### {title(board)}", "", note(board), "", line(headings), line(["---"] * len(headings))]
    return "\n".join(head + body + (["", *reasons] if reasons else []))


def _csv(boards: Sequence[Leaderboard]) -> str:
    rows = [_spread(_flat(board, row)) for board in boards for row in board.rows]
    names = list(dict.fromkeys(name for row in rows for name in row))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().rstrip("\n")


def _flat(board: Leaderboard, row: Row) -> dict[str, Any]:
    own = {name: value for name, value in asdict(row).items() if name != "to_best"}
    gap = None
    if row.to_best is not None:
        gap = asdict(row.to_best[0]) | {"p_value": row.to_best[1]}
    about = {"arena": board.arena, "problem": board.problem, "task": board.task, "task_variant": board.variant,
             "scale": board.scale, "hardware": board.hardware, "protocol": board.protocol,
             "task_version": board.version, "rank_metric": board.rank_metric,
             "direction": board.metric_info[board.rank_metric]["direction"],
             "prices": board.prices, "priced": board.priced}  # fmt: skip
    return about | own | {"n": len(row.seeds), "to_best": gap}


def _spread(row: dict[str, Any]) -> dict[str, Any]:
    """Nested values as dotted columns, lists as text."""
    result: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            result |= {f"{name}.{key}": inner for key, inner in _spread(value).items()}
        else:
            result[name] = " ".join(str(item) for item in value) if isinstance(value, tuple | list) else value
    return result
