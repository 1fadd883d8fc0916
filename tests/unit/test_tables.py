"""Boards as text: golden files of every format, marks, numbers, and names that try to break out.

After a wanted change of the texts: `BAKEOFF_GOLDEN=1 python -m pytest tests/unit/test_tables.py --no-cov`, then read
the difference.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from results.leaderboard import Leaderboard, leaderboards
from results.record import Record
from results.stats import Interval, holm, paired_p_value, shared
from results.tables import ENDINGS, FORMATS, apart, cells, columns, footnotes, note, render, title, won
from results.tables.latex import escaped as latex_text
from results.tables.markdown import escaped as markdown_text
from results.tables.numbers import interval, number, p_value, portable, seconds

if TYPE_CHECKING:
    from tests.examples import record
else:
    from examples import record

GOLDEN = Path(__file__).parent / "golden"
SCRIPT = "toys/<script>alert(1)</script>"
SPECIAL = "toys/a_b%c&d#e{f}~g^h\\i$j|k"
EMOJI = "toys/🎉 ±Δé\x1b[31m"
HOSTILE = (SCRIPT, SPECIAL, EMOJI)
ERROR = {
    "error": {"unit": "nats", "direction": "lower"},
    "guess_rate": {"unit": "", "direction": "higher"},
    "width": {"unit": "", "direction": "none"},
}
FAST = {"processor": "Quick 9000", "cores": 8}
SLOW = {"processor": "Slow 1", "cores": 2, "device": "none"}


def made(method: str, errors: Mapping[int, float | None], **changes: Any) -> list[Record]:
    """Attempts of one method; an error of None is an attempt that failed."""
    return [
        record(
            method,
            seed,
            error,
            **{
                "metrics": {"error": error, "guess_rate": 1 - error / 4, "width": 100.0} if error is not None else {},
                "metric_info": ERROR,
                "rank_metric": "error",
                "provenance": FAST,
                "prices": {"gradients": 1.0, "products": 2.5},
                "limits": {"solve": {"work": 100.0}},
                "cost": {"solve": {"gradients": 4.0, "products": 2.0, "work": 9.0}, "use": {"products": 1.0}},
                "settings": {"alone": True},
            }
            | changes,
        )
        for seed, error in errors.items()
    ]


def judge(record: Record) -> str:
    return "the code of the method has changed since" if record.method == "toys/old" else ""


def golden() -> list[Leaderboard]:
    """The boards of the golden files."""
    records = [
        *made("toys/good", {0: 0.5, 1: 0.75, 2: 0.625, 3: 0.5}),
        *made("toys/close", {0: 0.5, 1: 0.875, 2: 0.625, 3: 0.625}, settings={"alone": False}),
        *made("toys/bad", {0: 2.5, 1: 2.75, 2: 2.5, 3: None}),
        *made("toys/old", {0: 1.5, 1: 1.75, 2: 1.75, 3: 1.5}),
        *made("toys/single", {2: 1.0}),
        *made("toys/slow", {0: 1.0, 1: 1.25, 2: 1.5, 3: 0.75}, provenance=SLOW),
        *made("toys/broken", {0: None}),
        *made("reference/trivial", {0: 3.0, 1: 3.5, 2: 2.5, 3: 3.0}, role="reference", cost={}, fidelity="none"),
        *(attempt for name in HOSTILE for attempt in made(name, {0: 3.0, 1: 2.0}, fidelity="none")),
    ]
    small = made("toys/good", {0: 0.5, 1: 0.25}, scale="tiny", prices={}, limits={}, provenance={})
    records += [replace(one, id=f"{one.id}-tiny", cell=f"{one.cell}-tiny") for one in small]
    return leaderboards(records, judge)


@pytest.mark.parametrize("ending", sorted(ENDINGS))
def test_every_format_is_byte_for_byte_what_it_was(ending: str) -> None:
    text = render(golden(), ENDINGS[ending]) + "\n"
    path = GOLDEN / f"board{ending}"
    if os.environ.get("BAKEOFF_GOLDEN"):
        path.write_text(text, encoding="utf-8", newline="\n")
    assert path.read_bytes() == text.encode("utf-8"), "after a wanted change: BAKEOFF_GOLDEN=1 pytest, see above"


def board() -> Leaderboard:
    return next(one for one in golden() if one.scale == "laptop")


def test_bold_is_of_the_first_rank_with_two_seeds_where_somebody_is_beaten() -> None:
    shown = {row.method: won(board(), row) for row in board().rows}
    assert shown["toys/good"]
    assert not any(shown[name] for name in ("toys/single", "toys/bad", "toys/old", "toys/broken", "reference/trivial"))
    assert "| 1 | **toys/good** | **0.594 ± 0.190** |" in render([board()], "md")
    assert r"\textbf{toys/good} & \textbf{0.594 $\pm$ 0.190}" in render([board()], "latex")
    assert "<strong>toys/good</strong>" in render([board()], "html")
    assert "\x1b[1m" in render([board()], "terminal", styled=True)
    assert "\x1b" not in render([board()], "terminal")
    assert "Bold: of the first rank" in note(board())
    assert "Bold" not in note(board(), bold=False)


def test_nobody_wins_where_all_ranked_rows_share_a_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    (even,) = leaderboards([*made("toys/a", {0: 1.0, 1: 2.0}), *made("toys/b", {0: 1.5, 1: 1.0})])
    assert not any(won(even, row) for row in even.rows)
    assert "No row is bold, since no two can be told apart." in note(even)
    assert "**" not in render([even], "md")
    (alone,) = leaderboards(made("toys/a", {0: 1.0, 1: 2.0}))
    assert not won(alone, alone.rows[0])
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" not in render(golden(), "terminal")


def test_apart_is_what_holms_control_over_all_pairs_says() -> None:
    spreads = [{seed: rank + ((seed * 7 + rank * 3) % 5) / 4 for seed in range(6)} for rank in (0, 0.5, 1, 2, 3, 9)]
    (made_board,) = leaderboards([one for rank, errors in enumerate(spreads) for one in made(f"toys/{rank}", errors)])
    scores = {row.method: row.scores for row in made_board.rows}
    names = list(scores)
    pairs = [(a, b) for place, a in enumerate(names) for b in names[place + 1 :]]
    adjusted = holm([paired_p_value(left - right) for left, right in (shared(scores[a], scores[b]) for a, b in pairs)])
    (best,) = (row.method for row in made_board.rows if row.to_best is None)
    expected = {b if a == best else a for (a, b), p in zip(pairs, adjusted, strict=True) if p < 0.05 and best in (a, b)}
    assert apart(made_board) == expected
    assert 0 < len(expected) < len(names) - 1
    for name in expected:
        row = next(row for row in made_board.rows if row.method == name)
        assert cells(made_board, row)[5].text.endswith(" ≠")


def test_stale_rows_have_a_mark_and_a_footnote_in_every_format_for_readers() -> None:
    assert footnotes(board()) == ["† toys/old: stale: the code of the method has changed since"]
    for form in ("terminal", "md", "html"):
        text = render([board()], form)
        assert "toys/old †" in text
        assert footnotes(board())[0] in text
    assert r"toys/old $^{\dagger}$" in render([board()], "latex")
    rows = json.loads(render([board()], "json"))["rows"]
    assert {row["method"] for row in rows if row["stale"]} == {"toys/old"}


def test_seconds_are_of_the_machine_that_the_note_names() -> None:
    assert "(Quick 9000, 8 cores)" in note(board())
    places = {heading.text: index for index, heading in enumerate(columns(board()))}
    shown = {row.method: cells(board(), row)[places["solve s"]].text for row in board().rows}
    assert (shown["toys/good"], shown["toys/close"], shown["toys/slow"]) == ("1.00", "1.00*", "-")
    (unknown,) = leaderboards(made("toys/a", {0: 1.0}, provenance={}))
    assert "machine" not in note(unknown)


def test_a_title_tells_boards_apart() -> None:
    assert title(board()) == "toys/hill v1, laptop, cpu-32-true, paper values"
    tuned = made("toys/a", {0: 1.0}, protocol="tuned", cell="t", id="t", task_version=2)
    sizes = [replace(tuned[0], id=str(size), cell=str(size), identity=tuned[0].identity | {"task": {"size": size}})
             for size in (3, 4)]  # fmt: skip
    assert [title(one) for one in leaderboards(sizes)] == [
        f"toys/hill v2, laptop, cpu-32-true, tuned, size={size}" for size in (3, 4)
    ]


class Reader(HTMLParser):
    """Collects tags that are opened, and text."""

    def __init__(self) -> None:
        HTMLParser.__init__(self)
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_html_is_whole_and_shows_hostile_names_as_text() -> None:
    reader = Reader()
    reader.feed(render(golden(), "html"))
    reader.close()
    assert reader.open == []
    tags = [tag for tag, _ in reader.seen]
    assert "script" not in tags
    assert tags.count("section") == tags.count("table") == tags.count("caption") == len(golden())
    assert tags.count("tr") == sum(len(one.rows) + 1 for one in golden())
    scopes = [attributes.get("scope") for tag, attributes in reader.seen if tag == "th"]
    assert scopes.count("row") == sum(len(one.rows) for one in golden())
    assert scopes.count("col") == sum(len(columns(one)) for one in golden())
    assert {SCRIPT, SPECIAL} <= set(reader.text)
    assert not [attributes for _, attributes in reader.seen if "src" in attributes or "href" in attributes]


def compiled(text: str, folder: Path) -> str:
    """What pdflatex says of a document with nothing but the package that the text asks for."""
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed, so whether the tables compile is not seen here")
    (packages,) = re.findall(r"^% (\\usepackage\{[a-z,]+\})", text)
    document = (
        f"\\documentclass{{article}}\n{packages}\n\\begin{{document}}\n\\listoftables\n{text}\n\\end{{document}}\n"
    )
    (folder / "board.tex").write_text(document, encoding="utf-8")
    for _ in range(2):  # the list of tables is there the second time
        said = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "board.tex"],
            cwd=folder, capture_output=True, text=True, encoding="latin-1", timeout=120, check=False,
        )  # fmt: skip
        assert said.returncode == 0, said.stdout[-2000:]
    assert (folder / "board.pdf").stat().st_size > 1000
    return said.stdout


def test_latex_compiles_with_hostile_names(tmp_path: Path) -> None:
    said = compiled(render(golden(), "latex"), tmp_path)
    assert "undefined" not in said
    assert "multiply defined" not in said


def test_latex_of_every_character_and_of_many_boards_compiles(tmp_path: Path) -> None:
    strange = "".join(chr(code) for code in [*range(0x20, 0x180), *range(0x2010, 0x2040), *range(0x2190, 0x21A0)])
    strange += "".join(chr(code) for code in range(0x3B1, 0x3CA))
    strange += "≤ ≥ ≈ ≠ ∞ 中文 \U0001f389 -- --- -1 a-1 ^^41 \\\\[ ?` !`"
    named = [strange[start : start + 12] for start in range(0, len(strange), 12)]
    records = [one for number, name in enumerate(named) for one in made(f"{number} {name}", {0: 1.0, 1: 2.0})]
    many = [replace(one, id=f"{one.id}-{n}", cell=f"{one.cell}-{n}", identity=one.identity | {"task": {"n_%": n}})
            for n in range(60) for one in made("toys/a", {0: 1.0})]  # fmt: skip
    compiled(render(leaderboards([*records, *many]), "latex"), tmp_path)


def test_latex_of_many_rows_goes_over_pages(tmp_path: Path) -> None:
    boards = [leaderboards([it for n in range(rows) for it in made(f"toys/{n:02}", {0: 1.0, 1: 2.0})])[0]
              for rows in (39, 40)]  # fmt: skip
    short, long = (render([one], "latex") for one in boards)
    assert ("longtable" in short, "longtable" in long) == (False, True)
    assert short.startswith("% \\usepackage{booktabs};")
    assert r"\begin{table}" not in long
    said = compiled(render([boards[1], golden()[1]], "latex"), tmp_path)
    assert "Float too large" not in said
    assert "Overfull \\vbox" not in said


def test_cells_say_what_they_hold() -> None:
    row = next(row for row in board().rows if row.method == "toys/slow")
    heads, shown = columns(board()), cells(board(), row)
    assert [(head.kind, head.name) for head in heads] == [(cell.kind, cell.name) for cell in shown]
    found = {(cell.kind, cell.name): cell for cell in shown}
    assert (found["clock", "solve"].text, found["clock", "solve"].value) == ("-", None)
    assert (found["work", "gradients"].text, found["work", "gradients"].value) == ("4", 4.0)
    assert found["metric", "error"].value == row.metrics["error"].value
    broken = next(row for row in board().rows if row.method == "toys/broken")
    work = [cell for cell in cells(board(), broken) if cell.kind == "work"]
    assert {(cell.text, cell.value) for cell in work} == {("-", None)}, "no work is not the least work"
    winner = next(row for row in board().rows if won(board(), row))
    assert [cell.kind for cell in cells(board(), winner) if cell.strong] == ["method", "metric"]


def test_latex_text_is_ascii_and_keeps_hyphens_and_minus_signs_apart() -> None:
    assert latex_text("a-b -1 --x") == "a-b $-$1 -{}-x"
    assert latex_text("50% & $x_1$ #2") == r"50\% \& \$x\_1\$ \#2"
    assert latex_text("é ï ç ± → 🎉") == r"\'{e} \"{\i} \c{c} $\pm$ $\rightarrow$ [U+1F389]"
    assert render(golden(), "latex").isascii()
    assert not re.search(r"\\\\\s*\[", render(golden(), "latex"))


def test_latex_leaves_out_metrics_that_paper_has_no_room_for_and_says_so() -> None:
    info = ERROR | {f"measure_{number}": {"unit": "", "direction": "none"} for number in range(9)}
    metrics = dict.fromkeys(info, 1.0)
    text = render(leaderboards(made("toys/a", {0: 1.0, 1: 1.0}, metrics=metrics, metric_info=info)), "latex")
    (left_out,) = re.findall(r"% too wide for paper: (.*)", text)
    (head,) = re.findall(r"rank & .*", text)
    assert "error $\\downarrow$" in head
    for name in ("n", "to best", "failures", "work", "solve s"):
        assert f" & {name} " in head
    assert "measure 8" in left_out.replace("\\_", " ")
    assert not set(left_out.split(", ")) & set(head.split(" & "))


def test_markdown_shows_markup_as_text() -> None:
    assert markdown_text("a_b 1.00* 2 * 3") == "a_b 1.00* 2 * 3"
    assert markdown_text("*x* _y_ ~~z~~ `w` $v$ [u](t) <b> &amp; A&B") == (
        r"\*x* \_y_ \~\~z\~~ \`w\` \$v\$ [u\](t) &lt;b> \&amp; A&B"
    )
    assert markdown_text("# head") == r"\# head"
    assert markdown_text("-0.5") == "-0.5"
    line = next(line for line in render([board()], "md").splitlines() if "a_b%c" in line)
    assert len(re.split(r"(?<!\\)\|", line)) == len(columns(board())) + 2


def test_json_and_csv_hold_what_the_rows_say_and_no_number_that_json_lacks() -> None:
    wild = replace(board().rows[0], metrics={"error": Interval(float("inf"), float("-inf"), float("nan"))})
    text = render([replace(board(), rows=(wild,))], "json")
    assert json.loads(text)["rows"][0]["metrics"]["error"] == {"value": None, "low": None, "high": None}
    assert not re.search("NaN|Infinity", text)
    rows = {row["method"]: row for row in json.loads(render([board()], "json"))["rows"]}
    good, old = rows["toys/good"], rows["toys/old"]
    assert (good["machine"], good["name"], good["won"], good["to_best"]) == (
        "Quick 9000, 8 cores",
        "toys/good",
        True,
        None,
    )
    assert good["scores"] == {"0": 0.5, "1": 0.75, "2": 0.625, "3": 0.5}
    assert old["apart"]
    assert set(old["to_best"]) == {"value", "low", "high", "p_value"}
    assert rows["toys/bad"]["others"] == ["toys/bad-3"]
    table = list(csv.DictReader(io.StringIO(render([board()], "csv"))))
    assert [row["method"] for row in table] == [row.method.replace("\x1b", "\\x1b") for row in board().rows]
    assert [row["to_best.value"] for row in table][:2] == ["", "0.0625"]
    assert "to_best" not in table[0]


def test_no_format_lets_control_characters_through() -> None:
    for form in FORMATS:
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", render(golden(), form))


def test_nothing_is_a_text_too() -> None:
    for form in FORMATS:
        assert isinstance(render([], form), str)
    assert "no attempts" in render([], "html")
    with pytest.raises(ValueError, match="'pdf' is none of terminal, md"):
        render([], "pdf")


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Interval(0.5, 0.25, 0.75), "0.500 ± 0.250"),
        (Interval(0.5, 0.25, 0.875), "0.500 [0.250, 0.875]"),
        (Interval(0.5, None, None), "0.500"),
        (Interval(12.5, 12.0, 13.0), "12.5 ± 0.5"),
        (Interval(-1e-9, -2e-9, 0.0), "-1e-09 ± 1e-09"),
        (Interval(0.00001234, 0.00001134, 0.00001334), "0.0000123 ± 0.0000010"),
        (Interval(2e6, 1e6, 3e6), "2.000e+06 ± 1.000e+06"),
        (Interval(-1e-17, -1.0, 1.0), "0.000 ± 1.000"),
        (Interval(1.0, 1.0, 1.0), "1.000 ± 0.000"),
        (Interval(1234567.1, 1234565.36, 1234568.84), "1234567.1 ± 1.7"),
        (Interval(1234567.1, 1234167.1, 1234967.1), "1234567 ± 400"),
        (Interval(1e12, 9.997e11, 1.0003e12), "1.00000e+12 ± 3.000e+08"),
        (Interval(5.1234567, 5.1234567 - 1e-10, 5.1234567 + 1e-10), "5.1234567 ± 1e-10"),
        (Interval(1.0, float("-inf"), float("inf")), "1.000 ± ∞"),
        (Interval(float("inf"), None, None), "∞"),
        (Interval(float("nan"), None, None), "-"),
        (None, "-"),
    ],
)
def test_intervals_are_written_so_that_their_width_can_be_read(estimate: Interval | None, text: str) -> None:
    assert interval(estimate) == text


def test_numbers() -> None:
    assert [number(value) for value in (None, 0.0, -0.0, 1234.5, 12346.5, 9999.6, 123456.0, float("-inf"))] == [
        "-", "0", "0", "1234", "12346", "10000", "1.235e+05", "-∞"
    ]  # fmt: skip
    assert [seconds(value) for value in (None, 0.0, 12.345, 0.00123)] == ["-", "0.00", "12.35", "0.0012"]
    assert [p_value(value) for value in (None, 0.0, 0.01234, 1.0)] == ["p -", "p < 0.0001", "p = 0.012", "p = 1"]
    assert portable({"a": [0.1 + 0.2, float("nan"), -0.0, 3]}) == {"a": [0.3, None, 0.0, 3]}
