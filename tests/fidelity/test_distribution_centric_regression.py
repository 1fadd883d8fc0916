"""Distribution-centric regression, round by round, against the authors' code, which fits once."""

from __future__ import annotations

import numpy as np
import pytest

from methods.gp_distillation.distribution_centric_regression import DistributionCentricRegression
from tasks.gp_distillation.closed_forms import effective_noise
from tests.gp_examples import ASKED, INPUTS, KERNEL, RUN, TARGETS, regression

# DistributionCentricGPR(alphas=[0.1, 0.2, 0.4]): predict(ASKED, return_cov=True)
MEAN = [-0.1008004094, 1.182224301, 1.1647378994, -0.7256737625]
COVARIANCE = [
    [0.6132413706, 0.0074507927, -0.0143921326, -0.0804919547],
    [0.0074507927, 0.1131828924, -0.0094126999, 0.001695169],
    [-0.0143921326, -0.0094126999, 0.1400549491, 0.0009620852],
    [-0.0804919547, 0.001695169, 0.0009620852, 0.0711922843],
]


def test_three_rounds_are_the_one_of_the_authors() -> None:
    answer = DistributionCentricRegression().solve(regression(0.1, 0.2, 0.4), RUN)(ASKED)
    assert answer.mean == pytest.approx(np.array(MEAN), abs=1e-9)
    assert answer.covariance == pytest.approx(np.array(COVARIANCE), abs=1e-9)


def test_three_rounds_are_one_with_the_harmonic_sum_of_the_noise() -> None:
    answer = DistributionCentricRegression().solve(regression(0.1, 0.2, 0.4), RUN)(ASKED)
    form = effective_noise(KERNEL, INPUTS, TARGETS, np.array([0.1, 0.2, 0.4]), ASKED)
    once = DistributionCentricRegression().solve(regression(1 / 17.5), RUN)(ASKED)
    for other in (form, once):
        assert answer.mean == pytest.approx(other.mean, abs=1e-11)
        assert answer.covariance == pytest.approx(other.covariance, abs=1e-11)
