"""Relational distillation against released code."""

from __future__ import annotations

import pytest
import torch

from methods.classifier_distillation._losses import of_angles, of_distances
from methods.classifier_distillation.relational import Relational
from runners import catalog
from runners.build import build

# iclr2024mcmi/ICLRMCMI at d12f354, CIFAT-100KD/distiller_zoo/RKD.py: RKDLoss(1, 0) and
# RKDLoss(0, 1) on the input below, float32; value, and gradient of row 2 of the student's layer.
DISTANCES = 0.14989188313484192
OF_DISTANCES = [-0.0023723598, 0.0070214979, 0.0005629919, -0.0071666073, 0.0012837779]
ANGLES = 0.16497991979122162
OF_ANGLES = [-0.0023975247, 0.0019184391, 0.0019031656, -0.0024089026, -0.0012824028]


@pytest.mark.parametrize(
    ("loss_of", "value", "gradient"), [(of_distances, DISTANCES, OF_DISTANCES), (of_angles, ANGLES, OF_ANGLES)]
)
def test_distances_and_angles_are_those_of_the_released_code(loss_of, value, gradient) -> None:  # type: ignore[no-untyped-def]
    n = torch.arange(30, dtype=torch.float32).reshape(6, 5)
    student, teacher = (3 * torch.sin(1.7 * n)).requires_grad_(), 3 * torch.cos(2.3 * n)
    loss = loss_of(student, teacher)
    loss.backward()
    assert loss.item() == pytest.approx(value, rel=1e-5)
    assert student.grad is not None
    assert student.grad[2].tolist() == pytest.approx(gradient, abs=2e-7)


def test_the_row_has_the_values_of_the_paper() -> None:
    method = build(catalog.find("method", "classifier_distillation/relational").values, Relational, "method")
    assert (method.distance_weight, method.angle_weight) == (25.0, 50.0)
