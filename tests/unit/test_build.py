"""From plain values to frozen records."""

from __future__ import annotations

import enum
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from runners.build import build, plugin_class
from runners.errors import CommandError
from tasks.base import NotApplicable

Write = Callable[[str, str], Path]


class Kind(enum.Enum):
    SOFT = "soft"
    HARD = "hard"


@dataclass(frozen=True, kw_only=True)
class Inner:
    weight: float


@dataclass(frozen=True, kw_only=True)
class Everything:
    rate: float
    steps: int
    greedy: bool
    title: str
    kind: Kind
    widths: tuple[int, ...]
    span: tuple[float, float]
    note: str | None
    decay: float | None
    counts: dict[str, int]
    inner: Inner
    spare: Inner | None
    many: tuple[Inner, ...]


numbers = st.floats(allow_nan=False, allow_infinity=False)
whole = st.integers(-(2**53), 2**53)
texts = st.text(st.characters(codec="utf-8", exclude_characters="$\\"), max_size=8).filter(lambda it: it != "???")
inners = st.builds(Inner, weight=numbers)
everything = st.builds(
    Everything,
    rate=numbers,
    steps=whole,
    greedy=st.booleans(),
    title=texts,
    kind=st.sampled_from(Kind),
    widths=st.lists(whole, max_size=4).map(tuple),
    span=st.tuples(numbers, numbers),
    note=st.none() | texts,
    decay=st.none() | numbers,
    counts=st.dictionaries(st.text("abc_", min_size=1, max_size=5), whole, max_size=3),
    inner=inners,
    spare=st.none() | inners,
    many=st.lists(inners, max_size=3).map(tuple),
)


def written(value: Any) -> Any:
    """A record as YAML would hold it."""
    if isinstance(value, Everything | Inner):
        return {item.name: written(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Kind):
        return value.value
    if isinstance(value, tuple):
        return [written(item) for item in value]
    return value


GOOD = Everything(
    rate=0.5,
    steps=3,
    greedy=True,
    title="a",
    kind=Kind.SOFT,
    widths=(1, 2),
    span=(0.0, 1.0),
    note=None,
    decay=None,
    counts={"a": 1},
    inner=Inner(weight=1.0),
    spare=None,
    many=(Inner(weight=2.0),),
)


@settings(max_examples=60)
@given(everything)
def test_a_record_written_down_and_built_again_is_the_same(record: Everything) -> None:
    assert build(written(record), Everything, "it") == record


def test_whole_numbers_serve_as_floats_and_lists_become_tuples() -> None:
    record = build({**written(GOOD), "rate": 2, "span": [1, 2]}, Everything, "it")
    assert (type(record.rate), record.span) == (float, (1.0, 2.0))
    assert isinstance(record.widths, tuple)
    hash((record.widths, record.span, record.many))


WRONG: dict[str, st.SearchStrategy[Any]] = {
    "rate": st.sampled_from(["banana", "", "???", 10**400, [1.0], {"a": 1}, None, math.nan, b"1", Kind.SOFT]),
    "steps": st.sampled_from(["banana", 1.5, [1], {"a": 1}, None, math.nan, math.inf, "1.5"]),
    "greedy": st.sampled_from(["banana", [True], {}, None, 0.5]),
    "title": st.sampled_from(["???", "${nowhere}", "${", [1], {"a": 1}, None]),
    "kind": st.sampled_from(["medium", "", 7, None, ["soft"], {}]),
    "widths": st.sampled_from([3, "banana", ["a"], [1, None], [1.5], {"a": 1}, None, [[1]]]),
    "span": st.sampled_from([[1.0], [1.0, 2.0, 3.0], ["a", "b"], 1.0, None, {}, [math.nan, 1.0]]),
    "decay": st.sampled_from(["banana", [1.0], {}]),
    "counts": st.sampled_from([[1], {"a": "banana"}, 3, None, {"a": [1]}]),
    "inner": st.sampled_from([1, "banana", [1], None, {}, {"weight": "x"}, {"weight": 1, "more": 2}]),
    "spare": st.sampled_from([1, "banana", [1], {}, {"weight": None}]),
    "many": st.sampled_from([1, "banana", {}, [1], [None], [{}], [{"weight": "x"}]]),
}


@settings(max_examples=150)
@given(st.sampled_from(sorted(WRONG)).flatmap(lambda name: st.tuples(st.just(name), WRONG[name])))
def test_a_wrong_type_is_refused_by_the_name_of_its_key(case: tuple[str, Any]) -> None:
    name, value = case
    with pytest.raises(CommandError, match=rf"it\.{name}\b") as caught:
        build({**written(GOOD), name: value}, Everything, "it")
    assert "\n" not in str(caught.value)


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.floats() | texts | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200)
@given(st.sampled_from([item.name for item in fields(Everything)]), anything)
def test_whatever_is_given_is_used_or_refused_by_name(name: str, value: Any) -> None:
    """Never another exception than the one that a user understands."""
    try:
        record = build({**written(GOOD), name: value}, Everything, "it")
    except CommandError as error:
        assert f"it.{name}" in str(error)  # noqa: PT017 (either outcome is right)
    else:
        rest = [item.name for item in fields(Everything) if item.name != name]
        assert all(getattr(record, other) == getattr(GOOD, other) for other in rest)


