"""The record of one attempt: everything a table, a claim or a reader may want to know about it.

One attempt leaves one `record.json`, written whole or not at all. Failures are records too.
"""

from __future__ import annotations

import enum
import json
import math
import os
import uuid
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

SCHEMA = 2


class RecordError(Exception):
    """A record that cannot be read; the message names the file and says why."""


class Status(enum.StrEnum):
    """How an attempt ended. Only `ok` is ever averaged."""

    OK = "ok"
    SKIPPED = "skipped"  # the method found that it does not apply
    FAILED = "failed"
    INVALID = "invalid"  # the answer breaks a rule of the problem
    DIVERGED = "diverged"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    KILLED = "killed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, kw_only=True)
class Record:
    """One attempt at one cell.

    Args:
        id: name of the attempt.
        cell: hash of `identity`.
        identity: everything that can move a number: method, task, hardware, scale, seed, preparations, protocol.
        settings: what cannot: launcher, threads, folders, limits. `alone` is False if other cells ran on the machine
            at the same time and `workers` is how many did; a record that lacks them is of a cell that ran alone.
        arena, task, method, problem, scale, hardware, protocol, seed: what tables group and pair by.
        method_version, task_version: from the cards.
        role, fidelity: from the method's card.
        status, reason, phase, traceback: how it ended, in one sentence, and where.
        rank_metric: the metric that ranks this task.
        metrics: finite numbers by name; a number that was not finite is missing here and named in `reason`.
        metric_info: unit and direction of each metric.
        cost: units of work by account (`solve`, `use`) and unit.
        limits: the ledger's limits, in the same form.
        prices: frozen prices by unit, where a task lets methods trade one unit of work for another; the priced total
            is the unit named in `limits`.
        seconds: clock by phase: `prepare`, `problem`, `solve`, `evaluate`, and `offers`, scored after the answer.
        peak_memory_mib: highest resident memory of the process during `solve` and `evaluate`.
        curve: scored offers: seconds, cost and metrics of each.
        logs: what the method logged, by name: [step, seconds, value] each. Its own word.
        preparations: key, digest and own cost of each preparation used.
        provenance: commit, packages, machine, code fingerprints.
        preemptions: how often earlier attempts at this cell were cut off and this one went on from their checkpoint.
        started, ended: UTC, ISO 8601.
        schema: version of this form. A record that was read is of the present one, whatever it was written with.
    """

    id: str
    cell: str
    identity: dict[str, Any]
    settings: dict[str, Any]
    arena: str
    task: str
    method: str
    problem: str
    scale: str
    hardware: str
    protocol: str
    seed: int
    method_version: int
    task_version: int
    role: str
    fidelity: str
    status: Status
    reason: str
    phase: str
    rank_metric: str
    started: str
    ended: str
    traceback: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    metric_info: dict[str, dict[str, str]] = field(default_factory=dict)
    cost: dict[str, dict[str, float]] = field(default_factory=dict)
    limits: dict[str, dict[str, float]] = field(default_factory=dict)
    prices: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    peak_memory_mib: float | None = None
    curve: list[dict[str, Any]] = field(default_factory=list)
    logs: dict[str, list[list[float]]] = field(default_factory=dict)
    preparations: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    preemptions: int = 0
    schema: int = SCHEMA

    def to_json(self) -> str:
        """The record as JSON text. Numbers that are not finite are refused, since JSON has none."""
        return json.dumps(vars(self), allow_nan=False)  # on one line, which is ten times as fast as with an indent


_KNOWN = frozenset(item.name for item in fields(Record))


def from_json(text: str, source: str) -> Record:
    """Read a record.

    Raises:
        RecordError: the text is cut off, is no record, or was written by a newer version.
    """
    return from_content(content_of(text, source), source)


def content_of(text: str, source: str) -> dict[str, Any]:
    """The fields of a record, or of a part of one, from JSON text.

    Raises:
        RecordError: the text is cut off or holds something else.
    """
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise RecordError(f"{source}: not a complete record ({error})") from error
    if not isinstance(content, dict):
        raise RecordError(f"{source}: not a record")
    return content


def from_content(content: dict[str, Any], source: str) -> Record:
    """A record from its fields; the mapping is used up.

    Raises:
        RecordError: they are no record, were written by a newer version, or would lead out of an output folder.
    """
    schema = content.get("schema")
    if not isinstance(schema, int):
        raise RecordError(f"{source}: not a record")
    if schema > SCHEMA:
        raise RecordError(f"{source}: written by a newer bakeoff (schema {schema}, this one reads {SCHEMA})")
    if not content.keys() <= _KNOWN:
        raise RecordError(f"{source}: unknown keys {', '.join(sorted(set(content) - _KNOWN))}")
    try:
        content["status"] = Status(str(content.get("status")))
        content["schema"] = SCHEMA  # fields that an older schema lacks have their defaults
        record = Record(**content)
    except (TypeError, ValueError) as error:
        raise RecordError(f"{source}: {error}") from error
    for name in ("id", "task", "method"):  # they become parts of paths
        text = str(getattr(record, name))
        if {"", ".", ".."} & set(text.split("/")) or "\0" in text:
            raise RecordError(f"{source}: {name} {text!r} is no name")
    if not isinstance(record.seed, int):
        raise RecordError(f"{source}: seed is no int but {record.seed!r}")
    return record


def finite(values: dict[str, float]) -> tuple[dict[str, float], list[str]]:
    """Split metrics into the finite ones and the names of the rest."""
    kept = {name: float(value) for name, value in values.items() if math.isfinite(value)}
    return kept, sorted(set(values) - set(kept))


def write(record: Record, path: Path) -> None:
    """Write a record so that it is there whole or not at all, also after a crash."""
    write_text(path, record.to_json())


def write_text(path: Path, text: str) -> None:
    """Write text to a temporary name beside `path`, flush it to the disk, and rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    try:
        with temporary.open("x", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
