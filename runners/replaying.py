"""The verbs `replay` and `verify`: run an attempt again from its record, and say whether its numbers come out again."""

from __future__ import annotations

import enum
import json
import statistics
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from results import publication
from results.record import Record, Status
from results.selection import flatten
from runners import catalog
from runners.attempt import Attempt
from runners.errors import CommandError, one_line
from runners.explain import compare
from runners.hardware import cores
from runners.info import find_attempt
from runners.pair import Choice, Pair, board_of, resolve
from runners.words import STORE, one_of, only_keys, opened, split
from tasks.base import NotApplicable
from tasks.data import DataCorrupt
from tasks.metering import random_stream

ROUNDING = 1e-6  # share of a metric that counts as noise whatever the seeds do
_LOOKED_AT = ("code.commit", "python", "packages", "platform", "processor", "cores", "fingerprints", "preparations")


class Outcome(enum.StrEnum):
    """What became of an attempt that was run again."""

    EQUAL = "bitwise equal"
    NOISE = "within noise"
    DIFFERENT = "different"
    IMPOSSIBLE = "cannot be replayed"


@dataclass(frozen=True)
class Replayed:
    """An attempt that was run again.

    Args:
        record: the attempt.
        outcome: what became of it.
        why: what differs most, or why it cannot be run.
        differences: dotted name in the provenance: then and now.
        metrics: by name: then and now.
    """

    record: Record
    outcome: Outcome
    why: str = ""
    differences: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    metrics: Mapping[str, Sequence[Any]] = field(default_factory=dict)


def replay(record: Record, others: Iterable[Record]) -> Replayed:
    """Run an attempt again in this process, from its record alone.

    Args:
        record: of the attempt.
        others: attempts among which those of the same row, with other seeds, tell how much the seed moves.
    """
    try:
        pair = rebuilt(record)
    except (CommandError, NotApplicable, DataCorrupt) as error:
        return Replayed(record, Outcome.IMPOSSIBLE, one_line(error))
    with tempfile.TemporaryDirectory(prefix="bakeoff-replay-") as folder:
        again = Attempt(pair, record.seed, board_of(pair), record.settings, Path(folder)).execute()
    outcome, why = _judged(record, again, _spreads(record, others))
    compared = compare(record, again)
    return Replayed(record, outcome, why, dict(_moved(compared["provenance"])), compared["results"]["metrics"])


def _judged(record: Record, again: Record, noise: Mapping[str, float]) -> tuple[Outcome, str]:
    """The outcome, and what differs most."""
    if record.status is not again.status:
        now = f"{again.status}: {again.reason}" if again.reason else again.status
        return Outcome.DIFFERENT, f"it ended {record.status}, now {now}"
    if record.metrics == again.metrics and record.cost == again.cost:
        return Outcome.EQUAL, ""
    shift, name = _worst(record.metrics, again.metrics, noise)
    if not name:
        return Outcome.NOISE, "only costs differ"
    if shift > 1:
        return Outcome.DIFFERENT, f"{name} was {record.metrics.get(name)}, now {again.metrics.get(name)}"
    return Outcome.NOISE, f"{name} moved by {shift:.2g} of {'the spread over seeds' if name in noise else 'rounding'}"


def rebuilt(record: Record) -> Pair:
    """The pair of an attempt, with the values that its record holds rather than those of today's YAML files.

    Raises:
        CommandError: something of it is gone or has another version, or it would be another cell.
        NotApplicable: this machine cannot run it.
    """
    entries = {
        kind: catalog.find(kind, name)
        for kind, name in (("method", record.method), ("task", record.task), ("hardware", record.hardware))
    }
    for kind, version in (("method", record.method_version), ("task", record.task_version)):
        now = entries[kind].card.get("version")
        if now != version:
            raise CommandError(f"{kind} {entries[kind].name} is now version {now}; the attempt was made by {version}")
    values = {kind: _plain(record.identity[kind]) for kind in entries}
    for kind in ("method", "task"):
        values[kind] = {key: value for key, value in values[kind].items() if key not in ("name", "version")}
    profile = record.settings.get("profile", entries["hardware"].values)
    values["hardware"] = (
        profile | values["hardware"] | {"threads": min(int(record.settings.get("threads", 1)), cores())}
    )
    named = frozenset(values["task"])
    nodes = {kind: values[kind] | {"card": entry.card} for kind, entry in entries.items()}
    pair = resolve(Choice(record.method, record.task, record.hardware, record.scale, nodes, named))
    pair = replace(pair, protocol=record.protocol, tuning=record.settings.get("tuning", {}))
    if pair.cell(record.seed) != record.cell:
        now, then = flatten(pair.identity(record.seed)), flatten(record.identity)
        moved = [key for key in dict.fromkeys((*then, *now)) if then.get(key) != now.get(key)]
        raise CommandError(f"it would be another cell: {', '.join(moved[:3]) or 'its identity was changed'}")
    return pair


