"""`bakeoff report`: the static site over a store."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from results.leaderboard import leaderboards
from results.protocols import TUNING
from results.record import Record
from results.report.facts import Catalogue, Described
from results.report.site import ReportError, Source, write
from results.store import Store
from runners.claiming import asked, facts
from runners.describing import catalogue
from runners.errors import CommandError, one_line
from runners.exchange import attempts
from runners.staleness import Judge


def report(store: Store, out: Path, **equal: Any) -> str:
    """Write the site to a folder; returns what was done, in a sentence.

    Args:
        store: where the attempts are.
        out: a folder that is new, empty, or holds an older report.
        equal: columns of the store and the values that chosen attempts have there.

    Raises:
        CommandError: the folder cannot be used.
        StoreError: the store cannot be read.
    """
    try:
        with _uncollected():
            heads = store.heads(**equal)
            made, known = leaderboards(heads, Judge()), with_trials(catalogue(), heads)
            write(Source(heads, lambda: store.each(**equal), made, known, facts(asked(store))), out)
    except ReportError as error:
        raise CommandError(f"out: {error}") from error
    except OSError as error:
        raise CommandError(f"out: {one_line(error)}") from error
    return f"wrote {attempts(len(heads))} as a site; open {out / 'index.html'}"


def with_trials(found: Catalogue, heads: Iterable[Record]) -> Catalogue:
    """A catalogue with whatever trials name, too: they stand on no board, and their pages have to lead somewhere."""
    trials = [record for record in heads if record.protocol == TUNING]
    unknown = "It is not in the catalogue here."
    return replace(
        found,
        methods={record.method: Described(record.method, trouble=unknown) for record in trials} | dict(found.methods),
        tasks={record.task: Described(record.task, trouble=unknown) for record in trials} | dict(found.tasks),
        arenas={record.arena: () for record in trials} | dict(found.arenas),
    )


@contextmanager
def _uncollected() -> Iterator[None]:
    """No searches for cycles: there are next to none among records, and looking took a third of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
