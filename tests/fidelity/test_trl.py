"""GKD's loss against TRL, in its own process where TRL is installed."""

from __future__ import annotations

import warnings

import pytest
import torch

from methods.distillation._losses import JensenShannon
from tasks.distillation.measures import TokenBatch, response_logits

pytest.importorskip("trl", reason="trl is not installed")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it says that these trainers are experimental
    from trl.experimental.gkd import GKDTrainer


@pytest.mark.parametrize("beta", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_loss_of_gkd_and_its_gradient(beta: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    teacher, student = 2 * torch.randn(2, 3, 7, 11, generator=generator)
    tokens = torch.randint(11, (3, 7), generator=generator)
    real = torch.arange(7) < torch.tensor([[7], [5], [6]])
    scored = real[:, 1:] & (torch.arange(1, 7) >= torch.tensor([[2], [3], [1]]))
    batch = TokenBatch(tokens, real, scored)
    ours, theirs = student.clone().requires_grad_(), student.clone().requires_grad_()
    loss = JensenShannon(beta=beta).loss(response_logits(teacher, batch), response_logits(ours, batch), batch)
    labels = torch.where(scored, tokens[:, 1:], -100)
    expected = GKDTrainer.generalized_jsd_loss(theirs[:, :-1], teacher[:, :-1], labels=labels, beta=beta)
    loss.backward()  # type: ignore[no-untyped-call]
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert ours.grad is not None
    assert theirs.grad is not None
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-7)
