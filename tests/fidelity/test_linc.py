"""LinC against the authors' training loop, against closed forms, and against what must hold by symmetry.

The reference numbers come from running the loop and the error measure of `mominabbass/LinC` at
7b07c989011b37c98cc2cb82876b1166514d06c5 (float32) on `rows` and `labels` below, with its shuffled orders written down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from methods.base import Diverged, NotApplicable
from methods.calibration.contextual import Contextual
from methods.calibration.linc import LinC, descend
from methods.calibration.temperature import TemperatureScaling
from tasks.calibration import Labels, Probabilities, PromptedProbabilities
from tasks.calibration.measures import accuracy, expected_calibration_error
from tasks.metering import Ledger, Oracle

FLOOR = 1e-3
GRID = (1e-4, 1e-2, 1.0)
ORDERS = [
    [6, 11, 4, 10, 2, 8, 1, 7, 9, 3, 0, 5],
    [1, 5, 2, 0, 4, 9, 11, 7, 3, 10, 6, 8],
    [11, 8, 4, 6, 2, 3, 5, 7, 10, 0, 1, 9],
    [5, 9, 2, 1, 4, 10, 8, 7, 0, 6, 11, 3],
]
AUTHORS = {  # classes: (epochs, learning rate, first calibrated rows of 15, accuracy, error)
    3: (
        4,
        0.05,
        [[0.59596, 0.30118, 0.10286], [0.23272, 0.09516, 0.67212], [0.20536, 0.07305, 0.72159]],
        0.5333333,
        0.2992683,
    ),
    2: (3, 0.5, [[0.41916, 0.58084], [0.58545, 0.41455], [0.57102, 0.42898]], 0.2666667, 0.4756988),
}


def rows(count: int, classes: int, shift: int) -> Probabilities:
    """Probability vectors (count, classes) that are the same everywhere."""
    index = np.arange(1, count * classes + 1, dtype=float).reshape(count, classes)
    raw = ((index * 0.6180339887498949 + shift * 0.1) % 1.0) ** 2 + 0.02
    vectors: Probabilities = raw / raw.sum(axis=1, keepdims=True)
    return vectors


@dataclass
class OnlyRandom:
    """A run of which a method may only draw."""

    rng: np.random.Generator


def problem(prompts: int, count: int, classes: int) -> PromptedProbabilities:
    ledger = Ledger()
    known = np.stack([rows(count, classes, shift) for shift in range(prompts)])
    free = np.stack([rows(3, classes, shift + 7) for shift in range(prompts)])
    labels = (np.arange(count) * 7 // 3) % classes
    return PromptedProbabilities(
        ledger=ledger,
        classes=tuple("abcdefgh"[:classes]),
        unlabelled=known,
        content_free=Oracle(ledger, "forward_passes", lambda: free, price=3 * prompts),
        labelled=Oracle(ledger, "labels", lambda: (known, labels), price=count),
    )


def run() -> OnlyRandom:
    return OnlyRandom(np.random.default_rng(0))


@pytest.mark.parametrize("classes", sorted(AUTHORS))
def test_the_loop_gives_the_authors_numbers(classes: int) -> None:
    epochs, rate, reference, right, error = AUTHORS[classes]
    content_free = rows(3, classes, 3).mean(axis=0)
    labels = (np.arange(12) * 7 // 3) % classes
    order = np.concatenate(ORDERS[:epochs])
    matrix, offset = descend(1 / content_free, rows(12, classes, 1), labels, np.array(rate), order)
    answers = softmax(rows(15, classes, 2) @ matrix.T + offset, axis=-1)
    true = (np.arange(15) * 5 // 2) % classes
    np.testing.assert_allclose(answers[: len(reference)], reference, atol=2e-5)  # float32 and five decimals
    assert accuracy(answers, true) == pytest.approx(right, abs=1e-6)
    assert expected_calibration_error(answers, true) == pytest.approx(error, abs=1e-5)


def test_zero_epochs_are_contextual_calibration() -> None:
    linc = LinC(lr=0.1, lr_grid=GRID, folds=3, splits=1, epochs=0, floor=FLOOR).solve(problem(2, 12, 4), run())  # type: ignore[arg-type]
    contextual = Contextual(floor=FLOOR, softmax=False).solve(problem(2, 12, 4), run())  # type: ignore[arg-type]
    asked = np.stack([rows(200, 4, shift) for shift in (11, 12)])
    ratios = asked / np.stack([rows(3, 4, shift + 7).mean(axis=0) for shift in range(2)])[:, None]
    np.testing.assert_allclose(linc(asked), softmax(ratios, axis=-1), rtol=1e-12)
    np.testing.assert_allclose(contextual(asked), ratios / ratios.sum(axis=-1, keepdims=True), rtol=1e-12)
    assert np.array_equal(linc(asked).argmax(axis=-1), contextual(asked).argmax(axis=-1))


def test_one_step_with_two_classes_by_hand() -> None:
    # A = diag(2, 4), p = (0.6, 0.4): scores 1.2 and 1.6; label 0; the gradient of the scores is (-s, s) with
    # s = 1 / (1 + e^-0.4) = 0.598688; a rate of 0.5 moves b by 0.299344 and row k of A by that times p
    matrix, offset = descend(
        np.array([2.0, 4.0]), np.array([[0.6, 0.4]]), np.array([0]), np.array(0.5), np.array([0], dtype=np.int64)
    )
    np.testing.assert_allclose(offset, [0.299344, -0.299344], atol=1e-6)
    np.testing.assert_allclose(matrix, [[2.179606, 0.119738], [-0.179606, 3.880262]], atol=1e-6)


def test_the_step_follows_the_gradient_of_the_cross_entropy() -> None:
    row, label, start = rows(1, 5, 4)[0], 3, 1 / rows(3, 5, 9).mean(axis=0)

    def loss(parameters: Probabilities) -> float:
        scores = parameters[:25].reshape(5, 5) @ row + parameters[25:]
        return float(-log_softmax(scores)[label])

    before = np.concatenate([np.diag(start).ravel(), np.zeros(5)])
    matrix, offset = descend(start, row[None], np.array([label]), np.array(1.0), np.array([0], dtype=np.int64))
    stepped = before - np.concatenate([matrix.ravel(), offset])
    width = 1e-6
    differences = [(loss(before + width * unit) - loss(before - width * unit)) / (2 * width) for unit in np.eye(30)]
    np.testing.assert_allclose(stepped, differences, atol=1e-8)


def test_lanes_do_not_touch_each_other() -> None:
    start = 1 / rows(4, 3, 5)  # four lanes
    known = np.stack([rows(9, 3, shift) for shift in range(4)])
    labels, rates = np.arange(9) % 3, np.array([0.01, 0.1, 0.3, 1.0])
    order = np.arange(27) % 9
    together = descend(start, known, labels, rates, order)
    for lane in range(4):
        alone = descend(start[lane], known[lane], labels, rates[lane], order)
        np.testing.assert_array_equal(together[0][lane], alone[0])
        np.testing.assert_array_equal(together[1][lane], alone[1])


def test_a_rate_that_is_far_too_large_diverges() -> None:
    method = LinC(lr=1e308, lr_grid=GRID, folds=3, splits=1, epochs=3, floor=FLOOR)
    with pytest.raises(Diverged, match="A or b is not finite after 3 epochs"):
        method.solve(problem(2, 12, 3), run())  # type: ignore[arg-type]


def test_fewer_labels_than_folds_are_refused() -> None:
    method = LinC(lr=None, lr_grid=GRID, folds=3, splits=1, epochs=3, floor=FLOOR)
    with pytest.raises(NotApplicable, match="2 labels cannot be split into 3 folds"):
        method.solve(problem(1, 2, 2), run())  # type: ignore[arg-type]


def relabelled(given: PromptedProbabilities, order: Labels) -> PromptedProbabilities:
    known, labels = given.labelled()
    free = given.content_free()
    back = np.argsort(order)
    return PromptedProbabilities(
        ledger=given.ledger,
        classes=tuple(given.classes[place] for place in order),
        unlabelled=given.unlabelled[..., order],
        content_free=Oracle(given.ledger, "forward_passes", lambda: free[..., order]),
        labelled=Oracle(given.ledger, "labels", lambda: (known[..., order], back[labels])),
    )


@pytest.mark.parametrize(
    "method",
    [
        LinC(lr=None, lr_grid=GRID, folds=3, splits=1, epochs=5, floor=FLOOR),
        Contextual(floor=FLOOR, softmax=False),
        TemperatureScaling(coldest=0.05, hottest=20.0, floor=1e-12),
    ],
    ids=lambda method: type(method).__name__,
)
def test_names_of_classes_do_not_matter(method: LinC | Contextual | TemperatureScaling) -> None:
    order = np.array([2, 0, 3, 1])
    plain = method.solve(problem(2, 30, 4), run())  # type: ignore[arg-type]
    renamed = method.solve(relabelled(problem(2, 30, 4), order), run())  # type: ignore[arg-type]
    asked = np.stack([rows(50, 4, shift) for shift in (21, 22)])
    np.testing.assert_allclose(renamed(asked[..., order]), plain(asked)[..., order], atol=1e-9)


def test_cross_validation_picks_the_rate_that_predicts_held_out_labels() -> None:
    # labels are a fixed turn of the arg max, which a map that hardly moves from diag(1 / c) cannot give
    known = rows(60, 3, 1)
    labels = (known.argmax(axis=-1) + 1) % 3
    given = problem(1, 60, 3)
    learnable = PromptedProbabilities(
        ledger=given.ledger,
        classes=given.classes,
        unlabelled=given.unlabelled,
        content_free=given.content_free,
        labelled=Oracle(given.ledger, "labels", lambda: (known[None], labels)),
    )
    chosen = LinC(lr=None, lr_grid=(1e-6, 1.0), folds=3, splits=1, epochs=30, floor=FLOOR).solve(learnable, run())  # type: ignore[arg-type]
    assert accuracy(chosen(known[None])[0], labels) > 0.9


def test_a_temperature_is_found() -> None:
    # log p = 3 log q, and labels as often as q says: the best temperature is 3
    honest = np.array([[0.7, 0.2, 0.1]])
    labels = np.repeat([0, 1, 2], [70, 20, 10])
    sharp = softmax(3 * np.log(honest), axis=-1).repeat(100, axis=0)[None]
    given = problem(1, 12, 3)
    sharpened = PromptedProbabilities(
        ledger=given.ledger,
        classes=given.classes,
        unlabelled=given.unlabelled,
        content_free=given.content_free,
        labelled=Oracle(given.ledger, "labels", lambda: (sharp, labels)),
    )
    scaled = TemperatureScaling(coldest=0.05, hottest=20.0, floor=1e-12).solve(sharpened, run())  # type: ignore[arg-type]
    np.testing.assert_allclose(scaled(sharp[:, :1])[0], honest, atol=1e-3)
