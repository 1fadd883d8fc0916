"""Distillation of classifiers, the class KD, against released code, and against a value worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from methods.classifier_distillation._loop import Examples
from methods.classifier_distillation._losses import OfLogits, of_logits
from methods.classifier_distillation.kd import KD
from runners import catalog
from runners.build import build

# iclr2024mcmi/ICLRMCMI at d12f354, CIFAT-100KD/distiller_zoo/KD.py: DistillKL(4) on the input
# below, float32; value, and gradient of row 2 of the student's logits.
VALUE = 4.1058220863342285
GRADIENT = [-0.007574830204248428, -0.10864997655153275, 0.2267128974199295, 0.010834050364792347, -0.1213221475481987]


def test_the_divergence_is_that_of_the_released_code() -> None:
    n = torch.arange(30, dtype=torch.float32).reshape(6, 5)
    student, teacher = (3 * torch.sin(1.7 * n)).requires_grad_(), 3 * torch.cos(2.3 * n)
    loss = of_logits(student, teacher, 4.0)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(VALUE, rel=1e-6)
    assert student.grad is not None
    assert student.grad[2].tolist() == pytest.approx(GRADIENT, abs=2e-7)


def test_the_loss_of_one_example_by_hand() -> None:
    """At T = 2 logits ln 4 and 0 are odds of 2; the teacher's are even. KL = ln(3 / (2 sqrt 2)); CE = ln(5 / 4)."""
    logits, teacher = torch.tensor([[math.log(4), 0.0]]), torch.zeros(1, 2)
    batch = Examples(torch.zeros(1, 1), torch.tensor([0]), teacher)
    loss = OfLogits(2.0, 0.9).loss((), logits, batch)
    by_hand = 0.1 * math.log(5 / 4) + 0.9 * 4 * math.log(3 / (2 * math.sqrt(2)))
    assert loss.item() == pytest.approx(by_hand, rel=1e-5)


def test_the_row_has_the_values_of_the_benchmark() -> None:
    method = build(catalog.find("method", "classifier_distillation/kd").values, KD, "method")
    assert method == KD(temperature=4.0, weight=0.9)
