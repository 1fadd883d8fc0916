"""Protocols: how the values of a row's hyperparameters were found. Rows of different protocols never share a board."""

from __future__ import annotations

import re

PAPER_VALUES = "paper values"  # those of the method's YAML
TUNING = "tuning"  # of the trials among which values are chosen; these count nowhere
_TUNED = re.compile(r"tuned, (\d+) trials(?: on \d+ seeds)?(?: \(\w+\))?")


def tuned(trials: int, seeds: int = 1, sampler: str = "random") -> str:
    """The protocol of values that were chosen by validation; it names the whole budget.

    Args:
        trials: sets of values that each method may try on each task.
        seeds: tuning seeds on which each of them is tried.
        sampler: who draws them.
    """
    shared = f" on {seeds} seeds" if seeds > 1 else ""
    return f"tuned, {trials} trials{shared}" + (f" ({sampler})" if sampler != "random" else "")


def trials_of(protocol: str) -> int | None:
    """The trials that each method had under a protocol of `tuned`; None for any other.

    >>> trials_of(tuned(16, sampler="tpe"))
    16
    """
    found = _TUNED.fullmatch(protocol)
    return int(found[1]) if found else None
