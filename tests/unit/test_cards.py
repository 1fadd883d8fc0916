"""Cards against their schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runners.cards import at_scale, method_card, task_card
from runners.catalog import Entry
from runners.errors import CommandError

METHOD = {"role": "paper", "version": 1, "fidelity": "code", "title": "a title", "paper": "linc"}
TASK = {"version": 1, "rank": "accuracy", "title": "a title", "scales": {"laptop": {}, "tiny": {"size": 3}}}


def entry(card: dict[str, Any]) -> Entry:
    return Entry("method", "text/linc", Path("linc.yaml"), card=card)


def test_a_card_that_fits_is_read() -> None:
    card = method_card(entry({**METHOD, "search": {"lr": [0.001, 0.1, "log"]}}))
    assert (card.role, card.paper, card.source, card.search) == ("paper", "linc", None, {"lr": [0.001, 0.1, "log"]})
    assert task_card(entry(TASK)).scales == {"laptop": {}, "tiny": {"size": 3}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"role": "hero"}, "text/linc: card: role 'hero' is none of paper, baseline, ablation, reference"),
        ({"fidelity": "full"}, "text/linc: card: fidelity 'full' is none of none, code, paper"),
        ({"version": "new"}, "text/linc: card.version: cannot use 'new' as int"),
        ({"colour": "red"}, "text/linc: card.colour: MethodCard has no such field"),
        ({"title": None}, "text/linc: card.title: cannot use None as str"),
        ({"search": [1]}, "text/linc: card.search: cannot use"),
        (
            {"search": {"lr": [1, 0]}},
            "text/linc: card: search.lr: the low bound must be below the high one, got",
        ),
        ({"search": {"loss.skew": "log"}}, "text/linc: card: search.loss.skew: expected [low, high], [low, high, log]"),
    ],
)
def test_a_method_card_that_does_not_fit_is_refused_by_key(change: dict[str, Any], message: str) -> None:
    with pytest.raises(CommandError) as caught:
        method_card(entry(METHOD | change))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("key", ["role", "version", "fidelity", "title"])
def test_a_method_card_without_a_duty_is_refused(key: str) -> None:
    with pytest.raises(CommandError, match=rf"card\.{key}: no value"):
        method_card(entry({name: value for name, value in METHOD.items() if name != key}))


@pytest.mark.parametrize("scales", [{"tiny": {}}, {"laptop": {}, "huge": {}}, {}])
def test_scales_hold_laptop_and_known_tiers_only(scales: dict[str, Any]) -> None:
    with pytest.raises(CommandError, match="scales must be among tiny, laptop, paper and hold laptop"):
        task_card(entry({**TASK, "scales": scales}))


def test_a_tier_gives_its_changes_and_none_where_it_is_empty() -> None:
    card = task_card(entry({**TASK, "scales": {"laptop": None, "tiny": {"size": 3}}}))
    assert at_scale(card, "text/task", "tiny") == {"size": 3}
    assert at_scale(card, "text/task", "laptop") == {}
    with pytest.raises(CommandError, match="task text/task has no scale 'paper'; it has laptop, tiny"):
        at_scale(card, "text/task", "paper")


def test_a_tier_cannot_be_changed_through_what_was_given_out() -> None:
    card = task_card(entry(TASK))
    at_scale(card, "text/task", "tiny")["size"] = 99
    assert at_scale(card, "text/task", "tiny") == {"size": 3}
