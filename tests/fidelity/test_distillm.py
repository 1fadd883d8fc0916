"""DistiLLM against numbers that were worked out without this code."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from methods.distillation._buffer import Buffer
from methods.distillation._losses import ForwardKL, Objective, SkewForwardKL, SkewReverseKL
from methods.distillation._regimes import AdaptiveOffPolicy, Draw, Progress, State
from methods.distillation.distillm import DistiLLM
from runners import catalog
from runners.build import build
from tasks.base import read_only
from tasks.distillation import TokenData
from tests.fidelity.released import authors_input, laws, loss_of

# --- losses ---

# jongwooko/distillm at d47e77f, distillm/losses.py: skewed_reverse_kl and reverse_kl (lam 0) called on `authors_input`
# with labels of -100 at the two places that are not scored; value, and gradient of the logits at [1, 0].
AUTHORS = [
    (0.0, 1.9376766681671143, [-0.0021092, -0.0680857, 0.0308106, -0.0005165, 0.0399008]),
    (0.1, 1.1013771295547485, [-0.0019429, -0.0527729, 0.0160092, -0.0003681, 0.0390747]),
    (0.4, 0.45838671922683716, [-0.0015254, -0.0236772, 0.0041667, -0.0001287, 0.0211646]),
]


@pytest.mark.parametrize(("skew", "value", "gradient"), AUTHORS)
def test_skew_reverse_kl_is_that_of_the_authors_code(skew: float, value: float, gradient: list[float]) -> None:
    teacher, student = authors_input()
    student.requires_grad_()
    loss = loss_of(SkewReverseKL(skew=skew), teacher, student)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(value, rel=1e-6)
    assert student.grad is not None
    assert student.grad[2].tolist() == pytest.approx(gradient, abs=2e-7)


def test_skew_reverse_kl_of_two_tokens_by_hand() -> None:
    """p = (1/2, 1/2), q = (1/4, 3/4), a = 1/2: the mixture is (3/8, 5/8)."""
    value = loss_of(SkewReverseKL(skew=0.5), laws((0.5, 0.5)), laws((0.25, 0.75)))
    assert value.item() == pytest.approx(0.25 * math.log(2 / 3) + 0.75 * math.log(6 / 5), rel=1e-12)


def test_without_skew_it_is_the_reverse_divergence() -> None:
    """KL((1/4, 3/4), (1/2, 1/2)) = 3/4 ln 3 - ln 2."""
    value = loss_of(SkewReverseKL(skew=0.0), laws((0.5, 0.5)), laws((0.25, 0.75)))
    assert value.item() == pytest.approx(0.75 * math.log(3) - math.log(2), rel=1e-12)


@pytest.mark.parametrize("objective", [ForwardKL(), SkewForwardKL(skew=0.1), SkewReverseKL(skew=0.1)])
def test_gradients_are_those_of_finite_differences(objective: Objective) -> None:
    generator = torch.Generator().manual_seed(0)
    teacher = torch.randn(3, 6, dtype=torch.float64, generator=generator)
    student = torch.randn(3, 6, dtype=torch.float64, generator=generator).requires_grad_()
    loss_of(objective, teacher, student).backward()  # type: ignore[no-untyped-call]
    assert student.grad is not None
    nudge = torch.zeros_like(student)
    for row in range(3):
        for token in range(6):
            nudge[row, token] = 1e-5
            higher, lower = (loss_of(objective, teacher, student.detach() + sign * nudge) for sign in (1, -1))
            nudge[row, token] = 0
            assert student.grad[row, token].item() == pytest.approx((higher - lower).item() / 2e-5, abs=1e-9)


@pytest.mark.parametrize("objective", [SkewForwardKL(skew=0.1), SkewReverseKL(skew=0.1)])
def test_nothing_underflows(objective: Objective) -> None:
    """Both laws give the last token less than the least float32; the authors' code takes the logarithm of 0 there."""
    teacher, student = torch.tensor([[0.0, 1.0, -200.0]]), torch.tensor([[1.0, 0.0, -300.0]], requires_grad=True)
    loss = loss_of(objective, teacher, student)
    loss.backward()  # type: ignore[no-untyped-call]
    assert student.grad is not None
    assert torch.isfinite(loss)
    assert torch.isfinite(student.grad).all()


