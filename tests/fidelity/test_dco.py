"""Direct coverage optimisation against the paper's formulas, evaluated as they are written, in double precision."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cross_entropy

from methods.coverage.dco import DirectCoverage, coverage_loss, factor, log_chances

COUNTS = [1, 2, 4, 16, 64, 256]


def logits(seed: int, scale: float) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn((40, 7), generator=generator, dtype=torch.float64)


LABELS = torch.arange(40) % 7


def loss(values: Tensor, labels: Tensor, samples: int) -> Tensor:
    return coverage_loss(*log_chances(values, labels), samples)


@pytest.mark.parametrize("samples", COUNTS)
@pytest.mark.parametrize("scale", [0.1, 1.0, 3.0])
def test_the_loss_and_its_gradient_are_those_of_the_formula(samples: int, scale: float) -> None:
    ours, naive = (logits(0, scale).requires_grad_() for _ in range(2))
    right = naive.softmax(dim=1).gather(1, LABELS[:, None])[:, 0]
    expected = -torch.log(1 - (1 - right) ** samples)
    got = loss(ours, LABELS, samples)
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-12)
    torch.autograd.backward(got.sum())
    torch.autograd.backward(expected.sum())
    torch.testing.assert_close(ours.grad, naive.grad, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("samples", COUNTS)
def test_the_gradient_is_that_of_cross_entropy_times_the_factor(samples: int) -> None:
    ours, plain = (logits(1, 2.0).requires_grad_() for _ in range(2))
    torch.autograd.backward(loss(ours, LABELS, samples).sum())
    torch.autograd.backward(cross_entropy(plain, LABELS, reduction="sum"))
    right = plain.detach().softmax(dim=1).gather(1, LABELS[:, None])[:, 0]
    written = samples * right * (1 - right) ** (samples - 1) / (1 - (1 - right) ** samples)
    assert plain.grad is not None
    torch.testing.assert_close(ours.grad, plain.grad * written[:, None], rtol=1e-8, atol=1e-12)
    torch.testing.assert_close(factor(*log_chances(plain.detach(), LABELS), samples), written, rtol=1e-9, atol=1e-12)


def test_one_sample_is_cross_entropy() -> None:
    values = logits(2, 5.0).float()
    torch.testing.assert_close(loss(values, LABELS, 1).mean(), cross_entropy(values, LABELS))


@pytest.mark.parametrize("samples", COUNTS)
@pytest.mark.parametrize("lead", [-200.0, -40.0, -29.0, -20.0, 0.0, 20.0, 60.0, 200.0])
def test_extreme_chances_are_finite_and_right_in_single_precision(samples: int, lead: float) -> None:
    values = torch.zeros((1, 3), requires_grad=True)
    moved = values + torch.tensor([[lead, 0.0, 0.0]])
    got = loss(moved, torch.tensor([0]), samples)[0]
    torch.autograd.backward(got)
    assert values.grad is not None
    assert torch.isfinite(values.grad).all()
    # q = e^lead / (2 + e^lead), with the standard library's logarithms in double precision
    if lead < 20:
        right = 1 / (1 + 2 * math.exp(-lead))
        expected = -math.log(-math.expm1(samples * math.log1p(-right)))
    else:
        expected = -math.log1p(-((2 / (2 + math.exp(lead))) ** samples))
    assert got.item() == pytest.approx(expected, rel=1e-5, abs=1e-12)


@given(st.integers(0, 10_000), st.sampled_from(COUNTS), st.floats(0.1, 20.0))
def test_more_samples_lose_less_and_hold_more_back(seed: int, samples: int, scale: float) -> None:
    right, missed = log_chances(logits(seed, scale), LABELS)
    assert (coverage_loss(right, missed, samples + 1) <= coverage_loss(right, missed, samples) + 1e-12).all()
    one, more = factor(right, missed, samples), factor(right, missed, samples + 1)
    assert ((one >= 0) & (one <= 1 + 1e-9)).all()
    assert (more <= one + 1e-9).all()


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="samples must be 1 or more, or null, got 0"):
        DirectCoverage(samples=0)
