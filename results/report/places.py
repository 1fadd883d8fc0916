"""Where each page of the site is. Names come from records, which may hold anything; no path leaves the folder, and no
two names share one, on any file system."""

from __future__ import annotations

import re

from results.leaderboard import Leaderboard, Row
from results.selection import short

_PLAIN = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,99}")  # some file systems do not tell capital letters from small ones
_TAKEN = re.compile(
    r"x-[0-9a-f]{10}"  # what `part` makes itself
    r"|.*\.html"  # a folder `toys.html` would stand where the page of `toys` is
    r"|(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?"  # Windows keeps these names for devices
    r"|.*\."  # Windows drops the dot
)
_LONGEST = 180  # letters of a path below its folder


def part(text: str) -> str:
    """A text as one part of a path: itself where that is safe, else a short name for it."""
    return text if _PLAIN.fullmatch(text) and not _TAKEN.fullmatch(text) else f"x-{short(text)}"


def _path(kind: str, name: str) -> str:
    path = "/".join(part(piece) for piece in name.split("/"))
    return f"{kind}/{path if len(path) <= _LONGEST else f'x-{short(name)}'}.html"


def arena(name: str) -> str:
    """The page of an arena."""
    return _path("arenas", name)


def task(name: str) -> str:
    """The page of a task."""
    return _path("tasks", name)


def method(name: str) -> str:
    """The page of a method."""
    return _path("methods", name)


def paper(name: str) -> str:
    """The page of a paper."""
    return _path("papers", name)


def attempt(name: str) -> str:
    """The page of an attempt; in folders of some hundred, since many programs are slow with more."""
    return f"attempts/{short(name)[:2]}/{part(name)}.html"


def board(board: Leaderboard) -> str:
    """The name of a board, in links and for its files."""
    return f"{part(board.task.rpartition('/')[2])}-{board.key}"


def evidence(board_name: str, row: Row) -> str:
    """Where a method's page lists the attempts behind a row."""
    return f"{method(row.name)}#{board_name}-{row.key}"


def up(path: str) -> str:
    """What leads from a page to the top of the site."""
    return "../" * path.count("/")
