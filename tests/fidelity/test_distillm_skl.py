"""DistiLLM's skew forward divergence against numbers that were worked out without this code."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from methods.distillation._losses import ForwardKL, SkewForwardKL
from methods.distillation.distillm import DistiLLM
from runners import catalog
from runners.build import build
from tests.fidelity.released import authors_input, laws, loss_of

# Made as in test_distillm.py, from the authors' skewed_forward_kl and forward_kl (lam 0).
AUTHORS = [
    (0.0, 3.373903751373291, [-0.0263323, -0.0657039, 0.0143354, -0.0002735, 0.0779744]),
    (0.1, 1.9046131372451782, [-0.0033372, -0.0548914, 0.0110224, -0.0002961, 0.0475023]),
    (0.4, 1.210080862045288, [-0.0004612, -0.0228804, 0.0064584, -0.0001622, 0.0170454]),
]


def entropy(logits: Tensor) -> float:
    """Mean over the rows, in nats."""
    log_law = logits.log_softmax(dim=-1)
    return -float((log_law.exp() * log_law).sum(dim=-1).mean())


@pytest.mark.parametrize(("skew", "value", "gradient"), AUTHORS)
def test_skew_forward_kl_is_that_of_the_authors_code(skew: float, value: float, gradient: list[float]) -> None:
    """Theirs leaves the teacher's entropy out: a cross-entropy, with the same gradient."""
    teacher, student = authors_input()
    student.requires_grad_()
    loss = loss_of(SkewForwardKL(skew=skew), teacher, student)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() + entropy(teacher) == pytest.approx(value, rel=1e-6)
    assert student.grad is not None
    assert student.grad[2].tolist() == pytest.approx(gradient, abs=2e-7)


def test_skew_forward_kl_of_two_tokens_by_hand() -> None:
    """p = (1/2, 1/2), q = (1/4, 3/4), a = 1/2: the mixture is (3/8, 5/8), and KL = (ln(4/3) + ln(4/5)) / 2."""
    value = loss_of(SkewForwardKL(skew=0.5), laws((0.5, 0.5)), laws((0.25, 0.75)))
    assert value.item() == pytest.approx(math.log(16 / 15) / 2, rel=1e-12)


def test_without_skew_it_is_the_forward_divergence() -> None:
    """KL((1/2, 1/2), (1/4, 3/4)) = ln 2 - 1/2 ln 3, and so is that of plain distillation."""
    for objective in (SkewForwardKL(skew=0.0), ForwardKL()):
        value = loss_of(objective, laws((0.5, 0.5)), laws((0.25, 0.75)))
        assert value.item() == pytest.approx(math.log(2) - 0.5 * math.log(3), rel=1e-12)


@pytest.mark.parametrize("skew", [0.1, 0.4])
@pytest.mark.parametrize("small", [1e-3, 1e-9, 1e-15])
def test_the_skew_bounds_the_coefficient_of_the_gradient(skew: float, small: float) -> None:
    """d KL / d q = -(1 - a) p / (a p + (1 - a) q) at each token, at most (1 - a) / a; KL has p / q without bound."""
    p = torch.tensor([[0.6, 0.4]], dtype=torch.float64)
    q = torch.tensor([[small, 1 - small]], dtype=torch.float64, requires_grad=True)
    mixed = skew * p + (1 - skew) * q
    by_hand = ((1 - skew) * p / mixed).detach()
    logits = q.log()
    logits.retain_grad()
    loss_of(SkewForwardKL(skew=skew), p.log(), logits).backward()  # type: ignore[no-untyped-call]
    # through the softmax the gradient of logit i is q_i (c_i - mean of c under q), with c = -by_hand
    expected = (q * (-by_hand + (q * by_hand).sum())).detach()
    assert logits.grad is not None
    assert logits.grad[0].tolist() == pytest.approx(expected[0].tolist(), rel=1e-6, abs=1e-15)
    assert by_hand.max().item() <= (1 - skew) / skew


@pytest.mark.parametrize("skew", [-0.1, 1.0])
def test_a_share_that_is_none_is_refused(skew: float) -> None:
    with pytest.raises(ValueError, match="skew must be in"):
        SkewForwardKL(skew=skew)


def test_the_row_uses_it() -> None:
    method = build(catalog.find("method", "distillation/distillm_skl").values, DistiLLM, "method")
    assert method.loss == SkewForwardKL(skew=0.1)
