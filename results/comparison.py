"""Two rows of a board side by side: paired differences over the seeds that both have, and what they show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from results.leaderboard import Leaderboard, Row
from results.record import Record
from results.selection import machine
from results.stats import (
    LEVEL,
    Interval,
    Sample,
    mean_interval,
    minimum_detectable,
    paired_differences,
    paired_interval,
    paired_p_value,
    probability_of_improvement,
    seeds_needed,
    shared,
)


@dataclass(frozen=True)
class Side:
    """One of two rows.

    Args:
        method: its name on the board.
        mean: mean of the metric over the shared seeds, with its interval; None where no seed is shared.
        only: seeds that only this side has.
        endings: how many of its cells ended otherwise, by status.
        cost: mean units of work, over the shared seeds, by unit.
        seconds: mean seconds by phase, over the shared seeds; empty where clocks cannot be compared.
        stale: why its numbers may no longer be what the code gives; empty where nothing speaks for that.
    """

    method: str
    mean: Interval | None
    only: tuple[int, ...]
    endings: dict[str, int]
    cost: dict[str, float]
    seconds: dict[str, float]
    stale: str


@dataclass(frozen=True)
class Comparison:
    """Two rows of one board in one metric. Differences are left minus right, in the unit of the metric.

    Args:
        board: the board; its rows are all there.
        metric, unit, direction: what is compared; the direction is higher, lower or none.
        left, right: the two sides.
        seeds: the seeds that both have, in order.
        left_values, right_values, differences: one value a seed.
        difference: mean difference with its interval; None where no seed is shared.
        p_value: of the paired test; None with fewer than two shared seeds.
        wins, ties, losses: seeds on which left is better, equal, worse; by size where the metric has no direction.
        probability: chance that a run of left is better than one of right, ties by half, over all pairs of runs; None
            with fewer than two shared seeds.
        spread: standard deviation of the differences; None with fewer than two shared seeds.
        effect: the mean difference in such deviations (Cohen's d of paired samples); None where the spread is zero.
        detectable: the difference that as many seeds show with a chance of 80 %, at this spread.
        needed: the seeds that would show the mean difference with a chance of 80 %, at this spread.
        ratios: left over right, of units of work and of seconds (`solve s`, `use s`), where right is not zero.
        clocks: why no seconds are compared; empty where they are.
    """

    board: Leaderboard
    metric: str
    unit: str
    direction: str
    left: Side
    right: Side
    seeds: tuple[int, ...]
    left_values: tuple[float, ...]
    right_values: tuple[float, ...]
    differences: tuple[float, ...]
    difference: Interval | None
    p_value: float | None
    wins: int
    ties: int
    losses: int
    probability: float | None
    spread: float | None
    effect: float | None
    detectable: float | None
    needed: int | None
    ratios: dict[str, float]
    clocks: str

    @property
    def apart(self) -> bool:
        """Whether the two are told apart. One seed never does that."""
        return self.p_value is not None and self.p_value < LEVEL


def compare_rows(board: Leaderboard, left: Row, right: Row, records: Mapping[str, Record], metric: str) -> Comparison:
    """Compare two rows of a board.

    Args:
        board: the board.
        left, right: two of its rows.
        records: the attempts behind them, by name.
        metric: one of the board's metrics. Seeds on which an attempt did not measure it count as not run.

    Raises:
        ValueError: the board has no such metric.
    """
    if metric not in board.metric_info:
        raise ValueError(f"there is no metric '{metric}' on this board")
    ours, theirs = (_values(row, records, metric) for row in (left, right))
    seeds = tuple(sorted(ours.keys() & theirs.keys()))
    pair = [_attempts(row, records, seeds) for row in (left, right)]
    clocks = _clocks(pair)
    sides = [
        _side(row, own, seeds, chosen, timed=not clocks)
        for row, own, chosen in zip((left, right), (ours, theirs), pair, strict=True)
    ]
    direction = board.metric_info[metric]["direction"]
    return Comparison(
        board=board,
        metric=metric,
        unit=board.metric_info[metric].get("unit", ""),
        direction=direction,
        left=sides[0],
        right=sides[1],
        seeds=seeds,
        left_values=tuple(ours[seed] for seed in seeds),
        right_values=tuple(theirs[seed] for seed in seeds),
        **_paired(ours, theirs, -1.0 if direction == "lower" else 1.0),
        ratios=_ratios(*sides),
        clocks=clocks,
    )


def _values(row: Row, records: Mapping[str, Record], metric: str) -> dict[int, float]:
    measured = ((records[name].seed, records[name].metrics.get(metric)) for name in row.attempts)
    return {seed: value for seed, value in measured if value is not None}


def _attempts(row: Row, records: Mapping[str, Record], seeds: Sequence[int]) -> list[Record]:
    return [records[name] for name in row.attempts if records[name].seed in seeds]


def _side(row: Row, own: Mapping[int, float], seeds: Sequence[int], chosen: Sequence[Record], *, timed: bool) -> Side:
    units = sorted({unit for record in chosen for account in record.cost.values() for unit in account})
    cost = {unit: _mean([sum(a.get(unit, 0.0) for a in record.cost.values()) for record in chosen]) for unit in units}
    phases = [phase for phase in ("solve", "evaluate") if timed and all(phase in record.seconds for record in chosen)]
    return Side(
        method=row.method,
        mean=mean_interval(np.array([own[seed] for seed in seeds])) if seeds else None,
        only=tuple(sorted(own.keys() - set(seeds))),
        endings=row.endings,
        cost=cost,
        seconds={phase: _mean([record.seconds[phase] for record in chosen]) for phase in phases},
        stale=row.stale,
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _clocks(pair: Sequence[Sequence[Record]]) -> str:
    """Why the clocks of two sides cannot be compared; empty where they can."""
    attempts = [record for side in pair for record in side]
    machines = {machine(record) for record in attempts}
    if not attempts or not all(record.seconds for record in attempts):
        return "there are no clocks for all shared seeds"
    if "" in machines:
        return "not all records say on which machine they were made"
    if len(machines) > 1:
        return "they ran on different machines"
    if not all(record.settings.get("alone", True) for record in attempts):
        return "some ran beside other cells"
    return ""


def _ratios(left: Side, right: Side) -> dict[str, float]:
    words = {"solve": "solve s", "evaluate": "use s"}
    ours, theirs = (
        side.cost | {words[phase]: value for phase, value in side.seconds.items()} for side in (left, right)
    )
    return {name: ours[name] / theirs[name] for name in ours if theirs.get(name)}


def _paired(ours: Mapping[int, float], theirs: Mapping[int, float], sign: float) -> dict[str, Any]:
    """The statistics of the pairs; `sign` is -1 for a metric that is better when it is lower."""
    differences = paired_differences(ours, theirs)
    count, better = len(differences), sign * differences
    result: dict[str, Any] = {
        "differences": tuple(differences.tolist()),
        "difference": paired_interval(ours, theirs) if count else None,
        "p_value": paired_p_value(differences) if count > 1 else None,
        "wins": int(np.sum(better > 0)),
        "ties": int(np.sum(better == 0)),
        "losses": int(np.sum(better < 0)),
        "probability": _probability(ours, theirs, sign) if count > 1 else None,
    }
    return result | _size(differences)


def _probability(ours: Mapping[int, float], theirs: Mapping[int, float], sign: float) -> float:
    left, right = shared(ours, theirs)
    return probability_of_improvement(sign * left, sign * right)


def _size(differences: Sample) -> dict[str, Any]:
    """Spread and size of differences, and what as many seeds can show and how many it would take."""
    unknown: dict[str, Any] = {"spread": None, "effect": None, "detectable": None, "needed": None}
    if len(differences) < 2:
        return unknown
    mean, spread = float(np.mean(differences)), float(np.std(differences, ddof=1))
    if spread <= 1e-9 * float(np.max(np.abs(differences))):  # equal but for rounding
        return unknown | {"spread": 0.0}
    effect = mean / spread
    reachable = math.isfinite(effect) and abs(effect) > 1e-3  # millions of seeds are no advice
    return {
        "spread": spread,
        "effect": effect,
        "detectable": spread * minimum_detectable(len(differences)),
        "needed": seeds_needed(effect) if reachable else None,
    }
