"""The cells that claims speak of, as the words of sweeps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from results.claims.findings import Claim
from results.claims.relations import Pattern
from results.claims.verdicts import patterns
from runners import catalog
from runners.papers import Paper
from runners.spoken import Spoken
from runners.words import spelled


def sweeps(chosen: Iterable[Paper]) -> list[list[str]]:
    """The words of the sweeps that run every cell of the claims of some papers; cells that a store has are skipped by
    the sweep itself."""
    spoken = Spoken()
    wanted: dict[tuple[str, ...], int] = {}
    for claim in (claim for one in chosen for claim in one.claims):
        for words in cells(claim, spoken):
            wanted[words] = max(wanted.get(words, 0), claim.seeds)
    grouped: defaultdict[tuple[tuple[str, ...], int], list[str]] = defaultdict(list)
    for (method, *rest), seeds in wanted.items():
        grouped[tuple(rest), seeds].append(method)
    return [
        [f"method={','.join(methods)}", *rest, f"seed=range(0,{seeds})"]
        for (rest, seeds), methods in sorted(grouped.items())
    ]


def cells(claim: Claim, spoken: Spoken) -> Iterator[tuple[str, ...]]:
    """Method, task and values of every cell that a claim speaks of, as words."""
    for part in claim.parts:
        axis = getattr(part.body, "axis", "")
        globs = getattr(part.body, "methods", ())
        sides = patterns(part)
        first = sides[0].place if sides else None
        sides = sides + [Pattern(entry.name) for glob in globs for entry in catalog.entries("method", glob)]
        for side in sides:
            for place in [side.place] if side.place else part.places or ([first] if first else []):
                for point in spoken.axis(place.task, axis) if axis else [None]:
                    values = {**dict(place.values), **({axis: point} if axis else {})}
                    words = [f"task.{key}={spelled(value)}" for key, value in sorted(values.items())]
                    words += [f"method.{key}={spelled(value)}" for key, value in side.fields]
                    yield side.method, f"task={place.task}", f"scale={claim.scale}", *words