@settings(max_examples=40)
@given(texts)
def test_an_unknown_key_is_refused_by_name(key: str) -> None:
    assume(key not in written(GOOD) and key != "_target_")
    with pytest.raises(CommandError) as caught:
        build({**written(GOOD), key: 1}, Everything, "it")
    assert str(caught.value).startswith(f"it.{key}: Everything has no such field")


@pytest.mark.parametrize("key", sorted(WRONG))
def test_a_missing_key_is_refused_by_name(key: str) -> None:
    values = written(GOOD)
    del values[key]
    with pytest.raises(CommandError, match=rf"^it\.{key}: no value, and Everything has none of its own$"):
        build(values, Everything, "it")


@dataclass(frozen=True, kw_only=True)
class Awkward:
    pair: tuple[int, int] | None = None
    many: tuple[Inner, ...] | None = None
    either: int | str = 0


def test_awkward_types_are_built_and_checked_too() -> None:
    values = {"pair": [1, 2], "many": [{"weight": 1.0}], "either": "a"}
    expected = Awkward(pair=(1, 2), many=(Inner(weight=1.0),), either="a")
    assert build(values, Awkward, "it") == expected
    assert build(dict.fromkeys(["pair", "many"]), Awkward, "it") == Awkward()
    for name, wrong in {"pair": [1, 2, 3], "many": [{"weight": "x"}], "either": [1]}.items():
        with pytest.raises(CommandError, match=rf"^it\.{name}"):
            build({name: wrong}, Awkward, "it")


def test_an_annotation_that_no_value_can_be_checked_against_is_refused() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Closed:
        mode: Literal["a", "b"]

    @dataclass(frozen=True, kw_only=True)
    class Nested:
        grid: tuple[tuple[int, ...], ...]

    with pytest.raises(CommandError, match=r"^it\.mode"):
        build({"mode": "a"}, Closed, "it")
    with pytest.raises(CommandError, match=r"^it\.grid"):
        build({"grid": [[1]]}, Nested, "it")


def test_a_misspelt_key_gets_a_suggestion() -> None:
    with pytest.raises(CommandError, match=r"it\.stepps: .*did you mean steps\?"):
        build({**written(GOOD), "stepps": 1}, Everything, "it")


def test_a_wrong_value_of_an_enum_names_the_right_ones() -> None:
    with pytest.raises(CommandError, match=r"it\.kind: cannot use 'medium' as Kind .*SOFT"):
        build({**written(GOOD), "kind": "medium"}, Everything, "it")


def test_what_the_runner_fills_in_cannot_be_given() -> None:
    values = written(GOOD)
    del values["title"]
    assert build(values, Everything, "it", title="ours").title == "ours"
    with pytest.raises(CommandError, match=r"^it\.title: Everything has no such field"):
        build({**values, "title": "theirs"}, Everything, "it", title="ours")


