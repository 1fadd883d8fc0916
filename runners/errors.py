"""The one error that a user sees."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CommandError(Exception):
    """A command that cannot be carried out as given. One clear line that names the thing at fault; exit code 2."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """'; did you mean a, b?' for a misspelt name, or an empty string."""
    pool = sorted(known)
    close = difflib.get_close_matches(name, pool, n=2, cutoff=0.6)
    tails = {candidate.rpartition("/")[2]: candidate for candidate in pool}
    close += [tails[tail] for tail in difflib.get_close_matches(name.rpartition("/")[2], tails, n=1, cutoff=0.7)]
    unique = list(dict.fromkeys(close))
    return f"; did you mean {' or '.join(unique)}?" if unique else ""


def one_line(error: BaseException) -> str:
    """The message of an error on a single line."""
    return " ".join(str(error).split()) or type(error).__name__
