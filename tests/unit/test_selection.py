"""Which attempts may stand on one board."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from results.leaderboard import leaderboards
from results.selection import Texts, comparable, hardware, machine
from results.store import Store
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
    (group,) = comparable([*records, prepared("toys/b", 0, 6.0, "new")], Texts()).values()
    assert {it.id for it in group} == {"toys/a-0-new", "toys/a-1-new", "toys/b-0-new"}, "among equals the last used"


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
