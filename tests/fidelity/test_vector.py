"""Vector scaling against the code of the authors of Dirichlet calibration, which has it as its diagonal form.

The reference numbers come from the call of `tests/affine_examples.py` with
`method='Diag', reg_lambda=0.01, reg_format='identity'`.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from methods.base import NotApplicable
from methods.calibration._affine import Maps, fit, identity
from methods.calibration.vector import VectorScaling
from tasks.calibration import Probabilities
from tests.affine_examples import OnlyRandom, labels, problem, rows

AUTHORS = [
    [0.3606777, 0.3267602, 0.3125621],
    [0.3258355, 0.3459543, 0.3282102],
    [0.3198163, 0.3561504, 0.3240334],
    [0.3282275, 0.3180824, 0.3536901],
]


def penalty(classes: int, strength: float) -> Maps:
    weights = np.where(identity(classes) > 0, strength, np.inf)
    weights[:, classes] = strength
    return weights


def test_the_minimum_is_the_authors() -> None:
    fitted = fit(np.log(rows(30, 3, 1)), labels(30, 3), penalty(3, 0.01))
    assert (fitted[:, :3][~np.eye(3, dtype=bool)] == 0).all()
    answers = softmax(np.log(rows(4, 3, 2)) @ fitted[:, :3].T + fitted[:, 3], axis=-1)
    np.testing.assert_allclose(answers, AUTHORS, atol=2e-7)  # seven decimals


@pytest.mark.parametrize(("count", "classes", "strength"), [(5, 6, 0.1), (5, 2, 1e-3), (40, 4, 1e-3), (100, 6, 1.0)])
def test_an_independent_optimiser_finds_no_less(count: int, classes: int, strength: float) -> None:
    scores, known = np.log(rows(count, classes, 1)), labels(count, classes)

    def loss(parameters: Probabilities) -> float:
        weight, offset = parameters[:classes], parameters[classes:]
        likelihoods = log_softmax(scores * weight + offset, axis=-1)[np.arange(count), known]
        return float(strength * (((weight - 1) ** 2).sum() + (offset**2).sum()) - likelihoods.mean())

    found = minimize(loss, np.zeros(2 * classes), method="BFGS", options={"gtol": 1e-7})
    fitted = fit(scores, known, penalty(classes, strength))
    own = np.concatenate([np.diag(fitted[:, :classes]), fitted[:, classes]])
    assert loss(own) <= found.fun + 1e-12
    np.testing.assert_allclose(own, found.x, atol=1e-4)


def test_a_known_map_is_found_again_and_few_labels_are_refused() -> None:
    # probabilities whose logarithms were stretched and shifted, with labels as often as the true ones say
    true = np.array([[0.6, 0.3, 0.1], [0.1, 0.7, 0.2], [0.2, 0.2, 0.6]])
    known = np.concatenate([np.repeat([0, 1, 2], (row * 10).round().astype(int)) for row in true])
    bent = softmax(np.log(true) / 0.5 + [2.0, 0.0, -1.0], axis=-1)
    many = np.tile(known, 60)
    seen = np.tile(np.repeat(bent, 10, axis=0), (60, 1))[None]
    method = VectorScaling(strengths=(1.0, 1e-6), folds=3, floor=1e-12)
    answers = method.solve(problem(seen, many), OnlyRandom())(bent[None])  # type: ignore[arg-type]
    np.testing.assert_allclose(answers[0], true, atol=1e-3)
    with pytest.raises(NotApplicable, match="2 labels cannot be split into 3 folds"):
        method.solve(problem(seen[:, :2], many[:2]), OnlyRandom())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="strengths must be given and be above 0"):
        VectorScaling(strengths=(0.0,), folds=3, floor=1e-12)
