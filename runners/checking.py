"""The verb `check`: whether a plugin keeps the contract, in sentences."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence

from runners import catalog
from runners.contract import methods, tasks
from runners.contract.bench import Bench, bench
from runners.contract.methods import Check
from runners.errors import CommandError, one_line
from runners.words import only_keys
from tasks.base import NotApplicable


def command(words: Sequence[str]) -> int:
    """`bakeoff check method=..|task=..`; the exit code.

    Raises:
        CommandError: nothing is named, or there is no such plugin.
    """
    values = only_keys("check", words, {"method": "", "task": ""})
    named = [(kind, name) for kind, name in values.items() if name]
    if not named:
        raise CommandError("check takes method=arena/name or task=arena/name")
    for kind, name in named:
        catalog.find(kind, name)
    faults = 0
    with bench() as place:
        for kind, name in named:
            checks = {**methods.STATED, **methods.RUN} if kind == "method" else dict(tasks.CHECKS)
            for check in checks.values():
                found = list(made(check, name, place))
                told = (check.__doc__ or "").strip().splitlines()[0]
                print(f"{'ok   ' if not found else 'FAULT'} {kind} {name}: {told}", flush=True)  # noqa: T201
                for sentence in found:
                    print(f"      {sentence}")  # noqa: T201
                faults += len(found)
    return 1 if faults else 0


def made(check: Check, name: str, place: Bench) -> Iterator[str]:
    """The faults that a check finds; one that it stumbles over is a fault too."""
    try:
        yield from check(name, place)
    except (CommandError, NotApplicable) as error:
        yield one_line(error)
    except Exception as error:  # noqa: BLE001 (code of a plugin may break in any way)
        last = traceback.extract_tb(error.__traceback__)[-1]
        yield f"{type(error).__name__}: {one_line(error)} ({last.filename}, line {last.lineno})"
