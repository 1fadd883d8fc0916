"""Distribution-centric classification against the authors' code, whose covariance is t times the paper's."""

from __future__ import annotations

import numpy as np
import pytest

from methods.gp_distillation.distribution_centric_classification import DistributionCentricClassification, HandedOn
from tests.gp_examples import ASKED, RUN, classification

# DistributionCentricGPC(optimizer=None, num_distillations=3).fit(INPUTS, LABELS): latent_mean_and_variance(ASKED)
LATENT = [-1.0085087403, 0.2285153054, 2.0446843168, -1.7208541845]
VARIANCE = [5.1530911414, 2.7986379722, 4.0442172953, 2.9281493772]


def test_the_mode_is_theirs_and_the_covariance_a_third_of_theirs() -> None:
    method = DistributionCentricClassification(handed_on=HandedOn.EXACT)
    latent = method.solve(classification(3), RUN)(ASKED).latent
    assert latent.mean == pytest.approx(np.array(LATENT), abs=1e-8)
    assert 3 * latent.covariance.diagonal() == pytest.approx(np.array(VARIANCE), abs=1e-8)
