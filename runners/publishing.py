"""The verb `publish`, and `report --check`: results that are committed, and whether boards are what attempts say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from results import publication
from results.record import Record
from results.store import Store
from runners.errors import CommandError, one_line
from runners.exchange import attempts
from runners.staleness import Judge
from tasks.metering import fingerprint


def publish(store: Store, arena: str, folder: Path) -> str:
    """Write the attempts behind an arena's boards, and the boards; returns what was done, in a sentence.

    Args:
        store: where the attempts are.
        arena: which of them.
        folder: gets `published/<arena>.jsonl` and `leaderboards/<arena>.md`.

    Raises:
        CommandError: there are no such attempts, or the folder cannot be written.
        StoreError: the store cannot be read.
    """
    records = publication.publishable(store.records(arena=arena))
    if not records:
        raise CommandError(f"arena: the store has no attempts of '{arena}': {store.shown}")
    try:
        publication.write(folder, arena, records)
    except OSError as error:
        raise CommandError(f"folder: {one_line(error)}") from error
    return f"published {attempts(len(records))} in {publication.boards_file(folder, arena)}"


def check(folder: Path) -> tuple[list[str], list[str]]:
    """Faults of all published results, and notes on what may have gone stale since, one sentence each.

    Raises:
        CommandError: nothing is published there, or it cannot be read.
    """
    arenas = publication.arenas(folder)
    if not arenas:
        raise CommandError(f"folder: there are no published results in {folder}")
    try:
        faults = [fault for arena in arenas for fault in publication.faults(folder, arena)]
        if faults:
            return faults, []
        records = {arena: publication.read(folder, arena) for arena in arenas}
    except OSError as error:
        raise CommandError(f"folder: {one_line(error)}") from error
    altered = [fault for arena in arenas for fault in _altered(arena, records[arena])]
    return altered, [note for arena in arenas for note in _stale(arena, records[arena])]


def _altered(arena: str, records: list[Record]) -> Iterator[str]:
    for record in records:
        if fingerprint(record.identity) != record.cell:
            yield f"{arena}: attempt {record.id} is not of the cell that it names: its identity was changed"


def _stale(arena: str, records: list[Record]) -> Iterator[str]:
    judge = Judge()
    reasons = {(record.method, record.task, judge(record)) for record in records}
    for method, task, reason in sorted(reasons):
        if reason:
            yield f"{arena}: {method} on {task}: {reason}"
