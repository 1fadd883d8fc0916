"""The grammar of claims: each relation, each refusal with the part at fault, and patterns to text and back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.claims.grammar import ClaimError, parse
from results.claims.patterns import pattern, split
from results.claims.relations import (
    COMPARED,
    SHAPES,
    Closer,
    Comparison,
    Crossing,
    Curve,
    Part,
    Pattern,
    Place,
    Rank,
    Slope,
    Trend,
    read,
    written,
)

A, B, C = (Pattern(f"toys/{name}") for name in "abc")
HILL, DALE = Place("toys/hill"), Place("toys/dale")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("toys/a above toys/b @ toys/hill", Part(Comparison((A,), "above", (B,)), (HILL,))),
        ("toys/a below toys/b by 0.5 @ toys/hill", Part(Comparison((A,), "below", (B,), margin=0.5), (HILL,))),
        ("toys/a above toys/b by -1e-2 @ toys/hill", Part(Comparison((A,), "above", (B,), margin=-0.01), (HILL,))),
        (
            "toys/a, toys/b above toys/c @ toys/hill, toys/dale : slope",
            Part(Comparison((A, B), "above", (C,)), (HILL, DALE), "slope"),
        ),
        ("toys/a above 3 @ toys/hill", Part(Comparison((A,), "above", 3.0), (HILL,))),
        ("toys/a at least -.5 @ toys/hill", Part(Comparison((A,), "at least", -0.5), (HILL,))),
        ("toys/a at most 2. @ toys/hill", Part(Comparison((A,), "at most", 2.0), (HILL,))),
        ("toys/a equal<=0.1 toys/b @ toys/hill", Part(Comparison((A,), "equal<=", (B,), 0.1), (HILL,))),
        ("toys/a equal<=0 toys/b @ toys/hill", Part(Comparison((A,), "equal<=", (B,)), (HILL,))),
        ("toys/a ratio>=2 toys/b @ toys/hill", Part(Comparison((A,), "ratio>=", (B,), 2.0), (HILL,))),
        ("toys/a ratio<=0.5 toys/b @ toys/hill", Part(Comparison((A,), "ratio<=", (B,), 0.5), (HILL,))),
        ("toys/a bound>= toys/b @ toys/hill", Part(Comparison((A,), "bound>=", (B,)), (HILL,))),
        ("toys/a bound<= 1 @ toys/hill", Part(Comparison((A,), "bound<=", 1.0), (HILL,))),
        ("toys/a below trivial @ toys/hill", Part(Comparison((A,), "below", (Pattern("reference/trivial"),)), (HILL,))),
        ("best above toys/a @ toys/hill", Part(Comparison((Pattern("reference/best"),), "above", (A,)), (HILL,))),
        ("trend(toys/a, size, +) @ toys/hill", Part(Trend(A, None, "size", "+"), (HILL,))),
        ("trend(toys/a - toys/b, size, -) @ toys/hill", Part(Trend(A, B, "size", "-"), (HILL,))),
        ("trend(toys/a, part.size, hump) @ toys/hill", Part(Trend(A, None, "part.size", "hump"), (HILL,))),
        ("trend(toys/a, size, flat<=0.2) @ toys/hill", Part(Trend(A, None, "size", "flat<=", 0.2), (HILL,))),
        ("slope(toys/a, size, [-0.6, -0.4]) @ toys/hill", Part(Slope(A, None, "size", -0.6, -0.4), (HILL,))),
        (
            "closer(toys/a.height, .slope, size) @ toys/hill",
            Part(Closer(replace(A, metric="height"), replace(A, metric="slope"), "size"), (HILL,)),
        ),
        ("crossing(toys/a - toys/b, size, 0) @ toys/hill", Part(Crossing(A, B, "size", 0.0), (HILL,))),
        (
            "rank(ece, cost.steps, <=-0.5) over toys/* @ toys/hill",
            Part(Rank(("ece", "cost.steps"), False, -0.5, ("toys/*",)), (HILL,)),
        ),
        ("rank(x, y, >=1) over toys/a, toys/b @ toys/hill",
         Part(Rank(("x", "y"), True, 1.0, ("toys/a", "toys/b")), (HILL,))),
        ("curve(x, y, quadratic over linear) over * @ toys/hill", Part(Curve(("x", "y"), ("*",)), (HILL,))),
        (
            "toys/a@toys/hill[size=3] above toys/a[lr=1e-3]@toys/dale",
            Part(Comparison((Pattern("toys/a", (), Place("toys/hill", (("size", 3),))),), "above",
                            (Pattern("toys/a", (("lr", 0.001),), DALE),))),
        ),
    ],
)  # fmt: skip
def test_each_relation_is_read(text: str, part: Part) -> None:
    assert parse(text) == (part,)
    assert parse("  " + text.replace(" ", "  \n ")) == (part,)


def test_every_relation_and_shape_was_tried_above() -> None:
    marks = test_each_relation_is_read.pytestmark[0].args[1]  # type: ignore[attr-defined]
    bodies = [one[1].body for one in marks]
    assert {body.kind for body in bodies if isinstance(body, Comparison)} == set(COMPARED)
    assert {body.shape for body in bodies if isinstance(body, Trend)} == set(SHAPES)


def test_a_rival_reads_what_the_left_side_reads_unless_it_says_otherwise() -> None:
    (part,) = parse("toys/a.slope|sd above toys/b|sd, toys/c.height|sd @ toys/hill")
    assert isinstance(part.body, Comparison)
    assert part.body.right == (Pattern("toys/b", metric="slope", statistic="sd"),
                               Pattern("toys/c", metric="height", statistic="sd"))  # fmt: skip
    (part,) = parse("toys/a[lr=0.1].height above .slope @ toys/hill")
    assert isinstance(part.body, Comparison)
    assert part.body.right == (Pattern("toys/a", (("lr", 0.1),), None, "slope"),)


def test_the_gap_of_a_trend_reads_one_metric() -> None:
    (part,) = parse("trend(toys/a.slope - toys/b, size, +) @ toys/hill")
    assert isinstance(part.body, Trend)
    assert part.body.right == Pattern("toys/b", metric="slope")


def test_all_joins_relations_with_their_own_tasks_and_metrics() -> None:
    parts = parse("all(toys/a above toys/b @ toys/hill : slope; trend(toys/a, size, +) @ toys/dale)")
    assert [part.places for part in parts] == [(HILL,), (DALE,)]
    assert [part.metric for part in parts] == ["slope", ""]


REFUSED = [
    ("", "'' holds no relation"),
    ("toys/a beats toys/b @ toys/hill", "'toys/a beats toys/b' holds no relation; there are above, below"),
    ("toys/a above toys/b", "names no task; write it behind @"),
    ("toys/a above toys/b @ ", "there is no task behind @"),
    ("toys/a above toys/b @  : x", "there is no task behind @"),
    ("toys/a above toys/b @ hill", "'hill' is no task"),
    ("toys/a above toys/b @ toys/hill, toys/hill", "the task 'toys/hill' is named twice"),
    ("toys/a above toys/b @ toys/hill,, toys/dale", "there is nothing between two ','"),
    ("toys/a above toys/b @ toys/hill : Two words", "'Two words' is no metric"),
    ("toys/a above toys/b @ toys/hill[size=3", "brackets of 'toys/hill[size=3' do not match"),
    ("toys/a above toys/b @ toys/hill[size]", "'size' is not field=value"),
    ("toys/a above toys/b @ toys/hill[size=]", "'size=' is not field=value"),
    ("toys/a above toys/b @ toys/hill[]", "'' is not field=value"),
    ("toys/a above toys/b @ toys/hill[size=3, size=4]", "gives size twice"),
    ("toys/a above toys/b @ toys/hill[size={a: 1}]", "is not field=value"),
    ("toys/a[lr=[1,2]] above toys/b @ toys/hill", "'toys/a[lr=[1,2]]' is no pattern of cells"),
    ("A above toys/b @ toys/hill", "'A' is no pattern of cells"),
    ("toys above toys/b @ toys/hill", "'toys' is no pattern of cells"),
    ("[lr=1] above toys/b @ toys/hill", "'[lr=1]' has values in brackets but no method"),
    (".slope above toys/b @ toys/hill", "'.slope' names no method"),
    ("toys/a above toys/b|mode @ toys/hill", "'mode' is none of the statistics mean, sd, median, worst, q10"),
    ("toys/a above toys/b|q100 @ toys/hill", "'q100' is none of the statistics"),
    ("toys/a|sd above toys/b @ toys/hill", "compares two statistics"),
    ("toys/a, toys/b|sd above 1 @ toys/hill", "compares two statistics"),
    ("toys/a|sd above 1 @ toys/hill", "|sd can only be above or below that of another method"),
    ("toys/a|sd equal<=1 toys/b|sd @ toys/hill", "|sd can only be above or below that of another method"),
    ("toys/a|sd below toys/b|sd by 1 @ toys/hill", "without a margin"),
    ("toys/a ratio>=2 3 @ toys/hill", "ratio>= compares two methods, not one with the number 3"),
    ("toys/a ratio>=0 toys/b @ toys/hill", "ratio>=0: the number has to be above zero"),
    ("toys/a ratio<=-1 toys/b @ toys/hill", "ratio<=-1: the number has to be above zero"),
    ("toys/a equal<=-1 toys/b @ toys/hill", "equal<=-1: the number has to be above zero"),
    ("toys/a equal<=1e999 toys/b @ toys/hill", "'1e999' is no number"),
    ("toys/a at least toys/b @ toys/hill", "at least compares with a number"),
    ("toys/a equal<=1 toys/b by 2 @ toys/hill", "'by 2' belongs to above and below, not to equal<="),
    ("toys/a above toys/a @ toys/hill", "compares a side with itself"),
    ("toys/a, toys/b above toys/b @ toys/hill", "compares a side with itself"),
    ("toys/a@toys/hill above toys/a", "compares a side with itself"),
    ("toys/a, toys/a above toys/b @ toys/hill", "the side 'toys/a' is named twice"),
    ("toys/a above toys/b, toys/b @ toys/hill", "the side 'toys/b' is named twice"),
    ("toys/a@toys/hill, toys/b@toys/dale above toys/c", "stand on several tasks"),
    ("toys/a.x, toys/b.y above toys/c @ toys/hill", "'toys/c' names no metric, and the left sides name several"),
    ("toys/a, toys/b above .slope @ toys/hill", "'.slope' names no method"),
    ("trend(toys/a, size) @ toys/hill", "trend takes 3 things in its brackets, got 2"),
    ("trend(.slope, size, +) @ toys/hill", "trend: '.slope' names no method"),
    ("trend(toys/a, size, up) @ toys/hill", "trend: 'up' is none of +, -, hump, flat<="),
    ("trend(toys/a, size, flat<=) @ toys/hill", "trend: flat: '' is no number"),
    ("trend(toys/a, size, flat<=-1) @ toys/hill", "the number behind flat<= has to be above zero"),
    ("trend(toys/a, a b, +) @ toys/hill", "trend: 'a b' is no axis"),
    ("trend(toys/a|sd, size, +) @ toys/hill", "trend: |sd belongs to above and below"),
    ("trend(toys/a - toys/b|sd, size, +) @ toys/hill", "trend: |sd belongs to above and below"),
    ("trend(toys/a - toys/a, size, +) @ toys/hill", "compares a side with itself"),
    ("trend(toys/a@toys/hill - toys/b@toys/dale, size, +)", "both sides stand on one task"),
    ("trend(toys/a@toys/hill, size, +) @ toys/dale", "names a task in its brackets and another behind @"),
    ("trend(toys/a, size, +) over toys/* @ toys/hill", "trend: 'over' belongs to rank and curve"),
    ("slope(toys/a, size, 1) @ toys/hill", "slope: '1' is no band such as [-0.6, -0.4]"),
    ("slope(toys/a, size, [2, 1]) @ toys/hill", "slope: '[2, 1]' is no band"),
    ("slope(toys/a, size, [a, 1]) @ toys/hill", "slope: 'a' is no number"),
    ("closer(toys/a.height, toys/a.height, size) @ toys/hill", "closer: 'toys/a.height, toys/a.height' compares"),
    ("closer(toys/a.height|sd, .slope, size) @ toys/hill", "closer: |sd belongs to above and below"),
    ("closer(toys/a@toys/hill, toys/b@toys/dale, size)", "both sides stand on one task"),
    ("closer(toys/a.height, .slope, a b) @ toys/hill", "closer: 'a b' is no axis"),
    ("closer(.height, toys/a.slope, size) @ toys/hill", "closer: '.height, toys/a.slope' names no method"),
    ("crossing(toys/a, size, zero) @ toys/hill", "crossing: 'zero' is no number"),
    ("rank(x, y, >=0.5) @ toys/hill", "rank: over which methods?"),
    ("rank(x, y, >=0.5) over Toys @ toys/hill", "rank: 'Toys' is no name of methods"),
    ("rank(x, >=0.5) over toys/* @ toys/hill", "rank takes 3 things in its brackets, got 2"),
    ("rank(x, y, >0.5) over toys/* @ toys/hill", "rank: '>0.5' is no limit such as >=0.5"),
    ("rank(x, y, >=1.5) over toys/* @ toys/hill", "rank: '>=1.5' is no limit such as >=0.5, between -1 and 1"),
    ("rank(X, y, >=0.5) over toys/* @ toys/hill", "rank: 'X' is no metric"),
    ("rank(x, x, >=0.5) over toys/* @ toys/hill", "rank: takes two metrics, got 'x' twice"),
    ("rank(x, y, >=0.5) over toys/* @ toys/hill : z", "': z' says nothing here"),
    ("rank(x, y, >=0.5) over toys/*", "names no task"),
    ("curve(x, y, cubic) over toys/* @ toys/hill", "curve: 'cubic' is not 'quadratic over linear'"),
    ("all()", "all(..) takes two relations or more"),
    ("all(toys/a above toys/b @ toys/hill)", "all(..) takes two relations or more"),
    ("all(toys/a above toys/b @ toys/hill; )", "there is nothing between two ';'"),
    ("all(toys/a above toys/b @ toys/hill; toys/a)", "'toys/a' holds no relation"),
    ("all(toys/a above toys/b @ t); all(toys/b above toys/c @ t)", "the brackets of"),
    # what the design speaks of and the grammar does not have
    ("toys/a.cost_to(3) below toys/b.cost_to(3) @ toys/hill", "'toys/a.cost_to(3)' is no pattern of cells"),
    ("cost_to(toys/a, 3) below 3 @ toys/hill", "'cost_to(toys/a, 3)' is no pattern of cells"),
    ("width_of(toys/a, height>=3) above 2 @ toys/hill", "width_of(toys/a"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), REFUSED)
def test_what_is_no_claim_is_refused_by_the_part_at_fault(text: str, said: str) -> None:
    with pytest.raises(ClaimError) as caught:
        parse(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


words = st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True)
values = st.one_of(
    st.none(), st.booleans(), st.integers(-999, 999), st.floats(allow_nan=False, allow_infinity=False), words,
    st.sampled_from(["1e-3", "null", "true", "3", "", "two words", " blank", "-", "+.5"]),
)  # fmt: skip
brackets = st.dictionaries(words, values, max_size=3).map(lambda found: tuple(sorted(found.items())))
places = st.builds(Place, st.tuples(words, words).map("/".join), brackets)
methods = st.tuples(words, words).map("/".join)
metrics = st.one_of(st.just(""), words, st.tuples(words, words).map(".".join))
patterns = st.builds(
    Pattern, methods, brackets, st.none() | places, metrics,
    st.sampled_from(["mean", "sd", "median", "worst", "q5", "q95"]),
)  # fmt: skip


@given(patterns)
def test_a_pattern_comes_back_from_its_text(one: Pattern) -> None:
    again = pattern(str(one))
    assert again == one
    assert [type(value) for _, value in again.fields] == [type(value) for _, value in one.fields]


@given(places)
def test_a_task_comes_back_from_its_text(one: Place) -> None:
    (part,) = parse(f"toys/a above toys/b @ {one}")
    assert part.places == (one,)


@pytest.mark.parametrize("value", [1e-3, 1e-12, 0.1, 3, -2, True, False, None, "kd", "1e-3", "true", "gpt2-xl"])
def test_a_value_comes_back_from_its_text(value: Any) -> None:
    again = read(written(value))
    assert (again, type(again)) == (value, type(value))


def test_yaml_takes_a_small_number_for_text_but_a_claim_does_not() -> None:
    (part,) = parse("toys/a[lr=1e-3] above toys/b @ toys/hill")
    assert isinstance(part.body, Comparison)
    assert part.body.left[0].fields == (("lr", 0.001),)


def test_pieces_are_split_outside_brackets() -> None:
    assert split("a[x=1, y=2], f(b, c)", ",") == ["a[x=1, y=2]", "f(b, c)"]
    assert split("", ",") == []
    with pytest.raises(ClaimError, match="do not match"):
        split("a]", ",")


@given(st.text(alphabet="toys/ab[]()@|.,;:=<>+- 0159e*", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        assert parse(text)
    except ClaimError as error:
        assert str(error)  # noqa: PT017 (either ending is right)
