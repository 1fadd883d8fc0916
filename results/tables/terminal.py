"""Boards for the terminal, with rich."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from results.leaderboard import Leaderboard
from results.tables.content import EMPTY, cells, columns, footnotes, metrics, note, reasons, title, won

WIDTH = 240  # columns of text where there is no terminal to ask: room for all
_PROSE = 120  # columns of sentences


def terminal(boards: Sequence[Leaderboard], width: int | None, *, styled: bool) -> str:
    """The boards as text of a width in columns; see `results.tables.render`."""
    stream = io.StringIO()
    console = Console(
        file=stream,
        width=width or WIDTH,
        highlight=False,
        force_terminal=styled,  # else rich would ask the environment, and files would hold its codes
        color_system="standard" if styled else None,
        legacy_windows=False,
    )
    for board in boards:
        kept, dropped = _fitting(board, console.width)
        told = f" Too wide to show: {', '.join(dropped)} (format=md has all)." if dropped else ""
        lines = [note(board, bold=styled) + told, *footnotes(board), *(f"  {reason}" for reason in reasons(board))]
        console.print(Text(title(board), style="bold"), _table(board, kept), sep="\n")
        console.print(*(Text(line) for line in lines), "", sep="\n", width=min(console.width, _PROSE))
    if not boards:
        console.print(EMPTY)
    return "\n".join(line.rstrip() for line in stream.getvalue().rstrip().splitlines())


def _table(board: Leaderboard, kept: Sequence[int]) -> Table:
    table = Table()
    headings = columns(board)
    for index in kept:
        left = headings[index].kind == "method"
        table.add_column(Text(headings[index].text), justify="left" if left else "right", overflow="fold")
    for row in board.rows:
        made, style = cells(board, row), "bold" if won(board, row) else ""
        table.add_row(*(Text(made[index].text, style=style) for index in kept))
    return table


def _fitting(board: Leaderboard, width: int) -> tuple[list[int], list[str]]:
    """Which columns fit, and the headings of those that do not: the ones that say least are left out first."""
    headings = [heading.text for heading in columns(board)]
    texts = [[cell.text for cell in cells(board, row)] for row in board.rows]
    widths = [max(cell_len(line[index]) for line in [headings, *texts]) + 3 for index in range(len(headings))]
    measured = len(metrics(board))
    kept = list(range(len(headings)))
    # the rank metric, the gap, n and the endings always stay; costs and clock go first, from the right, then metrics
    for index in [*reversed(range(measured + 5, len(headings))), *reversed(range(3, measured + 2))]:
        if sum(widths[column] for column in kept) + 1 > width:
            kept.remove(index)
    return kept, [heading for index, heading in enumerate(headings) if index not in kept]
