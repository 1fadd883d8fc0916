"""The verb `leaderboard`: boards of the store, in a format, on the screen or in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from results.leaderboard import leaderboards
from results.record import write_text
from results.store import Store
from results.tables import ENDINGS, FORMATS, render
from runners.errors import CommandError, one_line
from runners.staleness import Judge
from runners.words import STORE, one_of, only_keys


def understood(words: Sequence[str]) -> dict[str, str]:
    """The values of the verb; where `out` is given and `format` is not, the ending of the file chooses it.

    Raises:
        CommandError: a word, the format or the ending is none of those that there are.
    """
    values = only_keys("leaderboard", words, {"task": "", "arena": "", "format": "", "out": "", **STORE})
    if not values["format"] and values["out"]:
        ending = Path(values["out"]).suffix
        if ending not in ENDINGS:
            raise CommandError(f"out: '{values['out']}' ends in none of {', '.join(ENDINGS)}; name a format=..")
        values["format"] = ENDINGS[ending]
    one_of(values["format"] or "terminal", FORMATS, "format")
    return values


def chosen(values: Mapping[str, str]) -> dict[str, str]:
    """What the boards are narrowed to, by column of the store."""
    return {key: values[key] for key in ("task", "arena") if values[key]}


def leaderboard(store: Store, values: Mapping[str, str], width: int | None, *, styled: bool) -> str | None:
    """The text to print: empty where it went to a file, None where there is nothing to show on a screen.

    Args:
        store: the attempts.
        values: as from `understood`.
        width: columns of the terminal; None where there is none.
        styled: whether the terminal shows bold letters.

    Raises:
        CommandError: the file cannot be written.
        StoreError: the store cannot be read.
    """
    boards = leaderboards(store.heads(**chosen(values)), Judge())
    form = values["format"] or "terminal"
    if values["out"]:
        try:
            write_text(Path(values["out"]), render(boards, form) + "\n")
        except OSError as error:
            raise CommandError(f"out: {one_line(error)}") from error
        return ""
    if not boards and form == "terminal":
        return None
    return render(boards, form, width, styled=styled)
