"""The ledger, oracles, keyed randomness and hashing by content."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.metering import SOLVE, USE, BudgetSpent, Ledger, Limit, Oracle, fingerprint, random_stream

units = st.sampled_from(["labels", "tokens", "gradients"])
amounts = st.integers(0, 50) | st.floats(0, 50)
entries = st.lists(st.tuples(units, amounts), max_size=30)

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def typed(value: Any) -> Any:
    """A value with its types, so that 1, 1.0 and True differ, and mappings have no order."""
    if isinstance(value, dict):
        return ("mapping", frozenset((typed(key), typed(item)) for key, item in value.items()))
    if isinstance(value, list | tuple):
        return ("sequence", tuple(typed(item) for item in value))
    return (type(value).__name__, repr(value))


# --- ledger ---


@given(entries)
def test_totals_never_fall(booked: list[tuple[str, float]]) -> None:
    ledger = Ledger(Limit("labels", 60))
    before: dict[str, float] = {}
    for unit, amount in booked:
        try:
            ledger.spend(unit, amount)
        except BudgetSpent:
            assert ledger.totals() == before
        now = ledger.totals()
        assert all(now[unit] >= total for unit, total in before.items())
        before = now


@given(entries, st.integers(0, 100))
def test_a_limit_is_never_crossed_and_other_units_are_free(booked: list[tuple[str, float]], limit: int) -> None:
    ledger = Ledger(Limit("labels", limit))
    for unit, amount in booked:
        if unit == "labels" and ledger.total("labels") + amount > limit:
            with pytest.raises(BudgetSpent, match=f"budget of {limit} labels"):
                ledger.spend(unit, amount)
        else:
            ledger.spend(unit, amount)
        assert ledger.total("labels") <= limit
        assert ledger.left("labels") == limit - ledger.total("labels")
    assert ledger.left("tokens") is None


def test_a_limit_can_be_spent_to_the_last_unit() -> None:
    ledger = Ledger(Limit("labels", 3))
    ledger.spend("labels", 2)
    ledger.spend("labels")
    ledger.spend("labels", 0)
    assert ledger.left("labels") == 0
    with pytest.raises(BudgetSpent, match="the solve budget of 3 labels is spent"):
        ledger.spend("labels", 1)
    assert ledger.totals() == {"labels": 3}


@given(st.floats(max_value=0, exclude_max=True) | st.just(math.nan))
def test_nothing_can_be_given_back(amount: float) -> None:
    ledger = Ledger()
    ledger.spend("labels", 5)
    with pytest.raises(ValueError, match="cannot spend"):
        ledger.spend("labels", amount)
    with pytest.raises(ValueError, match="must be finite and not negative"):
        Limit("labels", amount)
    assert ledger.totals() == {"labels": 5}


@given(entries, entries)
def test_accounts_are_kept_apart(solving: list[tuple[str, float]], using: list[tuple[str, float]]) -> None:
    ledger = Ledger(Limit("labels", 0, USE), Limit("gradients", 10**6))
    for unit, amount in solving:
        ledger.spend(unit, amount)
    before = ledger.totals(SOLVE)
    with ledger.booking(USE):
        for unit, amount in using:
            if unit != "labels":
                ledger.spend(unit, amount)
        with pytest.raises(BudgetSpent, match="use budget of 0 labels"):
            ledger.spend("labels", 1)
        assert ledger.left("gradients") is None
    assert ledger.totals(SOLVE) == before
    assert ledger.totals(USE).get("tokens", 0) == pytest.approx(sum(n for unit, n in using if unit == "tokens"))


def test_an_account_is_left_even_after_an_error() -> None:
    ledger = Ledger(Limit("labels", 1, USE))
    with pytest.raises(BudgetSpent), ledger.booking(USE):
        ledger.spend("labels", 2)
    ledger.spend("labels", 2)
    assert ledger.totals(SOLVE) == {"labels": 2}
    assert ledger.totals(USE) == {}
    assert ledger.limits() == {USE: {"labels": 1}}


def test_a_budget_that_is_spent_at_once_books_nothing() -> None:
    ledger = Ledger(Limit("labels", 1))
    with pytest.raises(BudgetSpent):
        ledger.spend("labels", 2)
    assert ledger.totals() == {}


def test_totals_are_plain_finite_numbers() -> None:
    ledger = Ledger()
    ledger.spend("tokens", np.float32(3))  # type: ignore[arg-type]
    ledger.spend("tokens", np.int64(1))  # type: ignore[arg-type]
    assert ledger.totals() == {"tokens": 4}
    assert type(ledger.total("tokens")) is float
    with pytest.raises(ValueError, match="cannot spend inf"):
        ledger.spend("tokens", math.inf)


# --- oracles ---


def test_an_oracle_charges_before_it_answers() -> None:
    asked: list[int] = []
    ledger = Ledger(Limit("labels", 5))
    oracle = Oracle(ledger, "labels", asked.append, price=lambda question: question)
    oracle(3)
    with pytest.raises(BudgetSpent):
        oracle(3)
    assert asked == [3]
    assert ledger.total("labels") == 3


def test_an_oracle_charges_even_if_its_answer_fails() -> None:
    ledger = Ledger()
    oracle = Oracle(ledger, "calls", lambda question: 1 / question, price=2)
    with pytest.raises(ZeroDivisionError):
        oracle(0)
    assert ledger.total("calls") == 2


def noisy(key: str = "noise") -> Oracle[float]:
    return Oracle(Ledger(), "calls", lambda arm, *, rng: float(rng.normal()), noise=key)


@given(st.lists(st.integers(0, 3), max_size=12), st.randoms(use_true_random=False))
def test_noise_depends_on_the_question_and_its_count_never_on_the_order(questions: list[int], random: Any) -> None:
    def answers(order: list[int]) -> dict[int, list[float]]:
        oracle, found = noisy(), {}  # type: ignore[var-annotated]
        for question in order:
            found.setdefault(question, []).append(oracle(question))
        return found

    shuffled = list(questions)
    random.shuffle(shuffled)
    assert answers(questions) == answers(shuffled)


def test_asking_again_draws_again_and_another_key_draws_otherwise() -> None:
    oracle = noisy()
    first, second = oracle(1), oracle(1)
    assert first != second
    assert noisy()(1) == first
    assert noisy("other")(1) != first
    assert noisy()(2) != first


def test_noise_tells_apart_what_is_given_by_name() -> None:
    def function(*question: int, rng: np.random.Generator, **named: int) -> float:
        return float(rng.normal())

    def oracle() -> Oracle[float]:
        return Oracle(Ledger(), "calls", function, noise="noise")

    assert oracle()(1, other=2) == oracle()(1, other=2) != oracle()(1, other=3)
    assert oracle()(1, other=2) != oracle()(1, 2)
    assert oracle()(np.arange(3)) == oracle()(np.arange(3)) != oracle()(np.arange(4))


@given(st.lists(st.integers() | st.text(), max_size=4))
def test_a_stream_belongs_to_its_key(key: list[Any]) -> None:
    assert random_stream(*key).integers(2**63) == random_stream(*key).integers(2**63)
    assert random_stream(*key).integers(2**63) != random_stream(*key, "more").integers(2**63)


def test_a_stream_does_not_change_between_versions() -> None:
    """Every stored number hangs on this."""
    assert random_stream("task", "toy", 1, 0).integers(2**31, size=3).tolist() == [1351244060, 1847010220, 1728589149]


def test_a_stream_tells_types_apart() -> None:
    assert random_stream(1).random() != random_stream("1").random() != random_stream(1.0).random()


# --- fingerprints ---


@given(plain, plain)
def test_equal_content_means_equal_hash_and_other_content_another(one: Any, other: Any) -> None:
    assert (fingerprint(one) == fingerprint(other)) == (typed(one) == typed(other))


@given(st.dictionaries(st.text(), plain, min_size=2, max_size=5))
def test_the_order_of_a_mapping_does_not_count(value: dict[str, Any]) -> None:
    assert fingerprint(dict(reversed(value.items()))) == fingerprint(value)


def test_the_order_of_keys_that_read_alike_does_not_count() -> None:
    assert fingerprint({1: "a", "1": "b"}) == fingerprint({"1": "b", 1: "a"}) != fingerprint({1: "b", "1": "a"})


@given(st.lists(plain, max_size=4))
def test_a_list_and_a_tuple_have_the_same_content(value: list[Any]) -> None:
    assert fingerprint(tuple(value)) == fingerprint(value)


@given(plain)
def test_nesting_counts(value: Any) -> None:
    assert len({fingerprint(it) for it in (value, [value], [[value]], {"key": value}, [value, value])}) == 5


def test_types_count() -> None:
    assert len({fingerprint(it) for it in (1, 1.0, True, "1", b"1", None, [1], {"1": 1}, np.array(1))}) == 9
    assert fingerprint("a;str:'b'") != fingerprint(["a", "b"])


def test_arrays_count_by_dtype_shape_and_bytes_not_by_layout() -> None:
    array = np.arange(6.0).reshape(2, 3)
    assert fingerprint(array) == fingerprint(np.asfortranarray(array)) == fingerprint(array.copy())
    assert len({fingerprint(it) for it in (array, array.T, array.ravel(), array.astype(np.float32), array + 1)}) == 5


def test_a_numpy_number_is_its_plain_number() -> None:
    assert fingerprint(np.int64(3)) == fingerprint(3)
    assert fingerprint(np.bool_(True)) == fingerprint(True)
    assert fingerprint(np.float32(0.5)) == fingerprint(0.5)
    assert fingerprint(np.float64(0.5)) == fingerprint(0.5)
    assert fingerprint(np.str_("a")) == fingerprint("a")


@pytest.mark.parametrize("value", [object(), {1, 2}, [lambda: 1], {"key": 1j}, np.array([object()], dtype=object)])
def test_what_has_no_content_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="cannot be hashed by content"):
        fingerprint(value)


# --- prices ---


def test_priced_units_share_one_budget() -> None:
    ledger = Ledger(Limit("work", 10), prices={"gradients": 1, "products": 2.5})
    ledger.spend("gradients", 4)
    ledger.spend("products", 2)
    assert ledger.totals() == {"gradients": 4, "products": 2, "work": 9}
    with pytest.raises(BudgetSpent, match="the solve budget of 10 work is spent"):
        ledger.spend("products", 1)
    assert ledger.totals() == {"gradients": 4, "products": 2, "work": 9}, "nothing of it was booked"
    ledger.spend("gradients", 1)
    ledger.spend("looks", 100)
    assert ledger.left("work") == 0
    assert ledger.prices() == {"gradients": 1, "products": 2.5}


@pytest.mark.parametrize("prices", [{"work": 1}, {"gradients": -1}, {"gradients": float("inf")}])
def test_prices_that_make_no_sense_are_refused(prices: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="prices must be finite"):
        Ledger(prices=prices)
