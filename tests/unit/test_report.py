"""The site as files: whole, the same each time, and safe whatever records and cards hold."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from results.leaderboard import leaderboards
from results.record import Record
from results.report import places
from results.report.curves import POINTS, Curves
from results.report.hands import Hands
from results.report.site import MARK, ReportError, Site, digest, write
from results.standing import standings
from runners.docstrings import blocks

if TYPE_CHECKING:
    from tests.examples import HOSTILE, attempts, catalogue, record, source
else:
    from examples import HOSTILE, attempts, catalogue, record, source


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Links(HTMLParser):
    """What a page names: links, anchors, scripts without a source."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.names: list[str] = []
        self.inline: list[str | None] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = dict(attrs)
        self.links += [value for key in ("href", "src") if (value := own.get(key)) is not None]
        self.names += [name] if (name := own.get("id")) else []
        assert not [key for key in own if key.startswith("on")]
        if tag == "script" and "src" not in own:
            self.inline.append(own.get("type"))


def pages(folder: Path) -> Iterator[tuple[Path, Links]]:
    return ((path, Links(path.read_text(encoding="utf-8"))) for path in folder.rglob("*.html"))


@pytest.fixture(scope="module", params=["", HOSTILE], ids=["plain", "hostile"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report") / "site"
    write(source(attempts(request.param), catalogue(request.param)), out)
    return out


def test_every_link_leads_to_a_page_and_a_place_on_it(site: Path) -> None:
    found = dict(pages(site))
    assert len(found) > 30
    for path, page in found.items():
        for link in page.links:
            if link.startswith("data:"):
                continue
            name, _, anchor = link.partition("#")
            goal = (path.parent / unquote(name)).resolve() if name else path
            assert goal.is_relative_to(site.resolve()), f"{path}: {link}"
            assert goal.is_file(), f"{path}: {link}"
            assert not anchor or anchor in found[goal].names, f"{path}: {link}"


def test_every_attempt_has_a_page_that_its_board_leads_to(site: Path) -> None:
    records = attempts(HOSTILE if "x-" in " ".join(map(str, site.rglob("methods/*/*"))) else "")
    linked = {(path.parent / link).resolve() for path, page in pages(site) for link in page.links}
    for it in records:
        assert (site / places.attempt(it.id)).resolve() in linked


def test_no_page_runs_what_a_record_or_a_card_holds(site: Path) -> None:
    for path, page in pages(site):
        assert set(page.inline) <= {"application/json"}, path
        text = path.read_text(encoding="utf-8")
        assert "<script>alert" not in text, path
    for path in site.rglob("data/*.js"):
        assert "<" not in path.read_text(encoding="utf-8")


def test_the_same_attempts_give_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    records = attempts()
    for name, some in (("a", records), ("b", records[::-1])):
        write(source(some), tmp_path / name)
    left, right = files(tmp_path / "a"), files(tmp_path / "b")
    assert sorted(left) == sorted(right)
    assert [name for name in left if left[name] != right[name]] == []
    assert digest(records) == digest(records[::-1]) != digest(records[1:])


def test_other_processes_write_the_same_site(tmp_path: Path) -> None:
    records = attempts()
    write(source(records), tmp_path / "here")
    (tmp_path / "there").mkdir()
    with Hands(2) as hands:
        Site(source(records), tmp_path / "there", hands).write()
    assert files(tmp_path / "here") == files(tmp_path / "there")


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "thesis.txt").write_text("mine")
    with pytest.raises(ReportError, match="holds something that is no report"):
        write(source(attempts()), tmp_path / "own")
    assert files(tmp_path / "own") == {"thesis.txt": b"mine"}


def test_a_report_takes_the_place_of_an_older_one_only_when_it_is_whole(tmp_path: Path) -> None:
    out = tmp_path / "site"
    write(source(attempts()), out)
    (out / "stray.txt").write_text("")
    before = files(out)

    def broken() -> Iterator[Record]:
        yield attempts()[0]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        write(replace(source(attempts()), each=broken), out)
    assert files(out) == before
    write(source(attempts()), out)
    assert "stray.txt" not in files(out)
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
    assert json.loads((out / MARK).read_text())["attempts"] == len(attempts())


def test_an_empty_store_gives_a_site_that_says_how_to_begin(tmp_path: Path) -> None:
    write(source([]), tmp_path / "site")
    assert "bakeoff run -m experiment=quick" in (tmp_path / "site" / "index.html").read_text()
    assert "Not run yet" in (tmp_path / "site" / "tasks/toys/hill.html").read_text()


@pytest.mark.parametrize("name", ["..", "../../x", "/etc/passwd", "a/../../b", "CON/.", "a" * 300, "\udc80", "", "ä/ö"])
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    for path in (places.method(name), places.attempt(name), places.task(name), places.arena(name)):
        parts = path.split("/")
        assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", part) and part != ".." for part in parts), path
        assert max(map(len, parts)) < 120


def test_curves_are_thinned_and_averaged_over_seeds() -> None:
    curves = Curves()
    for seed, end in ((0, 400), (1, 200)):
        points = [[step, 2.0 * step, float(seed + step)] for step in range(end)]
        curves.add("row", record("toys/a", seed, 1.0, logs={"loss": points}))
    found = curves.of("row")["loss"]
    assert found["seeds"] == 2
    assert len(found["mean"]) == POINTS
    assert found["axes"]["step"][0] == 0
    assert found["axes"]["step"][-1] == 399
    assert (found["mean"][0], found["low"][0], found["high"][0]) == (0.5, 0.0, 1.0)
    assert found["mean"][-1] == 399.0, "where one seed has ended the other one counts"


def test_a_standing_counts_failures_as_the_dumb_answer() -> None:
    (found,) = standings(leaderboards(attempts()))
    assert [board.task for board in found.boards] == ["toys/dale", "toys/hill"]
    by_name: Mapping[str, Any] = {place.method: place for place in found.places}
    assert by_name["toys/b"].failures == 2
    assert by_name["toys/b"].normalised["toys/hill"][-1] == 0.0
    assert by_name["toys/b"].gap.value > 0.2
    assert by_name["toys/a"].iqm.value < 0, "it is worse than the dumb answer"
    assert found.blocks == (6, "seed of a task")


def test_a_docstring_is_taken_apart() -> None:
    found = blocks(
        """What it is.

        Two lines
        of prose.

            a = b + c

        The rest. Deviations:

        1. One thing
           on two lines.
        2. Another.

        Args:
            lr: a rate,
                in full.
            a, b: two.
        """
    )
    assert [block.kind for block in found] == ["text", "text", "formula", "text", "items", "fields"]
    assert found[1].text == "Two lines of prose."
    assert found[2].text == "a = b + c"
    assert found[4].heading == "Deviations"
    assert found[4].items == (("1", "One thing on two lines."), ("2", "Another."))
    assert found[5].items == (("lr", "a rate, in full."), ("a, b", "two."))
