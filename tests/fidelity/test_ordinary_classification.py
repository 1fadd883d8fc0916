"""Ordinary classification against scikit-learn's, which uses the same approximation and its own Newton's method."""

from __future__ import annotations

import pytest
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from methods.gp_distillation.ordinary_classification import OrdinaryClassification
from tests.gp_examples import ASKED, INPUTS, KERNEL, LABELS, RUN, classification


@pytest.mark.parametrize("rounds", [1, 4])
def test_it_is_that_of_the_library_however_many_rounds(rounds: int) -> None:
    kernel = ConstantKernel(KERNEL.variance) * RBF(KERNEL.length_scale)
    library = GaussianProcessClassifier(kernel, optimizer=None).fit(INPUTS, LABELS)
    answer = OrdinaryClassification().solve(classification(rounds), RUN)(ASKED)
    weights = library.base_estimator_
    latent = KERNEL(ASKED, INPUTS) @ (LABELS - weights.pi_)
    assert answer.latent.mean == pytest.approx(latent, abs=1e-5)
    assert answer.probability == pytest.approx(library.predict_proba(ASKED)[:, 1], abs=5e-5)
