"""The arena `transfer_rates`: learners against numerical optima and against all samples, teachers, and the score."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize
from scipy.special import log_softmax, softmax
from scipy.stats import multinomial

from methods.base import Method
from methods.transfer_rates.hard_mle import HardMLE
from methods.transfer_rates.naive_cross_entropy import NaiveCrossEntropy
from methods.transfer_rates.soft_kl import SoftKL
from methods.transfer_rates.squared_error_logit import SquaredErrorLogit
from runners.match import needed_type, satisfies
from tasks.base import Invalid, Run
from tasks.transfer_rates import FullLabelTransfer, HardLabelTransfer, PartialLabelTransfer, Tables
from tasks.transfer_rates.table import TransferTable
from tasks.transfer_rates.teachers import Family, teacher

Array = NDArray[np.float64]
RUN = cast("Run", None)  # neither learners nor the score draw or log anything
TASK = TransferTable(name="transfer_rates/test", version=1, family=Family.EVEN, inputs=4, labels=6, draws=64, repeats=5)
LEARNERS: tuple[Any, ...] = (HardMLE(), NaiveCrossEntropy(), SquaredErrorLogit(), SoftKL())
every_learner = pytest.mark.parametrize("learner", LEARNERS, ids=lambda learner: type(learner).__name__)
every_family = pytest.mark.parametrize("family", list(Family))


def told(counts: NDArray[np.int64], pi: Array) -> FullLabelTransfer:
    """All that a teacher pi (S, A) says about samples (R, S, A)."""
    return FullLabelTransfer(
        counts=counts,
        probability=np.where(counts > 0, pi, np.nan),
        soft=np.where(counts.sum(axis=2, keepdims=True) > 0, pi, np.nan),
    )


def score(task: TransferTable, solution: Any, seed: int = 0) -> dict[str, float]:
    return dict(task.evaluate(solution, seed, RUN))


LOSSES: dict[type[Method], Callable[[Array, Array, Array], float]] = {  # (counts, pi*, log pi) of one input
    HardMLE: lambda counts, pi, log: -float(counts @ log),
    NaiveCrossEntropy: lambda counts, pi, log: -float(counts * pi @ log),
    SquaredErrorLogit: lambda counts, pi, log: float(counts @ (log - np.log(pi)) ** 2),
    SoftKL: lambda counts, pi, log: float(counts.sum() * (pi @ (np.log(pi) - log))),
}


@every_learner
@given(key=st.integers(0, 10**6))
def test_no_table_has_a_lower_loss_than_the_closed_form(learner: Any, key: int) -> None:
    rng = np.random.default_rng(key)
    pi = rng.dirichlet(np.ones(4))
    counts = rng.multinomial(6, pi).astype(np.float64)
    row = learner.solve(told(counts[None, None].astype(np.int64), pi[None]), RUN)[0, 0]
    loss = LOSSES[type(learner)]

    def at(logits: Array) -> float:
        return loss(counts, pi, log_softmax(logits))

    found = optimize.minimize(at, rng.normal(size=4), method="BFGS", options={"gtol": 1e-9})
    own = loss(counts, pi, np.log(np.maximum(row, 1e-300)))
    assert own <= found.fun + 1e-9
    decided = counts > 0 if isinstance(learner, SquaredErrorLogit) else np.ones(4, dtype=bool)
    assert softmax(found.x)[decided] == pytest.approx(row[decided], abs=2e-3)


@every_learner
def test_the_measured_error_is_the_mean_over_all_samples(learner: Any) -> None:
    """One input, three labels, five draws: 21 samples, each with its probability."""
    task = replace(TASK, inputs=1, labels=3, draws=5, repeats=20_000)
    pi = task.truth(0)[1]
    samples = np.array([c for c in itertools.product(range(6), repeat=3) if sum(c) == 5], dtype=np.int64)
    rows = learner.solve(told(samples[:, None, :], pi), RUN)[:, 0]
    errors, shares = np.abs(rows - pi[0]).sum(axis=1) / 2, multinomial(5, pi[0]).pmf(samples)
    expected = float(shares @ errors)
    noise = float(shares @ (errors - expected) ** 2) ** 0.5 / task.repeats**0.5
    measured = score(task, learner.solve(task.problem(0), RUN))["total_variation"]
    assert shares.sum() == pytest.approx(1)
    assert measured == pytest.approx(expected, abs=4 * noise + 1e-12)


def test_soft_labels_err_only_on_inputs_that_were_not_drawn() -> None:
    task = replace(TASK, family=Family.RARE_INPUT, inputs=10, draws=100, repeats=20_000)
    expected = 9 * 0.01 * 0.99**100 * 0.5
    scores = score(task, SoftKL().solve(task.problem(3), RUN), 3)
    assert scores["total_variation"] == pytest.approx(expected, rel=0.02)
    assert scores["seen_part"] == pytest.approx(0, abs=1e-15)


def test_naive_cross_entropy_tends_to_the_squared_teacher() -> None:
    pi = np.array([[0.5, 0.3, 0.2]])
    counts = np.array([[[500_000, 300_000, 200_000]]])
    row = NaiveCrossEntropy().solve(told(counts, pi), RUN)[0, 0]
    assert row == pytest.approx(np.array([0.25, 0.09, 0.04]) / 0.38)


def test_squared_error_logit_by_hand() -> None:
    pi = np.array([[0.5, 0.2, 0.2, 0.1], [0.7, 0.1, 0.1, 0.1]])
    counts = np.array([[[2, 1, 0, 0], [0, 0, 0, 0]]])
    rows = SquaredErrorLogit().solve(told(counts, pi), RUN)[0]
    assert rows == pytest.approx(np.array([[0.5, 0.2, 0.15, 0.15], [0.25, 0.25, 0.25, 0.25]]))


@every_family
@every_learner
def test_a_student_is_a_table_learnt_from_its_own_sample(learner: Any, family: Family) -> None:
    problem = replace(TASK, family=family).problem(1)
    rows = learner.solve(problem, RUN)
    assert rows.sum(axis=2) == pytest.approx(1)
    assert (rows >= 0).all()
    turned = told(problem.counts[::-1], replace(TASK, family=family).truth(1)[1])
    assert np.array_equal(learner.solve(turned, RUN), rows[::-1])


def test_more_information_extends_less() -> None:
    for learner, needed in zip(
        LEARNERS, (HardLabelTransfer, PartialLabelTransfer, PartialLabelTransfer, FullLabelTransfer), strict=True
    ):
        assert needed_type(type(learner)) is needed
    assert satisfies(FullLabelTransfer, PartialLabelTransfer)
    assert not satisfies(HardLabelTransfer, PartialLabelTransfer)
    assert not satisfies(PartialLabelTransfer, FullLabelTransfer)


# --- the task ---


@every_family
@given(inputs=st.integers(1, 8), labels=st.integers(2, 6).map(lambda half: 2 * half), key=st.integers(0, 1000))
def test_a_teacher_is_a_distribution(family: Family, inputs: int, labels: int, key: int) -> None:
    rho, pi = teacher(family, inputs, labels, 1000, np.random.default_rng(key))
    assert rho.shape == (inputs,)
    assert pi.shape == (inputs, labels)
    assert rho.sum() == pytest.approx(1)
    assert pi.sum(axis=1) == pytest.approx(1)
    assert min(rho.min(), pi.min()) >= 0


def test_rare_labels_and_rare_inputs_are_drawn_about_once() -> None:
    rare = replace(TASK, family=Family.RARE_LABEL, inputs=2, labels=7, draws=400)
    rho, pi = rare.truth(0)
    for row in pi:
        assert sorted(row * rho[0] * 400)[:6] == pytest.approx([0, 0, 0, 1, 1, 1])
    rho, pi = replace(rare, family=Family.RARE_INPUT, inputs=3, labels=6).truth(0)
    assert rho * 400 == pytest.approx([398, 1, 1])
    assert pi * 3 == pytest.approx((pi > 0).astype(float))
    assert ((pi > 0).sum(axis=1) == 3).all()


def test_zipf() -> None:
    rho, pi = replace(TASK, family=Family.ZIPF, inputs=3, labels=4).truth(0)
    assert rho == pytest.approx(np.array([6, 3, 2]) / 11)
    assert np.sort(pi, axis=1)[:, ::-1] == pytest.approx(np.tile(np.array([12, 6, 4, 3]) / 25, (3, 1)))
    assert len({tuple(row) for row in pi}) > 1, "labels are ordered anew for each input"


@every_family
def test_nothing_is_told_of_what_was_not_drawn(family: Family) -> None:
    task = replace(TASK, family=family, repeats=50, draws=24)
    problem, pi = task.problem(2), task.truth(2)[1]
    assert (problem.counts.sum(axis=(1, 2)) == 24).all()
    assert np.array_equal(np.isnan(problem.probability), problem.counts == 0)
    assert np.isnan(problem.soft).any() or family in (Family.EVEN, Family.RARE_LABEL)
    assert np.array_equal(np.isnan(problem.soft).all(axis=2), problem.counts.sum(axis=2) == 0)
    spread = np.broadcast_to(pi, problem.soft.shape)
    assert np.array_equal(problem.soft[~np.isnan(problem.soft)], spread[~np.isnan(problem.soft)])


def test_points_along_an_axis_are_paired() -> None:
    assert np.array_equal(TASK.truth(0)[1], replace(TASK, draws=256).truth(0)[1])
    few, many = (replace(TASK, family=Family.RARE_INPUT, labels=labels).problem(0) for labels in (6, 12))
    assert np.array_equal(few.counts.sum(axis=2), many.counts.sum(axis=2))


@given(key=st.integers(0, 10**6))
def test_total_variation_is_the_largest_gap_of_an_event(key: int) -> None:
    task = replace(TASK, inputs=1, labels=5, repeats=1)
    row = np.random.default_rng(key).dirichlet(np.ones(5))
    gaps = row - task.truth(0)[1][0]
    events = [sum(gaps[list(event)]) for size in range(6) for event in itertools.combinations(range(5), size)]
    assert score(task, row[None, None])["total_variation"] == pytest.approx(max(events))


@every_family
def test_the_parts_add_up_and_the_ends_are_known(family: Family) -> None:
    task = replace(TASK, family=family, draws=24)
    scores = score(task, HardMLE().solve(task.problem(0), RUN))
    assert scores["seen_part"] + scores["unseen_part"] == pytest.approx(scores["total_variation"])
    assert score(task, task.best(0))["total_variation"] == 0
    rho, pi = task.truth(0)
    assert score(task, task.trivial(0))["total_variation"] == pytest.approx(rho @ np.abs(pi - 1 / 6).sum(axis=1) / 2)


def broken(change: Callable[[Tables], Tables]) -> Any:
    return change(TASK.trivial(0))


@pytest.mark.parametrize(
    ("solution", "words"),
    [
        (broken(lambda rows: rows[:1]), "the students are an array"),
        (broken(lambda rows: rows * 2), "do not sum to 1"),
        (broken(lambda rows: rows * np.nan), "not finite"),
        (broken(lambda rows: rows + np.array([1, -1, 0, 0, 0, 0])), "negative"),
    ],
)
def test_what_is_no_student_is_refused(solution: Any, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        TASK.evaluate(solution, 0, RUN)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"draws": 0}, "at least 1"),
        ({"labels": 1}, "labels at least 2"),
        ({"family": Family.RARE_LABEL, "labels": 2}, "at least 3 labels"),
        ({"family": Family.RARE_LABEL, "draws": 12}, "more than 12 draws"),
        ({"family": Family.RARE_INPUT, "draws": 3}, "more than 3 draws"),
        ({"family": Family.RARE_INPUT, "labels": 5}, "an even number, got 5"),
    ],
)
def test_values_that_make_no_teacher_are_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(TASK, **values)
