"""What a table of a board says, whatever its format: title, note, headings, cells, marks and footnotes."""

from __future__ import annotations

from collections import Counter, defaultdict

from results.leaderboard import Leaderboard, Row
from results.protocols import trials_of
from results.tables.numbers import MISSING, interval, number, seconds, symmetric

INTERVAL = "95 % t interval"  # what the intervals of boards and comparisons are, in words
TEST = "paired t test"
LEVEL = 0.05  # of the tests behind the ranks
BESIDE, STALE, APART = "*", "†", "≠"
EMPTY = "The store has no attempts for this."
_ARROWS = {"higher": " ↑", "lower": " ↓", "none": ""}


def title(board: Leaderboard) -> str:
    """What a board is about, on one line: all that tells its numbers from those of other boards."""
    parts = [f"{board.task} v{board.version}", board.scale, board.hardware, board.protocol]
    return clean(", ".join(parts + ([board.variant] if board.variant else [])))


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
    if board.prices:
        sentences.append(_prices(board))
    if bold:
        sentences.append(_bold(board))
    return clean(" ".join(sentence for sentence in sentences if sentence))


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


def columns(board: Leaderboard) -> list[str]:
    """Headings of a board: the rank metric first, then what else was measured, costs and clock."""
    measured = [heading(board, name) for name in metrics(board)]
    work = [clean(unit.replace("_", " ")) for unit in units(board)]
    return ["rank", "method", *measured, "to best", "n", "other endings", *work, "solve s", "use s", "MiB", "fidelity"]


def cells(board: Leaderboard, row: Row) -> list[str]:
    """One row as text, under `columns`."""
    rank = str(row.rank) if row.rank is not None else ("ref" if row.role == "reference" and row.seeds else MISSING)
    name = clean(row.method) + (f" {STALE}" if row.stale else "")
    numbers = [interval(row.metrics.get(metric)) for metric in metrics(board)]
    gap = interval(row.to_best[0], signed=True) if row.to_best else MISSING
    gap += f" {APART}" if row.method in apart(board) else ""
    endings = ", ".join(f"{count} {status}" for status, count in sorted(row.endings.items())) or MISSING
    work = [number(spent(row, unit)) for unit in units(board)]
    mark = "" if row.alone else BESIDE
    clock = [seconds(row.seconds[part]) + mark if part in row.seconds else MISSING for part in ("solve", "evaluate")]
    memory = f"{row.memory:.0f}" if row.memory is not None else MISSING
    return [rank, name, *numbers, gap, str(len(row.seeds)), endings, *work, *clock, memory, clean(row.fidelity)]


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


def heading(board: Leaderboard, name: str) -> str:
    """A metric with the arrow of its better side."""
    return clean(name.replace("_", " ")) + _ARROWS[board.metric_info[name]["direction"]]


def clean(text: str) -> str:
    """Text on one line, without characters that steer terminals or turn the direction of writing."""
    line = " ".join(text.split())
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in line)


def _all_symmetric(board: Leaderboard) -> bool:
    shown = [estimate for row in board.rows for estimate in row.metrics.values()]
    return all(symmetric(estimate) for estimate in [*shown, *(row.to_best[0] for row in board.rows if row.to_best)])
