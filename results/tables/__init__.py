"""Leaderboards as text: terminal, Markdown, CSV, JSON, LaTeX and HTML."""

from __future__ import annotations

from collections.abc import Sequence

from results.leaderboard import Leaderboard
from results.tables.content import Cell, Heading, apart, cells, columns, footnotes, note, title, won

__all__ = ["ENDINGS", "FORMATS", "Cell", "Heading", "apart", "cells", "columns", "footnotes", "note", "render", "title",
           "won"]  # fmt: skip

FORMATS = ("terminal", "md", "csv", "json", "latex", "html")
ENDINGS = {".txt": "terminal", ".md": "md", ".csv": "csv", ".json": "json", ".tex": "latex", ".html": "html"}


def render(boards: Sequence[Leaderboard], form: str, width: int | None = None, *, styled: bool = False) -> str:
    """The boards as text in one of `FORMATS`, without a last line break.

    Args:
        boards: in the order in which they appear.
        form: one of `FORMATS`.
        width: columns of the terminal; None is room for all.
        styled: whether the terminal shows bold letters.

    Raises:
        ValueError: there is no such format.
    """
    if form == "terminal":
        from results.tables.terminal import terminal

        return terminal(boards, width, styled=styled)
    if form == "md":
        from results.tables.markdown import markdown

        return markdown(boards)
    if form in ("csv", "json"):
        from results.tables.data import as_csv, as_json

        return as_csv(boards) if form == "csv" else as_json(boards)
    if form == "latex":
        from results.tables.latex import latex

        return latex(boards)
    if form == "html":
        from results.tables.html import html

        return html(boards)
    raise ValueError(f"'{form}' is none of {', '.join(FORMATS)}")