def test_a_record_that_refuses_its_values_is_quoted() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Picky:
        size: int

        def __post_init__(self) -> None:
            if self.size < 1:
                raise ValueError(f"size must be at least 1,\n got {self.size}")

    with pytest.raises(CommandError, match=r"^it: size must be at least 1, got 0$"):
        build({"size": 0}, Picky, "it")


def test_a_record_without_fields_needs_no_values() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Empty:
        pass

    assert build({}, Empty, "it") == Empty()


# --- targets ---

PLUGIN = """
from abc import ABC, abstractmethod
from dataclasses import dataclass

@dataclass(frozen=True, kw_only=True)
class Penalty(ABC):
    @abstractmethod
    def value(self): ...

@dataclass(frozen=True, kw_only=True)
class Ridge(Penalty):
    weight: float
    def value(self): return self.weight

@dataclass(frozen=True, kw_only=True)
class Stranger:
    weight: float

@dataclass(frozen=True, kw_only=True)
class Named:
    size: int
    @classmethod
    def named(cls, name):
        return cls(size=len(name))

@dataclass(frozen=True, kw_only=True)
class Fit:
    penalty: Penalty
    others: tuple[Penalty, ...]
    spare: Penalty | None
    size: Named

@dataclass(kw_only=True)
class Loose:
    weight: float

class Ordinary: pass
NUMBER = 3
"""


@pytest.fixture
def toys(plugins: Write) -> str:
    plugins("methods/toys/fit.py", PLUGIN)
    return "methods.toys.fit"


def fit(toys: str, **changes: Any) -> dict[str, Any]:
    ridge = {"_target_": f"{toys}.Ridge", "weight": 0.5}
    return {
        "_target_": f"{toys}.Fit",
        "penalty": ridge,
        "others": [ridge],
        "spare": None,
        "size": {"size": 3},
    } | changes


def test_parts_are_built_first_alone_in_tuples_and_where_they_may_be_absent(toys: str) -> None:
    ridge = {"_target_": f"{toys}.Ridge", "weight": 0.5}
    record: Any = build(fit(toys), object, "method")
    assert record.penalty.value() == 0.5
    assert record.others == (record.penalty,)
    assert record.spare is None
    assert record.size.size == 3
    assert build(fit(toys, spare=ridge), object, "method").spare == record.penalty  # type: ignore[attr-defined]
    assert build(fit(toys, others=[]), object, "method").others == ()  # type: ignore[attr-defined]


