"""Reverse KL against the released code of DistiLLM and closed forms."""

from __future__ import annotations

import math

import pytest

from methods.distillation._losses import ForwardKL, ReverseKL
from methods.distillation.rkl import RKL
from runners import catalog
from runners.build import build
from tests.fidelity.released import authors_input, check_gradient, check_released, laws, loss_of


def test_the_loss_is_that_of_the_released_code() -> None:
    """jongwooko/distillm at d47e77f, distillm/losses.py: reverse_kl on `authors_input`, labels -100 elsewhere."""
    check_released(ReverseKL(), 1.9376766681671143, [-0.0021092, -0.0680857, 0.0308106, -0.0005165, 0.0399008])


def test_the_gradient() -> None:
    check_gradient(ReverseKL())


def test_two_tokens_by_hand() -> None:
    """p = (1/2, 1/2), q = (1/4, 3/4)."""
    value = loss_of(ReverseKL(), laws((0.5, 0.5)), laws((0.25, 0.75))).item()
    assert value == pytest.approx(0.75 * math.log(3) - math.log(2), rel=1e-12)


def test_the_symmetric_divergence_of_the_released_code_is_a_sum_of_ours() -> None:
    """symmetric_kl with lam 0.9, made like the numbers above; theirs leaves the teacher's entropy out of KL(p, q)."""
    teacher, student = authors_input()
    log_p = teacher.log_softmax(dim=-1)
    entropy = -float((log_p.exp() * log_p).sum(dim=-1).mean())
    forward, backward = (loss_of(objective, teacher, student).item() for objective in (ForwardKL(), ReverseKL()))
    assert 0.1 * (forward + entropy) + 0.9 * backward == pytest.approx(2.081299304962158, rel=2e-6)


def test_the_row_is_this_method() -> None:
    assert build(catalog.find("method", "distillation/rkl").values, RKL, "method") == RKL()
