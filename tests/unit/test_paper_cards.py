"""Cards of papers: what they may say, and what a claim may speak of; whatever is wrong is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from results.claims.cells import Defaults
from results.claims.findings import Claim, Finding, Verdict
from results.claims.grammar import parse
from results.store import Store
from runners import catalog
from runners.claiming import Asked, found
from runners.errors import CommandError
from runners.filling import open_claims
from runners.papers import Paper, paper, papers
from runners.spoken import Spoken, metrics
from runners.wanted import cells, sweeps

ARENA = """
from tasks.base import Arena, Board, Direction, Metric, Problem
HEIGHT = Metric("height", "m", Direction.HIGHER, "how high")
SLOPE = Metric("slope", "", Direction.NONE, "how steep")
ARENA = Arena("How high?", "steps", (Board(Problem, "a number", (HEIGHT, SLOPE)),))
"""
HILL = """
_target_: tasks.toys.hill.Hill
size: 3
kind: {name: grass, depth: 2}
noise: ${task.size}
card:
  version: 1
  rank: height
  title: a hill
  scales: {laptop: {}, tiny: {size: 1, kind: {depth: 1}}}
  axes: {size: [4, 1, 2], word: [b, a], two: [1, 2], zero: [0, 1, 2]}
"""
DALE = "card: {version: 1, rank: height, title: a dale, scales: {laptop: {}}, axes: {size: [1, 2]}}\nsize: 3\n"
METHOD = """
_target_: methods.toys.a.A
lr: 0.1
part: {depth: 2}
card: {role: baseline, version: 1, fidelity: none, title: a}
"""
CARD: dict[str, Any] = {"title": "A title", "arena": "toys", "kind": "method", "run": "plugin", "claim": "It climbs."}
CLAIM = {"name": "one", "sentence": "It climbs higher.", "relation": "toys/a above toys/b @ toys/hill"}
Write = Callable[[str, str], Path]


@pytest.fixture
def toys(plugins: Write) -> Write:
    plugins("tasks/toys/__init__.py", ARENA)
    plugins("configs/task/toys/hill.yaml", HILL)
    plugins("configs/task/toys/dale.yaml", DALE)
    plugins("configs/method/toys/a.yaml", METHOD)
    plugins("configs/method/toys/b.yaml", METHOD)
    plugins("configs/method/reference/trivial.yaml", "card: {role: reference}\n")
    return plugins


def entry(card: dict[str, Any]) -> catalog.Entry:
    return catalog.Entry("paper", "alp", Path("alp.yaml"), values=card)


def read(card: dict[str, Any]) -> Paper:
    return paper(entry(card), Spoken())


def claimed(**changes: Any) -> Paper:
    return read({**CARD, "claims": [{**CLAIM, **changes}]})


def test_a_card_becomes_a_paper_with_its_claims(toys: Write) -> None:
    one = claimed(seeds=10, reported="3 m", scale="tiny", acts="slope")
    (claim,) = one.claims
    assert (one.name, claim.paper, claim.name, claim.seeds, claim.scale) == ("alp", "alp", "one", 10, "tiny")
    assert claim.parts == parse(CLAIM["relation"])
    assert claim.relation == CLAIM["relation"]


def test_a_paper_without_stated_claims_has_its_main_claim_and_a_reference_none() -> None:
    (claim,) = read(CARD).claims
    assert (claim.name, claim.sentence, claim.parts) == ("main", "It climbs.", ())
    assert read({**CARD, "run": "reference", "why": "a survey"}).claims == ()


@pytest.mark.parametrize("name", ["2401.12406", "0912.3456", "math/0612345", "math.GT/0309136"])
def test_ids_of_preprints(name: str) -> None:
    assert read({**CARD, "arxiv": name}).card.arxiv == name


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"colour": "red"}, "paper alp.colour: PaperCard has no such field"),
        ({"titel": "x"}, "paper alp.titel: PaperCard has no such field; did you mean title?"),
        ({"title": 3}, "paper alp.title: expected str, got 3"),
        ({"year": "2024"}, "paper alp.year: expected int, got '2024'"),
        ({"year": True}, "paper alp.year: expected int, got True"),
        ({"title": None}, "paper alp.title: expected str, got None"),
        ({"baselines": "sft"}, "paper alp.baselines: expected list[str], got 'sft'"),
        ({"baselines": ["sft", 3]}, "paper alp.baselines: expected list[str], got ['sft', 3]"),
        ({"claims": {}}, "paper alp.claims: expected list"),
        ({"claims": ["it works"]}, "paper alp: claims: expected a mapping, got 'it works'"),
        ({"kind": "hero"}, "paper alp: kind 'hero' is none of method, algorithm-theory"),
        ({"run": "maybe"}, "paper alp: run 'maybe' is none of plugin, plugin-gpu"),
        ({"run": "reference"}, "paper alp: why: a reference says why nothing is run"),
        ({"why": "no"}, "paper alp: why: a reference says why nothing is run, and nothing else does"),
        ({"run": "reference", "why": "no", "claims": [CLAIM]}, "paper alp: claims: nothing of a reference is run"),
        ({"arxiv": "2401"}, "paper alp: arxiv '2401' is no id such as 2401.12406"),
        ({"arxiv": "2401.12406v2"}, "paper alp: arxiv '2401.12406v2' is no id"),
        ({"claims": [CLAIM, CLAIM]}, "paper alp: two claims are called 'one'"),
    ],
)  # fmt: skip
def test_a_card_that_does_not_fit_is_refused_by_key(toys: Write, change: dict[str, Any], said: str) -> None:
    with pytest.raises(CommandError) as caught:
        read({**CARD, **change})
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("key", CARD)
def test_a_card_without_a_duty_is_refused(key: str) -> None:
    with pytest.raises(CommandError, match=rf"paper alp\.{key}: no value"):
        read({name: value for name, value in CARD.items() if name != key})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"relations": "x"}, "paper alp: claims.relations: StatedClaim has no such field; did you mean relation?"),
        ({"seeds": 1}, "paper alp: claims: seeds: no claim is decided by fewer than two"),
        ({"scale": "huge"}, "paper alp: claims: scale 'huge' is none of tiny, laptop, paper"),
        ({"scale": "paper"}, "paper alp: claim one: task toys/hill has no scale 'paper'; it has laptop, tiny"),
        ({"untestable": "no"}, "paper alp: claims: a claim that cannot be tested here has no relation"),
        ({"name": 3}, "paper alp: claims.name: expected str, got 3"),
    ],
)
def test_a_claim_that_does_not_fit_is_refused_by_key(toys: Write, change: dict[str, Any], said: str) -> None:
    with pytest.raises(CommandError) as caught:
        claimed(**change)
    assert str(caught.value).startswith(said)


SPOKEN = [
    ("toys/a beats toys/b @ toys/hill", "'toys/a beats toys/b' holds no relation"),
    ("toys/c above toys/b @ toys/hill", "there is no method called 'toys/c'; did you mean"),
    ("toys/a above toys/b @ toys/hil", "there is no task called 'toys/hil'; did you mean toys/hill"),
    ("toys/a@toys/hil above toys/b@toys/hill", "there is no task called 'toys/hil'"),
    ("toys/a[lrr=1] above toys/b @ toys/hill", "toys/a has no value called 'lrr'; did you mean lr?"),
    ("toys/a[lr=fast] above toys/b @ toys/hill", "toys/a: lr is a number, 0.1 in its YAML, got 'fast'"),
    ("toys/a[_target_=x] above toys/b @ toys/hill", "toys/a has no value called '_target_'"),
    ("toys/a[part=3] above toys/b @ toys/hill", "toys/a has no value called 'part'"),
    ("toys/a above toys/b @ toys/hill[sise=1]", "toys/hill has no value called 'sise'; did you mean size or"),
    ("toys/a above toys/b @ toys/hill : depth", "the arena of toys/hill has no metric 'depth'"),
    ("toys/a.hight above toys/b @ toys/hill", "the arena of toys/hill has no metric 'hight'; did you mean height?"),
    ("toys/a@toys/hill above toys/b.hight", "the arena of toys/hill has no metric 'hight'"),
    ("toys/a.seconds.sleep above toys/b @ toys/hill", "the arena of toys/hill has no metric 'seconds.sleep'"),
    ("trend(toys/a, colour, +) @ toys/hill", "task toys/hill has no axis 'colour'; it has size, word, two, zero"),
    ("trend(toys/a, kind.depth, +) @ toys/dale", "task toys/dale has no axis 'kind.depth'; it has size"),
    ("trend(toys/a, size, +) @ toys/hill, toys/dale", "the axis 'size' has other values on toys/dale than"),
    ("trend(toys/a, size, +) @ toys/hill[size=1]", "'size' is the axis, and a value in brackets too"),
    ("trend(toys/a, two, hump) @ toys/hill", "the axis 'two' of toys/hill has fewer than 3 values"),
    ("closer(toys/a, toys/b, two) @ toys/hill", "the axis 'two' of toys/hill has fewer than 3 values"),
    ("slope(toys/a, word, [0, 1]) @ toys/hill", "slope: the values of the axis 'word' are not all numbers above zero"),
    ("slope(toys/a, zero, [0, 1]) @ toys/hill", "slope: the values of the axis 'zero' are not all numbers above zero"),
    ("rank(height, depth, >=0) over toys/* @ toys/hill", "the arena of toys/hill has no metric 'depth'"),
    ("rank(height, slope, >=0) over toys/a, tops/* @ toys/hill", "no method matches tops/*"),
]


@pytest.mark.parametrize(("relation", "said"), SPOKEN)
def test_a_claim_that_speaks_of_what_there_is_not_is_refused_by_name(toys: Write, relation: str, said: str) -> None:
    with pytest.raises(CommandError) as caught:
        claimed(relation=relation)
    assert str(caught.value).startswith(f"paper alp: claim one: {said}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "relation",
    [
        "toys/a.cost.steps below toys/b @ toys/hill",
        "toys/a.seconds.solve below toys/b @ toys/hill",
        "toys/a below toys/b @ toys/hill : memory",
        "toys/a[part.depth=3, lr=1] above trivial @ toys/hill[kind.depth=4]",
        "trend(toys/a - toys/b, word, +) @ toys/hill",
        "slope(toys/a, two, [0, 1]) @ toys/hill",
        "curve(height, slope, quadratic over linear) over toys/* @ toys/hill",
    ],
)
def test_what_there_is_may_be_spoken_of(toys: Write, relation: str) -> None:
    assert claimed(relation=relation).claims[0].parts


def test_an_axis_of_numbers_is_in_order_and_one_of_words_as_the_card_has_it(toys: Write) -> None:
    assert list(Spoken().axis("toys/hill", "size")) == [1, 2, 4]
    assert list(Spoken().axis("toys/hill", "word")) == ["b", "a"]


def test_what_the_yaml_says_at_a_tier(toys: Write) -> None:
    spoken = Spoken()
    assert spoken.defaults("method", "toys/a", "laptop").values == {
        "_target_": "methods.toys.a.A",
        "lr": 0.1,
        "part.depth": 2,
    }
    tiny = spoken.defaults("task", "toys/hill", "tiny")
    assert (tiny.values["size"], tiny.values["kind.depth"], tiny.values["kind.name"]) == (1, 1, "grass")
    assert tiny.tier == {"size", "kind.depth"}
    assert spoken.defaults("task", "toys/hill", "laptop").values["size"] == 3
    for kind, name, scale in (("method", "toys/gone", "laptop"), ("task", "toys/hill", "paper")):
        assert spoken.defaults(kind, name, scale) == Defaults()


def test_metrics_are_those_of_all_boards(toys: Write) -> None:
    assert metrics("toys") == ("height", "slope")
    with pytest.raises(CommandError, match="there is no arena called 'nowhere'"):
        metrics("nowhere")
    toys("tasks/plain/__init__.py", "")
    with pytest.raises(CommandError, match=r"tasks\.plain states no ARENA"):
        metrics("plain")
    toys("tasks/needy/__init__.py", "import no_such_package_here\n")
    with pytest.raises(
        CommandError, match=r"tasks\.needy cannot be imported \(ModuleNotFoundError: .*no_such_package_here"
    ):
        metrics("needy")


def test_papers_are_found_by_name(toys: Write) -> None:
    toys("configs/paper/alp.yaml", yaml.safe_dump(CARD))
    toys("configs/paper/zen.yaml", yaml.safe_dump(CARD))
    assert [one.name for one in papers()] == ["alp", "zen"]
    assert [one.name for one in papers(["zen"])] == ["zen"]
    with pytest.raises(CommandError, match="there is no paper called 'zem'; did you mean zen"):
        papers(["zem"])
    toys("configs/paper/torn.yaml", "title: [")
    with pytest.raises(CommandError, match=r"paper torn is broken: torn\.yaml"):
        papers()


def words(relation: str, **changes: Any) -> list[tuple[str, ...]]:
    (claim,) = claimed(relation=relation, **changes).claims
    return list(cells(claim, Spoken()))


def test_the_cells_of_a_claim_as_words(toys: Write) -> None:
    plain = ("task=toys/hill", "scale=laptop")
    assert words("toys/a[lr=0.5] above trivial @ toys/hill[size=9, kind.name=two words]") == [
        ("toys/a", *plain, "task.kind.name='two words'", "task.size=9", "method.lr=0.5"),
        ("reference/trivial", *plain, "task.kind.name='two words'", "task.size=9"),
    ]
    assert words("trend(toys/a - toys/b, size, +) @ toys/hill") == [
        (method, *plain, f"task.size={size}") for method in ("toys/a", "toys/b") for size in (1, 2, 4)
    ]
    assert words("rank(height, slope, >=0) over toys/* @ toys/hill") == [("toys/a", *plain), ("toys/b", *plain)]
    assert words("toys/a@toys/hill above toys/b", scale="tiny") == [
        (method, "task=toys/hill", "scale=tiny") for method in ("toys/a", "toys/b")
    ]
    assert words("toys/a at least 3 @ toys/hill, toys/dale") == [
        ("toys/a", f"task=toys/{task}", "scale=laptop") for task in ("hill", "dale")
    ]


def test_sweeps_join_methods_and_take_the_most_seeds(toys: Write) -> None:
    both = {**CARD, "claims": [{**CLAIM, "seeds": 3},
            {**CLAIM, "name": "two", "seeds": 7, "relation": "toys/a at least 3 @ toys/hill"}]}  # fmt: skip
    assert sweeps([read(both)]) == [
        ["method=toys/b", "task=toys/hill", "scale=laptop", "seed=range(0,3)"],
        ["method=toys/a", "task=toys/hill", "scale=laptop", "seed=range(0,7)"],
    ]
    assert sweeps([read({**CARD, "claims": [CLAIM]})]) == [
        ["method=toys/a,toys/b", "task=toys/hill", "scale=laptop", "seed=range(0,5)"]
    ]
    twice = {**CARD, "claims": [{**CLAIM, "seeds": 7}, {**CLAIM, "name": "two", "seeds": 3}]}
    assert [one[-1] for one in sweeps([read(twice)])] == ["seed=range(0,7)"]
    assert sweeps([]) == []


@pytest.mark.parametrize(
    ("verdict", "seeds", "open_"),
    [
        (Verdict.NOT_RUN, 0, True),
        (Verdict.INCONCLUSIVE, 5, True),
        (Verdict.REPRODUCED, 4, True),
        (Verdict.REPRODUCED, 5, False),
        (Verdict.CONTRADICTED, 5, False),
        (Verdict.DIRECTION, 5, False),
    ],
)
def test_only_claims_that_more_cells_could_decide_are_run(
    toys: Write, verdict: Verdict, seeds: int, open_: bool
) -> None:
    one = claimed()
    other = Claim("alp", "two", "", (), "")
    findings = [Finding(one.claims[0], verdict, seeds=seeds), Finding(other, Verdict.NOT_RUN)]
    (left,) = open_claims(Asked([one], {"alp": findings}))
    assert left.claims == (one.claims if open_ else ())


def test_findings_of_an_empty_store(toys: Write, tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store.sqlite"))
    try:
        one = claimed()
        (finding,) = found(store, [one])["alp"]
    finally:
        store.close()
    assert finding.verdict is Verdict.NOT_RUN
    assert finding.reason == "there is no toys/a on toys/hill, toys/b on toys/hill"
