"""The verb `prepare`: data sets and shared preparations, made once, so that compute nodes need no network."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from runners.budget import Budget
from runners.errors import CommandError, one_line
from runners.planning import Plan
from runners.preparing import ensure
from runners.run import Nobody
from tasks import data
from tasks.base import NotApplicable
from tasks.data import DataCorrupt
from tasks.preparation import cache_root

FLOOR = "reference/trivial"  # needs nothing but what the task itself needs


def command(words: Sequence[str]) -> int:
    """`bakeoff prepare task=.. [experiment=..] [seed=..] [scale=..]`: a sweep of which only preparations are made.

    Raises:
        CommandError: the words cannot be understood, or something cannot be had.
    """
    from runners import launch

    if any(word.startswith("method=") for word in words):
        raise CommandError("method: what is prepared belongs to tasks; name them with task=.. or experiment=..")
    if not any(word.startswith(("task=", "experiment=")) for word in words):
        raise CommandError("prepare takes task=.. or experiment=.., as `bakeoff run -m` does")
    plain = [word for word in words if word not in ("-m", "--multirun")]
    return launch.run(["-m", *plain, f"method={FLOOR}", "prepare=true"])


def prepared(work: Plan, budget: Budget | None) -> Iterator[str]:
    """Make what the tasks of a plan need; a line for each thing that was not there, and a last one.

    Args:
        work: the tasks, with their seeds.
        budget: of the tuned protocol, whose seeds have preparations of their own.

    Raises:
        CommandError: a data set cannot be had.
    """
    yield from work.reasons()
    for name in dict.fromkeys(name for pair, _ in work.pairs for name in pair.task_card.data):
        yield from _fetched(name)
    there, made = 0, 0
    for pair, seeds in work.pairs:
        parts = [(part, seed) for part in pair.task.preparations().values() for seed in seeds]
        if budget is not None:
            own = {**pair.task.preparations(), **pair.task.validation_preparations()}
            parts += [(part, -1 - number) for part in own.values() for number in range(budget.seeds)]
        for part, seed in parts:
            if part.is_built(seed):
                there += 1
                continue
            began = time.monotonic()
            ensure(part, seed, pair.hardware, Nobody())
            made += 1
            where = f"{pair.choice.task}, seed {seed}" if part.per_seed else pair.choice.task
            yield f"made {type(part).__name__} of {where} ({time.monotonic() - began:.1f} s)"
    yield f"{there + made} preparations are there, {made} of them new, in {cache_root()}"


def _fetched(name: str) -> Iterator[str]:
    """See that all files of a data set are here."""
    for file, entry in data.manifest()[name].files.items():
        if entry.found() is not None:
            continue
        try:
            data.fetch(name, file)
        except (NotApplicable, DataCorrupt) as error:
            raise CommandError(one_line(error)) from error
        yield f"fetched {name}/{file}"
