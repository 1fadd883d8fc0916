"""GKD against numbers of TRL; test_trl.py compares with TRL itself where that is installed."""

from __future__ import annotations

import pytest

from methods.distillation._losses import ForwardKL, JensenShannon, ReverseKL
from methods.distillation._regimes import OnPolicy
from methods.distillation.gkd import GKD
from runners import catalog
from runners.build import build
from tests.fidelity.released import authors_input, check_released, loss_of

# trl 1.16.0, GKDTrainer.generalized_jsd_loss called on `authors_input` with labels of -100 at the two places that are
# not scored; beta, value, and gradient of the logits at [1, 0].
TRL = [
    (0.0, 2.59941029548645, [-0.0263323, -0.0657039, 0.0143354, -0.0002735, 0.0779744]),
    (0.1, 0.15206223726272583, [-0.0008111, -0.0061368, 0.0012195, -3.05e-05, 0.0057589]),
    (0.5, 0.33178776502609253, [-0.0008273, -0.0163634, 0.0039456, -0.0001015, 0.0133466]),
    (0.9, 0.1391569972038269, [-0.000202, -0.0059675, 0.0021835, -4.34e-05, 0.0040293]),
    (1.0, 1.9376767873764038, [-0.0021092, -0.0680857, 0.0308106, -0.0005165, 0.0399008]),
]


@pytest.mark.parametrize(("beta", "value", "gradient"), TRL)
def test_the_loss_is_that_of_trl(beta: float, value: float, gradient: list[float]) -> None:
    check_released(JensenShannon(beta=beta), value, gradient)


def test_the_ends_of_beta_are_the_two_divergences() -> None:
    teacher, student = authors_input()
    for beta, objective in ((0.0, ForwardKL()), (1.0, ReverseKL())):
        assert loss_of(JensenShannon(beta=beta), teacher, student) == loss_of(objective, teacher, student)


@pytest.mark.parametrize("share", [0.0, 1.1])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share must be in"):
        OnPolicy(share=share)


def test_the_row_has_the_values_of_trl() -> None:
    row = build(catalog.find("method", "distillation/gkd").values, GKD, "method")
    assert row == GKD(loss=JensenShannon(beta=0.5), regime=OnPolicy(share=0.5))
