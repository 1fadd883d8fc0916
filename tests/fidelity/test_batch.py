"""Batch calibration against its closed form, and against what makes it contextual calibration with another prior."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from methods.calibration._pool import Mean
from methods.calibration.batch import Batch
from methods.calibration.batch_learned import BatchLearned
from methods.calibration.contextual import Contextual
from methods.calibration.domain_context import DomainContext
from tasks.calibration import (
    ContentFreeProbabilities,
    DomainProbabilities,
    LabelledProbabilities,
    LabelProbabilities,
    Probabilities,
)
from tasks.metering import Ledger, Oracle

FLOOR = 1e-12
ARITHMETIC, GEOMETRIC = Batch(mean=Mean.ARITHMETIC, floor=FLOOR), Batch(mean=Mean.GEOMETRIC, floor=FLOOR)


class OnlyRandom:
    """A run of which a method may only draw."""

    rng = np.random.default_rng(0)


RUN = OnlyRandom()


def drawn(seed: int, *shape: int) -> Probabilities:
    """Rows on the simplex, some of them close to a corner."""
    raw = np.random.default_rng(seed).gamma(0.5, size=shape) + 1e-6
    rows: Probabilities = raw / raw.sum(axis=-1, keepdims=True)
    return rows


def names(classes: int) -> tuple[str, ...]:
    return tuple("abcdefgh"[:classes])


def test_two_inputs_by_hand() -> None:
    # b = ((.8 + .4) / 2, (.2 + .6) / 2) = (.6, .4); (.6, .4) / b is even; (.9, .1) / b = (1.5, .25), which is 6 : 1
    pool = LabelProbabilities(classes=names(2), unlabelled=np.array([[[0.8, 0.2], [0.4, 0.6]]]))
    answers = ARITHMETIC.solve(pool, RUN)(np.array([[[0.6, 0.4], [0.9, 0.1]]]))  # type: ignore[arg-type]
    np.testing.assert_allclose(answers, [[[0.5, 0.5], [6 / 7, 1 / 7]]], rtol=1e-12)
    # the geometric means are sqrt(.32) and sqrt(.12), their ratio is sqrt(8 / 3)
    other = GEOMETRIC.solve(pool, RUN)(np.array([[[0.9, 0.1]]]))  # type: ignore[arg-type]
    odds = 9 / np.sqrt(8 / 3)
    np.testing.assert_allclose(other[0, 0], [odds / (1 + odds), 1 / (1 + odds)], rtol=1e-12)


@given(st.integers(0, 10_000), st.integers(2, 7), st.integers(1, 3))
def test_it_is_contextual_and_domain_context_calibration_with_another_prior(
    seed: int, classes: int, prompts: int
) -> None:
    pool, asked = drawn(seed, prompts, 30, classes), drawn(seed + 1, prompts, 20, classes)
    prior = pool.mean(axis=1, keepdims=True).repeat(3, axis=1)  # what the model would have to say without content
    ledger = Ledger()
    answers = ARITHMETIC.solve(LabelProbabilities(classes=names(classes), unlabelled=pool), RUN)(asked)  # type: ignore[arg-type]
    told = Oracle(ledger, "forward_passes", lambda: prior)
    free = ContentFreeProbabilities(classes=names(classes), unlabelled=pool, content_free=told)
    words = DomainProbabilities(classes=names(classes), unlabelled=pool, random_words=told)
    for other in (
        Contextual(floor=FLOOR, softmax=False).solve(free, RUN),  # type: ignore[arg-type]
        DomainContext(floor=FLOOR).solve(words, RUN),  # type: ignore[arg-type]
    ):
        np.testing.assert_allclose(answers, other(asked), rtol=1e-9)
        assert np.array_equal(answers.argmax(axis=-1), other(asked).argmax(axis=-1))
    cbm = np.exp(asked / pool.mean(axis=1, keepdims=True))  # the softmax of the ratios has the same arg max
    assert np.array_equal(answers.argmax(axis=-1), cbm.argmax(axis=-1))


@given(st.integers(0, 10_000), st.integers(2, 6))
def test_the_pool_is_answered_evenly_on_geometric_average(seed: int, classes: int) -> None:
    pool = drawn(seed, 2, 40, classes)
    answers = GEOMETRIC.solve(LabelProbabilities(classes=names(classes), unlabelled=pool), RUN)(pool)  # type: ignore[arg-type]
    means = np.log(answers).mean(axis=1)
    np.testing.assert_allclose(means, means[:, :1].repeat(classes, axis=1), atol=1e-9)


def labelled(pool: Probabilities, rows: Probabilities, labels: list[int]) -> LabelledProbabilities:
    ledger = Ledger()
    oracle = Oracle(ledger, "labels", lambda: (rows, np.array(labels)), price=len(labels))
    return LabelledProbabilities(ledger=ledger, classes=names(pool.shape[-1]), unlabelled=pool, labelled=oracle)


def test_the_strength_is_what_the_labels_want() -> None:
    # b = (.8, .2); log-odds of rows are 0 and log 4; subtracting g log 4 makes row 2 a 1 from g > 1 on, and row 1 a 0
    # for g < 0 only
    pool = np.array([[[0.8, 0.2]]])
    rows, asked = np.array([[[0.5, 0.5], [0.8, 0.2]]]), np.array([[[0.7, 0.3]]])

    def odds(labels: list[int]) -> float:
        method = BatchLearned(widest=5.0, step=0.5, floor=FLOOR)
        answers = method.solve(labelled(pool, rows, labels), RUN)(asked)  # type: ignore[arg-type]
        return float(answers[0, 0, 0] / answers[0, 0, 1])

    assert odds([1, 1]) == pytest.approx(7 / 3 / 4**1.5)  # g = 1 is a draw, and a draw is answered 0
    assert odds([1, 0]) == pytest.approx(7 / 3 / 4)  # any g from .5 to 1 is right, the one at 1 is taken
    assert odds([0, 0]) == pytest.approx(7 / 3)  # g = 0 is right by the draw; so are all below
    with pytest.raises(ValueError, match="step must lie between 0 and widest"):
        BatchLearned(widest=1.0, step=0.0, floor=FLOOR)


@given(st.integers(0, 1_000), st.integers(2, 5), st.integers(1, 12))
def test_no_strength_of_the_grid_answers_more_labels_right(seed: int, classes: int, count: int) -> None:
    pool, rows = drawn(seed, 2, 30, classes), drawn(seed + 1, 2, count, classes)
    labels = np.random.default_rng(seed).integers(classes, size=count)
    method = BatchLearned(widest=2.0, step=0.25, floor=FLOOR)
    found = method.solve(labelled(pool, rows, labels.tolist()), RUN)(rows)  # type: ignore[arg-type]
    right = (found.argmax(axis=-1) == labels).sum(axis=-1)
    for strength in np.arange(-8, 9) / 4:
        shifted = np.log(rows) - strength * np.log(pool.mean(axis=1, keepdims=True))
        assert ((shifted.argmax(axis=-1) == labels).sum(axis=-1) <= right).all()
