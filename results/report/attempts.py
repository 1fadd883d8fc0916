"""The page of one attempt: its full configuration, provenance, result and log, and how to repeat it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from results.protocols import PAPER_VALUES, TUNING
from results.record import Record, Status
from results.report import numbers, places
from results.report.curves import Curves
from results.report.pages import Pages
from results.selection import flatten

Pairs = list[tuple[str, str]]


def page(record: Record, counts: bool, board: str) -> dict[str, Any]:
    """What the template of an attempt shows.

    Args:
        record: the whole record.
        counts: whether its board holds it.
        board: page of its task, or of the board there.
    """
    curves = Curves()
    curves.add("", record)
    return {
        "r": record,
        "counts": counts,
        "trial": record.protocol == TUNING,
        "arena_page": places.arena(record.arena),
        "task_page": board,
        "method_page": places.method(record.method),
        "facts": _facts(record),
        "metrics": _metrics(record),
        "work": [(f"{numbers.words(unit)} ({account})", numbers.number(value)) for account, units in record.cost.items()
                 for unit, value in units.items()],
        "seconds": [(phase, numbers.seconds(value)) for phase, value in record.seconds.items()],
        "offers": _offers(record),
        "logs": [(name, len(points), *_ends([point[-1] for point in points])) for name, points in record.logs.items()
                 if points],
        "curves": in_page(curves.of("")),
        "repeat": repeat(record),
        "repeat_note": _note(record),
        "identity": pairs(record.identity),
        "settings": pairs(record.settings),
        "preparations": pairs(record.preparations),
        "provenance": pairs(record.provenance),
    }  # fmt: skip


def write(pages: Pages, work: Iterable[tuple[Record, bool, str]]) -> None:
    """Write the pages of some attempts, each with the other arguments of `page`."""
    for record, counts, board in work:
        pages.write("attempt.html", places.attempt(record.id), **page(record, counts, board))


def in_page(values: Mapping[str, Any]) -> Markup:
    """Values as JSON that may stand inside a script element; empty where there are none."""
    return Markup(script_text(values) if values else "")  # noqa: S704 (nothing in it is markup)


def script_text(values: Any) -> str:
    """Values as JSON that nothing in a page can take for markup."""
    text = json.dumps(values, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


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
        found.append((f"{numbers.words(name)}{unit} {numbers.ARROWS[info['direction']]}".rstrip(), f"{value:.6g}"))
    return found


def _offers(record: Record) -> list[list[str]]:
    """The scored offers as a table, its heading first; empty where there are none."""
    if not record.curve:
        return []
    units = sorted({unit for point in record.curve for unit in point.get("cost", {}).get("solve", {})})
    names = sorted({name for point in record.curve for name in point.get("metrics", {})})
    table = [["seconds", *map(numbers.words, units), *map(numbers.words, names), "reason"]]
    for point in record.curve:
        spent, scored = point.get("cost", {}).get("solve", {}), point.get("metrics", {})
        table.append([numbers.seconds(point.get("seconds")), *(numbers.number(spent.get(unit)) for unit in units),
                      *(numbers.number(scored.get(name)) for name in names), str(point.get("reason", ""))])  # fmt: skip
    return table


def repeat(record: Record) -> str:
    """The commands that run the cell again. Values that were found by a search are found again by the same search."""
    trial, searched = record.protocol == TUNING, record.protocol != PAPER_VALUES
    words = [f"method={record.method}", f"task={record.task}", f"seed={0 if trial else record.seed}"]
    words += [f"scale={record.scale}"] if record.scale != "laptop" else []
    words += [f"hardware={record.hardware}", *record.settings.get("overrides", [])]
    words += ["outputs=again"] if trial else ["force=true"]
    lines = []
    commit = (record.provenance.get("code") or {}).get("commit")
    if commit:
        lines.append(f"git checkout {commit}")
    command = "bakeoff run -m" if searched else "bakeoff run"
    return "\n".join([*lines, f"{command} {' '.join(map(_quoted, words))}", f"bakeoff explain {record.id}"])


def _quoted(word: str) -> str:
    """A word as a shell reads it."""
    plain = word and all(letter.isalnum() or letter in "=_-./:," for letter in word)
    return word if plain else "'" + word.replace("'", "'\"'\"'") + "'"


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
