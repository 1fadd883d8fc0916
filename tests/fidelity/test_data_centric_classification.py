"""Data-centric classification against the authors' code: the fit to soft targets, and whole rounds."""

from __future__ import annotations

import numpy as np
import pytest

from methods.gp_distillation._conditioning import prior
from methods.gp_distillation._laplace import Likelihood, averaged, posterior
from methods.gp_distillation.data_centric_classification import DataCentricClassification
from tasks.gp_distillation import Gaussian
from tests.gp_examples import ASKED, INPUTS, KERNEL, RUN, SOFT, classification

# _ContinuousBinaryGaussianProcessClassifierLaplace(kernel, optimizer=None).fit(INPUTS, SOFT): f_cached; latent mean and
# variance at ASKED by the lines of its predict_proba; predict_proba(ASKED)[:, 1]
MODE = [
    0.1599102737, 0.9485443053, -0.7151553918, -0.3977144251, 0.8509538752, -0.7815366758,
    -0.4813053225, 0.6766621989, 0.1845834417, -0.1992636799, 0.703135852, 1.0846453556,
]  # fmt: skip
LATENT = [0.5599148982, -0.6670625913, 0.5146570218, -0.5670343282]
VARIANCE = [2.6847925766, 2.1076430413, 2.6213298145, 2.3573381578]
PROBABILITY = [0.5937996049, 0.3822011404, 0.586869072, 0.4019767553]
# DataCentricGPC(optimizer=None, optimize_mode=None, num_distillations=t).fit(INPUTS, LABELS).predict_proba(ASKED)[:, 1]
ROUNDS = {
    1: [0.3389469433, 0.5287791009, 0.7259710223, 0.2825396496],
    2: [0.3198857125, 0.5269247064, 0.6795778186, 0.3096684983],
    3: [0.3461465146, 0.5282359401, 0.6570877982, 0.3303022024],
}
FIVE_ERROR_FUNCTIONS = 5e-5  # how far theirs are from the integral


def test_the_fit_to_soft_targets_is_that_of_the_authors() -> None:
    joint = posterior(prior(KERNEL, INPUTS, ASKED), SOFT, Likelihood.CONTINUOUS)
    assert joint.mean == pytest.approx(np.array(MODE + LATENT), abs=1e-8)
    assert joint.covariance.diagonal()[12:] == pytest.approx(np.array(VARIANCE), abs=1e-8)
    asked = Gaussian(joint.mean[12:], joint.covariance[12:, 12:])
    assert averaged(asked) == pytest.approx(np.array(PROBABILITY), abs=FIVE_ERROR_FUNCTIONS)


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_rounds_are_those_of_the_authors(rounds: int) -> None:
    method = DataCentricClassification(likelihood=Likelihood.CONTINUOUS)
    probability = method.solve(classification(rounds), RUN)(ASKED).probability
    assert probability == pytest.approx(np.array(ROUNDS[rounds]), abs=FIVE_ERROR_FUNCTIONS)


def test_the_other_likelihood_gives_other_numbers() -> None:
    """So that the comparison above means something."""
    method = DataCentricClassification(likelihood=Likelihood.BERNOULLI)
    probability = method.solve(classification(3), RUN)(ASKED).probability
    assert np.abs(probability - np.array(ROUNDS[3])).max() > 0.01
