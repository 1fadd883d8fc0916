"""Rows of boards: one method with one set of values, averaged over the seeds that were scored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from results.record import Record, Status
from results.selection import machine
from results.stats import Interval, mean_interval

Judge = Callable[[Record], str]  # why an attempt is stale; empty where it is not
UNSCORED = "not scored"  # the ending of an attempt that ended ok and did not measure what ranks the board


@dataclass(frozen=True)
class Row:
    """One method on one board.

    Args:
        method: name, with the values that a command changed and those in which it differs from its namesakes.
        name, key: name in the catalogue, and a short name for its values, the same on all boards.
        role, fidelity, version: from the card.
        rank: rank group, or None for references and for rows without results.
        seeds: seeds that were scored.
        scores: the rank metric by seed.
        metrics: mean and interval of each metric.
        to_best: mean paired difference to the best row over shared seeds, in units of the rank metric, and its
            p-value; None for the best row itself and where seeds are not shared.
        cost: mean units of work by account and unit.
        seconds: mean seconds of `solve` and of `evaluate`, of the attempts that ran on the board's machine.
        memory: highest resident memory of its attempts, in MiB.
        endings: how many cells ended otherwise, by status, or as `UNSCORED`.
        reasons: why, one sentence for each of `others`.
        attempts, others: the attempts behind the numbers, in the order of `seeds`, and those that ended otherwise.
        alone: none that was timed ran beside other cells on the same machine, so that their clocks can be compared.
        stale: why its numbers may no longer be what the code gives; empty where nothing speaks for that.
        ended: how its other cells ended, by seed.
    """

    method: str
    name: str
    key: str
    role: str
    fidelity: str
    version: int
    rank: int | None
    seeds: tuple[int, ...]
    scores: dict[int, float]
    metrics: dict[str, Interval]
    to_best: tuple[Interval, float] | None
    cost: dict[str, dict[str, float]]
    seconds: dict[str, float]
    memory: float | None
    endings: dict[str, int]
    reasons: tuple[str, ...]
    attempts: tuple[str, ...]
    others: tuple[str, ...] = ()
    alone: bool = True
    stale: str = ""
    ended: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """The attempts behind one row, in the order of their seeds.

    Args:
        method: its name on the board.
        key: a short name for its values.
        records: all of its attempts that count.
        metric: what ranks the board; an attempt that did not measure it is not scored.
    """

    method: str
    key: str
    records: Sequence[Record]
    metric: str

    @property
    def scored(self) -> list[Record]:
        """The attempts that are averaged."""
        return [one for one in self.records if one.status is Status.OK and self.metric in one.metrics]

    @property
    def scores(self) -> dict[int, float]:
        """The rank metric by seed."""
        return {record.seed: record.metrics[self.metric] for record in self.scored}

    @property
    def reference(self) -> bool:
        """Whether it is an answer of the task itself, which is never ranked."""
        return self.records[0].role == "reference"


def row(entry: Entry, rank: int | None, to_best: tuple[Interval, float] | None, clock: str, judge: Judge | None) -> Row:
    """The row of an entry.

    Args:
        entry: its attempts.
        rank, to_best: as in `Row`.
        clock: the machine whose seconds are averaged.
        judge: says of an attempt why it is stale; without one nothing is.
    """
    good, first = entry.scored, entry.records[0]
    bad = [record for record in entry.records if record.status is not Status.OK or entry.metric not in record.metrics]
    measured = sorted({metric for record in good for metric in record.metrics})
    peaks = [record.peak_memory_mib for record in good if record.peak_memory_mib is not None]
    timed = [record for record in good if machine(record) == clock]
    return Row(
        method=entry.method,
        name=first.method,
        key=entry.key,
        role=first.role,
        fidelity=first.fidelity,
        version=first.method_version,
        rank=rank,
        seeds=tuple(record.seed for record in good),
        scores=entry.scores,
        metrics={
            name: mean_interval(np.array([r.metrics[name] for r in good if name in r.metrics])) for name in measured
        },
        to_best=to_best,
        cost={account: _work([record.cost.get(account, {}) for record in good]) for account in ("solve", "use")},
        seconds=_clocks([record.seconds for record in timed]),
        memory=max(peaks, default=None),
        endings=dict(sorted(Counter(map(_ending, bad)).items())),
        reasons=tuple(f"seed {record.seed}: {_reason(record, entry.metric)}" for record in bad),
        attempts=tuple(record.id for record in good),
        others=tuple(record.id for record in bad),
        alone=all(record.settings.get("alone", True) for record in timed),
        stale=next((reason for record in good if judge and (reason := judge(record))), ""),
        ended={record.seed: _ending(record) for record in bad},
    )


def _ending(record: Record) -> str:
    return UNSCORED if record.status is Status.OK else record.status.value


def _reason(record: Record, metric: str) -> str:
    return f"it did not measure {metric}, which ranks this board" if record.status is Status.OK else record.reason


def _work(items: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means by unit; a unit that an attempt did not book is zero units of work."""
    keys = sorted({key for item in items for key in item})
    return {key: float(np.mean([item.get(key, 0.0) for item in items])) for key in keys}


def _clocks(items: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means by phase, over the attempts whose phase was measured."""
    found = {phase: [item[phase] for item in items if phase in item] for phase in ("evaluate", "solve")}
    return {phase: float(np.mean(values)) for phase, values in found.items() if values}
