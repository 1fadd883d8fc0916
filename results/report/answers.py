"""What a newcomer asks of a board, answered from its numbers."""

from __future__ import annotations

from collections.abc import Sequence

from results.leaderboard import Leaderboard, Row
from results.report import numbers
from results.report.boards import first, leads, units, work


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
    leading = [row for row in first(board) if leads(board, row)]
    named = f"in {numbers.words(board.rank_metric)} ({'higher' if board.higher else 'lower'} is better)"
    if len(ranked) == 1:
        return f"Only {ranked[0].method} has results."
    if len(leading) == 1 and len(first(board)) == 1:
        return f"{leading[0].method}, {named}: the only row of rank 1."
    if leading:
        return f"No single one: {_listed(first(board))} share rank 1 {named}."
    return f"None can be said to: no row is told apart from another {named}; {ranked[0].method} has the best mean."


def _real(board: Leaderboard, ranked: Sequence[Row]) -> str:
    count = max(len(row.seeds) for row in ranked)
    if count < 2:
        return "One seed tells nothing apart; run more."
    best = ranked[0]
    behind = [row for row in ranked if row.to_best is not None]
    sentences = [f"Ranks come from paired tests over up to {count} shared seeds, at 5 % for the whole board (Holm)."]
    if behind:
        gap = behind[0].to_best
        assert gap is not None
        sentences.append(
            f"{behind[0].method}, next to {best.method}, is {numbers.interval(gap[0], signed=True)} from it"
            f" and has rank {behind[0].rank}."
        )
    failed = sum(sum(row.endings.values()) for row in ranked)
    if failed:
        sentences.append(f"{failed} of the ranked methods' cells did not end ok; no mean holds them.")
    stale = [row for row in ranked if row.stale]
    if stale:
        sentences.append(f"Stale: {_listed(stale)}; the code has moved since.")
    return " ".join(sentences)


def _cost(board: Leaderboard, best: Row) -> str:
    spent = [f"{numbers.number(work(best, unit))} {numbers.words(unit)}" for unit in units(board) if work(best, unit)]
    clock = best.seconds.get("solve")
    spent += [f"{numbers.seconds(clock)} s to solve"] if clock is not None else []
    spent += [f"{numbers.number(round(best.memory))} MiB at most"] if best.memory else []
    place = f" on {board.machine}" if board.machine and clock is not None else ""
    return f"{best.method}: {', '.join(spent) or 'nothing was counted'}{place}, for one seed."


def command(board: Leaderboard) -> str:
    """What runs a board again, with as many seeds as it has."""
    seeds = sorted({seed for row in board.rows for seed in row.seeds})
    span = f"seed=range({seeds[0]},{seeds[-1] + 1})" if seeds else "seed=range(0,5)"
    folders = sorted({row.name.partition("/")[0] for row in board.rows})
    pattern = f"[{','.join(f'{folder}/*' for folder in folders)}]" if len(folders) > 1 else f"{folders[0]}/*"
    tier = "" if board.scale == "laptop" else f" scale={board.scale}"
    return f"bakeoff run -m 'method=glob({pattern})' task={board.task}{tier} '{span}'"
