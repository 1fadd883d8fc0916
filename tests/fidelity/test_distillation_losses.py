"""The losses of the baselines against the released code of DistiLLM, closed forms, and each other."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from methods.distillation._losses import ForwardKL, JensenShannon, Objective, ReverseKL, TotalVariation
from methods.distillation._regimes import Decaying, Draw, OnPolicy, Progress
from methods.distillation.gkd import GKD
from methods.distillation.imitkd import ImitKD
from methods.distillation.jsd import JSD
from methods.distillation.rkl import RKL
from methods.distillation.tvd import TVD
from runners import catalog
from runners.build import build
from tasks.distillation.measures import TokenBatch

NO_BATCH = TokenBatch(torch.zeros(1, 1, dtype=torch.long), torch.ones(1, 1, dtype=torch.bool), torch.ones(1, 0).bool())


def loss_of(objective: Objective, teacher: Tensor, student: Tensor) -> Tensor:
    return objective.loss(teacher, student, NO_BATCH)


def laws(*rows: tuple[float, ...]) -> Tensor:
    """Logits of given probabilities."""
    return torch.tensor(rows, dtype=torch.float64).log()


def authors_input() -> tuple[Tensor, Tensor]:
    """Teacher and student logits (4, 5), as in test_distillm.py."""
    n = torch.arange(2 * 3 * 5, dtype=torch.float32).reshape(2, 3, 5)
    scored = torch.tensor([[False, True, True], [True, True, False]])
    return (3 * torch.sin(1.7 * n))[scored], (3 * torch.cos(2.3 * n))[scored]


# jongwooko/distillm at d47e77f, distillm/losses.py: reverse_kl, js_distance (lam = 1 - beta) and tv_distance called on
# `authors_input` with labels of -100 at the two places that are not scored; value, and gradient at [1, 0].
AUTHORS: list[tuple[Objective, float, list[float]]] = [
    (ReverseKL(), 1.9376766681671143, [-0.0021092, -0.0680857, 0.0308106, -0.0005165, 0.0399008]),
    (JensenShannon(beta=0.1), 0.15206226706504822, [-0.0008111, -0.0061368, 0.0012195, -3.05e-05, 0.0057589]),
    (JensenShannon(beta=0.5), 0.33178776502609253, [-0.0008273, -0.0163634, 0.0039456, -0.0001015, 0.0133466]),
    (JensenShannon(beta=0.9), 0.1391569972038269, [-0.000202, -0.0059675, 0.0021835, -4.34e-05, 0.0040293]),
    (TotalVariation(), 0.6312530040740967, [-0.0003582, -0.0463034, 0.0040225, -0.0005629, 0.043202]),
]


@pytest.mark.parametrize(("objective", "value", "gradient"), AUTHORS, ids=[repr(row[0]) for row in AUTHORS])
def test_losses_are_those_of_the_released_code(objective: Objective, value: float, gradient: list[float]) -> None:
    teacher, student = authors_input()
    student.requires_grad_()
    loss = loss_of(objective, teacher, student)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(value, rel=2e-6)
    assert student.grad is not None
    assert student.grad[2].tolist() == pytest.approx(gradient, abs=2e-7)


def test_the_symmetric_divergence_of_the_released_code_is_a_sum_of_ours() -> None:
    """symmetric_kl with lam 0.9, made like the numbers above; theirs leaves the teacher's entropy out of KL(p, q)."""
    teacher, student = authors_input()
    log_p = teacher.log_softmax(dim=-1)
    entropy = -float((log_p.exp() * log_p).sum(dim=-1).mean())
    forward, backward = (loss_of(objective, teacher, student).item() for objective in (ForwardKL(), ReverseKL()))
    assert 0.1 * (forward + entropy) + 0.9 * backward == pytest.approx(2.081299304962158, rel=2e-6)


def test_two_tokens_by_hand() -> None:
    """p = (1/2, 1/2), q = (1/4, 3/4): half of 1/4 + 1/4; and for b = 1/2 the mixture is (3/8, 5/8)."""
    p, q = laws((0.5, 0.5)), laws((0.25, 0.75))
    assert loss_of(TotalVariation(), p, q).item() == pytest.approx(0.25, rel=1e-12)
    assert loss_of(ReverseKL(), p, q).item() == pytest.approx(0.75 * math.log(3) - math.log(2), rel=1e-12)
    to_teacher = 0.5 * math.log(4 / 3) + 0.5 * math.log(4 / 5)
    to_student = 0.25 * math.log(2 / 3) + 0.75 * math.log(6 / 5)
    value = loss_of(JensenShannon(beta=0.5), p, q).item()
    assert value == pytest.approx(0.5 * to_teacher + 0.5 * to_student, rel=1e-12)


