"""Attention transfer against released code."""

from __future__ import annotations

import pytest
import torch

from methods.classifier_distillation._losses import of_attention
from methods.classifier_distillation.attention_transfer import AttentionTransfer
from runners import catalog
from runners.build import build

# iclr2024mcmi/ICLRMCMI at d12f354, CIFAT-100KD/distiller_zoo/AT.py: Attention()([student],
# [teacher]) on the input below, float32; value, and gradient of channel 0 of example 1.
VALUE = 0.11477188020944595
GRADIENT = [0.05985948443412781, 0.0035178514663130045, 0.064087875187397, 0.0038860782515257597]


def test_the_difference_of_maps_is_that_of_the_released_code() -> None:
    student = torch.sin(1.7 * torch.arange(24, dtype=torch.float32).reshape(2, 3, 2, 2)).requires_grad_()
    teacher = torch.cos(2.3 * torch.arange(40, dtype=torch.float32).reshape(2, 5, 2, 2))
    loss = of_attention(student, teacher)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(VALUE, rel=1e-5)
    assert student.grad is not None
    assert student.grad[1, 0].flatten().tolist() == pytest.approx(GRADIENT, abs=2e-7)


def test_the_row_has_the_value_of_the_benchmark() -> None:
    name = "classifier_distillation/attention_transfer"
    assert build(catalog.find("method", name).values, AttentionTransfer, "method").weight == 1000.0
