"""The verbs `publish` and `report --check`: what is committed is what the attempts say."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from results import publication

Bakeoff = Callable[..., Any]  # the fixture: words in, what was said out
ATTEMPTS, BOARDS = Path("results/published/urns.jsonl"), Path("results/leaderboards/urns.md")


@pytest.fixture
def published(bakeoff: Bakeoff) -> Bakeoff:
    """The command, with an arena published in ./results."""
    sweep = ("run", "-m", "method=urns/mean,urns/single,urns/broken", "task=urns/draws", "seed=range(0,3)")
    assert bakeoff(*sweep).code == 1
    assert bakeoff(*sweep[:2], "method=urns/mean", *sweep[3:], "force=true").code == 0
    said = bakeoff("publish", "arena=urns", "folder=results")
    assert (said.code, said.out) == (0, f"published 9 attempts in {BOARDS}\n")
    return bakeoff


def test_published_boards_are_what_the_attempts_say(published: Bakeoff) -> None:
    said = published("report", "--check", "folder=results")
    assert (said.code, said.out, said.err) == (0, "the published boards are what their attempts say\n", "")
    board = published("leaderboard", "format=md").out.strip()
    text = BOARDS.read_text()
    assert board in text
    assert re.search(r"\| - \| urns/broken \|.* 3 failed \|", text), "failures are rows"
    assert "- urns/broken: seeds 0, 1, 2: " in text
    taken = published("import", str(ATTEMPTS), "store=elsewhere.sqlite")
    assert taken.out.startswith("imported 9 attempts")
    assert published("leaderboard", "format=md", "store=elsewhere.sqlite").out.strip() == board
    before = ATTEMPTS.read_bytes(), BOARDS.read_bytes()
    published("publish", "arena=urns", "folder=results", "store=elsewhere.sqlite")
    assert (ATTEMPTS.read_bytes(), BOARDS.read_bytes()) == before, "publishing what was published changes nothing"


def test_nothing_of_the_machine_is_published(published: Bakeoff, arena: Path) -> None:
    records = [json.loads(line) for line in ATTEMPTS.read_text().splitlines()]
    trace = next(it["traceback"] for it in records if it["status"] == "failed")
    assert re.search(r'File "methods/urns/mean.py", line \d+', trace)
    text = ATTEMPTS.read_text() + BOARDS.read_text()
    assert str(arena) not in text
    assert str(Path.cwd()) not in text
    assert str(Path(publication.__file__).parents[1]) not in text
    assert not {key for it in records for key in it["settings"]} & {"outputs", "store", "tracker"}


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        (BOARDS, "urns/single", "urns/simple", r"urns.md, line \d+: is not what the attempts in urns.jsonl say"),
        (BOARDS, "Rank: 1 plus", "Rank: 2 plus", r"urns.md, line \d+: is not what"),
        (ATTEMPTS, '"metrics": {"error": ', '"metrics": {"error": 9', r"urns.md, line \d+: is not what"),
        (ATTEMPTS, '"lr": 0.1', '"lr": 0.2', r"attempt \S+ is not of the cell that it names"),
        (ATTEMPTS, '"arena": "urns"', '"arena": "arms"', r"urns.jsonl, line 1: an attempt of the arena 'arms'"),
        (ATTEMPTS, '{"id"', '"id"', r"urns.jsonl, line 1: not a complete record"),
        (ATTEMPTS, '"settings": {', '"settings": {"outputs": "/home/me", ', "is not what publishing these attempts"),
    ],
)
def test_a_changed_file_is_found(published: Bakeoff, file: Path, old: str, new: str, fault: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    if file is ATTEMPTS and old == '"lr": 0.1':  # somebody who also writes the boards again
        BOARDS.write_text(publication.page("urns", publication.read(Path("results"), "urns")))
    said = published("report", "--check", "folder=results")
    assert said.code == 1
    assert re.search(fault, said.err), said.err


@pytest.mark.parametrize("file", [BOARDS, ATTEMPTS])
def test_half_of_a_publication_is_a_fault(published: Bakeoff, file: Path) -> None:
    file.unlink()
    said = published("report", "--check", "folder=results")
    assert (said.code, said.err) == (1, f"bakeoff: {file}: is not there\n")


def test_what_may_be_stale_is_said_and_is_no_fault(published: Bakeoff, arena: Path) -> None:
    card = arena / "configs/method/urns/single.yaml"
    card.write_text(card.read_text().replace("version: 1", "version: 2"))
    said = published("report", "--check", "folder=results")
    assert said.code == 0
    assert "note: urns: urns/single on urns/draws: the method is at version 2" in said.out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("publish",), "arena is not given"),
        (("publish", "arena=urms"), "arena: the store has no attempts of 'urms'"),
        (("report", "--check", "folder=nowhere"), "folder: there are no published results in nowhere"),
        (("report", "--check", "out=site"), "out: this command has no such key"),
    ],
)
def test_a_wrong_publication_gets_one_clear_line(bakeoff: Bakeoff, words: tuple[str, ...], sentence: str) -> None:
    said = bakeoff(*words)
    assert said.code == 2
    assert said.err.startswith("bakeoff: ")
    assert said.err.count("\n") == 1
    assert sentence in said.err


def test_a_folder_that_cannot_be_written_is_named(published: Bakeoff) -> None:
    Path("file").write_text("")
    said = published("publish", "arena=urns", "folder=file")
    assert said.code == 2
    assert said.err.startswith("bakeoff: folder: ")


def test_what_this_project_publishes_is_what_its_attempts_say() -> None:
    arenas = publication.arenas(publication.FOLDER)
    assert {"calibration", "distillation"} <= set(arenas)
    assert [fault for arena in arenas for fault in publication.faults(publication.FOLDER, arena)] == []
