"""The site as files: whole, the same each time, and safe whatever records and cards hold."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from results.leaderboard import leaderboards
from results.record import Record, Status
from results.report import boards, figures, places
from results.report.answers import answers
from results.report.commands import again
from results.report.curves import POINTS, SEEDS, Curves
from results.report.hands import Hands
from results.report.site import MARK, ReportError, Site, digest, write
from results.standing import standings
from results.stats import Interval
from results.tables import content
from runners.docstrings import blocks

if TYPE_CHECKING:
    from tests.examples import HOSTILE, attempts, catalogue, record, source
else:
    from examples import HOSTILE, attempts, catalogue, record, source


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Text(HTMLParser):
    """What a page says, its blanks drawn together."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)


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


def assert_whole(site: Path) -> dict[Path, Links]:
    """Every link of a site leads to a page and a place on it; returns the pages."""
    found = dict(pages(site))
    for path, page in found.items():
        assert len(page.names) == len(set(page.names)), path
        for link in page.links:
            if link.startswith("data:"):
                continue
            name, _, anchor = link.partition("#")
            goal = (path.parent / unquote(name)).resolve() if name else path
            assert goal.is_relative_to(site.resolve()), f"{path}: {link}"
            assert goal.is_file(), f"{path}: {link}"
            assert not anchor or anchor in found[goal].names, f"{path}: {link}"
    return found


def test_every_link_leads_to_a_page_and_a_place_on_it(site: Path) -> None:
    assert len(assert_whole(site)) > 30


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


@pytest.mark.parametrize(
    "names", [("toys/A", "toys/a"), ("toys", "toys.html/x"), ("toys/con", "toys/Con"), ("a.", "a")]
)
def test_no_two_names_share_a_page_whatever_the_file_system(names: tuple[str, str], tmp_path: Path) -> None:
    records = [record(name, seed, float(seed)) for name in names for seed in range(2)]
    write(source(records), tmp_path / "site")
    found = [places.method(name).lower() for name in names]
    assert len({*found, *(page.rpartition("/")[0] for page in found)}) == len(found) + len(
        {page.rpartition("/")[0] for page in found}
    )
    assert not {"con.html", "con"} & {part for page in found for part in page.split("/")}
    assert_whole(tmp_path / "site")


def test_a_name_of_many_parts_has_a_path_of_bearable_length() -> None:
    assert len(places.method("a/" * 400)) < 200


def test_a_link_to_a_folder_stays_and_the_folder_where_one_works_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write(source(attempts()), tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "index.html").is_file()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(ReportError, match="where this command runs"):
        write(source(attempts()), Path())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "link", "real"]


def test_two_boards_of_one_key_are_refused_and_those_of_several_values_stand_apart(tmp_path: Path) -> None:
    old = [record("toys/a", seed, 1.0 + seed) for seed in range(5)]
    values = old[0].identity | {"task": old[0].identity["task"] | {"clip": None}}
    new = [replace(record("toys/a", s, 50.0 + s), id=f"n{s}", cell=f"n{s}", identity=values) for s in range(2)]
    both = source(old + new)
    write(both, tmp_path / "site")
    task = Text((tmp_path / "site" / "tasks/toys/hill.html").read_text())
    assert ("3.000" in task.text, "50.5" in task.text) == (True, True)
    assert len(list((tmp_path / "site" / "data").glob("hill-*.js"))) == 2
    with pytest.raises(ReportError, match="the same key"):
        write(replace(both, made=[both.made[0], both.made[0]]), tmp_path / "twice")


def unequal() -> list[Record]:
    """toys/b beats toys/a on the seeds 5 to 9 that they share, yet toys/a has the higher mean."""
    made = [record("toys/a", seed, 20.0 + seed % 2) for seed in range(5, 10)]
    return made + [record("toys/b", seed, (21.0 if seed >= 5 else 1.0) + seed % 2 + seed / 100) for seed in range(10)]


