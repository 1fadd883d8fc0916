"""Running what claims lack: every cell that a claim speaks of and the store has not."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from results.claims.findings import Claim, Verdict
from results.claims.relations import Pattern
from results.claims.verdicts import patterns
from runners import catalog
from runners.claiming import Asked, asked
from runners.errors import CommandError, one_line
from runners.papers import Paper
from runners.spoken import Spoken
from runners.words import STORE, opened


def sweeps(chosen: Iterable[Paper]) -> list[list[str]]:
    """The words of the sweeps that run every cell of the claims of some papers; cells that a store has are skipped by
    the sweep itself."""
    spoken = Spoken()
    wanted: dict[tuple[str, ...], int] = {}
    for claim in (claim for one in chosen for claim in one.claims):
        for words in _cells(claim, spoken):
            wanted[words] = max(wanted.get(words, 0), claim.seeds)
    grouped: defaultdict[tuple[tuple[str, ...], int], list[str]] = defaultdict(list)
    for (method, *rest), seeds in wanted.items():
        grouped[tuple(rest), seeds].append(method)
    return [
        [f"method={','.join(methods)}", *rest, f"seed=range(0,{seeds})"]
        for (rest, seeds), methods in sorted(grouped.items())
    ]


def _cells(claim: Claim, spoken: Spoken) -> Iterator[tuple[str, ...]]:
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
                    words = [f"task.{key}={_word(value)}" for key, value in sorted(values.items())]
                    words += [f"method.{key}={_word(value)}" for key, value in side.fields]
                    yield side.method, f"task={place.task}", f"scale={claim.scale}", *words


def _word(value: Any) -> str:
    """A value as Hydra reads it; texts in quotes, since they may look like something else."""
    return json.dumps(value) if not isinstance(value, str) else "'" + value.replace("'", "\\'") + "'"


def run(values: Mapping[str, str]) -> int:
    """Run every cell of the claims asked for that the store has not; returns the exit code of the worst sweep. A sweep
    that cannot be carried out is told and stops no other.

    Raises:
        CommandError: no claim asked for is a relation.
    """
    from runners import launch

    with opened(values) as store:
        answer = asked(store, paper=values["paper"], arena=values["arena"])
    if not any(claim.parts for one in answer.papers for claim in one.claims):
        raise CommandError("no claim here is a relation between cells yet, so there is nothing to run")
    words = [f"{key}={values[key]}" for key in STORE if values[key]]
    code = 0
    for sweep in sweeps(open_claims(answer)):
        try:
            code = max(code, launch.run(["-m", *sweep, *words]))
        except CommandError as error:
            sys.stderr.write(f"bakeoff: {' '.join(sweep)}: {one_line(error)}\n")
            code = max(code, 1)
    return code


def open_claims(asked: Asked) -> list[Paper]:
    """The papers with those of their claims that more cells could decide."""
    undecided = {Verdict.NOT_RUN, Verdict.INCONCLUSIVE}
    return [
        replace(
            one,
            claims=tuple(
                finding.claim
                for finding in asked.findings[one.name]
                if finding.claim.parts and (finding.verdict in undecided or finding.seeds < finding.claim.seeds)
            ),
        )
        for one in asked.papers
    ]
