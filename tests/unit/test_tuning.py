"""Domains, draws, and the choice among trials."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.protocols import PAPER_VALUES, TUNING, trials_of, tuned
from runners import tpe
from runners.tuning import Domain, Key, Options, Outcome, Span, best, domain

WHOLE = st.tuples(st.integers(-1000, 1000), st.integers(1, 1000)).map(lambda pair: Span(pair[0], sum(pair), False))
WHOLE_LOG = st.tuples(st.integers(1, 1000), st.integers(1, 1000)).map(lambda pair: Span(pair[0], sum(pair), True))
BOUNDS = st.floats(-1e6, 1e6, allow_subnormal=False), st.floats(1e-6, 1e6)
FRACTIONS = st.tuples(*BOUNDS).map(lambda pair: Span(pair[0], sum(pair) + 1.0, False))
FRACTIONS_LOG = st.tuples(BOUNDS[1], BOUNDS[1]).map(lambda pair: Span(pair[0], sum(pair) + 1e-3, True))
OPTIONS = st.lists(st.integers(0, 99), min_size=2, max_size=6, unique=True).map(lambda values: Options(tuple(values)))
DOMAINS: st.SearchStrategy[Domain] = st.one_of(WHOLE, WHOLE_LOG, FRACTIONS, FRACTIONS_LOG, OPTIONS)
SHARES = st.floats(0, 1, exclude_max=True)
FIELDS = st.text("abcdef.", min_size=1, max_size=8)
KEYS = st.builds(Key, st.sampled_from(["a/one", "a/two"]), st.integers(1, 3), st.sampled_from(["a/x", "a/y"]))


@given(DOMAINS, SHARES)
def test_what_is_drawn_lies_within_the_domain_and_keeps_its_kind(one: Domain, share: float) -> None:
    value = one.at(share)
    assert one.holds(value)
    if isinstance(one, Span):
        assert type(value) is (int if one.whole else float)
        assert one.tidy(value) == value


@given(DOMAINS, st.tuples(SHARES, SHARES).map(sorted))
def test_a_larger_share_gives_no_smaller_number(one: Domain, shares: list[float]) -> None:
    if isinstance(one, Span):
        low, high = (one.at(share) for share in shares)
        assert low <= high  # type: ignore[operator]


@given(st.dictionaries(FIELDS, DOMAINS, min_size=1), FIELDS, DOMAINS, KEYS, st.integers(1, 40))
def test_another_field_moves_no_draw(domains: dict[str, Domain], name: str, one: Domain, key: Key, trial: int) -> None:
    before = key.draw(domains, trial)
    after = key.draw({name: one} | domains, trial)
    assert {field: after[field] for field in before} == before
    assert before == key.draw(dict(reversed(domains.items())), trial)


@given(st.dictionaries(FIELDS, FRACTIONS, min_size=1), KEYS, KEYS, st.integers(1, 40), st.integers(1, 40))
def test_methods_versions_tasks_and_trials_draw_apart(
    domains: dict[str, Domain], key: Key, other: Key, trial: int, later: int
) -> None:
    same = (key, trial) == (other, later)
    assert (key.draw(domains, trial) == other.draw(domains, later)) == same
    assert (key.sampler_seed(trial) == other.sampler_seed(later)) == same


def test_the_first_trial_draws_nothing() -> None:
    assert Key("a/one", 1, "a/x").draw({"lr": Span(0.1, 1.0, True)}, 0) == {}


def test_known_draws_stay_as_they_are() -> None:
    """The names of cells depend on them."""
    domains: dict[str, Domain] = {"lr": Span(1e-4, 1.0, True), "epochs": Span(1, 100, True), "kind": Options(("a", 3))}
    drawn = Key("calibration/linc", 1, "calibration/sst2").draw(domains, 1)
    assert drawn == {"lr": 0.0025574637, "epochs": 51, "kind": "a"}


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (Span(1, 4, False), {1: 0.25, 2: 0.25, 3: 0.25, 4: 0.25}),
        (Span(1, 3, True), {1: 0.5, 2: math.log2(1.5) / 2, 3: math.log2(4 / 3) / 2}),
        (Options((False, "x", None)), {False: 1 / 3, "x": 1 / 3, None: 1 / 3}),
    ],
)
def test_values_come_with_the_stated_chances(one: Domain, expected: dict[Any, float]) -> None:
    key, count = Key("a/one", 1, "a/x"), 4000
    drawn = Counter(key.draw({"field": one}, trial)["field"] for trial in range(1, count + 1))
    assert set(drawn) == set(expected)
    for value, share in expected.items():
        assert drawn[value] / count == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / count))


def test_logarithms_are_uniform() -> None:
    one = Span(1e-4, 1.0, True)
    assert [one.at(share) for share in (0.0, 0.25, 0.5, 0.75)] == [1e-4, 1e-3, 1e-2, 0.1]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ([0.0, 0.5], Span(0.0, 0.5, False)),
        ([1.0e-3, 1.0, "log"], Span(1e-3, 1.0, True)),
        ([1, 100, "log"], Span(1, 100, True)),
        ([-3, 3], Span(-3, 3, False)),
        ((1, 2.5), Span(1, 2.5, False)),
        ({"values": ["adam", "sgd"]}, Options(("adam", "sgd"))),
        ({"values": [1, 1.0, True, None]}, Options((1, 1.0, True, None))),
    ],
)
def test_a_domain_is_read_as_written(written: Any, expected: Domain) -> None:
    assert domain("lr", written) == expected
    if isinstance(expected, Span):
        assert expected.whole == all(isinstance(bound, int) for bound in written[:2])


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (3, "expected [low, high], [low, high, log] or {values: [..]}, got 3"),
        ([1], "expected [low, high], [low, high, log] or {values: [..]}, got [1]"),
        ([1, 2, "log", 3], "expected [low, high], [low, high, log] or {values: [..]}"),
        ("[1, 2]", "expected [low, high], [low, high, log] or {values: [..]}"),
        ([1, 2, "linear"], "behind the bounds only the word log may stand, got 'linear'"),
        ([2, 1], "the low bound must be below the high one, got 2 and 1"),
        ([1, 1], "the low bound must be below the high one, got 1 and 1"),
        ([0.0, 1.0, "log"], "a logarithmic scale begins above 0, got 0.0"),
        (["1e-3", 1.0], "a bound is a finite number, got '1e-3'; YAML takes 1e-3 for text, write 1.0e-3"),
        ([True, 2], "a bound is a finite number, got True"),
        ([0.0, math.inf], "a bound is a finite number, got inf"),
        ([None, 1.0], "a bound is a finite number, got None"),
        ({"values": []}, "expected two or more values, none of them twice, got []"),
        ({"values": [1]}, "expected two or more values, none of them twice, got [1]"),
        ({"values": ["a", "a"]}, "expected two or more values, none of them twice"),
        ({"values": [[1], [2]]}, "a value is a number, a text, true, false or null, got [1]"),
        ({"values": [1.0, math.nan]}, "a value must be finite, got nan"),
        ({"value": [1, 2]}, "expected {values: [..]}, got {'value': [1, 2]}"),
        ({"values": 3}, "expected {values: [..]}, got {'values': 3}"),
    ],
)
def test_what_is_no_domain_is_refused_by_field(written: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=r"^search\.loss\.skew: ") as caught:
        domain("loss.skew", written)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_domain_tells_what_lies_within() -> None:
    whole, fractions, options = Span(1, 5, False), Span(0.5, 2.0, True), Options((1, "a", None))
    assert [whole.holds(value) for value in (1, 5, 6, 2.0, True, "1", None)] == [True, True, *[False] * 5]
    assert [fractions.holds(value) for value in (0.5, 1, 2.5, None)] == [True, True, False, False]
    assert [options.holds(value) for value in (1, "a", None, True, 1.0, "b")] == [True, True, True, False, False, False]


def test_the_best_mean_wins_and_ties_go_to_the_lowest_number() -> None:
    some = [Outcome(2, (3.0, 1.0)), Outcome(0, (1.0, 1.0)), Outcome(1, (2.0, 2.0)), Outcome(3, (9.0, None))]
    for higher, expected in ((True, 1), (False, 0)):
        for order in (some, some[::-1]):
            chosen = best(order, higher=higher)
            assert chosen is not None
            assert chosen.trial == expected
    assert best([Outcome(0, (None,)), Outcome(1, (1.0, None))], higher=True) is None
    assert best([], higher=True) is None
    assert [outcome.mean for outcome in some] == [2.0, 1.0, 2.0, None]
    zero = best([Outcome(4, (0.0,)), Outcome(1, (None,))], higher=False)
    assert zero is not None
    assert zero.trial == 4


@given(st.lists(st.lists(st.one_of(st.none(), st.floats(-9, 9)), min_size=2, max_size=2), max_size=6), st.booleans())
def test_nothing_that_failed_or_is_worse_is_chosen(scores: list[list[float | None]], higher: bool) -> None:
    some = [Outcome(number, tuple(one)) for number, one in enumerate(scores)]
    chosen = best(some, higher=higher)
    good = [outcome.mean for outcome in some if outcome.mean is not None]
    if chosen is None:
        assert good == []
    else:
        assert chosen.mean == (max(good) if higher else min(good))
        assert chosen.trial == min(outcome.trial for outcome in some if outcome.mean == chosen.mean)


@pytest.mark.parametrize(
    ("protocol", "text", "trials"),
    [
        (tuned(16), "tuned, 16 trials", 16),
        (tuned(16, sampler="tpe"), "tuned, 16 trials (tpe)", 16),
        (tuned(8, 3), "tuned, 8 trials on 3 seeds", 8),
        (tuned(8, 3, "tpe"), "tuned, 8 trials on 3 seeds (tpe)", 8),
        (PAPER_VALUES, "paper values", None),
        (TUNING, "tuning", None),
        ("tuned", "tuned", None),
    ],
)
def test_a_protocol_names_its_budget(protocol: str, text: str, trials: int | None) -> None:
    assert protocol == text
    assert trials_of(protocol) == trials


def test_the_sampler_learns_from_what_went_well_and_is_a_function_of_the_past() -> None:
    pytest.importorskip("optuna")
    key = Key("a/one", 1, "a/x")
    domains: dict[str, Domain] = {"x": Span(0.0, 1.0, False), "n": Span(1, 9, True), "kind": Options(("a", None))}
    history: list[tuple[dict[str, Any], float | None]] = []
    for trial in range(30):
        values: dict[str, Any] = {"x": None, "n": 3, "kind": "a"} | tpe.suggested(key, domains, history, higher=True)
        assert values == {"x": None, "n": 3, "kind": "a"} | tpe.suggested(key, domains, history, higher=True)
        assert trial == 0 or all(domains[name].holds(value) for name, value in values.items())
        x = values["x"]
        history.append((values, None if x is None or trial == 7 else -abs(x - 0.8)))
    early, late = ([abs(float(values["x"]) - 0.8) for values, _ in some] for some in (history[1:10], history[20:]))
    assert sum(late) / len(late) < sum(early) / len(early)
    first = [key.draw(domains, trial) for trial in range(1, tpe.FIRST)]
    assert [values for values, _ in history[1 : tpe.FIRST]] == first
