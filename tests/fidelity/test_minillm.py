"""MiniLLM against the released code, TRL, and brute force."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from methods.distillation._losses import CrossEntropy, ForwardKL
from methods.distillation._regimes import Draw, Progress, Rollouts
from methods.distillation.minillm import Given, MiniLLM, PolicyGradient, clipped, returns, whitened
from runners import catalog
from runners.build import build
from tasks.distillation.measures import TokenBatch

N = torch.arange(8, dtype=torch.float32).reshape(2, 4)
REWARDS = 2 * torch.sin(1.3 * N)
ALL = torch.ones(2, 4, dtype=torch.bool)
PART = torch.tensor([[True, True, True, True], [True, True, False, False]])

# The copy of MiniLLM in jongwooko/distillm at d47e77f, minillm/losses.py, with gamma 0.95 and cliprange 0.2:
# Loss._get_advantages_and_returns on REWARDS, without whitening and, where all tokens are real, with it (whiten of
# minillm/utils.py); Loss._pg_loss on the advantages, its value and the gradient of the log-probabilities.
RAW_ALL = [[0.395473, 0.55505, -0.137876, -1.375532], [0.247841, 0.967815, 1.301687, 0.638198]]
RAW_PART = [[0.395473, 0.55505, -0.137876, -1.375532], [-0.679091, 0.43024]]
WHITE = [[0.087733, 0.283838, -0.567703, -2.088665], [-0.093693, 0.791087, 1.201384, 0.386018]]
LOSS = 0.07584098726511002
GRADIENT = [[-0.012063, -0.041592, 0.0, 0.240485], [0.019047, -0.039453, -0.089451, 0.0]]
LOSS_PART = 0.2040683627128601
# trl 1.7.1 (1.16 no longer has it): MiniLLMTrainer._compute_advantage with gamma 1 and length_normalization, of
# log-probabilities 0 (student) and REWARDS (teacher). Below 1 it divides by discounted lengths, which MiniLLM does not.
TRL_ALL = [[0.395647, 0.527529, -0.172265, -1.375532], [0.324654, 1.021842, 1.317642, 0.638198]]
TRL_PART = [[0.395647, 0.527529, -0.172265, -1.375532], [-0.668268, 0.430154]]


def flat(rows: list[list[float]]) -> list[float]:
    return [value for row in rows for value in row]


@pytest.mark.parametrize(
    ("discount", "scored", "expected", "error"),
    [
        (0.95, ALL, RAW_ALL, 1e-6),
        (0.95, PART, RAW_PART, 1e-6),
        (1.0, ALL, TRL_ALL, 1e-6),
        (1.0, PART, TRL_PART, 2e-4),  # TRL counts a place of padding as 1e-4 of a token
    ],
)
def test_returns(discount: float, scored: torch.Tensor, expected: list[list[float]], error: float) -> None:
    found = returns(REWARDS * scored, scored, discount)[scored]
    assert found.tolist() == pytest.approx(flat(expected), abs=error)


def test_returns_do_not_depend_on_where_the_response_stands() -> None:
    inner = torch.tensor([[False, True, True, False]])
    found = returns(REWARDS[:1] * inner, inner, 0.9)[inner]
    one, two = REWARDS[0, 1:3].tolist()
    assert found.tolist() == pytest.approx([(one + 0.9 * two) / 2, two], rel=1e-6)


def test_without_discount_only_the_own_reward_counts() -> None:
    left = torch.tensor([4.0, 3.0, 2.0, 1.0])
    assert torch.allclose(returns(REWARDS, ALL, 0.0), REWARDS / left)


def test_the_advantage_is_whitened() -> None:
    assert whitened(torch.tensor(flat(RAW_ALL))).tolist() == pytest.approx(flat(WHITE), abs=2e-5)


def surrogate_input() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Log-probabilities when tokens were drawn and now, and weights, as the authors' code was given."""
    before = -1 - torch.cos(N) ** 2
    now = (before + 0.5 * torch.sin(2.1 * N)).requires_grad_()
    return before, now, 0.8 + 0.3 * torch.cos(1.7 * N)


def test_the_clipped_surrogate_is_that_of_the_released_code() -> None:
    before, now, weight = surrogate_input()
    loss = clipped(torch.tensor(flat(WHITE)), (weight * (now - before).exp()).flatten(), 0.2)
    loss.backward()  # type: ignore[no-untyped-call]
    assert now.grad is not None
    assert loss.item() == pytest.approx(LOSS, abs=2e-6)
    assert now.grad.flatten().tolist() == pytest.approx(flat(GRADIENT), abs=2e-6)


def test_the_clipped_surrogate_is_a_mean_over_response_tokens() -> None:
    before, now, weight = surrogate_input()
    advantage = returns(REWARDS * PART, PART, 0.95)[PART]
    loss = clipped(advantage, (weight * (now - before).exp())[PART], 0.2)
    assert loss.item() == pytest.approx(LOSS_PART, abs=1e-6)


OBJECTIVE = PolicyGradient(teacher_share=0.2, scale=0.5, limit=100.0, discount=0.95, clip=0.2)


