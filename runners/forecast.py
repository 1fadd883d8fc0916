"""What a sweep would do: its cells, how long they may take, and what their seeds can tell apart."""

from __future__ import annotations

import math
from collections.abc import Sequence

from results.stats import minimum_detectable
from results.store import Store, StoreError
from runners.errors import CommandError
from runners.pair import Pair
from runners.planning import Plan
from runners.session import open_cells

_SHOWN = 60  # pairs listed one by one


def forecast(work: Plan, store: Store, *, force: bool, workers: int) -> str:
    """The plan as text. Nothing is run.

    Raises:
        CommandError: the store cannot be read.
    """
    try:
        cells = open_cells(store, work.pairs, force=force)
        known = [(pair, list(seeds), _seconds(pair, store)) for pair, seeds in work.pairs]
    except StoreError as error:
        raise CommandError(str(error)) from error
    left = {cell.name for cell in cells}
    lines = list(work.reasons())
    total, unknown = 0.0, 0
    for place, (pair, seeds, each) in enumerate(known):
        open_seeds = [seed for seed, name in pair.cells(seeds).items() if name in left]
        if each is None:
            unknown += len(open_seeds)
        else:
            total += each * len(open_seeds)
        if place < _SHOWN:
            lines.append(_line(pair, open_seeds, each))
    if len(known) > _SHOWN:
        lines.append(f"  and {len(known) - _SHOWN} more pairs")
    lines += [
        f"{len(cells)} of {work.cells()} cells would run; the store has {work.cells() - len(cells)}",
        _time(total, unknown, workers),
        _power({len(seeds) for _, seeds, _ in known}),
    ]
    return "\n".join(lines)


def _line(pair: Pair, seeds: Sequence[int], each: float | None) -> str:
    what = f"  {pair.choice.method} on {pair.choice.task} ({pair.choice.scale}, {pair.choice.hardware})"
    if not seeds:
        return f"{what}: done"
    cost = "no past record" if each is None else f"about {_duration(each * len(seeds))}"
    shown = ", ".join(map(str, seeds[:8])) + (f" and {len(seeds) - 8} more" if len(seeds) > 8 else "")
    return f"{what}: seeds {shown}; {cost}"


def _seconds(pair: Pair, store: Store) -> float | None:
    """Mean seconds of past attempts of this method on this task at this scale; other values count too."""
    past = [seconds for _, seconds in store.timings(pair.choice.method, pair.choice.task, pair.choice.scale)]
    return sum(past) / len(past) if past else None


def _time(total: float, unknown: int, workers: int) -> str:
    beside = f"; {unknown} cells have no past record" if unknown else ""
    spread = f" with {workers} workers" if workers > 1 else ""
    return f"estimated time{spread}: {_duration(total / workers)}{beside} (preparations not counted)"


def _power(counts: set[int]) -> str:
    """The smallest difference that the seeds can detect, for the smallest number of seeds of any pair."""
    seeds = min(counts)
    smallest = minimum_detectable(seeds)
    if math.isinf(smallest):
        return "one seed tells nothing apart: name several, such as 'seed=range(0,5)'"
    return (
        f"{seeds} seeds detect a mean paired difference of {smallest:.2f} standard deviations of the differences "
        "(paired t test, 5 %, power 80 %)"
    )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
