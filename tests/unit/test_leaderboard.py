"""Boards as a pure function of records, and their texts."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from results.leaderboard import Leaderboard, leaderboards
from results.record import Record
from results.store import Store
from results.tables import cells, columns, render

if TYPE_CHECKING:
    from tests.examples import record
else:
    from examples import record


def board(*records: Record) -> Leaderboard:
    """The only board that the records give."""
    (only,) = leaderboards(records)
    return only


def test_rows_are_sorted_best_first_with_failures_and_references_last() -> None:
    made = board(
        *(record("toys/low", seed, 1.0 + seed) for seed in range(3)),
        *(record("toys/high", seed, 5.0 + seed + seed % 2 / 8) for seed in range(3)),
        *(record("reference/best", seed, 9.0, role="reference") for seed in range(3)),
        record("toys/broken", 0, None),
    )
    assert [row.method for row in made.rows] == ["toys/high", "toys/low", "reference/best", "toys/broken"]
    assert [row.rank for row in made.rows] == [1, 2, None, None]
    low = made.rows[1]
    assert low.to_best is not None
    gap, p_value = low.to_best
    assert gap.low is not None
    assert gap.high is not None
    assert gap.value == pytest.approx(-4 - 1 / 24)
    assert gap.low < gap.value < gap.high < 0
    assert p_value < 0.001
    assert low.cost["solve"] == {"steps": 20.0}
    assert low.memory == 102.0


def test_lower_is_better_where_the_metric_says_so() -> None:
    info = {"height": {"unit": "m", "direction": "lower"}}
    made = board(record("toys/a", 0, 1.0, metric_info=info), record("toys/b", 0, 2.0, metric_info=info))
    assert [row.method for row in made.rows] == ["toys/a", "toys/b"]
    assert made.rows[1].to_best is not None
    assert made.rows[1].to_best[0].value == 1.0


def test_the_newest_good_attempt_of_a_cell_counts() -> None:
    late = {"ended": "2026-01-02T00:00:00.000+00:00"}
    made = board(
        record("toys/a", 0, 1.0),
        record("toys/a", 0, 2.0, id="again", **late),
        record("toys/a", 0, None, id="broken", ended="2026-01-03T00:00:00.000+00:00"),
    )
    assert made.rows[0].metrics["height"].value == 2.0
    assert made.rows[0].attempts == ("again",)
    assert made.rows[0].endings == {}


def test_nothing_is_averaged_across_scales_hardware_versions_or_values() -> None:
    def shifted(part: str, **values: Any) -> dict[str, Any]:
        whole = record("toys/a", 0, 1.0).identity
        return {"cell": str(values), "identity": whole | {part: whole[part] | values}}

    made = leaderboards(
        [
            record("toys/a", 0, 1.0),
            record("toys/a", 0, 1.0, cell="tiny", scale="tiny"),
            record("toys/a", 0, 1.0, **shifted("hardware", accelerator="cuda")),
            record("toys/a", 0, 1.0, **shifted("task", size=4)),
            record("toys/a", 0, 1.0, **shifted("method", lr=0.2)),
        ]
    )
    assert len(made) == 4
    assert {one.variant for one in made if one.scale == "laptop"} == {"size=3", "size=4"}
    double = next(one for one in made if len(one.rows) == 2)
    assert {row.method for row in double.rows} == {"toys/a [lr=0.1]", "toys/a [lr=0.2]"}
    newer = leaderboards([record("toys/a", 0, 1.0), record("toys/a", 0, 3.0, cell="new", task_version=2)])
    assert [one.rows[0].metrics["height"].value for one in newer] == [3.0]
    method = board(record("toys/a", 0, 1.0), record("toys/a", 1, 3.0, method_version=2))
    assert method.rows[0].seeds == (1,)


def test_every_format_holds_every_row() -> None:
    boards = leaderboards([record("toys/a", seed, 1.0 + seed) for seed in range(3)] + [record("toys/b|c", 0, None)])
    rows = json.loads(render(boards, "json"))["rows"]
    assert [(row["method"], row["n"], row["rank"]) for row in rows] == [("toys/a", 3, 1), ("toys/b|c", 0, None)]
    assert next(iter(csv.DictReader(io.StringIO(render(boards, "csv")))))["metrics.height.value"] == "2.0"
    markdown = render(boards, "md")
    assert "| 1 | toys/a | 2.000 ± 2.484 |" in markdown
    assert "toys/b\\|c" in markdown
    assert "- toys/b|c: seed 0: RuntimeError: a | b" in markdown
    terminal = render(boards, "terminal", 160)
    assert "2.000 ± 2.484" in terminal
    assert "toys/b|c: seed 0: RuntimeError" in terminal


def test_a_table_is_the_same_whatever_the_order_of_the_records() -> None:
    records = [record(f"toys/{name}", seed, seed + len(name)) for name in ("a", "bb", "ccc") for seed in range(3)]
    for form in ("terminal", "md", "csv", "json"):
        assert render(leaderboards(records), form) == render(leaderboards(records[::-1]), form)


def test_columns_name_direction_and_only_what_was_measured() -> None:
    made = board(record("toys/a", 0, 123456.0))
    assert [one.text for one in columns(made)[:4]] == ["rank", "method", "height ↑", "slope"]
    assert [cell.text for cell in cells(made, made.rows[0])[2:4]] == ["1.235e+05", "2.469e+05"]


def test_a_narrow_terminal_leaves_out_what_says_least() -> None:
    boards = leaderboards([record("toys/a", seed, 1.0 + seed) for seed in range(3)])
    narrow = render(boards, "terminal", 80)
    assert max(len(line) for line in narrow.splitlines()) <= 80
    assert "height ↑" in narrow
    assert "fidelity" in narrow.replace("\n", " ").partition("Too wide to show")[2]
    assert "Too wide" not in render(boards, "terminal", 160)


def test_clocks_of_attempts_that_ran_beside_others_are_marked() -> None:
    beside = {"settings": {"alone": False, "workers": 2}}
    boards = leaderboards(
        [
            record("toys/mixed", 0, 1.0, settings={"alone": True}),
            record("toys/mixed", 1, 1.0, **beside),
            record("toys/quiet", 0, 2.0, settings={"alone": True, "workers": 1}),
            record("toys/quiet", 1, None, **beside),  # its clock is in no mean
            record("toys/old", 0, 3.0),
        ]
    )
    alone = {row.method: row.alone for row in boards[0].rows}
    assert alone == {"toys/mixed": False, "toys/quiet": True, "toys/old": True}
    for form in ("terminal", "md"):
        text = render(boards, form)
        assert text.count("1.00*") == text.count("0.50*") == 1
        assert " * ran beside other cells." in text.replace("\n", " ")
    assert {row["method"]: row["alone"] for row in json.loads(render(boards, "json"))["rows"]} == alone
    rows = csv.DictReader(io.StringIO(render(boards, "csv")))
    assert {row["method"]: row["alone"] for row in rows} == {name: str(value) for name, value in alone.items()}


def test_nothing_is_said_of_other_cells_where_all_ran_alone() -> None:
    for settings in ({}, {"alone": True}):
        assert "*" not in render(leaderboards([record("toys/a", 0, 1.0, settings=settings)]), "md")
    assert "beside" not in render(leaderboards([record("toys/a", 0, None, settings={"alone": False})]), "md")


def test_prices_are_said() -> None:
    priced = {"prices": {"gradients": 1.0, "products": 2.5}, "limits": {"solve": {"work": 100.0, "products": 9.0}}}
    late = {"ended": "2026-01-09T00:00:00.000+00:00"}
    boards = leaderboards([record("toys/a", 0, 1.0, **priced), record("toys/b", 0, None, **late)])
    assert (boards[0].prices, boards[0].priced) == (priced["prices"], "work")
    assert " prices: 1 work per gradients, 2.5 per products." in render(boards, "md")
    assert json.loads(render(boards, "json"))["rows"][0]["prices"] == priced["prices"]
    assert next(iter(csv.DictReader(io.StringIO(render(boards, "csv")))))["prices.products"] == "2.5"
    without = leaderboards([record("toys/a", 0, 1.0, prices=priced["prices"])])
    assert " prices: 1 per gradients, 2.5 per products." in render(without, "md")
    assert "prices" not in render(leaderboards([record("toys/a", 0, 1.0)]), "md")


def test_boards_of_heads_and_of_whole_records_are_the_same(tmp_path: Path) -> None:
    """Records of a store share values, others do not."""
    made = [
        record(f"toys/{name}", seed, seed + len(name) if seed else None, logs={"loss": [[0, 0.0, 1.0]]}, **changes)
        for name in ("a", "bb")
        for seed in range(3)
        for changes in ({}, {"scale": "tiny", "id": f"{name}{seed}", "cell": f"{name}{seed}"})
    ]
    store = Store(str(tmp_path / "store.sqlite"))
    store.add(made)
    for form in ("md", "json"):
        texts = {render(leaderboards(records), form) for records in (made, store.records(), store.heads())}
        assert len(texts) == 1
    store.close()


def test_a_row_says_whose_it_is_and_what_is_behind_its_numbers() -> None:
    identity = record("toys/a", 0, 1.0).identity
    quick = identity | {"method": identity["method"] | {"lr": 0.2}}
    made = board(
        *(record("toys/a", seed, 1.0 + seed) for seed in (2, 0)),
        record("toys/a", 1, None),
        record("toys/a", 0, 9.0, id="quick", cell="quick", identity=quick),
    )
    rows = {row.method: row for row in made.rows}
    assert {row.name for row in made.rows} == {"toys/a"}
    slow = rows["toys/a [lr=0.1]"]
    assert (slow.seeds, slow.scores) == ((0, 2), {0: 1.0, 2: 3.0})
    assert (slow.attempts, slow.others, slow.endings) == (("toys/a-0", "toys/a-2"), ("toys/a-1",), {"failed": 1})
    assert rows["toys/a [lr=0.2]"].attempts == ("quick",)
    assert len({row.key for row in made.rows}) == 2


def test_a_row_is_stale_if_one_of_its_averaged_attempts_is() -> None:
    records = [*(record("toys/a", seed, 1.0) for seed in range(3)), record("toys/b", 0, None), record("toys/c", 0, 1.0)]
    stale = {"toys/a-1": "the task is at version 2", "toys/b-0": "the method is at version 2"}
    (made,) = leaderboards(records, lambda attempt: stale.get(attempt.id, ""))
    assert {row.method: row.stale for row in made.rows} == {
        "toys/a": "the task is at version 2", "toys/b": "", "toys/c": ""
    }  # fmt: skip
    assert not any(row.stale for row in board(*records).rows)


def test_the_clock_of_a_board_is_that_of_the_machine_with_most_attempts() -> None:
    quick, slow = ({"provenance": {"processor": name, "cores": 4}} for name in ("quick", "slow"))
    made = board(
        *(record("toys/a", seed, 1.0, seconds={"solve": 2.0}, **quick) for seed in range(3)),
        record("toys/a", 3, 1.0, seconds={"solve": 900.0}, **slow),
        record("toys/b", 0, 2.0, seconds={"solve": 50.0}, **slow),
    )
    assert made.machine == "quick, 4 cores"
    assert {row.method: row.seconds for row in made.rows} == {"toys/a": {"solve": 2.0}, "toys/b": {}}
    assert board(record("toys/a", 0, 1.0)).machine == ""


def test_the_gap_of_a_metric_to_be_lowered_is_in_its_own_unit() -> None:
    info = {"height": {"unit": "m", "direction": "lower"}}
    best = [record("toys/a", seed, 1.0 + seed / 8, metric_info=info) for seed in range(4)]
    worse = [record("toys/b", seed, 2.0 + (seed % 2) / 4, metric_info=info) for seed in range(4)]
    gap, _ = board(*best, *worse).rows[1].to_best or (None, None)
    assert gap is not None
    assert gap.low is not None
    assert gap.high is not None
    assert gap.low < gap.value == 0.9375 < gap.high


def test_a_changed_rank_metric_is_that_of_all_rows() -> None:
    new = {"rank_metric": "slope", "ended": "2026-02-01T00:00:01.000+00:00"}
    info = record("toys/a", 0, 1.0).metric_info | {"slope": {"unit": "", "direction": "higher"}}
    old = [record("toys/a", seed, 1.0 + seed) for seed in range(3)]
    late = [record("toys/b", seed, 1.5 + seed, metric_info=info, **new) for seed in range(3)]
    made = board(*old, *late)
    assert made.rank_metric == "slope"
    assert {row.method: row.scores for row in made.rows} == {
        "toys/a": {0: 2.0, 1: 4.0, 2: 6.0}, "toys/b": {0: 3.0, 1: 5.0, 2: 7.0}
    }  # fmt: skip


def test_an_attempt_that_did_not_measure_the_rank_metric_is_not_scored_and_says_so() -> None:
    old = [record("toys/a", seed, 1.0, metrics={"slope": 1.0} if seed else {"height": 1.0}) for seed in range(3)]
    row = board(*old).rows[0]
    assert (row.seeds, row.endings) == ((0,), {"not scored": 2})
    assert row.ended == {1: "not scored", 2: "not scored"}
    assert row.reasons[0] == "seed 1: it did not measure height, which ranks this board"
    assert "2 not scored" in render([board(*old)], "md")
    assert board(*old[1:]).rows[0].rank is None


def test_rows_are_sorted_by_rank_before_their_mean_and_the_first_one_is_the_best() -> None:
    wins = [record("toys/b", seed, 10.0 + (seed if seed < 5 else 5 + seed) + seed % 2 / 8) for seed in range(10)]
    mean = [record("toys/a", seed, 14.0 + seed) for seed in range(5, 10)]
    made = board(*wins, *mean)
    assert [(row.method, row.rank) for row in made.rows] == [("toys/b", 1), ("toys/a", 2)]
    assert made.rows[0].metrics["height"].value < made.rows[1].metrics["height"].value
    assert made.rows[0].to_best is None
    assert made.rows[1].to_best is not None


def test_of_equal_means_the_row_that_leads_is_the_best() -> None:
    made = board(*(record(name, seed, 1.0 + seed) for name in ("toys/b", "toys/a") for seed in range(3)))
    assert [(row.method, row.to_best is None) for row in made.rows] == [("toys/a", True), ("toys/b", False)]


def test_a_phase_that_was_not_measured_is_no_second() -> None:
    clocks = [{"solve": 2.0, "evaluate": 1.0}, {"solve": 4.0}]
    made = board(*(record("toys/a", seed, 1.0, seconds=clock) for seed, clock in enumerate(clocks)))
    assert made.rows[0].seconds == {"solve": 3.0, "evaluate": 1.0}
