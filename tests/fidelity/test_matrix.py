"""Matrix scaling against the code of the authors of Dirichlet calibration and against scikit-learn.

The reference numbers come from the call of `tests/affine_examples.py` with
`method='Full', reg_lambda=0.01, reg_format='identity'`.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression

from methods.calibration._affine import Maps, fit, identity
from methods.calibration.matrix import MatrixScaling
from tasks.calibration import Probabilities
from tests.affine_examples import OnlyRandom, labels, problem, rows

AUTHORS = [
    [0.4133004, 0.244828, 0.3418716],
    [0.3076079, 0.3629321, 0.32946],
    [0.3124801, 0.381635, 0.3058849],
    [0.3173249, 0.3417607, 0.3409144],
]


def answers(maps: Maps, asked: Probabilities) -> Probabilities:
    classes = asked.shape[-1]
    found: Probabilities = softmax(np.log(asked) @ maps[:, :classes].T + maps[:, classes], axis=-1)
    return found


def test_the_minimum_is_the_authors() -> None:
    fitted = fit(np.log(rows(30, 3, 1)), labels(30, 3), np.full((3, 4), 0.01))
    np.testing.assert_allclose(answers(fitted, rows(4, 3, 2)), AUTHORS, atol=2e-7)  # seven decimals


@pytest.mark.parametrize("classes", [3, 5])
def test_scikit_learn_finds_the_same_answers(classes: int) -> None:
    # with hardly any penalty it does not matter that scikit-learn holds W near 0 and not near I
    scores, known = np.log(rows(300, classes, 1)), labels(300, classes)
    weak = fit(scores, known, np.full((classes, classes + 1), 1e-9))
    model = LogisticRegression(C=1e9, tol=1e-10, max_iter=20_000).fit(scores, known)
    np.testing.assert_allclose(
        answers(weak, rows(20, classes, 2)), model.predict_proba(np.log(rows(20, classes, 2))), atol=1e-4
    )


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(1, 40), st.floats(-3, 1))
def test_the_gradient_vanishes_whatever_the_labels_are(seed: int, classes: int, count: int, power: float) -> None:
    """With a few labels, all of one class, or more; the objective is convex, so that this is its minimum."""
    rng = np.random.default_rng(seed)
    scores = log_softmax(3 * rng.normal(size=(2, count, classes)), axis=-1)
    known = rng.integers(classes, size=count)
    strength = 10.0**power
    for lane, fitted in enumerate(fit(scores, known, np.full((classes, classes + 1), strength))):
        inputs = np.concatenate([scores[lane], np.ones((count, 1))], axis=1)
        errors = softmax(inputs @ fitted.T, axis=-1) - np.eye(classes)[known]
        gradient = errors.T @ inputs / count + 2 * strength * (fitted - identity(classes))
        np.testing.assert_allclose(gradient, 0, atol=1e-5)


def test_lanes_do_not_touch_each_other() -> None:
    scores = np.log(np.stack([rows(20, 3, shift) for shift in range(3)]))
    penalties = np.stack([np.full((3, 4), strength) for strength in (0.01, 1.0)])[:, None]
    together = fit(scores, labels(20, 3), penalties)  # (2, 3, 3, 4)
    for index in np.ndindex(2, 3):
        alone = fit(scores[index[1]], labels(20, 3), penalties[index[0], 0])
        np.testing.assert_allclose(together[index], alone, atol=1e-7)


def test_cross_validation_turns_where_labels_say_so_and_stays_where_they_say_nothing() -> None:
    method = MatrixScaling(strengths=(10.0, 1e-3), folds=3, floor=1e-12)
    known = rows(90, 3, 1)
    turned = (known.argmax(axis=-1) + 1) % 3  # no map near the identity answers so
    solution = method.solve(problem(known[None], turned), OnlyRandom())  # type: ignore[arg-type]
    assert (solution(known[None])[0].argmax(axis=-1) == turned).mean() > 0.9
    noise = np.random.default_rng(1).permutation(np.repeat([0, 1, 2], 30))
    even = np.full((1, 90, 3), 1 / 3)
    solution = method.solve(problem(even, noise), OnlyRandom())  # type: ignore[arg-type]
    np.testing.assert_allclose(solution(even), even, atol=1e-9)


def test_a_class_without_labels_is_not_shut_out() -> None:
    known = rows(5, 6, 1)
    method = MatrixScaling(strengths=(10.0, 1.0, 0.1), folds=3, floor=1e-12)
    solution = method.solve(problem(known[None], np.array([0, 0, 1, 1, 1])), OnlyRandom())  # type: ignore[arg-type]
    sure = np.full((1, 1, 6), 1e-4)
    sure[..., 4] = 1 - 5e-4
    assert solution(sure)[0, 0, 4] > 0.2
    assert solution(sure).min() > 0
