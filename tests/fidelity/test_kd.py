"""Plain distillation against the baseline `kd` of DistiLLM's released code, and against a value worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from methods.distillation._losses import ForwardKL
from methods.distillation.kd import KD
from runners import catalog
from runners.build import build
from tasks.distillation.measures import TokenBatch

NO_BATCH = TokenBatch(torch.zeros(1, 1, dtype=torch.long), torch.ones(1, 1, dtype=torch.bool), torch.ones(1, 0).bool())

# jongwooko/distillm at d47e77f, distillm/losses.py: forward_kl called on the input below, with labels of -100 at the
# two places that are not scored; value, and gradient of the logits at [1, 0].
VALUE, GRADIENT = 3.373903751373291, [-0.0263323, -0.0657039, 0.0143354, -0.0002735, 0.0779744]


def test_the_loss_is_that_of_the_released_code() -> None:
    """Theirs leaves the teacher's entropy out: a cross-entropy, with the same gradient."""
    n = torch.arange(2 * 3 * 5, dtype=torch.float32).reshape(2, 3, 5)
    scored = torch.tensor([[False, True, True], [True, True, False]])
    teacher, student = (3 * torch.sin(1.7 * n))[scored], (3 * torch.cos(2.3 * n))[scored].requires_grad_()
    loss = ForwardKL().loss(teacher, student, NO_BATCH)
    loss.backward()  # type: ignore[no-untyped-call]
    log_p = teacher.log_softmax(dim=-1)
    entropy = -float((log_p.exp() * log_p).sum(dim=-1).mean())
    assert loss.item() + entropy == pytest.approx(VALUE, rel=1e-6)
    assert student.grad is not None
    assert student.grad[2].tolist() == pytest.approx(GRADIENT, abs=2e-7)


def test_the_loss_of_two_tokens_by_hand() -> None:
    """KL((1/2, 1/2), (1/4, 3/4)) = ln 2 - 1/2 ln 3."""
    teacher, student = torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[0.25, 0.75]]).log()
    loss = ForwardKL().loss(teacher, student, NO_BATCH)
    assert loss.item() == pytest.approx(math.log(2) - 0.5 * math.log(3), rel=1e-6)


def test_the_row_is_this_method() -> None:
    assert build(catalog.find("method", "distillation/kd").values, KD, "method") == KD()
