"""The ablation `distribution_centric_rescaled` against the authors' code, which it follows."""

from __future__ import annotations

import numpy as np
import pytest

from methods.gp_distillation.distribution_centric_classification import DistributionCentricClassification, HandedOn
from runners import catalog
from runners.build import build
from tests.gp_examples import ASKED, RUN, classification

# DistributionCentricGPC(optimizer=None, num_distillations=3).fit(INPUTS, LABELS): latent_mean_and_variance(ASKED), and
# predict_proba(ASKED)[:, 1], which sums five error functions
LATENT = [-1.0085087403, 0.2285153054, 2.0446843168, -1.7208541845]
VARIANCE = [5.1530911414, 2.7986379722, 4.0442172953, 2.9281493772]
PROBABILITY = [0.3619343558, 0.5381889408, 0.7794140176, 0.2388552794]


def test_three_rounds_are_those_of_the_authors() -> None:
    method = DistributionCentricClassification(handed_on=HandedOn.RESCALED)
    answer = method.solve(classification(3), RUN)(ASKED)
    assert answer.latent.mean == pytest.approx(np.array(LATENT), abs=1e-8)
    assert answer.latent.covariance.diagonal() == pytest.approx(np.array(VARIANCE), abs=1e-8)
    assert answer.probability == pytest.approx(np.array(PROBABILITY), abs=5e-5)


def test_the_row_is_this_method() -> None:
    values = catalog.find("method", "gp_distillation/distribution_centric_rescaled").values
    method = build(values, DistributionCentricClassification, "method")
    assert method == DistributionCentricClassification(handed_on=HandedOn.RESCALED)
