"""What claims speak of, looked up in the catalogue: methods, tasks, their values, axes and metrics."""

from __future__ import annotations

import fnmatch
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from results.claims.cells import Defaults
from results.claims.relations import Closer, Comparison, Crossing, Curve, Part, Pattern, Place, Rank, Slope, Trend
from results.claims.verdicts import patterns, wanted_places
from results.selection import flatten
from runners import catalog
from runners.arenas import arena_of
from runners.cards import TaskCard, at_scale, task_card
from runners.errors import CommandError, suggestion

_PHASES = ("prepare", "problem", "solve", "evaluate")


class Spoken:
    """Looks everything up once, so an object serves for one command."""

    def __init__(self) -> None:
        self._values = functools.cache(lambda kind, name: flatten(catalog.find(kind, name).values))
        self._card = functools.cache(lambda name: task_card(catalog.find("task", name)))
        self._metrics = functools.cache(metrics)
        self._methods = functools.cache(lambda: catalog.entries("method"))

    def check(self, parts: Sequence[Part], scale: str) -> None:
        """See that there is everything that a claim speaks of.

        Raises:
            CommandError: naming the method, task, value, axis, tier or metric that there is not.
        """
        for part in parts:
            for place in sorted(wanted_places([part]), key=str):
                self._check_values("task", place.task, place.values)
                at_scale(self._task(place.task), place.task, scale)
            for pattern in patterns(part):
                self._check_values("method", pattern.method, pattern.fields)
                for place in _read_on(part, pattern):
                    self._check_metric(pattern.metric or part.metric, place)
            body = part.body
            if isinstance(body, Rank | Curve):
                self._check_over(body, part.places)
            elif not isinstance(body, Comparison):
                self._check_axis(body, sorted(wanted_places([part]), key=str))

    def axis(self, task: str, axis: str) -> Sequence[Any]:
        """The values of an axis of a task: numbers in order, others as the card has them.

        Raises:
            CommandError: there is no such task or axis.
        """
        axes = self._task(task).axes
        if axis not in axes:
            raise CommandError(f"task {task} has no axis '{axis}'; it has {', '.join(axes) or 'none'}")
        values = list(axes[axis])
        return sorted(values) if all(map(_is_number, values)) else values

    def defaults(self, kind: str, name: str, scale: str) -> Defaults:
        """What the YAML of a method or a task says at a scale; nothing where it is not there any more."""
        try:
            values: Mapping[str, Any] = self._values(kind, name)
            tier = flatten(at_scale(self._task(name), name, scale)) if kind == "task" else {}
        except CommandError:
            return Defaults()
        return Defaults({**values, **tier}, frozenset(tier))

    def _task(self, name: str) -> TaskCard:
        card: TaskCard = self._card(name)
        return card

    def _check_values(self, kind: str, name: str, values: Sequence[tuple[str, Any]]) -> None:
        known = {key: value for key, value in self._values(kind, name).items() if not key.endswith("_target_")}
        for key, value in values:
            if key not in known:
                raise CommandError(f"{name} has no value called '{key}'{suggestion(key, known)}")
            if _is_number(known[key]) and not _is_number(value):
                raise CommandError(f"{name}: {key} is a number, {known[key]!r} in its YAML, got {value!r}")

    def _check_over(self, body: Rank | Curve, places: Sequence[Place]) -> None:
        for place in places:
            for metric in body.metrics:
                self._check_metric(metric, place)
        for glob in body.methods:
            if not any(fnmatch.fnmatchcase(entry.name, glob) for entry in self._methods()):
                raise CommandError(f"no method matches {glob}")

    def _check_axis(self, body: Trend | Slope | Crossing | Closer, places: Sequence[Place]) -> None:
        found = [list(self.axis(place.task, body.axis)) for place in places]
        if any(values != found[0] for values in found):
            raise CommandError(f"the axis '{body.axis}' has other values on {places[0].task} than on other tasks")
        if any(body.axis in dict(place.values) for place in places):
            raise CommandError(f"'{body.axis}' is the axis, and a value in brackets too")
        least = 3 if isinstance(body, Closer) or (isinstance(body, Trend) and body.shape == "hump") else 2
        if len(found[0]) < least:
            raise CommandError(f"the axis '{body.axis}' of {places[0].task} has fewer than {least} values")
        if isinstance(body, Slope) and not all(_is_number(value) and value > 0 for value in found[0]):
            raise CommandError(f"slope: the values of the axis '{body.axis}' are not all numbers above zero")

    def _check_metric(self, metric: str, place: Place) -> None:
        kind, _, rest = metric.partition(".")
        if metric in ("", "memory") or (kind == "cost" and rest) or (kind == "seconds" and rest in _PHASES):
            return
        known = self._metrics(place.task.partition("/")[0])
        if metric not in known:
            raise CommandError(f"the arena of {place.task} has no metric '{metric}'{suggestion(metric, known)}")


def _read_on(part: Part, pattern: Pattern) -> Iterable[Place]:
    """The tasks on which a pattern is read."""
    first = patterns(part)[0]
    return [pattern.place] if pattern.place else part.places or ([first.place] if first.place else [])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def metrics(arena: str) -> tuple[str, ...]:
    """The metrics of all boards of an arena.

    Raises:
        CommandError: there is no such arena.
    """
    return tuple(dict.fromkeys(metric.name for board in arena_of(arena).boards for metric in board.metrics))
