"""The verbs `claims`, `papers` and `list --bib`, by the real command on a tiny arena with papers of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.examples import HOSTILE

Bakeoff = Callable[..., Any]  # the fixture: words in, what was said out

CARD: dict[str, Any] = {
    "title": "Means of Urns", "authors": "Ann Author, Bob {B} & others", "year": 2024, "venue": "UrnConf",
    "arxiv": "2401.00001", "code": "https://example.org/a_b%20c", "arena": "urns", "kind": "method", "run": "plugin",
    "claim": "More draws are better.",
}  # fmt: skip
CLAIMS: list[dict[str, Any]] = [
    {
        "name": "more_draws",
        "sentence": "Ten draws come nearer than one.",
        "relation": "urns/mean below urns/single @ urns/draws",
        "reported": "0.3 against 1",
        "seeds": 3,
    },
    {
        "name": "noise",
        "sentence": "More spread, more error.",
        "relation": "trend(urns/mean, spread, +) @ urns/draws",
        "seeds": 2,
    },
    {"name": "unstated", "sentence": "It is elegant."},
    {"name": "robots", "sentence": "It walks.", "untestable": "needs a robot"},
]
BROKEN = {"name": "broken", "sentence": "It beats what breaks.", "relation": "urns/mean below urns/broken @ urns/draws",
          "seeds": 2}  # fmt: skip


@pytest.fixture
def card(arena: Path) -> Callable[..., None]:
    """Write the card of a paper, or of another."""

    def write(name: str = "urn_means", **changes: Any) -> None:
        path = arena / "configs/paper" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump({**CARD, "claims": CLAIMS} | changes), encoding="utf-8")

    write()
    method = arena / "configs/method/urns/mean.yaml"
    text = method.read_text().replace("role: baseline", "role: paper").replace("source: textbook", "paper: urn_means")
    method.write_text(text)
    return write


def verdicts(bakeoff: Bakeoff, *words: str) -> dict[str, Any]:
    said = bakeoff("claims", *(words or ("paper=urn_means",)), "format=json")
    assert said.code == 0, said.err
    return {found["claim"]: found for found in json.loads(said.out)}


def attempts(bakeoff: Bakeoff) -> set[tuple[str, int, str]]:
    """Method, seed and changes of every attempt."""
    said = bakeoff("export", "out=all.jsonl")
    assert said.code == 0
    rows = (
        [json.loads(line) for line in Path("all.jsonl").read_text().splitlines()]
        if "exported 0" not in said.out
        else []
    )
    assert len({row["id"] for row in rows}) == len(rows)
    return {(row["method"], row["seed"], " ".join(row["settings"]["overrides"])) for row in rows}


def test_nothing_is_claimed_of_an_empty_store(bakeoff: Bakeoff, card: Callable[..., None]) -> None:
    found = verdicts(bakeoff)
    assert {name: one["verdict"] for name, one in found.items()} == {
        "more_draws": "not run", "noise": "not run", "unstated": "not run", "robots": "not testable here"
    }  # fmt: skip
    assert found["more_draws"]["reason"] == "there is no urns/mean on urns/draws, urns/single on urns/draws"
    assert found["robots"]["reason"] == "needs a robot"
    assert found["unstated"]["reason"] == "no relation between cells states it yet"


def test_exactly_the_missing_cells_are_run_and_none_is_run_twice(bakeoff: Bakeoff, card: Callable[..., None]) -> None:
    assert bakeoff("run", "method=urns/mean", "task=urns/draws", "seed=1").code == 0
    before = attempts(bakeoff)
    assert before == {("urns/mean", 1, "")}
    assert "n_jobs: cells are only run with run=true" in bakeoff("claims", "paper=urn_means", "n_jobs=2").err
    said = bakeoff("claims", "paper=urn_means", "run=true", "n_jobs=2")
    assert said.code == 0, said.err
    after = attempts(bakeoff)
    # at the first point of the axis the task is as its YAML has it
    assert after == {
        *(("urns/mean", seed, "") for seed in range(3)),
        *(("urns/single", seed, "") for seed in range(3)),
        *(("urns/mean", seed, "task.spread=2") for seed in range(2)),
    }
    found = verdicts(bakeoff)
    assert (found["more_draws"]["seeds"], found["noise"]["seeds"]) == (3, 2)
    assert {found[name]["verdict"] for name in ("more_draws", "noise")} <= {
        "reproduced",
        "contradicted",
        "inconclusive",
    }
    assert bakeoff("claims", "paper=urn_means", "run=true").code == 0
    assert attempts(bakeoff) == after
    count = len(Path("all.jsonl").read_text().splitlines())
    bakeoff("claims", "arena=urns", "run=true")
    attempts(bakeoff)
    assert len(Path("all.jsonl").read_text().splitlines()) == count == 8


def test_a_decided_claim_with_all_its_seeds_is_not_run_again(bakeoff: Bakeoff, card: Callable[..., None]) -> None:
    card(claims=[{"name": "sure", "sentence": "s", "relation": "urns/mean bound>= 0 @ urns/draws", "seeds": 2}])
    assert bakeoff("claims", "paper=urn_means", "run=true").code == 0
    assert verdicts(bakeoff)["sure"]["verdict"] == "reproduced"
    said = bakeoff("claims", "paper=urn_means", "run=true")
    assert (said.code, said.err) == (0, "")
    assert len(attempts(bakeoff)) == 2


def test_a_rival_that_fails_is_named_and_the_command_says_so(bakeoff: Bakeoff, card: Callable[..., None]) -> None:
    card(claims=[BROKEN])
    said = bakeoff("claims", "paper=urn_means", "run=true")
    assert said.code == 1
    found = verdicts(bakeoff)["broken"]
    assert (found["verdict"], found["reason"]) == ("inconclusive", "urns/broken ended otherwise, which decides nothing")
    assert "urns/broken on urns/draws ended failed on seeds 0, 1, which are left out" in found["notes"]


def test_a_sweep_that_cannot_be_carried_out_stops_no_other(bakeoff: Bakeoff, card: Callable[..., None]) -> None:
    misfit = {"name": "misfit", "sentence": "s", "relation": "urns/mean at most 1 @ urns/closed", "seeds": 2}
    card(claims=[misfit, CLAIMS[0]])
    said = bakeoff("claims", "paper=urn_means", "run=true")
    assert said.code == 1
    assert "method=urns/mean task=urns/closed" in said.err
    assert "nothing to run" in said.err
    assert {name for name, _, _ in attempts(bakeoff)} == {"urns/mean", "urns/single"}
    assert verdicts(bakeoff)["misfit"]["verdict"] == "not run"


def test_nothing_to_run_is_refused(bakeoff: Bakeoff, card: Callable[..., None]) -> None:
    card(claims=[CLAIMS[2]])
    said = bakeoff("claims", "paper=urn_means", "run=true")
    assert said.code == 2
    assert said.err == "bakeoff: no claim here is a relation between cells yet, so there is nothing to run\n"


def test_each_format_says_the_same(bakeoff: Bakeoff, card: Callable[..., None]) -> None:
    bakeoff("run", "-m", "method=urns/mean,urns/single", "task=urns/draws", "seed=range(0,3)")
    found = verdicts(bakeoff)["more_draws"]
    text = bakeoff("claims", "paper=urn_means").out
    lines = text.splitlines()
    assert lines[0] == "urn_means, more_draws: Ten draws come nearer than one."
    assert max(map(len, lines)) <= 120
    assert any(line.startswith(f"  verdict   {found['verdict']}") for line in lines)
    assert any(line.strip() == "the paper 0.3 against 1" for line in lines)
    assert "laptop, cpu-32-true, paper values" in text
    table = bakeoff("claims", "paper=urn_means", "format=md").out.splitlines()
    assert table[0] == "| claim | the paper's number | here | verdict | seeds | clock |"
    assert len([line for line in table if line.startswith("| urn_means")]) == 4
    assert found["verdict"] in table[2]
    (piece,) = found["evidence"]
    assert (piece["left"], piece["right"], piece["tasks"]) == ("urns/mean", "urns/single", ["urns/draws"])
    assert piece["seeds"] == [0, 1, 2]
    assert len(piece["attempts"]) == 6
    assert piece["p"] == pytest.approx(piece["p"])
    assert found["low"] < found["effect"] < found["high"]
    assert found["effect"] == pytest.approx(piece["means"][0] - piece["means"][1])
    assert found["wanted"] == 3


def test_all_claims_of_an_arena(bakeoff: Bakeoff, card: Callable[..., None]) -> None:
    card("other", claims=[CLAIMS[0]], title="Another", arxiv="2401.00002")
    assert [one["paper"] for one in json.loads(bakeoff("claims", "arena=urns", "format=json").out)] == ["other"] + [
        "urn_means"
    ] * 4
    card("survey", run="reference", why="it surveys", claims=[], title="A survey", arxiv="")
    assert bakeoff("claims", "paper=survey").out == "there is no claim here that could be tested\n"
    assert json.loads(bakeoff("claims", "paper=survey", "format=json").out) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["claims", "paper=urn_mean"], "there is no paper called 'urn_mean'; did you mean urn_means"),
        (["claims", "arena=urn"], "there is no paper in an arena called 'urn'; did you mean urns?"),
        (["claims", "paper=urn_means", "arena=shift"], "there is no paper in an arena called 'shift'"),
        (["claims", "format=csv"], "format: 'csv' is none of terminal, md, json"),
        (["claims", "run=yes"], "run: 'yes' is none of true, false"),
        (["claims", "urn_means"], "claims: 'urn_means' is not key=value"),
        (["claims", "colour=red"], "colour: this command has no such key"),
        (["papers", "format=md"], "format: 'md' is none of text, json"),
        (["papers", "arena=urn"], "there is no paper in an arena called 'urn'; did you mean urns?"),
        (["papers", "paper=urn_means"], "paper: this command has no such key"),
    ],
)
def test_what_is_not_understood_is_refused(
    bakeoff: Bakeoff, card: Callable[..., None], words: list[str], said: str
) -> None:
    answer = bakeoff(*words)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(f"bakeoff: {said}")
    assert answer.err.count("\n") == 1


WRONG = [
    ({"relation": "urns/meen below urns/single @ urns/draws"}, "there is no method called 'urns/meen'; did you mean"),
    ({"relation": "urns/mean below urns/single @ urns/drawz"}, "there is no task called 'urns/drawz'"),
    ({"relation": "urns/mean under urns/single @ urns/draws"}, "holds no relation"),
    ({"relation": "urns/mean below urns/single @ urns/draws : eror"}, "has no metric 'eror'; did you mean error?"),
    ({"relation": "urns/mean[drawz=1] below urns/single @ urns/draws"}, "urns/mean has no value called 'drawz'"),
    ({"relation": "urns/mean below urns/single @ urns/draws[bugdet=1]"}, "urns/draws has no value called 'bugdet'"),
    ({"relation": "trend(urns/mean, sprd, +) @ urns/draws"}, "task urns/draws has no axis 'sprd'; it has spread"),
    ({"relatoin": "x"}, "claims.relatoin: StatedClaim has no such field; did you mean relation?"),
    ({"scale": "paper"}, "task urns/draws has no scale 'paper'"),
]


@pytest.mark.parametrize(("change", "said"), WRONG)
@pytest.mark.parametrize("verb", ["claims", "papers"])
def test_a_card_that_is_wrong_is_refused_by_name(
    bakeoff: Bakeoff, card: Callable[..., None], verb: str, change: dict[str, Any], said: str
) -> None:
    card(claims=[CLAIMS[0] | change])
    answer = bakeoff(verb, "arena=urns")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("bakeoff: paper urn_means: claim")
    assert said in answer.err
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize("verb", ["claims", "papers"])
def test_a_card_with_an_unknown_field_is_refused(bakeoff: Bakeoff, card: Callable[..., None], verb: str) -> None:
    card(titel="x")
    answer = bakeoff(verb)
    assert answer.code == 2
    assert answer.err == "bakeoff: paper urn_means.titel: PaperCard has no such field; did you mean title?\n"


def test_hostile_text_of_a_card_shows_as_text(bakeoff: Bakeoff, card: Callable[..., None]) -> None:
    claim = CLAIMS[0] | {"sentence": f"a | b {HOSTILE} \x1b[31mred", "reported": HOSTILE, "differs": HOSTILE}
    card(title=HOSTILE, claim=HOSTILE, claims=[claim])
    said = bakeoff("claims", "paper=urn_means", "format=md")
    assert said.code == 0
    assert "<script" not in said.out
    assert "&lt;script>alert('x')&lt;/script>" in said.out
    (row,) = [line for line in said.out.splitlines() if line.startswith("| urn_means")]
    assert len(re.split(r"(?<!\\)\|", row)) == 8  # six cells
    assert "\x1b" not in said.out
    assert "\x1b" not in bakeoff("claims", "paper=urn_means").out
    assert json.loads(bakeoff("claims", "paper=urn_means", "format=json").out)[0]["sentence"] == claim["sentence"]
    for words in (("papers", "arena=urns"), ("papers", "arena=urns", "format=json")):
        assert "\x1b" not in bakeoff(*words).out


def test_the_coverage_of_papers(bakeoff: Bakeoff, card: Callable[..., None]) -> None:
    card("survey", run="reference", why="it surveys", claims=[], title="A survey", arxiv="")
    card("bare", claims=[], title="Bare", arxiv="")
    bakeoff("run", "-m", "method=urns/mean,urns/single", "task=urns/draws", "seed=range(0,3)")
    said = bakeoff("papers", "arena=urns", "format=json")
    assert said.code == 0
    bare, survey, urns = json.loads(said.out)
    assert (urns["id"], urns["arena"], urns["run"], urns["methods"]) == ("urn_means", "urns", "plugin", ["urns/mean"])
    assert [one["claim"] for one in urns["claims"]] == ["more_draws", "noise", "unstated", "robots"]
    assert all(one["verdict"] for one in urns["claims"])
    assert (urns["arxiv"], urns["year"], urns["missing"], urns["fidelity"]) == ("2401.00001", 2024, "", ["none"])
    assert (survey["claims"], survey["missing"], survey["arxiv"]) == ([], "", None)
    assert (bare["missing"], bare["methods"]) == ("a method", [])
    text = bakeoff("papers", "arena=urns").out.splitlines()
    assert text[0].startswith("bare       urns            plugin      1 not run; needs a method")
    assert text[-2] == "3 papers: 2 plugin, 1 reference"
    assert text[-1].startswith("1 with a method; claims: ")


def test_the_bibliography_of_what_was_run(bakeoff: Bakeoff, card: Callable[..., None]) -> None:
    card(title="100% of $Urns_$ & {Draws} ~ \\o/")
    assert bakeoff("list", "--bib").out.strip() == ""
    bakeoff("run", "-m", "method=urns/mean,urns/single", "task=urns/draws", "seed=0")
    said = bakeoff("list", "--bib")
    assert said.code == 0
    (entry,) = entries(said.out)
    kind, key, fields = entry
    assert (kind, key) == ("inproceedings", "urn_means")
    assert fields["title"] == (
        r"{100\% of \$Urns\_\$ \& \textbraceleft{}Draws\textbraceright{} \textasciitilde{} \textbackslash{}o/}"
    )
    assert fields["author"] == r"Ann Author and Bob \textbraceleft{}B\textbraceright{} \& others"
    assert (fields["eprint"], fields["archiveprefix"], fields["year"]) == ("2401.00001", "arXiv", "2024")
    assert fields["url"] == "https://example.org/a_b%20c"
    assert "% urns/single: textbook" in said.out


def entries(text: str) -> list[tuple[str, str, dict[str, str]]]:
    """Entries of BibTeX: braces have to match, and fields are `key = {value}`."""
    found = []
    text = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    for start in re.finditer(r"@(\w+)\{(\w+),\n", text):
        depth, end = 1, start.end()
        while depth:
            depth += (text[end] == "{") - (text[end] == "}")
            end += 1
        fields: dict[str, str] = {}
        for line in text[start.end() : end - 1].strip().split(",\n"):
            match = re.fullmatch(r"\s*(\w+) = \{(.*)\}", line)
            assert match, line
            fields[match[1]] = match[2]
        found.append((start[1], start[2], fields))
    assert text.count("@") == len(found)
    return found


def test_a_list_shows_hostile_titles_as_text(bakeoff: Bakeoff, card: Callable[..., None], arena: Path) -> None:
    path = arena / "configs/method/urns/single.yaml"
    path.write_text(path.read_text().replace("title: the single", 'title: "red \\e[31m\\n@misc{x,"'))
    out = bakeoff("list", "methods", "arena=urns").out
    assert "\x1b" not in out
    assert len(out.splitlines()) == 8
