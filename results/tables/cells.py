"""What a table of a board holds, whatever its format: title, headings, cells and marks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from results.leaderboard import Leaderboard, Row
from results.stats import LEVEL
from results.tables.numbers import MISSING, interval, number, seconds

BESIDE, STALE, APART = "*", "†", "≠"
ARROWS = {"higher": " ↑", "lower": " ↓", "none": ""}


@dataclass(frozen=True)
class Heading:
    """The head of a column.

    Args:
        kind: what the column holds: rank, method, metric, gap, seeds, endings, work, clock, memory, fidelity.
        text: in words.
        name: which metric, unit of work, or phase (`solve`, `evaluate`); empty for other kinds.
    """

    kind: str
    text: str
    name: str = ""


@dataclass(frozen=True)
class Cell:
    """One cell of a row.

    Args:
        kind, name: those of its column.
        text: as every format shows it.
        value: what a column is sorted by; None where there is nothing to sort.
        strong: whether it is set in bold.
    """

    kind: str
    text: str
    value: float | str | None = None
    name: str = ""
    strong: bool = False


def named(board: Leaderboard) -> str:
    """The task of a board, with what tells it from other boards of the task at the same scale."""
    return clean(f"{board.task} [{board.variant}]" if board.variant else board.task)


def conditions(board: Leaderboard) -> list[str]:
    """Under which conditions a board holds: version, scale, hardware and protocol."""
    return [f"v{board.version}", clean(board.scale), board.hardware, clean(board.protocol)]


def title(board: Leaderboard) -> str:
    """What a board is about, on one line: all that tells its numbers from those of other boards."""
    version, *others = conditions(board)
    return clean(", ".join([f"{board.task} {version}", *others, *([board.variant] if board.variant else [])]))


def first(board: Leaderboard) -> list[Row]:
    """The rows of the first rank, that which leads first."""
    return [row for row in board.rows if row.rank == 1]


def won(board: Leaderboard, row: Row) -> bool:
    """Whether a row is shown as a winner: of the first rank, with two seeds or more, on a board where some row is not
    of the first rank."""
    beaten = any(other.rank is not None and other.rank > 1 for other in board.rows)
    return beaten and row.rank == 1 and len(row.seeds) > 1


def apart(board: Leaderboard) -> frozenset[str]:
    """The methods of the ranked rows that are told apart from the best row, after Holm's control over all pairs.

    Every pair that is told apart adds one to one row's rank, so the ranks say how many pairs are; and Holm's procedure
    finds those with the smallest p-values: of r among m the last has p (m - r + 1) < level, the next p (m - r) >=
    level.
    """
    ranked = [row.rank for row in board.rows if row.rank is not None]
    pairs, found = len(ranked) * (len(ranked) - 1) // 2, sum(rank - 1 for rank in ranked)
    if not found:
        return frozenset()
    return frozenset(
        row.method
        for row in board.rows
        if row.rank is not None and row.to_best is not None and row.to_best[1] * (pairs - found + 1) < LEVEL
    )


def columns(board: Leaderboard) -> list[Heading]:
    """The heads of a board's columns: the rank metric first, then what else was measured, costs and clock."""
    measured = [Heading("metric", heading(board, name), name) for name in metrics(board)]
    work = [Heading("work", words(unit), unit) for unit in units(board)]
    return [
        Heading("rank", "rank"), Heading("method", "method"), *measured, Heading("gap", "to best"),
        Heading("seeds", "n"), Heading("endings", "other endings"), *work, Heading("clock", "solve s", "solve"),
        Heading("clock", "use s", "evaluate"), Heading("memory", "MiB"), Heading("fidelity", "fidelity"),
    ]  # fmt: skip


def cells(board: Leaderboard, row: Row) -> list[Cell]:
    """One row under `columns`."""
    strong = won(board, row)
    rank = str(row.rank) if row.rank is not None else ("ref" if row.role == "reference" and row.seeds else MISSING)
    gap = row.to_best[0] if row.to_best else None
    mark = f" {APART}" if row.method in apart(board) else ""
    endings = ", ".join(f"{count} {status}" for status, count in sorted(row.endings.items()))
    clocks = {part: row.seconds.get(part) for part in ("solve", "evaluate")}
    beside = "" if row.alone else BESIDE
    return [
        Cell("rank", rank, row.rank),
        Cell("method", clean(row.method) + (f" {STALE}" if row.stale else ""), row.method, strong=strong),
        *(_measured(row, name, strong=strong and name == board.rank_metric) for name in metrics(board)),
        Cell("gap", interval(gap, signed=True) + mark, gap.value if gap else None),
        Cell("seeds", str(len(row.seeds)), len(row.seeds)),
        Cell("endings", endings or MISSING, sum(row.endings.values())),
        *(Cell("work", number(spent(row, unit)), spent(row, unit), unit) for unit in units(board)),
        *(Cell("clock", seconds(time) + (beside if time is not None else ""), time, k) for k, time in clocks.items()),
        Cell("memory", f"{row.memory:.0f}" if row.memory is not None else MISSING, row.memory),
        Cell("fidelity", clean(row.fidelity), row.fidelity),
    ]


def _measured(row: Row, name: str, strong: bool) -> Cell:
    estimate = row.metrics.get(name)
    return Cell("metric", interval(estimate), estimate.value if estimate else None, name, strong)


def metrics(board: Leaderboard) -> list[str]:
    """The metrics that were measured, that which ranks first."""
    measured = {name for row in board.rows for name in row.metrics}
    return [board.rank_metric] + [n for n in board.metric_info if n in measured and n != board.rank_metric]


def units(board: Leaderboard) -> list[str]:
    """The units of work that were booked."""
    return sorted({unit for row in board.rows for account in row.cost.values() for unit in account})


def main_unit(board: Leaderboard) -> str | None:
    """The unit that says most about cost: the priced total, or else that which most rows booked."""
    booked = Counter(unit for row in board.rows for unit in units(board) if spent(row, unit))
    if board.priced in booked:
        return board.priced
    return min(booked, key=lambda unit: (-booked[unit], unit), default=None)


def spent(row: Row, unit: str) -> float | None:
    """Mean units of work in all accounts; None where no attempt counts."""
    return sum(account.get(unit, 0.0) for account in row.cost.values()) if row.seeds else None


def words(name: str) -> str:
    """A name of a metric or a unit in words."""
    return clean(name.replace("_", " "))


def heading(board: Leaderboard, name: str) -> str:
    """A metric with the arrow of its better side."""
    return words(name) + ARROWS[board.metric_info[name]["direction"]]


def clean(text: str) -> str:
    """Text on one line, without characters that steer terminals or turn the direction of writing."""
    line = " ".join(text.split())
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in line)
