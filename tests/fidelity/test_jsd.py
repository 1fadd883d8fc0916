"""The generalised Jensen-Shannon divergence against the released code of DistiLLM and closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from methods.distillation._losses import ForwardKL, JensenShannon, ReverseKL
from methods.distillation.jsd import JSD
from runners import catalog
from runners.build import build
from tests.fidelity.released import check_gradient, check_released, laws, loss_of

# jongwooko/distillm at d47e77f, distillm/losses.py: js_distance (lam = 1 - beta) called on `authors_input` with labels
# of -100 at the two places that are not scored; beta, value, and gradient of the logits at [1, 0].
AUTHORS = [
    (0.1, 0.15206226706504822, [-0.0008111, -0.0061368, 0.0012195, -3.05e-05, 0.0057589]),
    (0.5, 0.33178776502609253, [-0.0008273, -0.0163634, 0.0039456, -0.0001015, 0.0133466]),
    (0.9, 0.1391569972038269, [-0.000202, -0.0059675, 0.0021835, -4.34e-05, 0.0040293]),
]


@pytest.mark.parametrize(("beta", "value", "gradient"), AUTHORS)
def test_the_loss_is_that_of_the_released_code(beta: float, value: float, gradient: list[float]) -> None:
    check_released(JensenShannon(beta=beta), value, gradient)


def test_the_gradient() -> None:
    check_gradient(JensenShannon(beta=0.3))


def test_two_tokens_by_hand() -> None:
    """p = (1/2, 1/2), q = (1/4, 3/4), b = 1/2: the mixture is (3/8, 5/8)."""
    to_teacher = 0.5 * math.log(4 / 3) + 0.5 * math.log(4 / 5)
    to_student = 0.25 * math.log(2 / 3) + 0.75 * math.log(6 / 5)
    value = loss_of(JensenShannon(beta=0.5), laws((0.5, 0.5)), laws((0.25, 0.75))).item()
    assert value == pytest.approx(0.5 * to_teacher + 0.5 * to_student, rel=1e-12)


def test_near_its_ends_the_divergence_over_beta_tends_to_them() -> None:
    p, q = laws((0.5, 0.3, 0.2)), laws((0.2, 0.2, 0.6))
    small = 1e-6
    forward = loss_of(JensenShannon(beta=small), p, q).item() / small
    backward = loss_of(JensenShannon(beta=1 - small), p, q).item() / small
    assert forward == pytest.approx(loss_of(ForwardKL(), p, q).item(), rel=1e-4)
    assert backward == pytest.approx(loss_of(ReverseKL(), p, q).item(), rel=1e-4)


@given(beta=st.floats(0.01, 0.99), seed=st.integers(0, 1000))
def test_exchanging_the_laws_exchanges_the_weights(beta: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    p, q = 3 * torch.randn(2, 4, 7, dtype=torch.float64, generator=generator)
    one, other = loss_of(JensenShannon(beta=beta), p, q), loss_of(JensenShannon(beta=1 - beta), q, p)
    assert one.item() == pytest.approx(other.item(), rel=1e-9)
    assert 0 <= one.item() <= math.log(2)


@pytest.mark.parametrize("beta", [-0.1, 1.1])
def test_a_beta_that_is_no_share_is_refused(beta: float) -> None:
    with pytest.raises(ValueError, match="beta must be in"):
        JensenShannon(beta=beta)


def test_the_row_has_the_value_of_the_released_code() -> None:
    assert build(catalog.find("method", "distillation/jsd").values, JSD, "method") == JSD(loss=JensenShannon(beta=0.1))
