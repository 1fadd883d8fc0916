"""Commands that run what the pages show once more, as a shell reads them."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from results.leaderboard import Leaderboard, Row
from results.protocols import PAPER_VALUES, TUNING
from results.record import Record

_FEW = 6  # methods that a command names one by one
Profiles = Mapping[str, Mapping[str, Any]]  # values of the hardware profiles, by name


def again(board: Leaderboard, records: Mapping[str, Record], profiles: Profiles) -> str:
    """What runs a board again, with the seeds that it has: one line for each set of values of methods.

    Args:
        board: the board.
        records: its attempts by name; heads are enough.
        profiles: hardware profiles that a command may name.
    """
    groups: defaultdict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in board.rows:
        groups[tuple(_overrides(_newest(row, records), "method"))].append(row)
    lines = []
    for own, rows in sorted(groups.items()):
        found = [records[name] for row in rows for name in (*row.attempts, *row.others)]
        newest = max(found, key=lambda record: (record.ended, record.id))
        words = [_methods({row.name for row in rows}), f"task={board.task}", *_conditions(newest, profiles)]
        words += [*_overrides(newest, "task"), *own, *_search(newest), _seeds({record.seed for record in found})]
        lines.append(quoted(["bakeoff", "run", "-m", *words]))
    return "\n".join(lines)


def repeat(record: Record, profiles: Profiles) -> str:
    """What runs the cell of an attempt again. Values that were found by a search are found again by the same search."""
    trial = record.protocol == TUNING
    seed = 0 if trial else record.seed
    words = [f"method={record.method}", f"task={record.task}", f"seed={seed}", *_conditions(record, profiles)]
    words += [*_overrides(record, "task"), *_overrides(record, "method"), *_search(record)]
    words += ["outputs=again"] if trial else ["force=true"]
    words[:0] = ["-m"] if record.protocol != PAPER_VALUES else []
    commit = (record.provenance.get("code") or {}).get("commit")
    lines = [quoted(["git", "checkout", str(commit)])] if commit else []
    return "\n".join([*lines, quoted(["bakeoff", "run", *words]), quoted(["bakeoff", "explain", record.id])])


def method(name: str, tasks: Iterable[str]) -> str:
    """What runs a method on some tasks."""
    return quoted(["bakeoff", "run", "-m", f"method={name}", f"task={','.join(tasks) or '..'}", "seed=range(0,5)"])


def task(name: str) -> str:
    """What runs all methods of its arena on a task."""
    return quoted(
        ["bakeoff", "run", "-m", f"method=glob({name.partition('/')[0]}/*)", f"task={name}", "seed=range(0,5)"]
    )


def quoted(words: Sequence[str]) -> str:
    """Words as one line that a shell takes apart again."""
    return shlex.join(words)


def _newest(row: Row, records: Mapping[str, Record]) -> Record:
    """The attempt of a row that says best which words give its values today."""
    found = (records[name] for name in (*row.attempts, *row.others))
    return max(found, key=lambda record: (record.ended, record.id))


def _overrides(record: Record, kind: str) -> list[str]:
    return [word for word in record.settings.get("overrides") or () if word.startswith(f"{kind}.")]


def _search(record: Record) -> list[str]:
    """The words of the search by which the values of a method were found; none for those of its YAML."""
    parts = ("method.", "task.", "hardware.")
    return [word for word in record.settings.get("overrides") or () if not word.startswith(parts)]


def _methods(names: set[str]) -> str:
    if len(names) <= _FEW:
        return f"method={','.join(sorted(names))}"
    folders = [f"{folder}/*" for folder in sorted({name.partition("/")[0] for name in names})]
    return f"method=glob({folders[0] if len(folders) == 1 else '[' + ','.join(folders) + ']'})"


def _seeds(seeds: set[int]) -> str:
    found = sorted(seeds)
    whole = len(found) > 2 and found == list(range(found[0], found[-1] + 1))
    return f"seed=range({found[0]},{found[-1] + 1})" if whole else f"seed={','.join(map(str, found))}"


def _conditions(record: Record, profiles: Profiles) -> list[str]:
    """Scale and hardware: the profile that is nearest to what the attempt had, and what else to set."""
    wanted = record.identity.get("hardware", {})
    missing = {
        name: [
            f"hardware.{key}={_word(value)}"
            for key, value in wanted.items()
            if profiles.get(name, {}).get(key) != value
        ]
        for name in {record.hardware, *profiles}
    }
    best = min(missing, key=lambda name: (len(missing[name]), name != record.hardware, name))
    scale = [f"scale={record.scale}"] if record.scale != "laptop" else []
    return [*scale, f"hardware={best}", *missing[best]]


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
