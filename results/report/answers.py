"""What a newcomer asks of a board, answered from its numbers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from results.leaderboard import Leaderboard, Row
from results.report.boards import units
from results.stats import LEVEL
from results.tables import numbers
from results.tables.content import first, spent, won, words


def answers(board: Leaderboard) -> list[tuple[str, str]]:
    """What a newcomer asks of a board, and what it says."""
    ranked = [row for row in board.rows if row.rank is not None]
    if not ranked:
        return [("Which method wins?", "None has a result yet.")]
    return [
        ("Which method wins?", _winner(board, ranked)),
        ("Is the win real?", _real(board, ranked)),
        ("What does it cost?", _cost(board, ranked[0])),
    ]


def _listed(rows: Sequence[Row], most: int = 3) -> str:
    names = [row.method for row in rows[:most]]
    return ", ".join(names) + (f" and {len(rows) - most} more" if len(rows) > most else "")


def _winner(board: Leaderboard, ranked: Sequence[Row]) -> str:
    leading = [row for row in first(board) if won(board, row)]
    named = f"in {words(board.rank_metric)} ({'higher' if board.higher else 'lower'} is better)"
    if len(ranked) == 1:
        return f"Only {ranked[0].method} has results."
    if len(leading) == 1 and len(first(board)) == 1:
        return f"{leading[0].method}, {named}: the only row of rank 1."
    if leading:
        return f"No single one: {_listed(first(board))} share rank 1 {named}."
    return f"None can be said to: no row is told apart from another {named}; {ranked[0].method} has the best mean."


def _real(board: Leaderboard, ranked: Sequence[Row]) -> str:
    if max(len(row.seeds) for row in ranked) < 2:
        return "One seed tells nothing apart; run more."
    sentences = [_tested(ranked)] if len(ranked) > 1 else []
    behind = next((row for row in ranked if row.to_best is not None), None)
    if behind is not None and behind.to_best is not None:
        sentences.append(
            f"{behind.method}, next to {ranked[0].method}, is {numbers.interval(behind.to_best[0], signed=True)} from"
            f" it over the seeds that they share and has rank {behind.rank}."
        )
    failed = sum(sum(row.endings.values()) for row in ranked)
    if failed:
        sentences.append(f"{failed} of the ranked methods' cells did not end ok; no mean holds them.")
    stale = [row for row in ranked if row.stale]
    if stale:
        sentences.append(f"Stale: {_listed(stale)}; the code has moved since.")
    return " ".join(sentences)


def _tested(ranked: Sequence[Row]) -> str:
    """Over how many seeds the pairs of rows could be compared."""
    shared = [len(set(left.seeds).intersection(right.seeds)) for left, right in itertools.combinations(ranked, 2)]
    if max(shared) < 2:
        return "No two rows share two seeds, so that none can be told apart; run them on the same seeds."
    span = f"{max(shared)}" if min(shared) == max(shared) else f"{min(shared)} to {max(shared)}"
    return f"Ranks come from paired tests over {span} shared seeds, at {LEVEL * 100:g} % for the whole board (Holm)."


def _cost(board: Leaderboard, leading: Row) -> str:
    work = {unit: spent(leading, unit) for unit in units(board)}
    told = [f"{numbers.number(value)} {words(unit)}" for unit, value in work.items() if value]
    clock = leading.seconds.get("solve")
    told += [f"{numbers.seconds(clock)} s to solve"] if clock is not None else []
    told += [f"{numbers.number(round(leading.memory))} MiB at most"] if leading.memory else []
    place = f" on {board.machine}" if board.machine and clock is not None else ""
    return f"{leading.method}: {', '.join(told) or 'nothing was counted'}{place}, for one seed."