def test_the_ends_of_beta_are_the_two_divergences() -> None:
    teacher, student = authors_input()
    for beta, objective in ((0.0, ForwardKL()), (1.0, ReverseKL())):
        assert loss_of(JensenShannon(beta=beta), teacher, student) == loss_of(objective, teacher, student)


def test_near_its_ends_the_divergence_over_beta_tends_to_them() -> None:
    p, q = laws((0.5, 0.3, 0.2)), laws((0.2, 0.2, 0.6))
    small = 1e-6
    forward = loss_of(JensenShannon(beta=small), p, q).item() / small
    backward = loss_of(JensenShannon(beta=1 - small), p, q).item() / small
    assert forward == pytest.approx(loss_of(ForwardKL(), p, q).item(), rel=1e-4)
    assert backward == pytest.approx(loss_of(ReverseKL(), p, q).item(), rel=1e-4)


@given(beta=st.floats(0.01, 0.99), seed=st.integers(0, 1000))
def test_exchanging_the_laws_exchanges_the_weights(beta: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    p, q = 3 * torch.randn(2, 4, 7, dtype=torch.float64, generator=generator)
    one, other = loss_of(JensenShannon(beta=beta), p, q), loss_of(JensenShannon(beta=1 - beta), q, p)
    assert one.item() == pytest.approx(other.item(), rel=1e-9)
    assert 0 <= one.item() <= math.log(2)
    assert loss_of(TotalVariation(), p, q).item() ** 2 <= loss_of(ReverseKL(), p, q).item() / 2  # Pinsker


@pytest.mark.parametrize("objective", [ReverseKL(), JensenShannon(beta=0.3), TotalVariation()])
def test_gradients_are_those_of_finite_differences(objective: Objective) -> None:
    generator = torch.Generator().manual_seed(0)
    teacher, student = torch.randn(2, 3, 6, dtype=torch.float64, generator=generator)
    student = student.requires_grad_()
    assert torch.autograd.gradcheck(lambda logits: loss_of(objective, teacher, logits), (student,), atol=1e-8)


@pytest.mark.parametrize("objective", [ReverseKL(), JensenShannon(beta=0.1), TotalVariation()])
def test_nothing_underflows(objective: Objective) -> None:
    teacher, student = torch.tensor([[0.0, 1.0, -200.0]]), torch.tensor([[1.0, 0.0, -300.0]], requires_grad=True)
    loss = loss_of(objective, teacher, student)
    loss.backward()  # type: ignore[no-untyped-call]
    assert student.grad is not None
    assert torch.isfinite(loss)
    assert torch.isfinite(student.grad).all()


@pytest.mark.parametrize("beta", [-0.1, 1.1])
def test_a_beta_that_is_no_share_is_refused(beta: float) -> None:
    with pytest.raises(ValueError, match="beta must be in"):
        JensenShannon(beta=beta)


def test_the_chance_of_references_falls_as_in_the_code_of_imitkd() -> None:
    """asappresearch/imitkd at 8b9fadd: beta = 200 ** (-t / N), t counted from 0: at a half 1 / sqrt(200)."""
    regime = Decaying(base=200.0)
    for step, references in ((1, 1.0), (51, 200**-0.5), (100, 200**-0.99)):
        progress = Progress(step, 100, 0)
        state = regime.choose(regime.start(), progress, 0.0)[1]
        assert state.phi == pytest.approx(1 - references, rel=1e-12)
        for u, draw in ((state.phi - 1e-9, Draw.FRESH), (state.phi + 1e-9, Draw.DATA)):
            assert u < 0 or regime.choose(regime.start(), progress, u)[0] is draw


def test_the_rows_use_them() -> None:
    def row(name: str, kind: type) -> object:
        return build(catalog.find("method", f"distillation/{name}").values, kind, "method")

    assert row("rkl", RKL) == RKL()
    assert row("tvd", TVD) == TVD()
    assert row("jsd", JSD) == JSD(loss=JensenShannon(beta=0.1))
    assert row("jsd_half", JSD) == JSD(loss=JensenShannon(beta=0.5))
    assert row("gkd", GKD) == GKD(loss=JensenShannon(beta=0.5), regime=OnPolicy(share=0.5))
    assert row("imitkd", ImitKD) == ImitKD(regime=Decaying(base=200.0))
