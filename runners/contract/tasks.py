"""What every task has to keep to. A check yields sentences, one for each fault."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType

from results.protocols import TUNING
from results.record import Status
from results.selection import flatten
from runners import catalog
from runners.arenas import arena_of
from runners.cards import SCALES, task_card
from runners.contract.bench import CEILING, FLOOR, SEED, Bench, arrays, contents, records
from runners.contract.methods import Check, record_faults, repeated
from runners.hardware import seed_everything
from runners.match import posed_type
from runners.pair import Pair, board_of
from runners.preparing import ensure
from runners.run import AttemptRun, Nobody
from tasks.base import Direction, Invalid, NotApplicable, Task
from tasks.data import manifest
from tasks.metering import USE, fingerprint, random_stream


def fits_its_arena(name: str, bench: Bench) -> Iterator[str]:
    """Its arena has a board for its problems, and its card names what there is."""
    entry, kind = catalog.find("task", name), bench.task_class(name)
    card = task_card(entry)
    board = arena_of(entry.arena).board(posed_type(kind))
    metrics = {metric.name: metric for metric in board.metrics}
    yield from (f"two metrics are called {one}" for one, n in Counter(m.name for m in board.metrics).items() if n > 1)
    if card.rank not in metrics or metrics[card.rank].direction is Direction.NONE:
        yield f"card.rank: {card.rank} is no metric of its board that has a better side"
    if not {"tiny", "laptop"} <= set(card.scales) <= set(SCALES):
        yield f"card.scales: tiny and laptop are needed, got {', '.join(card.scales)}"
    values, own = flatten(entry.values), {item.name for item in fields(kind)}
    for axis in card.axes:
        if axis not in (own if "." not in axis else values):
            yield f"card.axes: {axis} is no value of the task"
    yield from (f"card.data: the manifest knows no {one}" for one in card.data if one not in manifest())


def is_built_at_every_scale(name: str, bench: Bench) -> Iterator[str]:
    """Each of its tiers can be built, of frozen parts."""
    for scale in task_card(catalog.find("task", name)).scales:
        for record in records(bench.pair(FLOOR, name, scale).task):
            yield from record_faults(type(record))


def draws_by_seed(name: str, bench: Bench) -> Iterator[str]:
    """A problem is drawn by its seed alone."""
    task = bench.prepared(name).task
    one, again, other = (fingerprint(contents(task.problem(seed))) for seed in (SEED, SEED, SEED + 1))
    if one != again:
        yield f"problem({SEED}) is another one each time"
    hidden = any(callable(getattr(task.problem(SEED), item.name)) for item in fields(task.problem(SEED)))
    if one == other and not hidden:  # oracles may differ, which cannot be seen from outside
        yield f"problem({SEED}) and problem({SEED + 1}) are the same"


def poses_what_it_says(name: str, bench: Bench) -> Iterator[str]:
    """A problem is of the stated type, with a fresh ledger and arrays that nobody can write to."""
    task = bench.prepared(name).task
    problem, again = task.problem(SEED), task.problem(SEED)
    if not isinstance(problem, posed_type(type(task))):
        yield f"problem gives a {type(problem).__name__}, but is annotated with {posed_type(type(task)).__name__}"
    if problem.ledger is again.ledger or problem.ledger.totals():
        yield "each problem needs a ledger of its own in which nothing is booked"
    yield from (
        f"{type(problem).__name__}.{one.name} can be given by place" for one in fields(problem) if not one.kw_only
    )
    for place, array in arrays(problem, "problem"):
        if array.flags.writeable:
            yield f"{place} can be written to; see tasks.base.read_only"


def scores_its_own_answers(name: str, bench: Bench) -> Iterator[str]:
    """The dumb answer is scored, costs nothing and scores alike each time; so is the best, or said to be unknown."""
    for reference in (FLOOR, CEILING):
        yield from repeated(reference, name, bench)
        record = bench.cell(reference, name).first
        if record.status is Status.SKIPPED and reference == CEILING:
            continue
        if record.status is not Status.OK:
            yield f"{reference} {record.status}: {record.reason}"
        elif not math.isfinite(record.metrics[record.rank_metric]):
            yield f"{reference} scores {record.metrics[record.rank_metric]}"
        elif reference == FLOOR and record.cost["solve"]:
            yield f"the dumb answer costs {record.cost['solve']}"


def runs_its_guests(name: str, bench: Bench) -> Iterator[str]:
    """Every method that fits by type is run, gives the same numbers twice and leaves the problem as it was."""
    for guest in bench.asked(name):
        yield from repeated(guest, name, bench)


def validates_apart(name: str, bench: Bench) -> Iterator[str]:
    """Validation scores the dumb answer, on a seed that nobody can type, and moves nothing else."""
    pair = bench.pair(FLOOR, name)
    try:
        pair.task.check_validation()
    except NotApplicable:
        if type(pair.task).validate is not Task.validate:
            raise
        return
    if both := set(pair.task.validation_preparations()) & set(pair.task.preparations()):
        yield f"validation_preparations: {', '.join(sorted(both))} is prepared anyway"
    for part in replace(pair, protocol=TUNING).preparations().values():
        ensure(part, -1, pair.hardware, Nobody())
    before = fingerprint(contents(pair.task.problem(-1)))
    yield from _scored_apart(pair)
    if fingerprint(contents(pair.task.problem(-1))) != before:
        yield "validating changes the problem"


def _scored_apart(pair: Pair) -> Iterator[str]:
    """Faults of scoring the dumb answer on test data and validation data in turn."""
    scores = []
    for verb in (pair.task.evaluate, pair.task.validate, pair.task.validate, pair.task.evaluate):
        run = AttemptRun(random_stream("test"), pair.task.problem(-1).ledger, pair.hardware, Path())
        seed_everything(random_stream("test globals"))
        with run.ledger.booking(USE):
            scores.append(dict(verb(pair.task.trivial(-1), -1, run)))
        if run.ledger.totals("solve"):
            yield "scoring books into the account of solve"
    if scores[0] != scores[3] or scores[1] != scores[2]:
        yield "the same answer is scored otherwise the second time"
    if not math.isfinite(scores[1].get(pair.task_card.rank, math.nan)):
        yield f"validate gives no finite {pair.task_card.rank}"
    for metric in sorted(set(scores[1]) - {metric.name for metric in board_of(pair).metrics}):
        yield f"validate gives {metric}, which the board does not declare"


def scores_simpler_answers(name: str, bench: Bench) -> Iterator[str]:
    """What answers a simpler problem is an answer here too: a subclass of a problem type never adds a duty."""
    pair, own = bench.prepared(name), posed_type(bench.task_class(name))
    for other in bench.tasks(name.partition("/")[0]):
        base = posed_type(bench.task_class(other))
        if base is own or not issubclass(own, base):
            continue
        answer = bench.prepared(other).task.trivial(SEED)
        ledger = pair.task.problem(SEED).ledger
        run = AttemptRun(random_stream("test"), ledger, pair.hardware, Path())
        seed_everything(random_stream("test globals"))
        with contextlib.suppress(Invalid), ledger.booking(USE):  # refused with a sentence is not crashed on
            if pair.task_card.rank not in pair.task.evaluate(answer, SEED, run):
                yield f"evaluate gives no {pair.task_card.rank} for the dumb answer of {other}"


CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        check.__name__: check
        for check in (
            fits_its_arena,
            is_built_at_every_scale,
            draws_by_seed,
            poses_what_it_says,
            scores_its_own_answers,
            runs_its_guests,
            validates_apart,
            scores_simpler_answers,
        )
    }
)