# --- schedule ---

REGIME = AdaptiveOffPolicy(phi=0.2, rise=0.1, tolerance=0.2, buffer=1000)


def test_phi_rises_when_validation_has_grown_by_the_tolerance_since_it_rose_last() -> None:
    """A run by hand: start 3.0; 3.19 is not enough; 3.2 is; then 3.2 is the reference, and falling changes nothing."""
    seen = []
    state = REGIME.start()
    for value in (3.0, 3.19, 3.2, 3.3, 2.0, 3.25, 3.41, 9.0):
        state = REGIME.after_validation(state, value)
        seen.append((round(state.phi, 6), state.reference))
    assert seen == [
        (0.2, 3.0), (0.2, 3.0), (0.3, 3.2), (0.3, 3.2), (0.3, 3.2), (0.3, 3.2), (0.4, 3.41), (0.5, 9.0),
    ]  # fmt: skip


def test_phi_is_a_chance() -> None:
    assert REGIME.after_validation(State(phi=0.95, reference=1.0), 2.0).phi == 1.0


@pytest.mark.parametrize(
    ("step", "buffered", "u", "draw"),
    [
        (1, 0, 0.19, Draw.FRESH),  # below phi, and the buffer is not full
        (1, 0, 0.2, Draw.DATA),  # phi itself is not below phi
        (99, 999, 0.19, Draw.FRESH),  # late, but the buffer still has room for one
        (25, 1000, 0.149, Draw.FRESH),  # 0.2 (1 - 25 / 100) = 0.15
        (25, 1000, 0.151, Draw.BUFFER),
        (25, 1000, 0.199, Draw.BUFFER),
        (25, 1000, 0.201, Draw.DATA),
        (100, 1000, 0.0, Draw.BUFFER),  # at the last step nothing is drawn afresh
    ],
)
def test_what_a_step_trains_on(step: int, buffered: int, u: float, draw: Draw) -> None:
    state = State(phi=0.2, reference=3.0)
    assert REGIME.choose(state, Progress(step, 100, buffered), u) == (draw, state)


def test_a_schedule_that_starts_at_nought_never_generates_until_validation_suffers() -> None:
    regime = AdaptiveOffPolicy(phi=0.0, rise=0.1, tolerance=0.1, buffer=1000)
    assert regime.choose(regime.start(), Progress(1, 100, 0), 0.0)[0] is Draw.DATA


# --- buffer ---


def sequences(*numbers: int) -> TokenData:
    """One sequence for each number: so many tokens, all of that number, a prompt of one token."""
    tokens = np.full((len(numbers), max(numbers)), 0)
    for row, number in enumerate(numbers):
        tokens[row, :number] = number
    return TokenData(read_only(tokens), read_only([1] * len(numbers)), read_only(numbers))


def test_the_oldest_sequences_leave_first() -> None:
    buffer = Buffer(3, end=0)
    buffer.add(sequences(2, 3))
    buffer.add(sequences(4, 5))
    drawn = buffer.draw(3, np.random.default_rng(0))
    assert sorted(drawn.length.tolist()) == [3, 4, 5]
    for tokens, length in zip(drawn.tokens, drawn.length, strict=True):
        assert tokens.tolist() == [length] * length + [0] * (5 - length)


def test_sequences_are_drawn_uniformly_and_none_twice() -> None:
    buffer = Buffer(4, end=0)
    buffer.add(sequences(2, 3, 4, 5))
    rng = np.random.default_rng(0)
    draws = [buffer.draw(2, rng).length.tolist() for _ in range(600)]
    assert all(one != other for one, other in draws)
    shares = np.bincount(np.concatenate(draws), minlength=6)[2:] / 600
    assert shares == pytest.approx(np.full(4, 0.5), abs=0.08)


def test_the_row_uses_them() -> None:
    method = build(catalog.find("method", "distillation/distillm").values, DistiLLM, "method")
    assert method == DistiLLM(loss=SkewReverseKL(skew=0.1), regime=REGIME)
