"""A board as its pages show it: cells with links and sort keys, and what a newcomer would ask first, answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from results.leaderboard import Leaderboard, Row
from results.report import places
from results.report.curves import LARGEST, SEEDS
from results.stats import Interval
from results.tables import content, numbers

INTERVALS = (
    f"A mean is followed by ± half its {content.INTERVAL}, which says where the mean over all seeds would lie.",
    "With few seeds an interval keeps its word only where scores spread roughly evenly around their mean.",
)
_WORDS = ("method", "fidelity")  # columns of text
_HINTS = {
    "rank": "rows that cannot be told apart share a rank",
    "gap": "mean paired difference over shared seeds",
    "seeds": "seeds scored",
    "endings": "cells that did not end ok",
    "work": "mean units of work, solve and use",
    "clock": "mean seconds",
    "memory": "highest resident memory",
}


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


def about(board: Leaderboard) -> str:
    """Under which conditions a board holds."""
    return ", ".join(content.conditions(board))


def link(board: Leaderboard) -> str:
    """Where a board stands on the page of its task."""
    return f"{places.task(board.task)}#{places.board(board)}"


def units(board: Leaderboard) -> list[str]:
    """Units of work that some row spent, that which says most about cost first."""
    main = content.main_unit(board)
    return sorted(content.units(board), key=lambda unit: (unit != main, unit))


def headings(board: Leaderboard) -> list[Heading]:
    """The heads of a board's columns."""
    return [Heading(it.text, it.kind not in _WORDS, _hint(board, it)) for it in content.columns(board)]


def _hint(board: Leaderboard, head: content.Heading) -> str:
    return board.metric_info[head.name]["unit"] if head.kind == "metric" else _HINTS.get(head.kind, "")


def cells(board: Leaderboard, row: Row) -> list[Cell]:
    """One row under `headings`: what every table says, with links to what is behind it."""
    evidence = places.evidence(places.board(board), row)
    behind = {"metric": evidence, "seeds": evidence, "endings": evidence if row.endings else ""}
    found = []
    for it in content.cells(board, row):
        goal = (
            places.method(row.name) if it.kind == "method" else behind.get(it.kind, "") if it.value is not None else ""
        )
        hint = (
            f"{numbers.p_value(row.to_best[1])}, before Holm's correction" if it.kind == "gap" and row.to_best else ""
        )
        found.append(Cell(it.text, it.value, goal, hint, it.strong))
    return found


def score(interval: Interval | None, goal: str = "", *, signed: bool = False) -> Cell:
    """A mean with its interval as a cell."""
    return Cell(numbers.interval(interval, signed), interval.value if interval else None, goal if interval else "")


def view(board: Leaderboard, figures: Mapping[str, str]) -> dict[str, Any]:
    """What the template shows of a board.

    Args:
        board: the board.
        figures: where its figures for papers are, by kind, without their endings; empty for those it has not.
    """
    return {
        "id": places.board(board),
        "title": content.named(board),
        "link": link(board),
        "about": about(board),
        "caption": f"{content.named(board)}, ranked by {content.heading(board, board.rank_metric)}",
        "headings": headings(board),
        "rows": [(cells(board, row), marks(board, row)) for row in board.rows],
        "note": content.note(board),
        "figures": figures,
        "seeds_of_curves": SEEDS,
    }


def marks(board: Leaderboard, row: Row) -> dict[str, Any]:
    """How a row is set apart from others."""
    badges = [("paper", "a paper\u2019s own method")] if row.role == "paper" else []
    badges += [("ablation", "a part of a method taken away or changed")] if row.role == "ablation" else []
    badges += [("stale", row.stale)] if row.stale else []
    kind = "reference" if row.role == "reference" else "leads" if content.won(board, row) else ""
    return {"kind": kind, "badges": badges}


def listed(value: Any) -> str:
    """A value of a card in words."""
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {listed(inner)}" if inner else str(key) for key, inner in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def chart(board: Leaderboard, curves: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What the figures of a board are drawn from, as plain values."""
    info = board.metric_info[board.rank_metric]
    names = units(board)
    return {
        "id": places.board(board),
        "title": content.named(board),
        "metric": {"name": content.words(board.rank_metric), "unit": info["unit"], "higher": board.higher},
        "machine": board.machine,
        "units": names,
        "rows": [_charted(board, row, names) | {"curves": curves.get(row.key, {})} for row in board.rows if row.seeds],
        "absent": [row.method for row in board.rows if not row.seeds],
    }


def _charted(board: Leaderboard, row: Row, names: Sequence[str]) -> dict[str, Any]:
    mean = row.metrics[board.rank_metric]
    low, high = numbers.bounded(mean) or (None, None)
    found: dict[str, Any] = numbers.portable({
        "method": row.method,
        "reference": row.role == "reference",
        "rank": row.rank,
        "seeds": list(row.seeds),
        "scores": [_drawable(row.scores[seed]) for seed in row.seeds],
        "interval": [_drawable(mean.value), _drawable(low), _drawable(high)],
        "work": {unit: _drawable(content.spent(row, unit)) for unit in names},
        "seconds": _drawable(row.seconds.get("solve")),
        "memory": row.memory,
        "other": sum(row.endings.values()),
        "page": places.evidence(places.board(board), row),
    })  # fmt: skip
    return found


def _drawable(value: float | None) -> float | None:
    return value if value is not None and abs(value) < LARGEST else None
