"""Hints against released code."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from methods.classifier_distillation._loop import Examples
from methods.classifier_distillation._losses import OfHints, of_labels
from methods.classifier_distillation.hints import Hints
from runners import catalog
from runners.build import build

# iclr2024mcmi/ICLRMCMI at d12f354, CIFAT-100KD/distiller_zoo/FitNet.py: HintLoss on the input
# below, float32; value, and gradient of row 2 of the student's layer.
VALUE = 9.33678150177002
GRADIENT = [-0.08571289479732513, -0.227008655667305, 0.3561829924583435, -0.032695770263671875, -0.33596810698509216]


def test_the_hint_is_that_of_the_released_code() -> None:
    n = torch.arange(30, dtype=torch.float32).reshape(6, 5)
    student, teacher = (3 * torch.sin(1.7 * n)).requires_grad_(), 3 * torch.cos(2.3 * n)
    objective = OfHints(100.0, 0, (5,), (5,))
    assert isinstance(objective.regressor, nn.Linear)
    with torch.no_grad():  # hand the layer on as it is
        objective.regressor.weight.copy_(torch.eye(5))
        objective.regressor.bias.zero_()
    labels, logits = torch.tensor([0, 1, 2, 3, 4, 0]), torch.zeros(6, 5)
    loss = objective.loss((student,), logits, Examples(n, labels, None, (teacher,)))
    loss.backward()  # type: ignore[no-untyped-call]
    assert (loss - of_labels(logits, labels)).item() / 100 == pytest.approx(VALUE, rel=1e-6)
    assert student.grad is not None
    assert (student.grad[2] / 100).tolist() == pytest.approx(GRADIENT, abs=1e-6)


def test_the_row_has_the_values_of_the_benchmark() -> None:
    assert build(catalog.find("method", "classifier_distillation/hints").values, Hints, "method").weight == 100.0
