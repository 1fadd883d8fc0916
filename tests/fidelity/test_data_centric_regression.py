"""Data-centric regression against the authors' code, and against the closed form of kernel ridge regression."""

from __future__ import annotations

import numpy as np
import pytest

from methods.gp_distillation.data_centric_regression import DataCentricRegression
from tasks.gp_distillation.closed_forms import shrinkage
from tests.gp_examples import ASKED, INPUTS, KERNEL, RUN, TARGETS, regression

# DataCentricGPR(alphas=[0.1, 0.2, 0.4], num_distillations=3, fit_mode="naive"): predict(ASKED, return_cov=True)
MEAN = [-0.0768047777, 0.9683139326, 1.0676139469, -0.6585969474]
COVARIANCE = [
    [1.0115415637e00, -1.1347302336e-04, 8.1254289872e-03, -6.4472231246e-02],
    [-1.1347302336e-04, 3.2065059553e-01, -5.6899122776e-02, 5.0749306158e-03],
    [8.1254289872e-03, -5.6899122776e-02, 4.1630982669e-01, 3.8912525083e-04],
    [-6.4472231246e-02, 5.0749306158e-03, 3.8912525083e-04, 2.3172653443e-01],
]
# the same with fit_mode="efficient", which decomposes K + 0.1 I and adds the noise of each round to that
EFFICIENT = [-0.0718172196, 0.9641462567, 1.0564852739, -0.6498007552]


def test_three_rounds_are_those_of_the_authors() -> None:
    answer = DataCentricRegression().solve(regression(0.1, 0.2, 0.4), RUN)(ASKED)
    assert answer.mean == pytest.approx(np.array(MEAN), abs=1e-9)
    assert answer.covariance == pytest.approx(np.array(COVARIANCE), abs=1e-9)


def test_three_rounds_are_one_product_of_shrinkages() -> None:
    answer = DataCentricRegression().solve(regression(0.1, 0.2, 0.4), RUN)(ASKED)
    form = shrinkage(KERNEL, INPUTS, TARGETS, np.array([0.1, 0.2, 0.4]), ASKED)
    assert answer.mean == pytest.approx(form.mean, abs=1e-12)
    assert answer.covariance == pytest.approx(form.covariance, abs=1e-12)


def test_the_efficient_mode_counts_the_noise_twice() -> None:
    """A finding about the authors' code, reproduced from its formula; the row follows the paper."""
    values, basis = np.linalg.eigh(KERNEL(INPUTS, INPUTS) + 0.1 * np.eye(12))
    passed = np.prod(values[:, None] / (values[:, None] + np.array([0.1, 0.2, 0.4])), axis=1)
    mean = KERNEL(ASKED, INPUTS) @ (basis @ (passed / values * (basis.T @ TARGETS)))
    assert mean == pytest.approx(np.array(EFFICIENT), abs=1e-9)