def test_the_front_page_and_the_answers_show_the_row_that_leads(tmp_path: Path) -> None:
    write(source(unequal()), tmp_path / "site")
    text = Text((tmp_path / "site" / "index.html").read_text()).text
    assert "toys/b 11.5 ± 7.6 10 2 0 0" in text
    (board,) = leaderboards(unequal())
    told = dict(answers(board))
    assert told["Which method wins?"].startswith("toys/b, in height")
    assert "over 5 shared seeds" in told["Is the win real?"]
    assert "toys/a, next to toys/b, is -1.070" in told["Is the win real?"]
    assert told["What does it cost?"].startswith("toys/b: 55 steps")


def test_answers_do_not_name_seeds_that_are_not_shared_and_no_row_beside_itself() -> None:
    apart = [record("toys/a", seed, 1.0 + seed) for seed in range(3)]
    apart += [record("toys/b", seed, 1.0 + seed) for seed in range(3, 6)]
    assert "No two rows share two seeds" in dict(answers(leaderboards(apart)[0]))["Is the win real?"]
    equal = [record(name, seed, 1.0 + seed) for name in ("toys/a", "toys/b") for seed in range(3)]
    assert "toys/b, next to toys/a, is" in dict(answers(leaderboards(equal)[0]))["Is the win real?"]


def test_small_scores_are_written_as_in_every_table(tmp_path: Path) -> None:
    records = [record("toys/a", seed, value) for seed, value in enumerate((1.2e-4, 1.3e-4, 1.1e-4))]
    write(source(records), tmp_path / "site")
    for page in ("index", "tasks/toys/hill", "methods/toys/a"):
        assert "0.000120 ± 0.000025" in (tmp_path / "site" / f"{page}.html").read_text(), page


def test_an_attempt_that_does_not_count_says_why_and_links_only_to_pages_that_are_there(tmp_path: Path) -> None:
    one = record("toys/gone", 0, 1.0)
    records = [
        one,
        replace(one, id="again", ended="2026-01-02T00:00:00.000+00:00"),
        replace(record("toys/old", 0, 1.0), id="old", task_version=0),
        *(
            replace(it, id=f"other-{it.id}", cell=f"o{it.id}", identity=it.identity | {"preparations": {"text": "new"}})
            for it in (record("toys/b", 0, 2.0),)
        ),
        *(record("toys/a", seed, 1.0) for seed in range(2)),
    ]
    write(source(records), tmp_path / "site")
    assert_whole(tmp_path / "site")

    def warned(name: str) -> str:
        text = (tmp_path / "site" / places.attempt(name)).read_text()
        return "".join(re.findall(r'<p class="warning">(.*?)</p>', text))

    assert warned("again") == warned("toys/a-0") == ""
    assert warned(one.id) == "It does not count: another attempt at the same cell does."
    assert warned("old") == "It does not count: it was made at version 0 of the task."
    assert "from other preparations" in warned("other-toys/b-0")
    assert "from other preparations" in (tmp_path / "site" / "tasks/toys/hill.html").read_text()


def test_curves_against_the_clock_are_of_one_machine_and_say_how_many_seeds() -> None:
    curves = Curves()
    for seed, slow in ((0, 1.0), (1, 100.0), (2, 1.0)):
        points = [[step, slow * step, 1.0] for step in range(10)]
        offers = [{"seconds": slow * k, "cost": {"solve": {"steps": k}}, "metrics": {"height": k}} for k in (1.0, 2.0)]
        one = record("toys/a", seed, 1.0, logs={"loss": points}, curve=offers)
        curves.add("mixed", one, clock=slow == 1.0)
        curves.add("slow", one, clock=False)
    found = curves.of("mixed")
    assert found["loss"]["axes"]["seconds"][-1] == 9.0
    assert (found["loss"]["seeds"], found["height of offers"]["seeds"]) == (3, 3)
    assert found["height of offers"]["axes"] == {"steps": [1.0, 2.0], "seconds": [1.0, 2.0]}
    assert list(curves.of("slow")["loss"]["axes"]) == ["step"]


