"""The contract over every card of a paper, and over the cards of methods that name one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from results.claims.relations import Comparison, Curve, Rank
from results.claims.verdicts import patterns, wanted_places
from runners import catalog, cli
from runners.cards import method_card
from runners.papers import KINDS, RUNS, Paper, papers


@pytest.fixture(scope="module")
def every() -> list[Paper]:
    return papers()


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    """What `bakeoff papers format=json` prints over an empty store."""
    place = tmp_path_factory.mktemp("empty")
    with pytest.MonkeyPatch.context() as patch:
        printed: list[str] = []
        patch.chdir(place)
        patch.setattr("builtins.print", lambda *words, **_options: printed.extend(map(str, words)))
        assert cli.main(["papers", "format=json"]) == 0
    rows: list[dict[str, object]] = json.loads("".join(printed))
    return rows


def test_the_file_name_is_the_id(every: list[Paper]) -> None:
    names = [one.name for one in every]
    assert names == catalog.names("paper")
    assert len(names) >= 439
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9_]*", name) for name in names)


def test_every_card_says_what_it_is_and_claims_something(every: list[Paper]) -> None:
    for one in every:
        card = one.card
        assert card.kind in KINDS, one.name
        assert card.run in RUNS, one.name
        for text in (card.title, card.arena, card.claim):
            assert text.strip() == text != "", one.name
        assert (card.run == "reference") == (not one.claims), one.name
        assert card.year is None or 1950 <= card.year <= 2030, one.name
        assert not card.code or re.fullmatch(r"https?://\S+", card.code), one.name


def test_no_paper_has_two_cards(every: list[Paper]) -> None:
    ids = Counter(one.card.arxiv for one in every if one.card.arxiv)
    titles = Counter(re.sub(r"\W+", " ", one.card.title).strip().casefold() for one in every)
    assert [name for name, count in (ids | titles).items() if count > 1] == []


def test_a_paper_with_methods_speaks_of_one_of_them(every: list[Paper]) -> None:
    """That what it names exists is checked as the cards are read; here, that it is the paper's own."""
    own: dict[str, set[str]] = {}
    for entry in catalog.entries("method"):
        own.setdefault(str(entry.card.get("paper")), set()).add(entry.name)
    for one in every:
        for claim in one.claims:
            named = {side.method for part in claim.parts for side in patterns(part)}
            assert not named or one.name not in own or named & own[one.name], f"{one.name}, {claim.name}"
            assert all(place.task for place in wanted_places(claim.parts))
            assert not claim.relation or claim.parts, f"{one.name}, {claim.name}"


def test_patterns_come_back_from_their_text(every: list[Paper]) -> None:
    for claim in (claim for one in every for claim in one.claims):
        for part in claim.parts:
            if isinstance(part.body, Comparison | Rank | Curve):
                assert all(str(side) in claim.relation or side.metric for side in patterns(part)), claim.name


@pytest.mark.parametrize("name", catalog.names("method"))
def test_every_method_names_its_paper_or_its_source(name: str) -> None:
    card = method_card(catalog.find("method", name))
    if card.role == "baseline":
        assert card.source or card.paper, f"{name}: a baseline says where it comes from"
    if card.role in ("paper", "ablation"):
        assert card.paper, f"{name}: {card.role} of which paper?"
    if card.paper:
        assert card.paper in catalog.names("paper"), f"{name}: there is no card of the paper {card.paper}"


def test_the_command_lists_every_card(listed: list[dict[str, object]], every: list[Paper]) -> None:
    assert [row["id"] for row in listed] == [one.name for one in every]
    assert [len(row["claims"]) for row in listed] == [len(one.claims) for one in every]  # type: ignore[arg-type]
    assert Counter(row["run"] for row in listed) == Counter(one.card.run for one in every)
    played = {str(entry.card["paper"]) for entry in catalog.entries("method") if entry.card.get("paper")}
    assert {row["id"] for row in listed if row["methods"]} == played


def test_all_cards_are_read_fast() -> None:
    """Alone the whole command takes about a second; this leaves room for a busy machine."""
    start = time.process_time()
    papers()
    assert time.process_time() - start < 3


def test_nothing_slow_is_imported_for_papers(tmp_path: Path) -> None:

    program = (
        "import sys; from runners.cli import main; code = main(['papers']); print(*sorted(sys.modules)); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert {"results.claims.verdicts", "runners.papers"} <= loaded
    assert not loaded & {"scipy.stats", "scipy.optimize", "torch", "pandas", "matplotlib", "hydra", "sklearn"}
