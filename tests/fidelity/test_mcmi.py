"""The teacher's tuning in MCMI against the authors' released code, and against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from methods.classifier_distillation.mcmi import MCMI, centroids, divergence
from runners import catalog
from runners.build import build

# iclr2024mcmi/ICLRMCMI at d12f354, folder CIFAT-100KD: Centroid(5, ..).update_epoch on the logits of `earlier` (a
# network that hands its input on), then CE_KL_loss on `logits` with get_centroids(labels), and 1 * CE - 0.15 * CMI as
# with `--param 1 -0.15`; float32. Q of class 0, CE, CMI, loss, and the gradient of row 2 of the logits.
MEANS = [0.4848620295524597, 0.003647327423095703, 0.2987191677093506, 0.20866656303405762, 0.004104907158762217]
CE, CMI, LOSS = 3.88165020942688, 2.703357696533203, 3.4761464595794678
GRADIENT = [0.0008300621411763132, 0.01106956321746111, -0.022993139922618866, 0.01005294919013977, 0.0010405761422589]

NUMBERS = torch.arange(30, dtype=torch.float32).reshape(6, 5)
LABELS = torch.tensor([0, 1, 2, 3, 4, 0])


def test_centroids_loss_and_gradient_are_those_of_the_released_code() -> None:
    logits, earlier = (3 * torch.sin(1.7 * NUMBERS)).requires_grad_(), 3 * torch.cos(2.3 * NUMBERS)
    means = centroids(earlier, LABELS, 5)
    assert means[0].tolist() == pytest.approx(MEANS, abs=1e-6)
    ce, cmi = cross_entropy(logits, LABELS), divergence(logits, means[LABELS])
    (ce - 0.15 * cmi).backward()  # type: ignore[no-untyped-call]
    assert ce.item() == pytest.approx(CE, rel=1e-6)
    assert cmi.item() == pytest.approx(CMI, rel=1e-6)
    assert (ce - 0.15 * cmi).item() == pytest.approx(LOSS, rel=1e-6)
    assert logits.grad is not None
    assert logits.grad[2].tolist() == pytest.approx(GRADIENT, abs=2e-7)


def test_the_divergence_of_two_answers_by_hand() -> None:
    """(1/2, 1/2) and (1, 0), with the mean (3/4, 1/4): (1/2 ln(2/3) + 1/2 ln 2 + ln(4/3)) / 2."""
    logits = torch.tensor([[0.5, 0.5], [1.0, 1e-30]], dtype=torch.float64).log()
    means = centroids(logits.float(), torch.tensor([0, 0]), 2)
    assert means.tolist() == [pytest.approx([0.75, 0.25]), [0.5, 0.5]], "a class without examples gets an even one"
    value = divergence(logits, means[torch.tensor([0, 0])].double())
    assert value.item() == pytest.approx((0.5 * math.log(4 / 3) + math.log(4 / 3)) / 2)


def test_the_row_has_the_authors_values() -> None:
    method = build(catalog.find("method", "classifier_distillation/mcmi").values, MCMI, "method")
    assert (method.weight, method.rate, method.temperature, method.distillation) == (0.15, 0.5, 4.0, 0.9)
