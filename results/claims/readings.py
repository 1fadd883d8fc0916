"""Numbers read from attempts: metrics, costs, clocks and memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from results.record import Record
from results.selection import machine


@dataclass(frozen=True)
class Found:
    """What was found of one pattern on one task.

    Args:
        values: the number by seed, of attempts that ended ok and measured it.
        attempts: their records by seed.
        failed: the attempts that ended otherwise.
        unread: why attempts that ended ok gave no number; empty where all did.
    """

    values: Mapping[int, float]
    attempts: Mapping[int, Record]
    failed: tuple[Record, ...]
    unread: str = ""


def number(record: Record, metric: str) -> float | None:
    """A number of an attempt: a metric, `cost.<unit>`, `seconds.<phase>` or `memory`; empty is the rank metric."""
    kind, _, rest = metric.partition(".")
    if kind == "cost" and rest:
        return float(sum(account.get(rest, 0.0) for account in record.cost.values()))
    if kind == "seconds" and rest:
        return record.seconds.get(rest)
    if metric == "memory":
        return record.peak_memory_mib
    return record.metrics.get(metric or record.rank_metric)


def one_clock(sides: Sequence[Found]) -> list[Found]:
    """The same cells without those that ran elsewhere than on the machine on which all sides share most seeds: clocks
    of two machines are not compared, nor any whose machine the record does not name."""
    machines = sorted({machine(record) for side in sides for record in side.attempts.values()} - {""})

    def on(name: str) -> list[set[int]]:
        return [{seed for seed, record in side.attempts.items() if machine(record) == name} for side in sides]

    usual = max(machines, key=lambda name: (len(set.intersection(*on(name))), sum(map(len, on(name)))), default="")
    why = "clocks of different machines, or of machines that are not named, are not compared"
    return [
        Found(
            {seed: side.values[seed] for seed in side.values if seed in seeds and usual},
            {seed: side.attempts[seed] for seed in side.attempts if seed in seeds and usual},
            side.failed,
            side.unread or (why if side.attempts and (len(seeds) < len(side.attempts) or not usual) else ""),
        )
        for side, seeds in zip(sides, on(usual), strict=True)
    ]
