"""The numbers of some patterns on some tasks, over the seeds that all of them have, and what is said of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from results.claims.cells import Cells, Setting
from results.claims.judging import Judged
from results.claims.readings import Found, one_clock
from results.claims.relations import Pattern, Place
from results.record import Record
from results.stats import Interval, Sample

NOTHING = Judged(0, 1.0, None)


@dataclass(frozen=True)
class Evidence:
    """One pair of sides on the tasks of a part.

    Args:
        left, right: the sides in words; right is empty where there is none.
        places: tasks, in words.
        metric: what was read; empty for the rank metric.
        kind: what the estimate is: difference, value, ratio, statistic, change, slope, step, correlation, gain.
        seeds: seeds that all sides have on all tasks.
        tried: seeds on which every side was attempted on every task, however that ended.
        judged: what they show.
        means: of each side, over seeds and tasks.
        by_place: the estimate on each task alone, where there are several and the relation is of means.
        missing: cells that were never run, in words.
        unread: why attempts that ended ok gave no number.
        failed: attempts that ended otherwise.
        records: the attempts behind the numbers.
    """

    left: str
    right: str
    places: tuple[str, ...]
    metric: str
    kind: str
    seeds: tuple[int, ...] = ()
    tried: int = 0
    judged: Judged = NOTHING
    means: tuple[float, ...] = ()
    by_place: tuple[Interval | None, ...] = ()
    missing: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    failed: tuple[Record, ...] = ()
    records: tuple[Record, ...] = ()


@dataclass(frozen=True)
class Column:
    """One side on all tasks.

    Args:
        values: (tasks, n), by the seeds that all sides have.
        found: what was found on each task.
    """

    values: Sample
    found: tuple[Found, ...]

    def higher(self, metric: str) -> bool:
        """Whether a metric is better when it is higher; so are those whose direction no record says."""
        for piece in self.found:
            for record in piece.attempts.values():
                info = record.metric_info.get(metric or record.rank_metric)
                return info is None or info["direction"] != "lower"
        return True


def columns(
    sides: Sequence[Pattern], where: Sequence[Place], cells: Cells, setting: Setting, metric: str
) -> tuple[list[Column], Evidence]:
    """The numbers of some patterns on some tasks, and the beginning of a piece of evidence.

    Args:
        sides: the patterns.
        where: the tasks.
        cells: what was run.
        setting: the setting to look in.
        metric: what a pattern reads that names none.
    """
    found = [cells.find(sides, place, setting, metric) for place in where]  # (tasks, sides)
    if any((side.metric or metric).startswith("seconds.") for side in sides):
        found = [one_clock(row) for row in found]
    pieces = [piece for row in found for piece in row]
    seeds = _shared([set(piece.values) for piece in pieces])
    tried = _shared([set(piece.values) | {record.seed for record in piece.failed} for piece in pieces])
    made = [
        Column(
            np.array([[row[index].values[seed] for seed in seeds] for row in found]).reshape(len(where), len(seeds)),
            tuple(row[index] for row in found),
        )
        for index in range(len(sides))
    ]
    missing = (
        f"{_named(side)} on {side.place or place}"
        for row, place in zip(found, where, strict=True)
        for piece, side in zip(row, sides, strict=True)
        if not (piece.values or piece.failed or piece.unread)
    )
    return made, Evidence(
        left=str(sides[0]) if sides else "",
        right=str(sides[1]) if len(sides) > 1 else "",
        places=tuple(str(place) for place in where),
        metric=(sides[0].metric if sides else "") or metric,
        kind="difference",
        seeds=seeds,
        tried=len(tried),
        means=tuple(float(np.mean(column.values)) for column in made) if seeds else (),
        missing=tuple(dict.fromkeys(missing)),
        unread=tuple(dict.fromkeys(piece.unread for piece in pieces if piece.unread)),
        failed=tuple(record for piece in pieces for record in piece.failed),
        records=tuple(piece.attempts[seed] for piece in pieces for seed in seeds),
    )


def _shared(sets: Sequence[set[int]]) -> tuple[int, ...]:
    return tuple(sorted(set.intersection(*sets))) if sets else ()


def _named(side: Pattern) -> str:
    """The cells of a side, without what is read from them."""
    return str(Pattern(side.method, side.fields))
