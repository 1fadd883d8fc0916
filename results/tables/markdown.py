"""Boards as GitHub-flavoured Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from results.leaderboard import Leaderboard, Row
from results.tables.content import EMPTY, cells, columns, footnotes, note, reasons, title

# what would begin markup: emphasis needs a mark with a letter behind it, so other ones stay as they are
_MARKUP = re.compile(r"[\\`$]|[*~](?=\S)|(?<![^\W_])_(?=\S)|\](?=\()|&(?=#|\w+;)|^[#+\-](?=[#\s])|^[\[>]")


def markdown(boards: Sequence[Leaderboard]) -> str:
    """The boards, one section each."""
    return "\n\n".join(_board(board) for board in boards) or EMPTY


def escaped(text: str) -> str:
    """Text that shows as it is."""
    return _MARKUP.sub(lambda found: f"\\{found[0]}", text).replace("<", "&lt;")


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table of texts that are escaped already."""
    lines = [headings, ["---"] * len(headings), *rows]
    return ["| " + " | ".join(value.replace("|", "\\|") for value in line) + " |" for line in lines]


def _board(board: Leaderboard) -> str:
    headings = [escaped(heading.text) for heading in columns(board)]
    head = [f"### {escaped(title(board))}", "", escaped(note(board)), ""]
    notes = [f"- {escaped(line)}" for line in [*footnotes(board), *reasons(board)]]
    return "\n".join(head + table(headings, [_row(board, row) for row in board.rows]) + (["", *notes] if notes else []))


def _row(board: Leaderboard, row: Row) -> list[str]:
    return [f"**{escaped(cell.text)}**" if cell.strong else escaped(cell.text) for cell in cells(board, row)]
