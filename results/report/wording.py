"""Words and counts as the pages show them. Numbers of boards are written as in all tables."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

_CODE = re.compile(r"`+([^`]+)`+")


def count(value: int) -> str:
    """A count in full, with thin separators."""
    return f"{value:,}".replace(",", "\u202f")


def ticked(text: str) -> Markup:
    """Text of a docstring, what stands between backticks set as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 (escaped before)
