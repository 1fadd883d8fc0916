"""What a table of a board says, whatever its format: cells, and how to read them."""

from __future__ import annotations

from collections import Counter, defaultdict

from results.leaderboard import Leaderboard
from results.protocols import trials_of
from results.stats import LEVEL
from results.tables.cells import (
    APART,
    ARROWS,
    BESIDE,
    STALE,
    Cell,
    Heading,
    apart,
    cells,
    clean,
    columns,
    conditions,
    first,
    heading,
    main_unit,
    metrics,
    named,
    spent,
    title,
    units,
    won,
    words,
)
from results.tables.numbers import symmetric

__all__ = ["APART", "ARROWS", "BESIDE", "EMPTY", "INTERVAL", "STALE", "TEST", "Cell", "Heading", "apart", "cells",
           "clean", "columns", "conditions", "first", "footnotes", "heading", "left_out", "main_unit", "metrics",
           "named", "note", "reasons", "spent", "title", "units", "won", "words"]  # fmt: skip

INTERVAL = "95 % t interval"  # what the intervals of boards and comparisons are, in words
TEST = "paired t test"
EMPTY = "The store has no attempts for this."


def note(board: Leaderboard, bold: bool = True) -> str:
    """How to read a board, in a few sentences; says only what the board needs.

    Args:
        board: the board.
        bold: whether the format has bold letters, which are then explained.
    """
    side = "higher" if board.higher else "lower"
    half = f"± is half the {INTERVAL} of the mean" + ("" if _all_symmetric(board) else ", [low, high] the whole of it")
    sentences = [
        f"Ranked by {board.rank_metric} ({side} is better). Rank: 1 plus the number of rows that are told apart from "
        f"this one as better, by {TEST}s over shared seeds with Holm's correction at {LEVEL * 100:g} %; rows that "
        "cannot be told apart share a rank.",
        "ref: an answer of the task itself, not ranked." if any(row.role == "reference" for row in board.rows) else "",
        f"n: the seeds averaged, of each the newest attempt that ended ok; other endings are never averaged; {half}.",
    ]
    if (trials := trials_of(board.protocol)) is not None:
        sentences.append(
            f"Hyperparameters: chosen by validation among {trials} trials per method, the same number for all."
        )
    if any(row.to_best for row in board.rows):
        marked = f"; {APART} told apart from it" if apart(board) else ""
        sentences.append(f"To best: mean difference to the best row over shared seeds{marked}.")
    if any(row.seconds for row in board.rows) and board.machine:
        sentences.append(f"Seconds: only of attempts on one kind of machine ({board.machine}).")
    if any(row.seconds and not row.alone for row in board.rows):
        sentences.append(f"{BESIDE} ran beside other cells.")
    if any(row.stale for row in board.rows):
        sentences.append(f"{STALE} may no longer be what the code gives.")
    if board.rebuilt:
        sentences.append(
            f"Rows stand on different builds of {', '.join(board.rebuilt)} at the same seed: part of their differences "
            "may be the build."
        )
    sentences += left_out(board)
    if board.prices:
        sentences.append(_prices(board))
    if bold:
        sentences.append(_bold(board))
    return clean(" ".join(sentence for sentence in sentences if sentence))


def left_out(board: Leaderboard) -> list[str]:
    """How many attempts at the same task do not count, and why, in at most one sentence."""
    counts = Counter(board.left_out.values())
    told = [f"{count} attempt{'s' if count > 1 else ''} {why}" for why, count in sorted(counts.items())]
    gone = [f"so there is no row of {', '.join(board.absent)}"] if board.absent else []
    return [f"Left out: {', '.join(told + gone)}."] if told else []


def _prices(board: Leaderboard) -> str:
    first, *others = ((f"{price:g}", unit) for unit, price in board.prices.items())
    total = f" {board.priced}" if board.priced else ""
    told = [f"{first[0]}{total} per {first[1]}", *(f"{price} per {unit}" for price, unit in others)]
    return f"prices: {', '.join(told)}."


def _bold(board: Leaderboard) -> str:
    if any(won(board, row) for row in board.rows):
        return "Bold: of the first rank, with at least two seeds."
    ranked = [row for row in board.rows if row.rank is not None]
    if len(ranked) > 1 and all(row.rank == 1 for row in ranked):
        return "No row is bold, since no two can be told apart."
    return ""


def footnotes(board: Leaderboard) -> list[str]:
    """One line for each stale row, with the reason."""
    return [f"{STALE} {clean(row.method)}: stale: {clean(row.stale)}" for row in board.rows if row.stale]


def reasons(board: Leaderboard) -> list[str]:
    """One line for each way in which attempts of a row ended otherwise, with their seeds."""
    lines = []
    for row in board.rows:
        seeds: defaultdict[str, list[str]] = defaultdict(list)
        for told in row.reasons:
            seed, _, reason = told.removeprefix("seed ").partition(": ")
            seeds[reason].append(seed)
        lines += [
            f"{clean(row.method)}: seed{'s' if len(of) > 1 else ''} {', '.join(of)}: {clean(reason)}"
            for reason, of in seeds.items()
        ]
    return lines


def _all_symmetric(board: Leaderboard) -> bool:
    shown = [estimate for row in board.rows for estimate in row.metrics.values()]
    return all(symmetric(estimate) for estimate in [*shown, *(row.to_best[0] for row in board.rows if row.to_best)])