def test_a_report_draws_the_first_seeds_of_a_row_and_only_the_machine_of_the_board(tmp_path: Path) -> None:
    logs = {"loss": [[step, 1.0 * step, 0.0] for step in range(5)]}
    fast, slow = {"processor": "Fast", "cores": 64}, {"processor": "Slow", "cores": 1}
    records = [record("toys/a", seed, 1.0, logs=logs, provenance=fast) for seed in range(SEEDS + 5)]
    records += [record("toys/b", 0, 1.0, logs=logs, provenance=slow)]
    write(source(records), tmp_path / "site")
    (data,) = (charted(path) for path in (tmp_path / "site" / "data").glob("hill-*.js"))
    left, right = data["rows"]
    assert left["curves"]["loss"]["seeds"] == SEEDS
    assert (list(left["curves"]["loss"]["axes"]), list(right["curves"]["loss"]["axes"])) == (
        ["step", "seconds"],
        ["step"],
    )
    assert f"the first {SEEDS} where there are more" in (tmp_path / "site" / "tasks/toys/hill.html").read_text()


def charted(path: Path) -> dict[str, Any]:
    """What a figure is drawn from."""
    text = path.read_text().partition(", ")[2].removesuffix(");\n")
    found: dict[str, Any] = json.loads(text)
    return found


def test_figures_say_what_they_leave_out_and_begin_with_the_unit_that_most_rows_spent() -> None:
    records = [record("toys/a", seed, 1.0 + seed) for seed in range(2)]
    records += [replace(record("toys/a", 2, None), status=Status.SKIPPED), record("toys/none", 0, None)]
    records += [replace(it, cost={"solve": {"apples": 1.0, "steps": 2.0}}) for it in (record("toys/b", 0, 1.0),)]
    (board,) = leaderboards(records)
    found = boards.chart(board, {})
    assert found["units"] == ["steps", "apples"]
    assert found["absent"] == ["toys/none"]
    assert {row["method"]: row["other"] for row in found["rows"]} == {"toys/a": 1, "toys/b": 0}


def test_the_cells_of_a_board_are_those_of_every_table() -> None:
    records = [record("toys/a", seed, 9.0 + seed % 2) for seed in range(9)] + [record("toys/none", 0, None)]
    records += [record("toys/b", seed, 1.0 + (seed % 3) / 9) for seed in range(9)]
    (board,) = leaderboards(records)
    shown = {row.method: boards.cells(board, row) for row in board.rows}
    heads = [head.text for head in boards.headings(board)]
    assert [[cell.text for cell in row] for row in shown.values()] == [
        [cell.text for cell in content.cells(board, row)] for row in board.rows
    ]
    none = dict(zip(heads, shown["toys/none"], strict=True))
    assert (none["steps"].text, none["steps"].key) == ("-", None), "who did not finish spent nothing that is known"
    assert dict(zip(heads, shown["toys/b"], strict=True))["to best"].text.endswith("≠")


def test_scores_that_json_cannot_hold_are_left_open(tmp_path: Path) -> None:
    logs = {"loss": [[float(step), float(step), (-1) ** step * 1.7e308] for step in range(4)]}
    found = source([record("toys/a", seed, 1.0 + seed, logs=logs) for seed in range(3)])
    (board,) = found.made
    vast = replace(board.rows[0], metrics=board.rows[0].metrics | {"height": Interval(1e200, -math.inf, math.inf)})
    write(replace(found, made=[replace(board, rows=(vast,))]), tmp_path / "site")
    (data,) = (charted(path) for path in (tmp_path / "site" / "data").glob("hill-*.js"))
    assert data["rows"][0]["interval"] == [1e200, None, None]
    assert None in data["rows"][0]["curves"]["loss"]["mean"]


