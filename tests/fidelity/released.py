"""What the comparisons with the released code of DistiLLM share: its input, and our losses without a batch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from methods.distillation._losses import Objective
from tasks.distillation.measures import TokenBatch

NO_BATCH = TokenBatch(torch.zeros(1, 1, dtype=torch.long), torch.ones(1, 1, dtype=torch.bool), torch.ones(1, 0).bool())


def loss_of(objective: Objective, teacher: Tensor, student: Tensor) -> Tensor:
    return objective.loss(teacher, student, NO_BATCH)


def laws(*rows: tuple[float, ...]) -> Tensor:
    """Logits of given probabilities."""
    return torch.tensor(rows, dtype=torch.float64).log()


def authors_input() -> tuple[Tensor, Tensor]:
    """Teacher and student logits (4, 5), the rows that are scored there."""
    n = torch.arange(2 * 3 * 5, dtype=torch.float32).reshape(2, 3, 5)
    scored = torch.tensor([[False, True, True], [True, True, False]])
    return (3 * torch.sin(1.7 * n))[scored], (3 * torch.cos(2.3 * n))[scored]


def check_released(objective: Objective, value: float, gradient: list[float]) -> None:
    """The loss on `authors_input`, and the gradient of the logits at [1, 0]."""
    teacher, student = authors_input()
    student.requires_grad_()
    loss = loss_of(objective, teacher, student)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(value, rel=2e-6)
    assert student.grad is not None
    assert student.grad[2].tolist() == pytest.approx(gradient, abs=2e-7)


def check_gradient(objective: Objective) -> None:
    """The gradient is that of finite differences, and finite where both laws underflow."""
    generator = torch.Generator().manual_seed(0)
    teacher, student = torch.randn(2, 3, 6, dtype=torch.float64, generator=generator)
    student = student.requires_grad_()
    assert torch.autograd.gradcheck(lambda logits: loss_of(objective, teacher, logits), (student,), atol=1e-8)
    teacher, student = torch.tensor([[0.0, 1.0, -200.0]]), torch.tensor([[1.0, 0.0, -300.0]], requires_grad=True)
    loss = loss_of(objective, teacher, student)
    loss.backward()  # type: ignore[no-untyped-call]
    assert student.grad is not None
    assert torch.isfinite(loss)
    assert torch.isfinite(student.grad).all()
