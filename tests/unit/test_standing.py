"""Methods over several tasks: a pure function of boards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from results.leaderboard import leaderboards
from results.record import Record
from results.standing import Standing, standings

if TYPE_CHECKING:
    from tests.examples import record
else:
    from examples import record


def attempts(task: str, scores: Mapping[str, Sequence[float | None]]) -> list[Record]:
    """Attempts at a task, a score for each seed; None is a failure."""
    made = []
    for method, values in scores.items():
        role = "reference" if method.startswith("reference") else "paper"
        for seed, value in enumerate(values):
            it = record(method, seed, value, task=task, role=role)
            identity = it.identity | {"task": {"name": task}}
            made.append(replace(it, id=f"{task}{it.id}", cell=f"{task}{it.cell}", identity=identity))
    return made


def standing(tasks: Mapping[str, Mapping[str, Sequence[float | None]]]) -> Standing:
    """The only standing of some tasks."""
    records = [it for task, scores in tasks.items() for it in attempts(task, scores)]
    (only,) = standings(leaderboards(records))
    return only


Scores = dict[str, list[float | None]]
FULL: Scores = {"reference/trivial": [0.0] * 4, "reference/best": [10.0] * 4}
STEADY: Scores = {"toys/a": [5.0, 5.1, 5.2, 5.3], "toys/b": [4.0, 4.1, 4.3, 4.4]}


@pytest.mark.parametrize(("names", "block"), [("pqrs", (4, "task")), ("pq", (8, "seed of a task"))])
def test_mean_ranks_count_failures_as_the_dumb_answer(names: str, block: tuple[int, str]) -> None:
    lucky: Scores = {"toys/c": [9.0, None, None, None]}
    made = standing({f"toys/{name}": FULL | STEADY | lucky for name in names})
    ranks = {place.method: place.mean_rank for place in made.places}
    expected = (
        {"toys/a": 1.25, "toys/b": 2.25, "toys/c": 2.5} if len(names) < 3 else {"toys/a": 1, "toys/b": 2, "toys/c": 3}
    )
    assert ranks == expected
    assert made.blocks == block


def test_a_method_that_failed_wholly_on_a_task_takes_no_task_from_the_others() -> None:
    tasks = {f"toys/{name}": FULL | STEADY | {"toys/c": [9.0] * 4} for name in "pqrs"}
    nothing: Scores = {"toys/c": [None] * 4}
    tasks |= {f"toys/{name}": FULL | STEADY | nothing for name in "pq"}
    made = standing(tasks)
    assert made.blocks == (4, "task")
    assert {place.method: place.mean_rank for place in made.places} == {"toys/a": 1.5, "toys/b": 2.5, "toys/c": 2.0}


def test_a_task_without_a_scale_is_named_and_leaves_the_aggregates_of_the_others() -> None:
    others = {f"toys/{name}": {"reference/trivial": [0.0] * 4} | STEADY for name in "qr"}
    worse, silent = {"reference/trivial": [9.0] * 4} | STEADY, dict(STEADY)
    made = standing({"toys/p": worse, "toys/s": silent, **others})
    assert made.without == {
        "toys/p": "nothing is better than its dumb answer", "toys/s": "its dumb answer has not been scored"
    }  # fmt: skip
    assert [board.task for board in made.boards] == ["toys/p", "toys/q", "toys/r", "toys/s"]
    assert all(place.iqm is not None and not place.lacking for place in made.places)
    alone = standings(leaderboards(attempts("toys/p", worse)))[0]
    assert [(place.iqm, place.lacking, place.mean_rank) for place in alone.places] == [(None, (), None)] * 2
    assert (alone.friedman, alone.thresholds.size, alone.beyond) == (None, 0, 0)


def test_the_top_of_the_scale_is_said_for_each_kind_of_task() -> None:
    known, unknown = FULL | STEADY, {"reference/trivial": [0.0] * 4} | STEADY
    assert standing({"toys/p": known}).top == "its best known answer"
    assert standing({"toys/p": unknown}).top == "the best mean of any row"
    assert standing({"toys/p": known, "toys/q": unknown}).top == (
        "its best known answer or, without one, the best mean of any row"
    )


def test_a_run_far_below_the_dumb_answer_does_not_stretch_the_profiles() -> None:
    made = standing({"toys/p": FULL | STEADY | {"toys/bad": [-1e6, -1e6, 1.0, 2.0]}})
    assert (made.thresholds[0], made.thresholds[-1], made.beyond) == (-1.0, 1.0, 2)
    assert standing({"toys/p": FULL | STEADY}).beyond == 0


def test_of_several_boards_of_a_task_the_newest_version_counts() -> None:
    old = attempts("toys/p", FULL | STEADY)
    new = [replace(it, id=f"{it.id}n", cell=f"{it.cell}n", task_version=2, identity=it.identity | {"task": {"size": 9}})
           for it in attempts("toys/p", {"reference/trivial": [0.0], "toys/a": [1.0]})]  # fmt: skip
    old = [replace(it, identity=it.identity | {"task": {"size": 3}}) for it in old]
    boards = leaderboards([*old, *new])
    assert [board.version for board in boards] == [1, 2]
    assert [board.version for board in standings(boards)[0].boards] == [2]