def test_the_command_of_a_board_runs_just_that_board() -> None:
    said = {"overrides": ["task.size=9", "method.lr=0.5", "task.note='a b'"]}
    plain = [record("toys/a", seed, 1.0) for seed in (0, 1000)] + [record("toys/b", 0, 1.0)]
    wide = {"accelerator": "cuda", "precision": "bf16-mixed"}
    changed = [
        replace(
            record("toys/a", seed, 1.0, scale="tiny"), settings=said, identity=plain[0].identity | {"hardware": wide}
        )
        for seed in range(4)
    ]
    profiles = {
        "cpu": {"accelerator": "cpu", "precision": "32-true"},
        "cuda": {"accelerator": "cuda", "precision": "32-true"},
    }

    def words(records: list[Record]) -> list[list[str]]:
        named = {it.id: it for it in records}
        return [shlex.split(line) for line in again(leaderboards(records)[0], named, profiles).splitlines()]

    run = ["bakeoff", "run", "-m"]
    assert words(plain) == [[*run, "method=toys/a,toys/b", "task=toys/hill", "hardware=cpu", "seed=0,1000"]]
    assert words(changed) == [
        [*run, "method=toys/a", "task=toys/hill", "scale=tiny", "hardware=cuda", "hardware.precision=bf16-mixed",
         "task.size=9", "task.note='a b'", "method.lr=0.5", "seed=range(0,4)"]
    ]  # fmt: skip
    both = [*plain, *(replace(it, id="z", cell="z", settings={"overrides": ["method.lr=0.5"]},
                              identity=it.identity | {"method": {"lr": 0.5}}) for it in plain[:1])]  # fmt: skip
    assert [line[3:] for line in words(both)] == [
        ["method=toys/a,toys/b", "task=toys/hill", "hardware=cpu", "seed=0,1000"],
        ["method=toys/a", "task=toys/hill", "hardware=cpu", "method.lr=0.5", "seed=0"],
    ]
    many = [record(f"toys/{name}", 0, 1.0) for name in "abcdefg"] + [record("reference/best", 0, 1.0)]
    assert words(many)[0][3] == "method=glob([reference/*,toys/*])"


def test_offers_are_no_log_and_a_log_of_one_point_is_shown(tmp_path: Path) -> None:
    offers = [{"seconds": k, "cost": {"solve": {"steps": k}}, "metrics": {"height": k / 9}} for k in (1, 2)]
    records = [record("toys/a", 0, 1.0, curve=offers), record("toys/b", 0, 1.0, logs={"final": [[100, 3.0, 0.25]]})]
    write(source(records), tmp_path / "site")
    scored, logged = ((tmp_path / "site" / places.attempt(it.id)).read_text() for it in records)
    assert ("<h2>Log</h2>" in scored, 'data-source="offers"' in scored) == (False, True)
    assert "wrote down itself" not in scored
    assert ('<th scope="row">final</th>' in logged, "data-chart" in logged) == (True, False)


def test_the_figure_of_critical_differences_names_what_it_leaves_out(tmp_path: Path) -> None:
    records = [
        replace(
            it,
            id=f"{it.id}-{task}",
            cell=f"{it.cell}-{task}",
            task=task,
            identity=it.identity | {"task": {"name": task}},
        )
        for task in ("toys/hill", "toys/dale")
        for seed in range(3)
        for it in (
            record("reference/trivial", seed, 0.0, role="reference"),
            *(
                record(f"toys/m{number:02d}", seed, 1.0 + number + 0.3 * ((seed * 7 + number) % 5))
                for number in range(23)
            ),
        )
    ]
    (standing,) = standings(leaderboards(records))
    figures.draw_standing(standing, ["ranks"], tmp_path)
    text = (tmp_path / "ranks.svg").read_text()
    assert "the first 20 of 23 methods are named" in text
    assert ("toys/m22" in text, "toys/m00" in text) == (True, False)


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
    assert found.blocks == (8, "seed of a task"), "a failed seed is one of them"


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
