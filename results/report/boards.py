"""A board as its pages show it: cells with links and sort keys, and what a newcomer would ask first, answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from results.leaderboard import Leaderboard, Row
from results.report import numbers, places
from results.stats import Interval
from results.tables.content import INTERVAL, note

INTERVALS = (
    f"A mean is followed by ± half its {INTERVAL}, which says where the mean over all seeds would lie. With few seeds "
    "an interval keeps its word only where scores spread roughly evenly around their mean.",
)


@dataclass(frozen=True)
class Cell:
    """One number or word of a table.

    Args:
        text: as shown.
        key: what the column is sorted by; None sorts last.
        link: page below the top of the site, or nothing.
        hint: a longer text.
        strong: whether it is set in bold.
    """

    text: str
    key: float | str | None = None
    link: str = ""
    hint: str = ""
    strong: bool = False


@dataclass(frozen=True)
class Heading:
    """The head of a column: its text, and whether it holds numbers."""

    text: str
    numeric: bool = True
    hint: str = ""


def title(board: Leaderboard) -> str:
    """The task with what tells its boards apart."""
    return f"{board.task} [{board.variant}]" if board.variant else board.task


def about(board: Leaderboard) -> str:
    """Under which conditions a board holds."""
    return f"version {board.version}, scale {board.scale}, {board.hardware}, {board.protocol}"


def metrics(board: Leaderboard) -> list[str]:
    """The rank metric, then what else was measured."""
    measured = {name for row in board.rows for name in row.metrics}
    return [board.rank_metric] + [n for n in board.metric_info if n in measured and n != board.rank_metric]


def units(board: Leaderboard) -> list[str]:
    """Units of work that some row spent."""
    return sorted({unit for row in board.rows for account in row.cost.values() for unit in account})


def work(row: Row, unit: str) -> float:
    """Mean units of work of a row in both accounts."""
    return sum(account.get(unit, 0.0) for account in row.cost.values())


def heading(board: Leaderboard, name: str) -> str:
    """A metric in words, with the arrow of its direction."""
    return f"{numbers.words(name)} {numbers.ARROWS[board.metric_info[name]['direction']]}".rstrip()


def headings(board: Leaderboard) -> list[Heading]:
    """The heads of a board's columns."""
    found = [Heading("rank", hint="rows that cannot be told apart share a rank"), Heading("method", numeric=False)]
    found += [Heading(heading(board, name), hint=board.metric_info[name]["unit"]) for name in metrics(board)]
    found += [Heading("to best", hint="mean paired difference over shared seeds"), Heading("n", hint="seeds scored")]
    found += [Heading("other endings", hint="cells that did not end ok")]
    found += [Heading(numbers.words(unit), hint="mean units of work, solve and use") for unit in units(board)]
    found += [Heading(text, hint=hint) for text, hint in (("solve s", "mean seconds"), ("use s", "mean seconds"))]
    return [*found, Heading("MiB", hint="highest resident memory"), Heading("fidelity", numeric=False)]


def cells(board: Leaderboard, row: Row) -> list[Cell]:
    """One row under `headings`."""
    evidence = places.evidence(places.board(board), row)
    strong = leads(board, row)
    found = [_rank(row, strong), Cell(row.method, row.method, places.method(row.name), strong=strong)]
    for name in metrics(board):
        interval = row.metrics.get(name)
        key = interval.value if interval else None
        found.append(Cell(numbers.interval(interval), key, evidence if interval else "", strong=strong))
    gap, p_value = row.to_best or (None, 1.0)
    hint = f"p = {p_value:.2g}, before Holm's correction" if gap else ""
    found.append(Cell(numbers.interval(gap, signed=True), gap.value if gap else None, hint=hint))
    found.append(Cell(str(len(row.seeds)), len(row.seeds), evidence))
    endings = ", ".join(f"{count} {status}" for status, count in sorted(row.endings.items()))
    found.append(Cell(endings or numbers.MISSING, sum(row.endings.values()), evidence if endings else ""))
    found += [Cell(numbers.number(work(row, unit)), work(row, unit)) for unit in units(board)]
    mark = "" if row.alone else "*"
    for phase in ("solve", "evaluate"):
        clock = row.seconds.get(phase)
        found.append(Cell(f"{numbers.seconds(clock)}{mark if clock is not None else ''}", clock))
    found.append(Cell(numbers.number(row.memory and round(row.memory)), row.memory))
    return [*found, Cell(row.fidelity, row.fidelity)]


def _rank(row: Row, strong: bool) -> Cell:
    if row.rank is not None:
        return Cell(str(row.rank), row.rank, strong=strong)
    return Cell("ref", 1e6) if row.role == "reference" and row.seeds else Cell(numbers.MISSING, None)


def first(board: Leaderboard) -> list[Row]:
    """The rows of rank 1."""
    return [row for row in board.rows if row.rank == 1]


def leads(board: Leaderboard, row: Row) -> bool:
    """Whether a row may be called a winner: of rank 1, with more than one seed, and others are behind."""
    ranked = [other for other in board.rows if other.rank is not None]
    return row.rank == 1 and len(row.seeds) > 1 and len(first(board)) < len(ranked)


def view(board: Leaderboard, figures: Mapping[str, str]) -> dict[str, Any]:
    """What the template shows of a board.

    Args:
        board: the board.
        figures: where its figures for papers are, by kind, without their endings; empty for those it has not.
    """
    return {
        "id": places.board(board),
        "title": title(board),
        "link": f"{places.task(board.task)}#{places.board(board)}",
        "about": about(board),
        "caption": f"{title(board)}, ranked by {heading(board, board.rank_metric)}",
        "headings": headings(board),
        "rows": [(cells(board, row), marks(board, row)) for row in board.rows],
        "note": note(board),
        "figures": figures,
    }


def marks(board: Leaderboard, row: Row) -> dict[str, Any]:
    """How a row is set apart from others."""
    badges = [("paper", "a paper\u2019s own method")] if row.role == "paper" else []
    badges += [("ablation", "a part of a method taken away or changed")] if row.role == "ablation" else []
    badges += [("\u2020 stale", row.stale)] if row.stale else []
    kind = "reference" if row.role == "reference" else "leads" if leads(board, row) else ""
    return {"kind": kind, "badges": badges}


def listed(value: Any) -> str:
    """A value of a card in words."""
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {listed(inner)}" if inner else str(key) for key, inner in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def chart(board: Leaderboard, curves: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What the figures of a board are drawn from, as plain values."""
    info = board.metric_info[board.rank_metric]
    rows = [row for row in board.rows if row.seeds]
    return {
        "id": places.board(board),
        "title": title(board),
        "metric": {"name": numbers.words(board.rank_metric), "unit": info["unit"], "higher": board.higher},
        "machine": board.machine,
        "units": units(board),
        "rows": [
            {
                "method": row.method,
                "reference": row.role == "reference",
                "rank": row.rank,
                "seeds": list(row.seeds),
                "scores": [row.scores[seed] for seed in row.seeds],
                "interval": _bounds(row.metrics[board.rank_metric]),
                "work": {unit: work(row, unit) for unit in units(board)},
                "seconds": row.seconds.get("solve"),
                "memory": row.memory,
                "failed": sum(row.endings.values()),
                "curves": curves.get(row.key, {}),
                "page": places.evidence(places.board(board), row),
            }
            for row in rows
        ],
    }


def _bounds(interval: Interval) -> list[float | None]:
    return [interval.value, interval.low, interval.high]
