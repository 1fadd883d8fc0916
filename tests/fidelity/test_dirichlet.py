"""Dirichlet calibration against its authors' code.

The reference numbers come from the call of `tests/affine_examples.py` with
`method='Full', reg_lambda=0.02, reg_mu=0.03, reg_norm=True`.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gammaln, softmax

from methods.calibration._affine import fit
from methods.calibration.dirichlet import Dirichlet
from tests.affine_examples import OnlyRandom, labels, problem, rows

AUTHORS = [
    [0.3982461, 0.2413753, 0.3603786],
    [0.3056007, 0.3726267, 0.3217726],
    [0.3102667, 0.396287, 0.2934463],
    [0.3290943, 0.3307173, 0.3401884],
]
AUTHORS_MAP = [
    [-0.0959821, -0.1036729, -0.0907726, -0.3496262],
    [-0.1684911, -0.1599934, 0.0907726, -0.2840427],
    [0.1684911, 0.1036729, 0.0985625, 0.6336689],
]
FREE = Dirichlet(strengths=(1.0,), diagonal=0.0, folds=3, floor=1e-12)  # the paper's objective


def test_the_minimum_is_the_authors() -> None:
    weights = FREE.penalty(3, 0.02)
    weights[:, 3] = FREE.penalty(3, 0.03)[:, 3]  # the call has another strength for the intercept
    fitted = fit(np.log(rows(30, 3, 1)), labels(30, 3), weights)
    np.testing.assert_allclose(fitted, AUTHORS_MAP, atol=2e-6)
    answers = softmax(np.log(rows(4, 3, 2)) @ fitted[:, :3].T + fitted[:, 3], axis=-1)
    np.testing.assert_allclose(answers, AUTHORS, atol=2e-7)  # seven decimals


def test_the_weights_are_those_of_off_diagonal_and_intercept_regularisation() -> None:
    held = Dirichlet(strengths=(1.0,), diagonal=0.5, folds=3, floor=1e-12).penalty(4, 6.0)
    np.testing.assert_allclose(held[~np.eye(4, 5, dtype=bool)].reshape(4, 4)[:, :3], 6 / 12)  # K (K - 1) of these
    np.testing.assert_allclose(held[:, 4], 6 / 4)
    np.testing.assert_allclose(np.diag(held), 0.5 / 4)
    with pytest.raises(ValueError, match="diagonal 0 or more"):
        Dirichlet(strengths=(1.0,), diagonal=-1.0, folds=3, floor=1e-12)


def test_it_undoes_the_map_that_densities_of_dirichlet_form_make() -> None:
    # p given class k is Dirichlet distributed with alpha_k: the posterior is softmax((alpha - 1) log p + offsets)
    rng = np.random.default_rng(3)
    alpha = np.array([[4.0, 1.0, 2.0], [1.0, 3.0, 1.0], [2.0, 1.5, 5.0]])
    known = rng.integers(3, size=6_000)
    seen = np.stack([rng.dirichlet(alpha[label]) for label in known])
    method = Dirichlet(strengths=(1.0, 1e-5), diagonal=1e-6, folds=3, floor=1e-12)
    normaliser = gammaln(alpha.sum(axis=-1)) - gammaln(alpha).sum(axis=-1)
    asked = rows(40, 3, 2)
    true = softmax(np.log(asked) @ (alpha - 1).T + normaliser, axis=-1)
    answers = method.solve(problem(seen[None], known), OnlyRandom())(asked[None])  # type: ignore[arg-type]
    np.testing.assert_allclose(answers[0], true, atol=0.05)
    assert np.abs(asked - true).max() > 0.3  # it had something to undo
