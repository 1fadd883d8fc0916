"""Total variation against the released code of DistiLLM and closed forms."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from methods.distillation._losses import ReverseKL, TotalVariation
from methods.distillation.tvd import TVD
from runners import catalog
from runners.build import build
from tests.fidelity.released import check_gradient, check_released, laws, loss_of


def test_the_loss_is_that_of_the_released_code() -> None:
    """jongwooko/distillm at d47e77f, distillm/losses.py: tv_distance on `authors_input`, labels -100 elsewhere."""
    check_released(TotalVariation(), 0.6312530040740967, [-0.0003582, -0.0463034, 0.0040225, -0.0005629, 0.043202])


def test_the_gradient() -> None:
    check_gradient(TotalVariation())


def test_two_tokens_by_hand() -> None:
    """Half of 1/4 + 1/4."""
    assert loss_of(TotalVariation(), laws((0.5, 0.5)), laws((0.25, 0.75))).item() == pytest.approx(0.25, rel=1e-12)


@given(seed=st.integers(0, 1000))
def test_pinsker(seed: int) -> None:
    p, q = 3 * torch.randn(2, 1, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    assert loss_of(TotalVariation(), p, q).item() ** 2 <= loss_of(ReverseKL(), p, q).item() / 2


def test_the_row_is_this_method() -> None:
    assert build(catalog.find("method", "distillation/tvd").values, TVD, "method") == TVD()
