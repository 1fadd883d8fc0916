"""Pairing by problem type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from methods.base import Method
from methods.reference.trivial import Trivial
from runners.errors import CommandError
from runners.match import needed_type, posed_type, refusal, satisfies, type_name
from tasks.base import Problem, Run, Task

if TYPE_CHECKING:
    from nowhere import Hidden  # type: ignore[import-not-found]


@dataclass(frozen=True, kw_only=True)
class Base(Problem):
    size: int


@dataclass(frozen=True, kw_only=True)
class Left(Base):
    left: int


@dataclass(frozen=True, kw_only=True)
class Right(Base):
    right: int


@dataclass(frozen=True, kw_only=True)
class Third(Problem):
    third: int


class Both(Left, Right):
    """No fields of its own: means all of its bases."""


@dataclass(frozen=True, kw_only=True)
class Whole(Left, Right):
    """Never mentions `Both`, and meets it all the same."""

    more: int


class Triple(Both, Third):
    """A combination of a combination."""


@dataclass(frozen=True, kw_only=True)
class WholeAndThird(Whole, Third):
    last: int


class Alias(Left):
    """One base and no fields: a narrower type, not a combination."""


@dataclass(frozen=True, kw_only=True)
class Fuller(Left, Right):
    """Two bases and a field: all of it is needed."""

    field: int


ALL = [Problem, Base, Left, Right, Third, Both, Whole, Triple, WholeAndThird, Alias, Fuller]
types = st.sampled_from(ALL)


@given(types, types)
def test_a_type_that_extends_another_satisfies_it(posed: type[Problem], needed: type[Problem]) -> None:
    if issubclass(posed, needed):
        assert satisfies(posed, needed)


@given(types, types, types)
def test_a_union_means_either(posed: type[Problem], one: type[Problem], other: type[Problem]) -> None:
    assert satisfies(posed, one | other) == (satisfies(posed, one) or satisfies(posed, other))


@given(types)
def test_a_combination_means_all_of_its_bases(posed: type[Problem]) -> None:
    assert satisfies(posed, Both) == (satisfies(posed, Left) and satisfies(posed, Right))
    assert satisfies(posed, Triple) == (satisfies(posed, Both) and satisfies(posed, Third))


def test_combinations_are_met_without_being_named() -> None:
    assert satisfies(Whole, Both)
    assert satisfies(WholeAndThird, Triple)
    assert not satisfies(Left, Both)
    assert not satisfies(Whole, Triple)


def test_a_single_base_or_a_field_of_its_own_makes_a_type_that_must_be_named() -> None:
    assert not satisfies(Left, Alias)
    assert not satisfies(Whole, Fuller)
    assert not satisfies(Base, Left)


@dataclass(frozen=True, kw_only=True)
class NeedsEither(Method):
    def solve(self, problem: Left | Third, run: Run) -> Any:
        """Nothing."""


@dataclass(frozen=True, kw_only=True)
class NeedsNothingSaid(Method):
    def solve(self, problem, run):  # type: ignore[no-untyped-def]
        """Nothing."""


@dataclass(frozen=True, kw_only=True)
class NeedsOther(Method):
    def solve(self, problem: int | Left, run: Run) -> Any:
        """Nothing."""


@dataclass(frozen=True, kw_only=True)
class NeedsHidden(Method):
    def solve(self, problem: Hidden, run: Run) -> Any:
        """Nothing."""


@dataclass(frozen=True, kw_only=True)
class Poses(Task):
    def problem(self, seed: int) -> Right:
        return Right(size=1, right=2)

    def evaluate(self, solution: Any, seed: int, run: Run) -> dict[str, float]:
        return {}

    def trivial(self, seed: int) -> Any:
        """Nothing."""


def test_annotations_are_what_is_read() -> None:
    assert needed_type(NeedsEither) == Left | Third
    assert posed_type(Poses) is Right


def test_a_reference_answers_every_task() -> None:
    assert needed_type(Trivial) is Problem
    assert refusal(("reference/trivial", Trivial), ("a/task", Poses)) is None


def test_a_refusal_is_a_sentence() -> None:
    sentence = refusal(("a/method", NeedsEither), ("a/task", Poses))
    assert sentence == "a/method needs Left or Third, but a/task poses Right"
    assert type_name(Left) == "Left"


@pytest.mark.parametrize("kind", [NeedsNothingSaid, NeedsOther])
def test_what_is_annotated_with_no_problem_type_is_refused(kind: type[Method]) -> None:
    with pytest.raises(CommandError, match=rf"{kind.__name__}\.solve: 'problem' must be annotated with a problem type"):
        needed_type(kind)


def test_an_annotation_that_cannot_be_read_is_named() -> None:
    with pytest.raises(CommandError, match=r"NeedsHidden\.solve: its annotations cannot be read: .*Hidden"):
        needed_type(NeedsHidden)


def test_a_task_poses_one_type() -> None:
    class Two(Task):
        def problem(self, seed: int) -> Base | Left:
            raise AssertionError("only the annotation is read")

        def evaluate(self, solution: Any, seed: int, run: Run) -> dict[str, float]:
            return {}

        def trivial(self, seed: int) -> Any:
            return None

    with pytest.raises(CommandError, match="a task poses one problem type, not Base or Left"):
        posed_type(Two)
