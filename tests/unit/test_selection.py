"""Which attempts may stand on one board."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from results.leaderboard import leaderboards
from results.record import Status
from results.selection import Texts, comparable, hardware, machine
from results.store import Store
from results.tables import FORMATS, render, title
from results.tables.content import note

if TYPE_CHECKING:
    from tests.examples import record
else:
    from examples import record


def prepared(name: str, seed: int, value: float, key: str, ended: str = "2026-01-01") -> Any:
    made = record(name, seed, value, ended=ended, id=f"{name}-{seed}-{key}", cell=f"{name}-{seed}-{key}")
    return replace(made, identity=made.identity | {"preparations": {"texts": key}})


def test_numbers_from_unlike_preparations_of_a_seed_are_never_mixed() -> None:
    records = [
        prepared("toys/a", 0, 1.0, "old"),
        prepared("toys/b", 0, 2.0, "old"),
        prepared("toys/a", 0, 5.0, "new", "2026-02-01"),
        prepared("toys/a", 1, 7.0, "new"),
    ]
    (board,) = leaderboards(records)
    assert {row.method: row.scores for row in board.rows} == {"toys/a": {0: 1.0, 1: 7.0}, "toys/b": {0: 2.0}}
    (group,) = comparable([*records, prepared("toys/b", 0, 6.0, "new")], Texts())
    assert {it.id for it in group.records} == {"toys/a-0-new", "toys/a-1-new", "toys/b-0-new"}, (
        "among equals the last used"
    )


def test_the_clock_of_a_board_is_that_of_one_machine() -> None:
    slow, fast = {"processor": "a", "cores": 2}, {"processor": "b", "cores": 4, "device": "c"}
    (board,) = leaderboards(
        [
            record("toys/x", 0, 1.0, provenance=slow, seconds={"solve": 9.0}),
            record("toys/x", 1, 1.0, provenance=fast, seconds={"solve": 1.0}, settings={"alone": False}),
            record("toys/y", 0, 1.0, provenance=slow, seconds={"solve": 7.0}),
            record("toys/z", 0, 1.0, provenance=fast, seconds={"solve": 1.0}, settings={"alone": False}),
        ]
    )
    assert board.machine == "a, 2 cores"
    assert {row.method: (row.seconds, row.alone) for row in board.rows} == {
        "toys/x": ({"solve": 9.0}, True),
        "toys/y": ({"solve": 7.0}, True),
        "toys/z": ({}, True),
    }
    assert machine(record("toys/x", 0, 1.0, provenance=fast)) == "b, 4 cores, c"
    assert machine(record("toys/x", 0, 1.0)) == ""


def test_a_stale_attempt_marks_its_row() -> None:
    (board,) = leaderboards(
        [record("toys/a", 0, 1.0), record("toys/a", 1, 1.0), record("toys/b", 0, 2.0)],
        lambda it: "the code has changed" if it.id == "toys/a-1" else "",
    )
    assert {row.method: row.stale for row in board.rows} == {"toys/a": "the code has changed", "toys/b": ""}


def test_boards_are_ordered_by_the_value_of_their_axis() -> None:
    sizes = [10, 9, 100, 1.5]
    records = [record("toys/a", 0, 1.0, cell=f"{size}") for size in sizes]
    records = [
        replace(it, identity=it.identity | {"task": {"name": "toys/hill", "size": size}})
        for it, size in zip(records, sizes, strict=True)
    ]
    assert [board.variant for board in leaderboards(records)] == ["size=1.5", "size=9", "size=10", "size=100"]


def test_hardware_says_what_can_move_a_number() -> None:
    plain = {"accelerator": "cuda", "devices": 1, "precision": "bf16-mixed", "deterministic": True}
    assert hardware(plain) == "cuda-bf16-mixed"
    assert hardware(plain | {"devices": 4, "deterministic": False}) == "cuda-bf16-mixed-4 devices-not deterministic"


def test_a_board_says_which_preparation_was_built_twice() -> None:
    def built(name: str, seed: int, digest: str | None) -> Any:
        told = {"model": {"key": "k", "digest": digest}} if digest else {}
        return record(name, seed, 1.0, preparations=told)

    (board,) = leaderboards([built("toys/a", 0, "x"), built("toys/b", 0, "x"), built("toys/b", 1, "y")])
    assert board.rebuilt == (), "each seed was built once"
    records = [built("toys/a", 0, "x"), built("toys/b", 0, "y"), built("toys/c", 0, None)]
    (board,) = leaderboards(records)
    assert board.rebuilt == ("model",)
    assert "Rows stand on different builds of model at the same seed" in note(board)
    store = Store("sqlite://")
    store.add(records)
    (board,) = leaderboards(store.heads())
    assert board.rebuilt == ("model",), "heads are enough"
    assert {it.id: it.preparations for it in store.records()} == {it.id: it.preparations for it in records}


def changed(made: Any, name: str, **parts: Any) -> Any:
    """The attempt under another name, with other parts of its identity."""
    return replace(made, id=name, cell=name, identity=made.identity | parts)


def test_a_value_that_a_command_changed_stands_beside_the_name_without_any_namesake() -> None:
    words = ["method.lr=1000", "task.test=5"]
    lone = record("toys/a", 0, 1.0, settings={"overrides": words})
    identity = {"method": lone.identity["method"] | {"lr": 1000}, "task": lone.identity["task"] | {"test": 5}}
    (board,) = leaderboards([replace(lone, identity=lone.identity | identity), record("toys/b", 0, 1.0)][:1])
    assert (board.variant, board.rows[0].method, board.rows[0].name) == ("test=5", "toys/a [lr=1000]", "toys/a")
    assert title(board).endswith("paper values, test=5")
    (plain,) = leaderboards([record("toys/a", 0, 1.0, settings={"overrides": []})])
    assert (plain.variant, plain.rows[0].method) == ("", "toys/a")


def test_a_changed_value_is_said_once_beside_what_tells_namesakes_apart() -> None:
    first = record("toys/a", 0, 1.0, settings={"overrides": []})
    other = changed(first, "x", method=first.identity["method"] | {"lr": 0.2, "steps": 7})
    other = replace(other, settings={"overrides": ["method.lr=0.2", "method.part='a b'"]})
    (board,) = leaderboards([first, other])
    assert {row.method for row in board.rows} == {
        "toys/a [lr=0.1, steps missing]", "toys/a [lr=0.2, part='a b', steps=7]"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "name"),
    [({"clip": None}, "clip=null"), ({"clip": {}}, "clip={}"), ({"clip": "missing"}, "clip=missing"),
     ({"lr": "0.1"}, 'lr="0.1"'), ({"lr": 0.1, "clip": "a, b"}, 'clip="a, b"')],
)  # fmt: skip
def test_sets_of_values_that_look_alike_keep_all_their_attempts(values: dict[str, Any], name: str) -> None:
    old = [record("toys/a", seed, 1.0 + seed) for seed in range(5)]
    new = [changed(it, f"n{it.seed}", method=it.identity["method"] | values) for it in old[:2]]
    (board,) = leaderboards([*old, *new])
    assert sorted((len(row.attempts), name in row.method) for row in board.rows) == [(2, True), (5, False)]
    assert len({row.method for row in board.rows}) == 2


def test_names_that_coincide_all_the_same_get_a_key() -> None:
    first = record("toys/a", 0, 1.0)
    named = changed(first, "n", method=first.identity["method"] | {"name": "other"})
    strange = replace(changed(first, "s", method={"lr": 5}), method="toys/a [lr=5]")
    (board,) = leaderboards([first, named, strange])
    assert len({row.method for row in board.rows}) == 3
    assert all(row.method.endswith(f"[key {row.key}]") for row in board.rows if row.name == "toys/a")


@pytest.mark.parametrize(
    ("part", "values"),
    [("task", {"clip": None}), ("task", {"clip": ""}), ("hardware", {"deterministic": True, "devices": 1})],
)
def test_boards_of_unlike_identity_have_unlike_keys_and_titles(part: str, values: dict[str, Any]) -> None:
    old = record("toys/a", 0, 1.0)
    made = leaderboards([old, changed(old, "n", **{part: old.identity[part] | values})])
    assert len({board.key for board in made}) == len({title(board) for board in made}) == 2
    assert [board.key for board in made] == [board.key for board in leaderboards([old, *[
        changed(old, "n", **{part: old.identity[part] | values})]][::-1])]  # fmt: skip


def test_a_board_keeps_its_key_whatever_else_is_in_the_store() -> None:
    (alone,) = leaderboards([record("toys/a", 0, 1.0)])
    again = leaderboards(
        [record("toys/b", 3, None), record("toys/a", 0, 1.0), record("toys/a", 0, 1.0, scale="tiny", cell="t")]
    )
    assert alone.key in {board.key for board in again}
    assert len({board.key for board in again}) == 2


def version(number: int, name: str, seed: int, value: float | None, **changes: Any) -> Any:
    """An attempt at a version of the task."""
    label = f"{name}-{seed}-v{number}-{changes.get('scale', '')}"
    return record(name, seed, value, id=label, cell=label, task_version=number, **changes)


def test_an_older_version_counts_until_a_newer_one_has_ended_ok_on_the_same_board() -> None:
    old = [version(1, name, seed, 1.0) for name in ("toys/a", "toys/b") for seed in range(2)]
    tiny = [version(2, "toys/a", 0, None), version(2, "toys/a", 0, 9.0, scale="tiny")]
    laptop, small = leaderboards([*old, *tiny])
    assert (laptop.scale, laptop.version, len(laptop.rows)) == ("laptop", 1, 2), "the newer one failed there"
    assert laptop.left_out == {"toys/a-0-v2-": "made at version 2 of the task, at which nothing has ended ok yet"}
    assert (small.version, small.left_out) == (2, {})
    (laptop,) = leaderboards([*old, version(2, "toys/a", 1, 3.0)])
    assert (laptop.version, laptop.absent) == (2, ("toys/b",))
    assert set(laptop.left_out.values()) == {"made at version 1 of the task"}
    sentence = "Left out: 4 attempts made at version 1 of the task, so there is no row of toys/b."
    assert sentence in note(laptop)
    for form in FORMATS:
        assert sentence in " ".join(render([laptop], form).split())
    (failed,) = leaderboards([version(1, "toys/a", 0, None), version(2, "toys/a", 0, None)])
    assert failed.version == 2


def test_a_newer_version_replaces_boards_of_the_same_values_only() -> None:
    def sized(made: Any, **values: Any) -> Any:
        return replace(made, identity=made.identity | {"task": {"version": made.task_version} | values})

    old = [sized(version(1, f"toys/{size}", 0, 1.0), size=size) for size in (3, 4)]
    new = sized(version(2, "toys/new", 0, 1.0), size=3, clip=None)
    made = {board.version: board for board in leaderboards([*old, new])}
    assert {number: board.rows[0].name for number, board in made.items()} == {2: "toys/new", 1: "toys/4"}
    assert (made[2].absent, made[1].absent) == (("toys/3",), ())


def test_an_older_version_of_a_method_counts_until_a_newer_one_has_ended_ok() -> None:
    old = [record("toys/a", seed, 1.0 + seed) for seed in range(3)]
    failed = record("toys/a", 0, None, id="new", cell="new", method_version=2)
    (board,) = leaderboards([*old, failed])
    assert (board.rows[0].version, board.rows[0].seeds) == (1, (0, 1, 2))
    assert board.left_out == {"new": "made at version 2 of the method, at which nothing has ended ok yet"}
    (board,) = leaderboards([*old, replace(failed, status=Status.OK, metrics={"height": 3.0})])
    assert (board.rows[0].version, len(board.left_out), board.absent) == (2, 3, ())


def test_attempts_left_out_for_their_preparation_are_counted_in_a_note() -> None:
    records = [prepared(f"toys/{name}", 0, 1.0, "old") for name in "ab"] + [prepared("toys/c", 0, 9.0, "new")]
    (board,) = leaderboards(records)
    assert board.left_out == {"toys/c-0-new": "from other preparations than most at the same seed"}
    assert (
        "Left out: 1 attempt from other preparations than most at the same seed, so there is no row of toys/c."
        in note(board)
    )


def test_trials_count_nowhere_and_hide_no_attempt_that_does() -> None:
    trials = [record("toys/a", -1, 9.0, protocol="tuning", task_version=2, method_version=2),
              record("toys/b", -1, None, protocol="tuning")]  # fmt: skip
    assert leaderboards(trials) == []
    paper, tuned = record("toys/a", 0, 1.0), record("toys/a", 0, 2.0, protocol="tuned, 4 trials", cell="t", id="t")
    boards = leaderboards([*trials, paper, tuned])
    assert [(board.protocol, [row.scores for row in board.rows]) for board in boards] == [
        ("paper values", [{0: 1.0}]),
        ("tuned, 4 trials", [{0: 2.0}]),
    ]
    assert ["among 4 trials per method, the same number for all" in note(board) for board in boards] == [False, True]