def _plain(node: Any) -> Any:
    """Values as a YAML file has them: without the surroundings that a record adds to a preparation."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    return {key: _plain(value) for key, value in node.items() if key != "surroundings" or "_target_" not in node}


def _spreads(record: Record, others: Iterable[Record]) -> dict[str, float]:
    """Standard deviation over seeds of each metric of a row; nothing for fewer than three seeds."""
    row = [one for one in (record, *others) if one.status is Status.OK and _row(one) == _row(record)]
    by_seed = {one.seed: one.metrics for one in row}
    if len(by_seed) < 3:
        return {}
    shared = set.intersection(*(set(metrics) for metrics in by_seed.values()))
    return {name: statistics.stdev(metrics[name] for metrics in by_seed.values()) for name in shared}


def _row(record: Record) -> str:
    kept = {key: record.identity[key] for key in ("method", "task", "hardware", "scale", "protocol")}
    return json.dumps(kept, sort_keys=True)


def _worst(then: Mapping[str, float], now: Mapping[str, float], noise: Mapping[str, float]) -> tuple[float, str]:
    """The largest shift of a metric, in units of its noise, and its name; without end where one is missing."""
    shifts = [(0.0, "")]
    for name in dict.fromkeys((*then, *now)):
        if name not in then or name not in now:
            shifts.append((float("inf"), name))
        elif then[name] != now[name]:
            unit = max(noise.get(name, 0.0), ROUNDING * max(abs(then[name]), abs(now[name])))
            shifts.append((abs(then[name] - now[name]) / unit, name))
    return max(shifts)


def _moved(provenance: Mapping[str, Sequence[Any]]) -> Iterator[tuple[str, Sequence[Any]]]:
    for key, (then, now) in provenance.items():
        if any(key == name or key.startswith(f"{name}.") for name in _LOOKED_AT):
            yield key, (then, now)


def command_replay(words: Sequence[str]) -> int:
    """`bakeoff replay ATTEMPT`; the exit code."""
    plain, values = split(words, {"format": "text", **STORE})
    if len(plain) != 1:
        raise CommandError("replay takes the name of one attempt, or its beginning")
    form = one_of(values["format"], ("text", "json"), "format")
    with opened(values) as store:
        record = find_attempt(plain[0], store)
        others = list(store.records(task=record.task, method=record.method))
    done = replay(record, others)
    if form == "json":
        print(json.dumps(_facts(done), indent=1))  # noqa: T201 (a verb's answer)
    else:
        print("\n".join(_told(done)))  # noqa: T201
    return 0 if done.outcome in (Outcome.EQUAL, Outcome.NOISE) else 1


def command_verify(words: Sequence[str]) -> int:
    """`bakeoff verify`; the exit code."""
    known = {"arena": "", "rows": "10", "seed": "0", "folder": str(publication.FOLDER)}
    values = only_keys("verify", words, known)
    for key in ("rows", "seed"):
        if not values[key].isdecimal():
            raise CommandError(f"{key}: '{values[key]}' is no whole number")
    folder = Path(values["folder"])
    arenas = publication.arenas(folder)
    if values["arena"]:
        arenas = [one_of(values["arena"], arenas, "arena")]
    if not arenas:
        raise CommandError(f"folder: there are no published results in {folder}")
    bad = 0
    for arena in arenas:
        for done in verified(publication.read(folder, arena), arena, int(values["rows"]), int(values["seed"])):
            record, why = done.record, f" ({done.why})" if done.why else ""
            label = f"{record.method} on {record.task}, seed {record.seed}"
            print(f"{done.outcome:18s} {label}{why} {record.id}", flush=True)  # noqa: T201
            bad += done.outcome not in (Outcome.EQUAL, Outcome.NOISE)
    return 1 if bad else 0


def verified(records: Sequence[Record], arena: str, rows: int, seed: int) -> Iterator[Replayed]:
    """Replay some published attempts, drawn by a key: as many as wanted, of as many rows as possible."""
    rng = random_stream("verify", arena, seed)
    by_row: dict[str, list[Record]] = {}
    for record in records:
        if record.status is Status.OK:
            by_row.setdefault(_row(record), []).append(record)
    names = sorted(by_row)
    for place in rng.permutation(len(names))[:rows]:
        row = by_row[names[place]]
        yield replay(row[int(rng.integers(len(row)))], row)


def _facts(done: Replayed) -> dict[str, Any]:
    return {
        "attempt": done.record.id,
        "outcome": done.outcome.value,
        "why": done.why,
        "differences": dict(done.differences),
        "metrics": dict(done.metrics),
    }


def _told(done: Replayed) -> Iterator[str]:
    record = done.record
    yield f"{record.id}  {record.method} on {record.task}, seed {record.seed}"
    yield f"{done.outcome}{': ' + done.why if done.why else ''}"
    for name, (then, now) in dict(done.metrics).items():
        yield f"  {name}: {then} | {now}"
    if done.differences:
        yield "what was different (then | now):"
        for key, (then, now) in done.differences.items():
            yield f"  {key}: {then or '-'} | {now or '-'}"