def test_a_part_may_offer_a_short_form(toys: str) -> None:
    assert build(fit(toys, size="four"), object, "method").size.size == 4  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"penalty": {"weight": 1.0}}, r"method\.penalty: no _target_ says which Penalty to build"),
        ({"penalty": {"_target_": "T.Stranger", "weight": 1.0}}, r"penalty\._target_: Stranger is not a Penalty"),
        ({"penalty": {"_target_": "T.Penalty"}}, r"method\.penalty\._target_: T\.Penalty is abstract"),
        ({"penalty": {"_target_": "T.Ridge", "weight": "x"}}, r"method\.penalty\.weight: cannot use 'x' as float"),
        ({"penalty": {"_target_": "T.Ridge"}}, r"method\.penalty\.weight: no value"),
        ({"penalty": 3}, r"method\.penalty: expected a Penalty with a _target_, got 3"),
        ({"penalty": None}, r"method\.penalty: expected a Penalty"),
        ({"others": [3]}, r"method\.others\[0\]: expected a Penalty"),
        ({"others": [{"_target_": "T.Ridge", "wight": 1.0}]}, r"others\[0\]\.wight: .*did you mean weight"),
        ({"others": {"_target_": "T.Ridge"}}, r"method\.others: expected a list of Penalty"),
        ({"_target_": "T.Loose"}, r"method\._target_: T\.Loose is not a frozen dataclass"),
        ({"_target_": "T.Ordinary"}, r"T\.Ordinary is not a frozen dataclass"),
        ({"_target_": "T.NUMBER"}, r"T defines no class NUMBER"),
        ({"_target_": "T.dataclass"}, r"T defines no class dataclass"),
        ({"_target_": "T.ABC"}, r"T defines no class ABC"),
        ({"_target_": "methods.toys.gone.Fit"}, r"method\._target_: there is no module methods\.toys\.gone"),
        ({"_target_": 3}, r"method\._target_: .*\b3\b"),
        ({"_target_": None}, r"method\._target_: .*None"),
        ({"_target_": "methods.Fit"}, r"expected package\.module\.Class"),
    ],
)
def test_what_is_no_part_is_refused_by_name(toys: str, change: dict[str, Any], message: str) -> None:
    def placed(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace("T.", f"{toys}.", 1) if value.startswith("T.") else value
        if isinstance(value, list):
            return [placed(item) for item in value]
        return {key: placed(item) for key, item in value.items()} if isinstance(value, dict) else value

    with pytest.raises(CommandError, match=message.replace(r"T\.", f"{toys}.").replace("T def", f"{toys} def")):
        build(fit(toys, **placed(change)), object, "method")


@pytest.mark.parametrize(
    "target", ["os.system", "os.path.join", "subprocess.run.Popen", "antigravity.x.Y", "builtins.a.b"]
)
def test_a_foreign_target_is_refused_before_it_is_imported(target: str) -> None:
    sys.modules.pop("antigravity", None)
    with pytest.raises(CommandError, match="_target_"):
        build({"_target_": target}, object, "method")
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize("target", ["runners.build.build", "results.record.Record", "tests.unit.Toy", "..methods.x.Y"])
def test_only_plugin_packages_may_be_named(target: str) -> None:
    with pytest.raises(CommandError, match="outside the plugin packages methods, tasks"):
        plugin_class(target, "method")


def test_a_foreign_target_inside_a_part_is_refused_too(toys: str) -> None:
    with pytest.raises(CommandError, match=r"method\.penalty\._target_: os\.path\.join is outside"):
        build(fit(toys, penalty={"_target_": "os.path.join"}), object, "method")


def test_a_plugin_that_needs_an_absent_package_is_not_applicable(plugins: Write) -> None:
    plugins("methods/toys/needy.py", "import no_such_package_here\n")
    with pytest.raises(NotApplicable, match="needs the package 'no_such_package_here', which is not installed"):
        plugin_class("methods.toys.needy.Fit", "method")


@pytest.mark.parametrize("text", ["def (:", "from tasks.base import nothing_here", "raise RuntimeError('broken')"])
def test_a_plugin_that_breaks_while_it_is_imported_is_named(plugins: Write, text: str) -> None:
    plugins("methods/toys/broken.py", f"{text}\n")
    with pytest.raises(CommandError, match=r"method: methods\.toys\.broken cannot be imported \(\w+Error"):
        plugin_class("methods.toys.broken.Fit", "method")


@pytest.mark.parametrize("target", ["methods...", "methods..a.B", "methods.a b.C", "methods.\0.C"])
def test_a_target_that_is_no_name_is_refused(target: str) -> None:
    with pytest.raises(CommandError, match="method"):
        plugin_class(target, "method")


def test_annotations_that_cannot_be_read_are_named(plugins: Write) -> None:
    text = "from __future__ import annotations\nfrom dataclasses import dataclass\n"
    plugins("methods/toys/odd.py", f"{text}@dataclass(frozen=True)\nclass Odd:\n    size: Nowhere\n")
    with pytest.raises(CommandError, match=r"method: the annotations of Odd cannot be read: .*Nowhere"):
        build({"_target_": "methods.toys.odd.Odd", "size": 1}, object, "method")


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(change=st.sampled_from(["penalty", "others", "spare", "size", "_target_"]), value=anything)
def test_whatever_stands_for_a_part_is_used_or_refused(toys: str, change: str, value: Any) -> None:
    try:
        build(fit(toys, **{change: value}), object, "method")
    except CommandError as error:
        assert f"method.{change}" in str(error)  # noqa: PT017 (either outcome is right)
