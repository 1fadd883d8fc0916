"""Learning curves of many attempts, thinned and averaged over seeds, small enough for a page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from results.record import Record

POINTS = 80  # of one curve; more than a figure can show
SEEDS = 20  # curves averaged for one row; more would not move the mean by much

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """One curve of one attempt.

    Args:
        axes: what it may be drawn against, by name, (p,) each; the first one rises.
        values: (p,).
    """

    axes: Mapping[str, Numbers]
    values: Numbers


@dataclass
class Curves:
    """The curves of many attempts, by row and name; `add` is called once for each attempt."""

    found: defaultdict[str, defaultdict[str, list[Series]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )

    def add(self, row: str, record: Record) -> None:
        """Keep the curves of an attempt for a row: what it logged, and what the task made of its offers."""
        kept = self.found[row]
        for name, points in record.logs.items():
            if len(points) > 1 and len(kept[name]) < SEEDS:
                kept[name].append(_logged(points))
        for name, series in _offered(record.curve).items():
            if len(kept[name]) < SEEDS:
                kept[name].append(series)

    def of(self, row: str) -> dict[str, dict[str, Any]]:
        """The curves of a row: for each name its axes, and mean, low and high over seeds, as plain lists."""
        return {name: _averaged(many) for name, many in sorted(self.found[row].items()) if many}


def _logged(points: Sequence[Sequence[float]]) -> Series:
    table = np.asarray(points, dtype=float)  # (p, 3): step, seconds, value
    table = table[np.argsort(table[:, 0], kind="stable")][_thin(len(table))]
    return Series({"step": table[:, 0], "seconds": table[:, 1]}, table[:, 2])


def _offered(curve: Sequence[Mapping[str, Any]]) -> dict[str, Series]:
    """The scored offers of an attempt, by metric."""
    found = {}
    for name in sorted({name for point in curve for name in point.get("metrics", {})}):
        points = [point for point in curve if name in point["metrics"]]
        units = sorted({unit for point in points for unit in point["cost"].get("solve", {})})
        axes = {"seconds": np.array([point["seconds"] for point in points], dtype=float)}
        for unit in units:
            axes[unit] = np.array([point["cost"].get("solve", {}).get(unit, 0.0) for point in points], dtype=float)
        found[f"{name} of offers"] = Series(axes, np.array([point["metrics"][name] for point in points], dtype=float))
    return found


def _thin(count: int) -> NDArray[np.int64]:
    """Places of at most `POINTS` points, first and last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, POINTS)).round().astype(np.int64))


def _averaged(many: Sequence[Series]) -> dict[str, Any]:
    """Curves of several seeds on the first axis of the longest, each read between its own ends only."""
    if len(many) == 1:
        mean = _plain(many[0].values)
        return {"axes": {name: _plain(axis) for name, axis in many[0].axes.items()}, "mean": mean, "low": mean,
                "high": mean, "seeds": 1}  # fmt: skip
    longest = max(many, key=lambda one: len(one.values))
    names = [name for name in longest.axes if all(name in one.axes for one in many)]
    first = names[0]
    grid = longest.axes[first]
    values = np.array([np.interp(grid, one.axes[first], one.values, left=np.nan, right=np.nan) for one in many])
    inside = ~np.isnan(values)  # (seeds, p); the longest is inside everywhere
    count = inside.sum(axis=0)
    axes = {
        name: np.where(inside, [np.interp(grid, one.axes[first], one.axes[name]) for one in many], 0.0).sum(0) / count
        for name in names
    }
    return {
        "axes": {name: _plain(axis) for name, axis in axes.items()},
        "mean": _plain(np.where(inside, values, 0.0).sum(axis=0) / count),
        "low": _plain(np.where(inside, values, np.inf).min(axis=0)),
        "high": _plain(np.where(inside, values, -np.inf).max(axis=0)),
        "seeds": len(many),
    }


def _plain(values: Numbers) -> list[float]:
    return [float(f"{value:.5g}") for value in values]
