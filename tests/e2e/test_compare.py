"""The verbs `leaderboard` and `compare`, by the real command on a tiny arena."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Bakeoff = Callable[..., Any]  # the fixture: words in, what was said out


@pytest.fixture
def filled(bakeoff: Bakeoff) -> Bakeoff:
    """The command, over a store with five seeds of good, bad and failing methods."""
    said = bakeoff("run", "-m", "method=urns/mean,urns/single,urns/broken", "task=urns/draws", "seed=range(0,5)")
    assert said.code == 1
    return bakeoff


@pytest.mark.parametrize(
    ("ending", "start"),
    [
        (".md", "### urns/draws v1"),
        (".csv", "arena,problem,task"),
        (".json", '{\n "rows"'),
        (".tex", "% \\usepackage{booktabs}"),
        (".html", "<!doctype html>"),
        (".txt", "urns/draws v1, laptop"),
    ],
)
def test_the_ending_of_the_file_chooses_the_format(filled: Bakeoff, ending: str, start: str) -> None:
    said = filled("leaderboard", f"out=boards/board{ending}")
    assert (said.code, said.out) == (0, "")
    text = Path(f"boards/board{ending}").read_text()
    assert text.startswith(start)
    assert "urns/mean" in text
    form = {".tex": "latex", ".txt": "terminal"}.get(ending, ending[1:])
    assert filled("leaderboard", f"format={form}").out == text


def test_a_format_wins_over_the_ending_and_an_unknown_ending_is_refused(filled: Bakeoff) -> None:
    assert filled("leaderboard", "format=md", "out=board.json").code == 0
    assert Path("board.json").read_text().startswith("###")
    said = filled("leaderboard", "out=board.docx")
    assert said.code == 2
    assert "out: 'board.docx' ends in none of .txt, .md, .csv, .json, .tex, .html; name a format=.." in said.err
    assert not Path("board.docx").exists()


def test_two_methods_are_compared_over_the_seeds_that_both_have(filled: Bakeoff) -> None:
    filled("run", "method=urns/mean", "task=urns/draws", "seed=7")
    said = filled("compare", "urns/mean", "urns/single", "task=urns/draws")
    assert said.code == 0
    assert "urns/draws v1, laptop, cpu-32-true, paper values" in said.out
    assert "error (lower is better)" in said.out
    assert "Only A has seeds 7; they do not count." in said.out
    assert re.search(r"^draws +10 +1 +10$", said.out, re.MULTILINE)
    (made,) = json.loads(filled("compare", "urns/mean", "urns/single", "format=json").out)["comparisons"]
    assert made["seeds"] == [0, 1, 2, 3, 4]
    rows = {row["method"]: row for row in json.loads(filled("leaderboard", "format=json").out)["rows"]}
    expected = [rows["urns/mean"]["scores"][str(seed)] - rows["urns/single"]["scores"][str(seed)] for seed in range(5)]
    assert made["differences"] == pytest.approx(expected)
    assert made["verdict"] in filled("compare", "urns/mean", "urns/single", "format=md").out
    (guess,) = json.loads(filled("compare", "urns/mean", "urns/single", "metric=guess", "format=json").out)[
        "comparisons"
    ]
    assert (guess["metric"], guess["direction"]) == ("guess", "none")


def test_a_side_without_results_gives_no_verdict(filled: Bakeoff) -> None:
    said = filled("compare", "urns/mean", "urns/broken")
    assert said.code == 0
    assert "No verdict: no seed was scored for both urns/mean and urns/broken." in said.out
    assert "B also ended otherwise: 5 failed." in said.out
    assert "out: there is nothing to draw" in filled("compare", "urns/mean", "urns/broken", "out=figure.svg").err


@pytest.mark.parametrize("ending", [".svg", ".pdf", ".png"])
def test_a_figure_is_the_same_each_time(filled: Bakeoff, ending: str) -> None:
    words = ("compare", "urns/mean", "urns/single", "task=urns/draws")
    said = filled(*words, f"out=figures/one{ending}")
    assert (said.code, said.err) == (0, "")
    assert "urns/mean" in said.out
    filled(*words, f"out=two{ending}")
    assert Path(f"figures/one{ending}").read_bytes() == Path(f"two{ending}").read_bytes()
    assert [path.name for path in Path("figures").iterdir()] == [f"one{ending}"]


def test_every_board_that_has_both_gives_a_comparison(filled: Bakeoff) -> None:
    filled("run", "-m", "method=urns/mean,urns/single", "task=urns/draws", "seed=0,1", "scale=tiny")
    both = json.loads(filled("compare", "urns/mean", "urns/single", "format=json").out)["comparisons"]
    assert [one["scale"] for one in both] == ["laptop", "tiny"]
    (tiny,) = json.loads(filled("compare", "urns/mean", "urns/single", "scale=tiny", "format=json").out)["comparisons"]
    assert (tiny["scale"], len(tiny["seeds"])) == ("tiny", 2)
    assert filled("compare", "urns/mean", "urns/single", "out=both.svg").code == 0


def test_of_several_sets_of_values_one_is_named(filled: Bakeoff) -> None:
    filled("run", "-m", "method=urns/mean", "task=urns/draws", "seed=range(0,5)", "method.lr=0.2", "method.draws=3")
    said = filled("compare", "urns/mean", "urns/single")
    assert said.code == 2
    assert "'urns/mean' has several sets of values on (urns/draws v1, laptop, cpu-32-true, paper values)" in said.err
    assert "name one of 'urns/mean [draws=" in said.err
    (name,) = re.findall(r"'(urns/mean \[draws=3, lr=0.2\])'", said.err)
    for named in (name, "urns/mean [lr=0.2]", "urns/mean[draws=3]"):
        assert f"A: {name}" in filled("compare", named, "urns/single").out
    own = filled("compare", "urns/mean [lr=0.1]", name)
    assert (own.code, own.out.count("●")) == (0, 5)
    said = filled("compare", "urns/mean [lr=7]", "urns/single")
    assert (
        "'urns/mean [lr=7]' has no such values; there are urns/mean [draws=10, lr=0.1], urns/mean [draws=3" in said.err
    )


def test_a_lone_set_of_changed_values_says_what_was_changed(bakeoff: Bakeoff) -> None:
    words = ("run", "-m", "task=urns/draws", "seed=0,1")
    bakeoff(*words, "method=urns/mean", "method.lr=0.2")
    bakeoff(*words, "method=urns/single")
    assert "urns/mean [lr=0.2]" in bakeoff("leaderboard", "format=md").out
    said = bakeoff("compare", "urns/mean", "urns/single")
    assert (said.code, "A: urns/mean [lr=0.2]\n" in said.out) == (0, True)
    bakeoff("run", "method=urns/single", "task=urns/draws", "seed=0", "task.budget=7")
    assert "### urns/draws v1, laptop, cpu-32-true, paper values, budget=7" in bakeoff("leaderboard", "format=md").out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["urns/mean"], "compare takes the names of two methods"),
        (["urns/mean", "urns/single", "urns/broken"], "compare takes the names of two methods"),
        (["urns/men", "urns/single"], "there is no method called 'urns/men'; did you mean urns/mean"),
        (
            ["urns/mean", "urns/greedy"],
            "the store has no attempts of 'urns/greedy' there; it has urns/broken, urns/mean",
        ),
        (["urns/mean", "urns/mean"], "'urns/mean' and 'urns/mean' are the same row"),
        (
            ["urns/mean", "urns/single", "task=urns/drawers"],
            "there is no task called 'urns/drawers'; did you mean urns/dr",
        ),
        (["urns/mean", "urns/single", "task=urns/closed"], "the store has no attempts for task=urns/closed: "),
        (["urns/mean", "urns/single", "scale=tiny"], "scale: there are no attempts at 'tiny', only at laptop"),
        (["urns/mean", "urns/single", "metric=eror"], "metric: there is no metric 'eror'; did you mean error?"),
        (["urns/mean", "urns/single", "metric=zzz"], "metric: there is no metric 'zzz'; it has error, guess"),
        (["urns/mean", "urns/single", "format=csv"], "format: 'csv' is none of terminal, md, json"),
        (["urns/mean", "urns/single", "out=a.gif"], "out: 'a.gif' ends in none of .svg, .pdf, .png"),
        (["urns/mean", "urns/single", "out=/proc/nowhere/a.svg"], "out: "),
        (["urns/mean", "urns/single", "colour=red"], "colour: this command has no such key"),
    ],
)
def test_a_wrong_comparison_gets_one_clear_line(filled: Bakeoff, words: list[str], sentence: str) -> None:
    said = filled("compare", *words)
    assert said.code == 2
    assert sentence in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_methods_that_never_met_are_said_to_be_on_other_boards(filled: Bakeoff) -> None:
    filled("run", "method=urns/greedy", "task=urns/draws", "scale=tiny")
    said = filled("compare", "urns/mean", "urns/greedy")
    assert said.code == 2
    assert "no board has both 'urns/mean' and 'urns/greedy': the one is on (urns/draws v1, laptop" in said.err
    assert "the other on (urns/draws v1, tiny" in said.err


def test_the_help_names_both_verbs(bakeoff: Bakeoff) -> None:
    text = bakeoff("--help").out
    assert "bakeoff compare" in text
    assert "format=terminal|md|csv|json|latex|html" in text
