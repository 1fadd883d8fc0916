"""Two rows side by side: statistics, verdicts, texts and figures."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from results.comparison import Comparison, compare_rows
from results.leaderboard import leaderboards
from results.record import Record
from results.stats import minimum_detectable, paired_interval, paired_p_value, seeds_needed
from results.tables.comparisons import measured, render, verdict
from results.tables.figure import ENDINGS, draw

if TYPE_CHECKING:
    from tests.unit.test_tables import EMOJI, FAST, SLOW, SPECIAL, made
else:
    from test_tables import EMOJI, FAST, SLOW, SPECIAL, made

Scores = Mapping[int, float | None]
GOOD: Scores = {seed: 0.5 + (seed * 7 % 5) / 40 for seed in range(10)}
NEAR: Scores = {seed: 0.52 + (seed * 7 % 5) / 40 + (seed * 3 % 7 - 3) / 60 for seed in range(10)}
FAR: Scores = {seed: 1.5 + (seed * 7 % 5) / 40 + (seed * 3 % 7) / 60 for seed in range(10)}


def compared(left: list[Record], right: list[Record], metric: str = "error", swap: bool = False) -> Comparison:
    """The comparison of the only rows of two lists of attempts."""
    (board,) = leaderboards([*left, *right])
    rows = {row.method: row for row in board.rows}
    first, second = rows[left[0].method], rows[right[0].method]
    records = {record.id: record for record in [*left, *right]}
    return compare_rows(board, *((second, first) if swap else (first, second)), records, metric)


def test_the_statistics_are_those_of_the_pairs() -> None:
    one = compared(made("toys/a", {**GOOD, 20: 1.0}), made("toys/b", {**NEAR, 30: 1.0, 31: None}))
    ours, theirs = ({seed: float(values[seed] or 0) for seed in range(10)} for values in (GOOD, NEAR))
    gaps = np.array([ours[seed] - theirs[seed] for seed in range(10)])
    assert one.seeds == tuple(range(10))
    assert (one.left.only, one.right.only) == ((20,), (30,))
    assert one.right.endings == {"failed": 1}
    assert one.differences == pytest.approx(gaps)
    assert one.difference == paired_interval(ours, theirs)
    assert one.p_value == paired_p_value(gaps)
    assert (one.wins, one.ties, one.losses) == (7, 0, 3)  # the error is better when it is lower
    assert one.spread == pytest.approx(np.std(gaps, ddof=1))
    assert one.spread is not None
    assert one.effect == pytest.approx(np.mean(gaps) / one.spread)
    assert one.detectable == pytest.approx(one.spread * minimum_detectable(10))
    assert one.effect is not None
    assert one.needed == seeds_needed(one.effect)
    assert one.probability is not None
    other = compared(made("toys/a", GOOD), made("toys/b", NEAR), swap=True)
    assert other.probability == pytest.approx(1 - one.probability)
    assert other.differences == pytest.approx(-gaps)


@pytest.mark.parametrize(("metric", "word", "swapped"), [
    ("error", "better", "worse"), ("guess_rate", "better", "worse"), ("width", "higher", "lower"),
])  # fmt: skip
def test_a_verdict_follows_the_direction_of_the_metric(metric: str, word: str, swapped: str) -> None:
    def attempts(name: str, values: Scores) -> list[Record]:
        return [
            record
            for seed, error in values.items()
            if error is not None
            for record in made(name, {seed: error}, metrics={"error": error, "guess_rate": -error, "width": -error})
        ]

    left, right = attempts("toys/a", GOOD), attempts("toys/b", FAR)
    assert verdict(compared(left, right, metric)).startswith(f"toys/a is {word} than toys/b in {metric}: ")
    assert verdict(compared(left, right, metric, swap=True)).startswith(
        f"toys/b is {swapped} than toys/a in {metric}: "
    )
    assert verdict(compared(left, right, metric)).endswith(", p < 0.0001, 10 seeds")


def test_what_cannot_be_told_apart_says_what_it_would_take() -> None:
    one = compared(made("toys/a", GOOD), made("toys/b", NEAR))
    assert not one.apart
    assert verdict(one) == (
        "toys/a and toys/b cannot be told apart in error: -0.020 ± 0.027, p = 0.13, 10 seeds; with this spread 10 "
        "seeds show differences from 0.038 on, and this one would take 30 seeds (power 80 %)"
    )


def test_no_verdict_without_two_shared_seeds() -> None:
    single = compared(made("toys/a", {0: 0.5}), made("toys/b", {0: 9.0, 1: 9.0}))
    assert verdict(single) == "no verdict from one seed: toys/a - toys/b is -8.500 in error on seed 0"
    assert (single.p_value, single.probability, single.effect, single.apart) == (None, None, None, False)
    never = compared(made("toys/a", {0: 0.5}), made("toys/b", {1: 9.0}))
    assert verdict(never) == "no verdict: no seed was scored for both toys/a and toys/b"
    assert (never.difference, never.left.mean, never.left.only) == (None, None, (0,))
    failed = compared(made("toys/a", {0: 0.5}), made("toys/b", {0: None}))
    assert failed.seeds == ()
    for one in (single, never, failed):
        for form in ("terminal", "md", "json"):
            assert "better than" not in render([one], form)


def test_equal_values_and_equal_differences() -> None:
    assert verdict(compared(made("toys/a", GOOD), made("toys/b", GOOD))) == (
        "toys/a and toys/b are equal in error on all 10 seeds"
    )
    shifted = compared(made("toys/a", {0: 1.0, 1: 2.0}), made("toys/b", {0: 1.5, 1: 2.5}))
    assert shifted.detectable is None
    assert verdict(shifted).endswith("p = 0.5, 2 seeds; differences that are all equal show something from 6 seeds on")


def test_seconds_are_compared_only_on_one_machine_and_alone() -> None:
    quick = made("toys/a", {0: 1.0, 1: 2.0}, seconds={"solve": 1.0, "evaluate": 0.5})
    same = compared(quick, made("toys/b", {0: 1.5, 1: 2.0}, seconds={"solve": 4.0, "evaluate": 0.5}))
    assert (same.clocks, same.ratios["solve s"], same.ratios["use s"]) == ("", 0.25, 1.0)
    for changes, reason in (
        ({"provenance": SLOW}, "they ran on different machines"),
        ({"provenance": {}}, "not all records say on which machine they were made"),
        ({"settings": {"alone": False}}, "some ran beside other cells"),
        ({"seconds": {}}, "there are no clocks for all shared seeds"),
    ):
        other = compared(quick, made("toys/b", {0: 1.5, 1: 2.0}, **changes))
        assert other.clocks == reason
        assert other.left.seconds == other.right.seconds == {}
        assert f"Seconds are not compared: {reason}." in render([other], "terminal")
    assert FAST != SLOW


def test_work_is_that_of_the_shared_seeds() -> None:
    left = [
        *made("toys/a", {0: 1.0}, cost={"solve": {"steps": 10.0}, "use": {"steps": 2.0}}),
        *made("toys/a", {9: 1.0}, cost={"solve": {"steps": 9e9}, "use": {}}),
    ]
    one = compared(left, made("toys/b", {0: 1.0}, cost={"solve": {"steps": 6.0, "looks": 1.0}, "use": {}}))
    assert one.left.cost == {"steps": 12.0}
    assert one.ratios["steps"] == 2.0
    assert "looks" not in one.ratios or one.ratios["looks"] == 0


def test_texts_hold_every_seed_and_the_sentence() -> None:
    one = compared(made("toys/a", GOOD), made("toys/b", FAR))
    assert measured(one) == "error (nats, lower is better)"
    text = render([one], "terminal")
    assert f"\n{verdict(one)}.\n" in text
    assert text.count("●") == 10
    assert text.count("◆") == 1
    dots = [line.index("●") for line in text.splitlines() if "●" in line]
    zero = [line.index("│") for line in text.splitlines() if "●" in line]
    assert len(set(zero)) == 1
    assert max(dots) < zero[0]
    markdown = render([one], "md")
    assert all(f"| {seed} | " in markdown for seed in range(10))
    (made_json,) = json.loads(render([one], "json"))["comparisons"]
    assert made_json["verdict"] == verdict(one)
    assert made_json["left"]["method"] == "toys/a"
    assert len(made_json["differences"]) == 10
    assert set(made_json["difference"]) == {"value", "low", "high"}
    with pytest.raises(ValueError, match="'csv' is none of terminal, md, json"):
        render([one], "csv")


def test_many_seeds_are_cut_in_the_terminal_only() -> None:
    many = compared(made("toys/a", dict.fromkeys(range(60), 1.0)), made("toys/b", dict.fromkeys(range(60), 2.0)))
    assert "and 20 more seeds" in render([many], "terminal")
    assert "| 59 | " in render([many], "md")


def test_stale_sides_are_marked() -> None:
    (board,) = leaderboards([*made("toys/a", GOOD), *made("toys/b", FAR)], lambda record: "it is old")
    records = {record.id: record for record in [*made("toys/a", GOOD), *made("toys/b", FAR)]}
    text = render([compare_rows(board, board.rows[0], board.rows[1], records, "error")], "terminal")
    assert "A: toys/a †" in text
    assert "† B: stale: it is old" in text


def test_a_metric_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no metric 'eror'"):
        compared(made("toys/a", GOOD), made("toys/b", FAR), "eror")


@pytest.mark.parametrize("ending", ENDINGS)
def test_figures_are_the_same_bytes_and_bear_hostile_names(ending: str) -> None:
    hostile = [
        compared(made(EMOJI + "$\\frac{", GOOD), made(SPECIAL, NEAR)),
        compared(made("a", GOOD), made("b", GOOD)),
    ]
    hostile += [compared(made("toys/a$", {0: 1.0}), made("toys/$b", {0: 2.0, 1: 1.0}))]
    first = draw(hostile, ending)
    assert first == draw(hostile, ending)
    starts: dict[str, bytes] = {".svg": b"<?xml", ".pdf": b"%PDF", ".png": b"\x89PNG"}
    assert first.startswith(starts[ending])
    if ending == ".svg":
        ET.fromstring(first.decode("utf-8"))
        assert b"dc:date" not in first
    if ending == ".pdf":
        assert b"CreationDate" not in first


def test_the_drawing_library_is_loaded_only_to_draw() -> None:
    program = (
        "import sys; import results.tables.figure, runners.comparing, runners.boards; "
        "sys.exit(any(name in sys.modules for name in ('matplotlib', 'torch', 'jinja2')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    program = program.replace("sys.exit(", "results.tables.figure.draw; import matplotlib.figure; sys.exit(").replace(
        "('matplotlib', 'torch', 'jinja2')", "('matplotlib.pyplot',)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_huge_and_tiny_numbers_are_drawn_as_text() -> None:
    for factor in (1e-12, 1e12):
        left: Any = {seed: factor * value for seed, value in GOOD.items() if value is not None}
        right: Any = {seed: factor * value for seed, value in FAR.items() if value is not None}
        one = compared(made("toys/a", left), made("toys/b", right))
        assert one.apart
        text = render([one], "terminal")
        assert max(map(len, text.splitlines()[5:18])) < 140
        assert one.difference is not None
        assert math.isfinite(one.difference.value)
        draw([one], ".svg")
