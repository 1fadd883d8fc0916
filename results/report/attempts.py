"""The page of one attempt: its full configuration, provenance, result and log, and how to repeat it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from results.protocols import TUNING
from results.record import Record, Status
from results.report import places
from results.report.curves import of_one
from results.report.pages import Pages
from results.selection import flatten
from results.tables import numbers
from results.tables.content import ARROWS, words

Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class Around:
    """What the page of an attempt says beside its record.

    Args:
        left_out: why it does not count, in a sentence; empty where it does.
        arena, task, method: pages, the task's with the place of the board; empty where there are none.
        repeat: the commands that run it again.
    """

    left_out: str
    arena: str
    task: str
    method: str
    repeat: str


def page(record: Record, around: Around) -> dict[str, Any]:
    """What the template of an attempt shows of its whole record."""
    logged, scored = of_one(record)
    return {
        "r": record,
        "around": around,
        "trial": record.protocol == TUNING,
        "facts": _facts(record),
        "metrics": _metrics(record),
        "work": [(f"{words(unit)} ({account})", numbers.number(value)) for account, units in record.cost.items()
                 for unit, value in units.items()],
        "seconds": [(phase, numbers.seconds(value)) for phase, value in record.seconds.items()],
        "offers": _offers(record),
        "logs": [(name, len(points), *_ends([point[-1] for point in points])) for name, points in record.logs.items()
                 if points],
        "curves": {name: script_text(found) for name, found in (("logs", logged), ("offers", scored)) if found},
        "repeat_note": _note(record),
        "identity": pairs(record.identity),
        "settings": pairs(record.settings),
        "preparations": pairs(record.preparations),
        "provenance": pairs(record.provenance),
    }  # fmt: skip


def write(pages: Pages, work: Iterable[tuple[Record, Around]]) -> None:
    """Write the pages of some attempts."""
    for record, around in work:
        pages.write("attempt.html", places.attempt(record.id), **page(record, around))


def script_text(values: Any) -> Markup:
    """Values as JSON that may stand inside a script element: nothing in it can be taken for markup."""
    text = json.dumps(values, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704


def pairs(values: Mapping[str, Any]) -> Pairs:
    """Nested values as dotted keys and text."""
    return [(key, _text(value)) for key, value in flatten(values).items()]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _ends(values: Sequence[float]) -> tuple[float, float, float, float]:
    return values[0], values[-1], min(values), max(values)


def _facts(record: Record) -> Pairs:
    found = [("attempt", record.id), ("started", record.started), ("ended", record.ended), ("scale", record.scale),
             ("hardware", record.hardware), ("protocol", record.protocol)]  # fmt: skip
    if record.peak_memory_mib is not None:
        found.append(("highest memory", f"{record.peak_memory_mib:.0f} MiB"))
    if record.preemptions:
        found.append(("went on after being cut off", str(record.preemptions)))
    return found


def _metrics(record: Record) -> Pairs:
    found = []
    for name, value in record.metrics.items():
        info = record.metric_info.get(name, {"unit": "", "direction": "none"})
        unit = f" ({info['unit']})" if info["unit"] else ""
        found.append((f"{words(name)}{unit}{ARROWS[info['direction']]}", f"{value:.6g}"))
    return found


def _offers(record: Record) -> list[list[str]]:
    """The scored offers as a table, its heading first; empty where there are none."""
    if not record.curve:
        return []
    units = sorted({unit for point in record.curve for unit in point.get("cost", {}).get("solve", {})})
    names = sorted({name for point in record.curve for name in point.get("metrics", {})})
    table = [["seconds", *map(words, units), *map(words, names), "reason"]]
    for point in record.curve:
        spent, scored = point.get("cost", {}).get("solve", {}), point.get("metrics", {})
        table.append([numbers.seconds(point.get("seconds")), *(numbers.number(spent.get(unit)) for unit in units),
                      *(numbers.number(scored.get(name)) for name in names), str(point.get("reason", ""))])  # fmt: skip
    return table


def _note(record: Record) -> str:
    code = record.provenance.get("code") or {}
    sentences = []
    if code.get("dirty"):
        sentences.append("The code had changes that were not committed, so the commit may not give the same numbers.")
    if "overrides" not in record.settings:
        sentences.append("The record does not say which values a command set; compare the configuration.")
    if record.protocol == TUNING:
        sentences.append("A trial is not run again where the store has it, hence the new folder.")
    versions = ", ".join(f"{name} {version}" for name, version in record.provenance.get("packages", {}).items())
    if versions:
        sentences.append(f"It ran with Python {record.provenance.get('python')}, {versions}.")
    if record.status is not Status.OK:
        sentences.append("It did not end ok, so a repetition may end otherwise.")
    return " ".join(sentences)
