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
LARGEST = 1e300  # beyond, the libraries that draw have no room left to compute; None stands for such numbers
CLOCK = "seconds"  # the axis that depends on the machine

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
    """The curves of many attempts, by row and name; `add` is called once for each attempt, in any order."""

    found: defaultdict[str, defaultdict[str, list[tuple[int, Series]]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )

    def add(self, row: str, record: Record, *, clock: bool = True) -> None:
        """Keep the curves of an attempt for a row: what it logged, and what the task made of its offers.

        Args:
            row: key of the row.
            record: the whole attempt.
            clock: whether its seconds may stand beside those of others.
        """
        kept = self.found[row]
        for name, series in (_logs(record) | _offered(record.curve)).items():
            axes = {axis: values for axis, values in series.axes.items() if clock or axis != CLOCK}
            if axes:
                kept[name].append((record.seed, Series(axes, series.values)))

    def of(self, row: str) -> dict[str, dict[str, Any]]:
        """The curves of a row: for each name its axes, and mean, low and high over seeds, as plain lists with None for
        numbers that cannot be drawn. The clock is an axis where it is known all along."""
        found = {}
        for name, many in sorted(self.found[row].items()):
            series = [one for _, one in sorted(many, key=lambda pair: pair[0])]
            with np.errstate(over="ignore", invalid="ignore"):
                if averaged := _averaged(series):
                    found[name] = averaged
        return found


def of_one(record: Record) -> tuple[dict[str, Any], dict[str, Any]]:
    """The curves of a single attempt, as `Curves.of` gives them: what it logged, and its scored offers."""
    logged, scored = _logs(record), _offered(record.curve)
    left, right = ({name: _averaged([some[name]]) for name in sorted(some)} for some in (logged, scored))
    return left, right


def _logs(record: Record) -> dict[str, Series]:
    return {name: _logged(points) for name, points in record.logs.items() if len(points) > 1}


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
    if count <= POINTS:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, min(count, POINTS)).round().astype(np.int64))


def _averaged(many: Sequence[Series]) -> dict[str, Any]:
    """Curves of several seeds on the first axis that all have, of the longest one, each read between its own ends only;
    empty where there is no such axis."""
    shared = [name for name in many[0].axes if all(name in one.axes for one in many)]
    if len(many) == 1:
        mean = _plain(many[0].values)
        return {"axes": {name: _plain(axis) for name, axis in many[0].axes.items()}, "mean": mean, "low": mean,
                "high": mean, "seeds": 1}  # fmt: skip
    if not shared:
        return {}
    first = shared[0]
    grid = max(many, key=lambda one: len(one.values)).axes[first]
    values = np.array([np.interp(grid, one.axes[first], one.values, left=np.nan, right=np.nan) for one in many])
    inside = ~np.isnan(values)  # (seeds, p); the longest is inside everywhere
    names = dict.fromkeys([*shared, *(CLOCK for one in many if CLOCK in one.axes)])
    axes = {name: axis for name in names if (axis := _axis(name, first, grid, many, inside)) is not None}
    return {
        "axes": {name: _plain(axis) for name, axis in axes.items()},
        "mean": _plain(np.where(inside, values, 0.0).sum(axis=0) / inside.sum(axis=0)),
        "low": _plain(np.where(inside, values, np.inf).min(axis=0)),
        "high": _plain(np.where(inside, values, -np.inf).max(axis=0)),
        "seeds": len(many),
    }


def _axis(name: str, first: str, grid: Numbers, many: Sequence[Series], inside: NDArray[np.bool_]) -> Numbers | None:
    """The mean of an axis (p,) over the curves that have it; None where some point is inside none of these."""
    having = [index for index, one in enumerate(many) if name in one.axes]
    read = [np.interp(grid, many[index].axes[first], many[index].axes[name]) for index in having]
    count = inside[having].sum(axis=0)
    return np.where(inside[having], read, 0.0).sum(axis=0) / count if count.all() else None


def _plain(values: Numbers) -> list[float | None]:
    """Numbers with five digits; None for those that cannot be drawn."""
    sizes = np.abs(values[values != 0])
    if len(sizes) and not (sizes.min() > 1e-15 and sizes.max() < 1e15):  # also where something is not a number
        return [float(f"{value:.5g}") if np.abs(value) < LARGEST else None for value in values]
    exponents = 4 - np.floor(np.log10(np.where(values == 0, 1.0, np.abs(values))))
    up, down = 10.0 ** np.maximum(exponents, 0), 10.0 ** np.maximum(-exponents, 0)  # both exact in this range
    found: list[float | None] = (np.rint(values * up / down) * down / up + 0.0).tolist()
    return found
