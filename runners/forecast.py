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
from runners.trials import Found, Search, without_search

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


def forecast_tuned(
    work: Plan, tried: Sequence[Search], found: Found, store: Store, *, force: bool, workers: int
) -> str:
    """The plan of a tuned sweep as text: the trials, and the cells that are scored afterwards.

    Args:
        work: the plan as typed.
        tried: its searches, as far as the store lets them be named.
        found: what counts of the trials.
        store: where attempts are.
        force: whether scored cells are run again, and trials that did not end ok.
        workers: attempts at a time.

    Raises:
        StoreError: the store cannot be read.
    """
    lines = [*work.reasons(), *without_search(tried)]
    trials, cells, total, unknown = 0, 0, 0.0, 0
    for place, search in enumerate(tried):
        more, scored = _trials_left(search, store, force=force), _scored_left(search, found, store, force=force)
        trials, cells = trials + more, cells + scored
        each = _seconds(search.pair, store)
        if each is None:
            unknown += more + scored
        else:
            total += each * (more + scored)
        if place < _SHOWN:
            lines.append(_tuned_line(search, more, scored, each))
    if len(tried) > _SHOWN:
        lines.append(f"  and {len(tried) - _SHOWN} more pairs")
    every = sum(search.wanted * search.budget.seeds for search in tried)
    lines += [
        f"{trials} of {every} trial cells would run, then {cells} of {work.cells()} scored cells",
        _time(total, unknown, workers),
        _power({len(search.seeds) for search in tried}),
    ]
    return "\n".join(lines)


def _tuned_line(search: Search, trials: int, scored: int, each: float | None) -> str:
    choice, every = search.pair.choice, search.wanted * search.budget.seeds
    cost = "no past record" if each is None else f"about {_duration(each * (trials + scored))}"
    what = f"  {search.label} ({choice.scale}, {choice.hardware})"
    return f"{what}: {trials} of {every} trial cells, {scored} of {len(search.seeds)} scored cells; {cost}"


def _trials_left(search: Search, store: Store, *, force: bool) -> int:
    """Trial cells to run; a trial that cannot be named yet, since its sampler waits for others, is one to run."""
    seeds = list(search.budget.tuning_seeds)
    known = open_cells(store, [(trial, seeds) for trial in search.trials], force=force)
    return len(known) + (search.wanted - len(search.trials)) * len(seeds)


def _scored_left(search: Search, found: Found, store: Store, *, force: bool) -> int:
    """Scored cells to run: all of them as long as nothing is chosen."""
    pair, _ = search.scored(found)
    return len(search.seeds) if pair is None else len(open_cells(store, [(pair, search.seeds)], force=force))


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
