"""Running what claims lack: every cell that a claim speaks of and the store has not."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace

from results.claims.findings import Verdict
from runners.claiming import Asked, asked
from runners.errors import CommandError, one_line
from runners.papers import Paper
from runners.wanted import sweeps
from runners.words import STORE, opened


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
    words = [f"{key}={values[key]}" for key in (*STORE, "n_jobs") if values[key]]
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