def recorded_batch() -> tuple[TokenBatch, torch.Tensor, torch.Tensor]:
    """Two sequences of 4 tokens, a prompt of one, the second one shorter; logits of the teacher and of the student."""
    generator = torch.Generator().manual_seed(0)
    teacher, student = torch.randn(2, 5, 6, dtype=torch.float64, generator=generator)
    tokens = torch.tensor([[0, 3, 1, 5], [0, 2, 4, 0]])
    real = torch.tensor([[True] * 4, [True, True, True, False]])
    scored = real[:, 1:]
    batch = TokenBatch(tokens, real, scored)
    recorded = torch.zeros(2, 2, 3, dtype=torch.float64)
    for row, logits in ((0, student), (1, teacher)):
        law = logits.log_softmax(dim=-1).gather(1, batch.targets[:, None])[:, 0]
        recorded[row][scored] = law - 0.1 * row
    return replace(batch, recorded=recorded), teacher, student


def test_the_objective_by_loops() -> None:
    """Everything again with plain numbers, with a student that has moved since."""
    batch, teacher, student = recorded_batch()
    moved = student + 0.3 * torch.sin(torch.arange(30, dtype=torch.float64)).reshape(5, 6)
    assert batch.recorded is not None
    raw, weights, place = [], [], 0
    for length in (3, 2):
        row = 0 if length == 3 else 1
        olds, taughts = batch.recorded[0, row, :length].tolist(), batch.recorded[1, row, :length].tolist()
        rewards = [(taught - old) / 0.5 for old, taught in zip(olds, taughts, strict=True)]
        for t in range(length):
            raw.append(sum(0.95 ** (k - t) * rewards[k] for k in range(t, length)) / (length - t))
            drawn_from = 0.8 * math.exp(olds[t]) + 0.2 * math.exp(taughts[t])
            token = int(batch.targets[place])
            weights.append(moved.softmax(dim=-1)[place, token].item() / drawn_from)
            place += 1
    mean = sum(raw) / 5
    spread = math.sqrt(sum((value - mean) ** 2 for value in raw) / 4 + 1e-8)
    advantages = [(value - mean) / spread for value in raw]
    policy = -sum(
        min(a * w, a * min(max(w, 0.8), 1.2)) for a, w in zip(advantages, weights, strict=True)
    ) / 5  # fmt: skip
    p, q = teacher.softmax(dim=-1), moved.softmax(dim=-1)
    single = (q * (q / p).log()).sum().item() / 5
    assert OBJECTIVE.loss(teacher, moved, batch).item() == pytest.approx(policy + single, rel=1e-9)


def test_rewards_are_cut() -> None:
    batch, teacher, student = recorded_batch()
    tight, loose = (replace(OBJECTIVE, limit=limit).loss(teacher, student, batch) for limit in (1e-3, 1e3))
    assert tight.item() != pytest.approx(loose.item(), rel=1e-3)
    assert torch.equal(loose, OBJECTIVE.loss(teacher, student, batch))


def test_the_loss_of_given_text_is_a_mixture() -> None:
    batch, teacher, student = recorded_batch()
    soft, hard = ForwardKL().loss(teacher, student, batch), CrossEntropy().loss(None, student, batch)
    assert Given(share=0.25).loss(teacher, student, batch).item() == pytest.approx((soft + 3 * hard).item() / 4)


def test_phases_and_passes() -> None:
    """Six sequences, two at a time, two passes: a rollout, five more steps, and the next rollout."""
    regime = Rollouts(sequences=6, passes=2, teacher_share=0.2)
    state, draws, buffered, left = regime.start(), [], 0, 0
    for step in range(1, 14):
        draw, state = regime.choose(state, Progress(step, 13, buffered, left), 0.5)
        buffered, left = 6, (left or 6) - 2
        draws.append(draw)
    assert draws == ([Draw.ROLLOUT] + [Draw.NEXT] * 5) * 2 + [Draw.ROLLOUT]


@pytest.mark.parametrize(
    ("field", "value"), [("scale", 0.0), ("limit", 0.0), ("clip", 0.0), ("discount", 1.1), ("given_share", -0.1)]
)
def test_values_that_mean_nothing_are_refused(field: str, value: float) -> None:
    method = build(catalog.find("method", "distillation/minillm").values, MiniLLM, "method")
    with pytest.raises(ValueError, match=field):
        replace(method, **{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [{"sequences": 0}, {"passes": 0}, {"teacher_share": 0.0}, {"teacher_share": 1.0}])
def test_phases_that_mean_nothing_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="sequences and passes"):
        replace(Rollouts(sequences=6, passes=2, teacher_share=0.2), **values)  # type: ignore[arg-type]


def test_the_row_has_the_values_of_the_scripts() -> None:
    method = build(catalog.find("method", "distillation/minillm").values, MiniLLM, "method")
    regime = Rollouts(sequences=64, passes=4, teacher_share=0.2)
    assert method == MiniLLM(regime=regime, scale=0.5, limit=100.0, discount=0.95, clip=0.2, given_share=0.5)
