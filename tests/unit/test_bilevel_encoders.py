"""Shared encoders of the arena `bilevel`: their losses against brute force, their oracles, judges and methods."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from methods.base import Method
from methods.bilevel._encoder import Mixture, Vectors, affordable, attached, follow, pass_steps, penalised, work
from methods.bilevel.bl_just import BLJust
from methods.bilevel.fixed_weight_sum import FixedWeightSum
from methods.bilevel.pretrain_finetune import PretrainFinetune
from methods.bilevel.supervised_only import SupervisedOnly
from results.record import Record, Status
from runners.hardware import Hardware
from runners.match import satisfies
from runners.preparing import ensure
from runners.run import AttemptRun, Nobody, Offers
from tasks import data
from tasks.base import Diverged, Invalid, Run
from tasks.bilevel import ARENA, ENCODER_UNITS, Bilevel, SharedEncoder, Solution
from tasks.bilevel.encoders import EncoderFsdd, EncoderImages, Split
from tasks.bilevel.listeners import Encoder, Layout, connectionist
from tasks.bilevel.self_supervision import Contrast, Reconstruction, SelfSupervision, patches
from tasks.bilevel.speech import ARCHIVE, RATE, SET, WINDOW, SpokenDigits, log_mel, mel_filters
from tasks.bilevel.strings import Strings, composed, edits, greedy, joined, token_error
from tasks.data import DataMissing
from tasks.images import ImageSet
from tasks.metering import PRICED
from tasks.training import Recipe

PRICES = dict.fromkeys(ENCODER_UNITS, 1.0) | {"lower_values": 0.5, "upper_values": 0.5}
RECIPE = Recipe(steps=0, batch_size=4, lr=3e-3, weight_decay=0.0, clip=1e3, warmup=0.05, floor=0.0)
COMMON: dict[str, Any] = {
    "version": 1,
    "shortest": 2,
    "longest": 4,
    "labelled": 6,
    "unlabelled": 10,
    "validation": 5,
    "test": 7,
    "width": 6,
    "depth": 2,
    "recipe": RECIPE,
    "level": 0.5,
    "prices": PRICES,
    "budget": 6.0,
}
TELLING = Reconstruction(share=0.3, span=2)
CONTRASTING = Contrast(ahead=2, anchors=3, negatives=5, temperature=0.1, size=4)
DIGITS = EncoderImages(
    name="bilevel/encoder_digits",
    images=ImageSet.DIGITS,
    pool=1,
    labelled_pieces=12,
    training_pieces=40,
    validation_pieces=20,
    gap=2,
    stride=1,
    lower=TELLING,
    **COMMON,
)
CAUSAL = replace(DIGITS, name="bilevel/causal", lower=CONTRASTING, stride=2)
FSDD = EncoderFsdd(
    name="bilevel/encoder_fsdd",
    recordings=SpokenDigits(version=1, bands=8, hop=160),
    split=Split.OFFICIAL,
    unheard=2,
    labelled_pieces=10,
    validation_pieces=20,
    gap=0,
    stride=2,
    lower=CONTRASTING,
    **COMMON,
)
both = pytest.mark.parametrize("task", [DIGITS, CAUSAL], ids=lambda task: task.name)
MakeRun = Callable[[Any], AttemptRun]


@pytest.fixture
def make_run(one_core: Hardware, tmp_path: Any) -> MakeRun:
    def make(problem: Any) -> AttemptRun:
        return AttemptRun(np.random.default_rng(0), problem.ledger, one_core, tmp_path, offers=Offers())

    return make


@pytest.fixture(scope="module")
def spoken(one_core: Hardware) -> EncoderFsdd:
    """The task on speech, prepared; skipped where the recordings are absent."""
    try:
        data.check(SET, ARCHIVE)
    except DataMissing as missing:
        pytest.skip(str(missing))
    ensure(FSDD.recordings, 0, one_core, Nobody())
    return FSDD


def run() -> Run:
    return cast("Run", SimpleNamespace(rng=np.random.default_rng(0)))


def vectors(problem: SharedEncoder) -> tuple[Tensor, Tensor]:
    """In double precision, away from the start, where some weights are zero."""
    rng = np.random.default_rng(0)
    starts = problem.upper_start, problem.lower_start
    x, y = (it.double() + torch.from_numpy(0.1 * rng.normal(size=len(it))) for it in starts)
    return x, y


# --- strings ---


def test_ctc_is_the_probability_of_all_paths_that_read_the_labels() -> None:
    rng = np.random.default_rng(0)
    chances = torch.from_numpy(rng.normal(size=(3, 5, 3))).log_softmax(dim=2)
    labels, steps = [[1, 2], [1, 1], [2]], [5, 4, 3]
    strings = Strings(
        torch.zeros(3, 1, 5), torch.tensor(steps), torch.tensor([[1, 2], [1, 1], [2, 0]]), torch.tensor([2, 2, 1])
    )
    expected = []
    for row, (label, count) in enumerate(zip(labels, steps, strict=True)):
        total = 0.0
        for path in itertools.product(range(3), repeat=count):
            merged = [key for key, _ in itertools.groupby(path)]
            if [it for it in merged if it] == label:
                total += math.exp(sum(float(chances[row, at, it]) for at, it in enumerate(path)))
        expected.append(-math.log(total) / len(label))
    assert float(connectionist(chances, torch.tensor(steps), strings)) == pytest.approx(np.mean(expected), rel=1e-12)


@functools.cache
def _distance(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    if not one or not other:
        return len(one) + len(other)
    left, right = one[1:], other[1:]
    return min(_distance(left, other) + 1, _distance(one, right) + 1, _distance(left, right) + (one[0] != other[0]))


@given(st.lists(st.integers(1, 3), max_size=6), st.lists(st.integers(1, 3), max_size=6))
def test_edits_are_those_of_the_definition(one: list[int], other: list[int]) -> None:
    assert edits(one, other) == _distance(tuple(one), tuple(other)) == edits(other, one)


def test_the_likeliest_path_is_read_without_repeats_and_blanks() -> None:
    path = torch.tensor([[0, 1, 1, 0, 1, 2, 2, 3], [3, 3, 0, 0, 2, 1, 1, 1]])
    scores = torch.nn.functional.one_hot(path, 4).float()
    assert greedy(scores, torch.tensor([8, 5])) == [[1, 1, 2, 3], [3, 2]]


def test_token_error_counts_all_strings_together() -> None:
    strings = Strings(
        torch.zeros(2, 1, 1), torch.tensor([1, 1]), torch.tensor([[1, 2, 3], [4, 0, 0]]), torch.tensor([3, 1])
    )
    assert token_error([[1, 2, 3], [4]], strings) == 0
    assert token_error([[], []], strings) == 1
    assert token_error([[1, 3], [5]], strings) == 2 / 4
    assert token_error([[1, 2, 3], [4, 4, 4, 4, 4, 4]], strings) == 5 / 4


def test_strings_run_through_their_pools() -> None:
    pools = (np.arange(7), np.arange(100, 106))
    strings = composed(np.random.default_rng(0), pools, 200, (2, 4))
    assert {len(string) for string in strings} == {2, 3, 4}
    assert all((string < 100).all() == (number % 2 == 0) for number, string in enumerate(strings))
    assert all(len(set(string.tolist())) == len(string) for string in strings)
    used = np.bincount(np.concatenate(strings[::2]))
    assert used.max() / used.min() < 1.4, "an order is used up before the next one"
    with pytest.raises(ValueError, match="strings have up to 4 pieces, but only 3 are there to choose from"):
        composed(np.random.default_rng(0), (np.arange(3),), 1, (2, 4))


def test_pieces_stand_behind_each_other_with_gaps() -> None:
    pieces = [np.full((2, width), fill, np.float32) for width, fill in ((1, 1.0), (2, 2.0), (3, 3.0))]
    strings = joined(pieces, np.array([5, 6, 7]), [np.array([2, 0]), np.array([1])], [np.array([1, 0]), np.array([2])])
    assert strings.inputs[:, 0].tolist() == [[3, 3, 3, 0, 1], [2, 2, 0, 0, 0]]
    assert strings.lengths.tolist() == [5, 4]
    assert strings.labels.tolist() == [[7, 5], [6, 0]]
    assert strings.counts.tolist() == [2, 1]
    assert strings.take(np.array([1])).inputs.shape == (1, 2, 4)


# --- the network ---


class Reference(nn.Module):
    """The encoder once more, of torch's own layers, for one string without padding."""

    def __init__(self, encoder: Encoder, weights: Any) -> None:
        super().__init__()
        self.causal, self.stride = encoder.causal, encoder.stride
        width = encoder.width
        self.stem = nn.Conv1d(encoder.features, width, 2 * encoder.stride + 1, encoder.stride)
        self.blocks = nn.ModuleList()
        for number in range(encoder.depth):
            view = nn.Conv1d(width, width, 5, dilation=2**number)
            block = nn.ModuleDict({"norm": nn.LayerNorm(width), "view": view, "out": nn.Conv1d(width, width, 1)})
            self.blocks.append(block)
        self.last = nn.LayerNorm(width)
        self.double()
        state = {"stem.weight": weights["stem"], "stem.bias": weights["stem_shift"]}
        state |= {"last.weight": weights["last.scale"], "last.bias": weights["last.shift"]}
        for number in range(encoder.depth):
            for ours, theirs in (("scale", "norm.weight"), ("shift", "norm.bias"), ("view", "view.weight")):
                state[f"blocks.{number}.{theirs}"] = weights[f"{number}.{ours}"]
            for ours, theirs in (("view_shift", "view.bias"), ("out", "out.weight"), ("out_shift", "out.bias")):
                state[f"blocks.{number}.{theirs}"] = weights[f"{number}.{ours}"]
        self.load_state_dict(state)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.stem(self.padded(inputs, 2 * self.stride))
        for number, block in enumerate(self.blocks):
            assert isinstance(block, nn.ModuleDict)
            seen = self.padded(block["norm"](hidden.mT).mT, 4 * 2**number)
            hidden = hidden + block["out"](nn.functional.gelu(block["view"](seen)))
        normed: Tensor = self.last(hidden.mT).mT
        return normed

    def padded(self, hidden: Tensor, more: int) -> Tensor:
        return nn.functional.pad(hidden, (more, 0) if self.causal else (more // 2, more // 2))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("stride", [1, 3])
def test_the_encoder_is_that_of_other_layers_and_blind_to_padding(causal: bool, stride: int) -> None:
    encoder = Encoder(features=4, width=6, depth=3, stride=stride, causal=causal)
    layout, rng = Layout(encoder.shapes()), np.random.default_rng(0)
    vector = layout.start(rng).double() + torch.from_numpy(0.1 * rng.normal(size=layout.size))
    weights = layout.views(vector)
    inputs = torch.from_numpy(rng.normal(size=(3, 4, 20)))
    lengths = torch.tensor([20, 13, 5])
    for row, length in enumerate(lengths.tolist()):
        inputs[row, :, length:] = 0
    found, steps = encoder(weights, inputs, lengths), encoder.steps(lengths)
    assert found.shape == (3, 6, -(-20 // stride))
    expected = Reference(encoder, weights)
    for row, length in enumerate(lengths.tolist()):
        alone = expected(inputs[row : row + 1, :, :length])[0]
        assert alone.shape[1] == steps[row]
        torch.testing.assert_close(found[row, :, : alone.shape[1]], alone, rtol=1e-9, atol=1e-9)
        assert not found[row, :, alone.shape[1] :].any()


def test_a_causal_encoder_sees_what_was_and_the_patches_what_comes() -> None:
    stride = 3
    encoder = Encoder(features=2, width=4, depth=2, stride=stride, causal=True)
    weights = Layout(encoder.shapes()).views(Layout(encoder.shapes()).start(np.random.default_rng(0)))
    inputs = torch.randn((1, 2, 20), generator=torch.Generator().manual_seed(0)).requires_grad_()
    found = encoder(weights, inputs, torch.tensor([20]))
    pieces = patches(inputs, stride)
    for step in range(found.shape[2] - 1):
        (seen,) = torch.autograd.grad(found[0, :, step].square().sum(), inputs, retain_graph=True)
        (told,) = torch.autograd.grad(pieces[0, :, step + 1].sum(), inputs, retain_graph=True)
        last = int(seen[0].abs().sum(dim=0).nonzero().max())
        first = int(told[0].abs().sum(dim=0).nonzero().min())
        assert (last, first) == (stride * step, stride * step + 1)
    assert pieces[0, :, 2].tolist() == inputs[0, :, 4:7].flatten().tolist()


# --- self-supervised losses ---


def test_contrast_is_info_nce_over_the_drawn_places_and_negatives() -> None:
    problem = CAUSAL
    supply = problem.supply(0)
    listener = problem.listener(supply, 0)
    strings = problem.strings(supply, 0, "unlabelled")
    y = vectors(problem.problem(0))[1]
    rows = np.array([4, 1, 7])
    some, weights = strings.take(rows), listener.body.views(y)
    steps = listener.encoder(weights, some.inputs.double(), some.lengths).numpy()
    counts = listener.encoder.steps(some.lengths).numpy()
    rng = np.random.default_rng(7)
    places = rng.random((len(strings), 3))[rows]
    shifts = rng.integers(1, 9, size=(9, 5))
    predicted, embedded = np.zeros((9, 2, 4)), np.zeros((9, 2, 4))
    for number in range(9):
        row, anchor = divmod(number, 3)
        step = int(places[row, anchor] * (counts[row] - 2))
        for ahead in (1, 2):
            last = 2 * (step + ahead)
            frames = some.inputs[row, :, last - 1 : last + 1].double().numpy().reshape(-1)
            told = weights["embedded"].numpy() @ frames + weights["embedded_shift"].numpy()
            guess = weights["predicted"].numpy() @ steps[row, :, step] + weights["predicted_shift"].numpy()
            guess = guess.reshape(2, 4)[ahead - 1]
            embedded[number, ahead - 1] = told / np.linalg.norm(told)
            predicted[number, ahead - 1] = guess / np.linalg.norm(guess)
    losses = []
    for number, ahead in itertools.product(range(9), range(2)):
        here = predicted[number, ahead]
        right = math.exp(here @ embedded[number, ahead] / 0.1)
        wrong = sum(math.exp(here @ embedded[(number + shift) % 9, ahead] / 0.1) for shift in shifts[number])
        losses.append(-math.log(right / (right + wrong)))
    known = replace(some, inputs=some.inputs.double())
    got = CONTRASTING.loss(listener.encoder, weights, known, rows, len(strings), np.random.default_rng(7))
    assert float(got) == pytest.approx(np.mean(losses), rel=1e-9)


def test_a_prediction_of_nothing_costs_the_logarithm_of_all_there_are() -> None:
    supply = CAUSAL.supply(0)
    listener = CAUSAL.listener(supply, 0)
    y = CAUSAL.problem(0).lower_start.double()
    views = listener.body.views(y)
    views["predicted"].zero_()
    got = listener.unsupervised(y, CAUSAL.strings(supply, 0, "unlabelled"), None, 3)
    assert float(got) == pytest.approx(math.log(6), rel=1e-12)


def test_reconstruction_is_the_error_on_masked_frames_alone() -> None:
    """With a layer that tells zeros, the loss is the mean square of what was hidden."""
    supply = DIGITS.supply(0)
    listener = DIGITS.listener(supply, 0)
    strings = DIGITS.strings(supply, 0, "unlabelled")
    y = DIGITS.problem(0).lower_start.double()
    listener.body.views(y)["told"].zero_()
    rng = np.random.default_rng(5)
    begins = rng.random((strings.inputs.shape[2], len(strings))).T < 0.15
    expected = []
    for row, length in enumerate(strings.lengths.tolist()):
        hidden = {at + more for at in np.flatnonzero(begins[row]) for more in (0, 1) if at + more < length}
        errors = [float((strings.inputs[row, :, at].double() ** 2).mean()) for at in sorted(hidden)]
        expected.append(float(np.mean(errors)) if errors else 0.0)
    weights = listener.body.views(y)
    known = replace(strings, inputs=strings.inputs.double())
    got = TELLING.loss(listener.encoder, weights, known, np.arange(10), 10, np.random.default_rng(5))
    assert float(got) == pytest.approx(np.mean(expected), rel=1e-9)
    assert np.mean(expected) > 0.1


def test_masked_frames_are_hidden_from_the_encoder() -> None:
    """With all frames hidden the string cannot be told from another of its length."""
    supply = DIGITS.supply(0)
    listener = DIGITS.listener(supply, 0)
    strings = DIGITS.strings(supply, 0, "unlabelled").take(np.array([0]))
    weights = listener.body.views(vectors(DIGITS.problem(0))[1])
    known = replace(strings, inputs=strings.inputs.double().requires_grad_())
    always = SimpleNamespace(random=lambda shape: np.zeros(shape))
    loss = TELLING.loss(listener.encoder, weights, known, np.array([0]), 1, cast("np.random.Generator", always))
    (slope,) = torch.autograd.grad(loss, known.inputs)
    features, frames = known.inputs.shape[1:]
    steps = listener.encoder(weights, weights["hidden_frame"][:, None].expand(1, -1, frames), known.lengths)
    told = nn.functional.conv1d(steps, weights["told"], weights["told_shift"])
    torch.testing.assert_close(slope, 2 * (known.inputs - told).detach() / (features * frames))


# --- oracles ---


@both
def test_gradients_agree_with_differences_of_values(task: Any) -> None:
    problem = replace(task, budget=1e9).problem(0)
    x, y = vectors(problem)
    rng = np.random.default_rng(1)
    rows = np.array([0, 3, 5])
    reached, f_x, f_y = problem.upper_gradient(x, y, rows=rows)
    below, g_y = problem.lower_gradient(y, rows=rows, draw=2)

    def upper_at(u: Tensor, v: Tensor, move: float) -> float:
        return float(problem.upper_value(x + move * u, y + move * v, rows=rows))

    def lower_at(v: Tensor, move: float) -> float:
        return float(problem.lower_value(y + move * v, rows=rows, draw=2))

    assert reached == pytest.approx(problem.upper_value(x, y, rows=rows), rel=1e-12)
    assert below == pytest.approx(problem.lower_value(y, rows=rows, draw=2), rel=1e-12)
    for _ in range(5):
        u, v = (torch.from_numpy(rng.normal(size=len(it))) for it in (x, y))
        for slope, along, value in (
            (f_x, u, functools.partial(upper_at, u, 0 * v)),
            (f_y, v, functools.partial(upper_at, 0 * u, v)),
            (g_y, v, functools.partial(lower_at, v)),
        ):
            difference = (value(1e-6) - value(-1e-6)) / 2e-6
            assert float(slope @ along) == pytest.approx(difference, rel=1e-5, abs=1e-7)


@both
def test_what_oracles_return_cannot_be_differentiated(task: Any) -> None:
    problem = task.problem(0)
    x, y = problem.upper_start.clone().requires_grad_(), problem.lower_start.clone().requires_grad_()
    assert not any(slope.requires_grad for slope in problem.upper_gradient(x, y)[1:])
    assert not problem.lower_gradient(y)[1].requires_grad


@both
def test_rows_are_priced_alike_on_both_levels(task: Any) -> None:
    problem = task.problem(0)
    x, y = problem.upper_start, problem.lower_start
    expected = 0.0
    asked: tuple[tuple[Callable[[], object], float], ...] = (
        (lambda: problem.upper_gradient(x, y), 6 / 10),
        (lambda: problem.upper_gradient(x, y, rows=np.arange(3)), 3 / 10),
        (lambda: problem.upper_value(x, y), 3 / 10),
        (lambda: problem.lower_gradient(y), 1.0),
        (lambda: problem.lower_gradient(y, rows=np.arange(4), draw=1), 4 / 10),
        (lambda: problem.lower_value(y), 0.5),
    )
    for ask, price in asked:
        ask()
        expected += price
        assert problem.ledger.total(PRICED) == pytest.approx(expected)


def test_minibatches_average_to_the_whole_under_one_draw() -> None:
    problem = replace(DIGITS, budget=1e9).problem(0)
    x, y = vectors(problem)
    halves = [problem.lower_gradient(y, rows=np.arange(k, k + 5), draw=3) for k in (0, 5)]
    whole = problem.lower_gradient(y, draw=3)
    assert np.mean([it[0] for it in halves]) == pytest.approx(whole[0], rel=1e-9)
    torch.testing.assert_close((halves[0][1] + halves[1][1]) / 2, whole[1])
    parts = [problem.upper_gradient(x, y, rows=np.arange(k, k + 3)) for k in (0, 3)]
    torch.testing.assert_close((parts[0][2] + parts[1][2]) / 2, problem.upper_gradient(x, y)[2])
    assert problem.lower_value(y, draw=4) != pytest.approx(whole[0], rel=1e-6)


@both
def test_g_does_not_know_the_labels_and_f_not_what_g_has_of_its_own(task: Any) -> None:
    problem = replace(task, budget=1e9).problem(0)
    listener = task.listener(task.supply(0), 0)
    x, y = vectors(problem)
    own = Layout(listener.encoder.shapes()).size
    assert 0 < own < len(y)
    _, _, f_y = problem.upper_gradient(x, y)
    _, g_y = problem.lower_gradient(y)
    assert not f_y[own:].any()
    assert f_y[:own].abs().min() > 0 or f_y[:own].any()
    assert g_y[:own].any()
    assert g_y[own:].any()


def test_minibatches_are_the_problems_and_run_through_all_rows() -> None:
    one, again, other = DIGITS.problem(0), DIGITS.problem(0), DIGITS.problem(1)
    for batches, count in (("lower_batch", 10), ("upper_batch", 6)):
        read = np.concatenate([getattr(one, batches)(number) for number in range(15)])
        assert len(read) == 60
        for turn in range(60 // count):
            assert sorted(read[turn * count : (turn + 1) * count]) == list(range(count))
        assert (getattr(again, batches)(7) == getattr(one, batches)(7)).all()
        assert any((getattr(other, batches)(it) != getattr(one, batches)(it)).any() for it in range(3))


# --- tasks ---


def test_no_image_of_one_part_is_in_another() -> None:
    supply = DIGITS.supply(0)
    labelled, training, validation, test = (
        set(pools[0].tolist()) for pools in (supply.labelled, supply.training, supply.validation, supply.test)
    )
    assert labelled < training
    assert (len(labelled), len(training), len(validation)) == (12, 40, 20)
    assert not training & validation
    assert not (training | validation) & test
    assert min(test) == 1200


def test_the_dumb_answer_reads_nothing_and_broken_ones_are_refused() -> None:
    trivial = DIGITS.trivial(0)
    assert DIGITS.evaluate(trivial, 0, run())["token_error"] == 1.0
    assert DIGITS.validate(trivial, 0, run())["token_error"] == 1.0
    assert trivial.lower is not None
    with pytest.raises(Invalid, match="y must be a tensor"):
        DIGITS.evaluate(Solution(trivial.upper), 0, run())
    with pytest.raises(Invalid, match="x must be a tensor"):
        DIGITS.evaluate(Solution(trivial.upper[1:], trivial.lower), 0, run())
    with pytest.raises(Invalid, match="the answer must be a Solution"):
        DIGITS.evaluate(trivial.upper, 0, run())  # type: ignore[arg-type]
    with pytest.raises(Diverged, match="y is not finite"):
        DIGITS.evaluate(Solution(trivial.upper, trivial.lower * np.nan), 0, run())


def test_scores_are_those_of_the_test_strings() -> None:
    problem = DIGITS.problem(0)
    supply = DIGITS.supply(0)
    listener, strings = DIGITS.listener(supply, 0), DIGITS.strings(supply, 0, "test")
    solution = Solution(problem.upper_start, problem.lower_start)
    scores = DIGITS.evaluate(solution, 0, run())
    read = []
    for row in range(len(strings)):
        one = strings.take(np.array([row]))
        read += greedy(listener.chances(solution.upper, problem.lower_start, one), listener.encoder.steps(one.lengths))
    assert scores["token_error"] == token_error(read, strings)
    assert scores["test_loss"] == pytest.approx(
        float(listener.supervised(solution.upper, problem.lower_start, strings)), rel=1e-5
    )
    assert DIGITS.validate(solution, 0, run()) != scores


def test_the_level_is_looked_for_on_the_curve() -> None:
    points = [{"cost": {PRICED: float(at)}, "metrics": {"token_error": 1 - at / 4}} for at in range(4)]
    assert DIGITS.score_curve([{"cost": {}, "metrics": {}}, *points]) == {"work_to_level": 2.0}
    assert DIGITS.score_curve(points[:2]) == {}


def test_fields_that_make_no_task_are_refused() -> None:
    far = replace(CAUSAL, lower=replace(CONTRASTING, ahead=50))
    with pytest.raises(ValueError, match="prices must name lower_values"):
        replace(DIGITS, prices={"lower_gradients": 1.0})
    with pytest.raises(ValueError, match="strings of 4 to 3 symbols are none"):
        replace(DIGITS, shortest=4, longest=3)
    with pytest.raises(ValueError, match="60000 images are wanted, but digits has 1200"):
        replace(DIGITS, training_pieces=59_980).problem(0)
    with pytest.raises(ValueError, match="unheard must be from 1 to 5, got 6"):
        replace(FSDD, split=Split.SPEAKERS, unheard=6)
    with pytest.raises(ValueError, match="each speaker has 230 recordings"):
        replace(FSDD, validation_pieces=300)
    with pytest.raises(ValueError, match="share must lie between 0 and 1"):
        Reconstruction(share=1.5, span=2)
    with pytest.raises(ValueError, match="anchors 2 or more"):
        replace(CONTRASTING, anchors=1)
    with pytest.raises(ValueError, match="is too short for 50 steps ahead"):
        far.evaluate(far.trivial(0), 0, run())


def test_generic_methods_cannot_enter() -> None:
    """Networks have none of the constants that these ask for."""
    assert not satisfies(SharedEncoder, Bilevel)


# --- speech ---


def test_mel_bands_overlap_to_one_and_find_a_tone() -> None:
    filters = mel_filters(20)
    assert filters.shape == (20, 129)
    centres = filters.argmax(axis=1)
    assert (np.diff(centres) > 0).all()
    inner = filters[:, centres[0] + 1 : centres[-1]].sum(axis=0)
    np.testing.assert_allclose(inner, 1, atol=1e-9)
    times = np.arange(4000) / RATE
    for band in (3, 10, 17):
        tone = np.sin(2 * np.pi * centres[band] * RATE / 256 * times)
        noise = 1e-4 * np.random.default_rng(0).normal(size=8000)
        frames = log_mel(np.concatenate([noise[:4000], tone + noise[4000:]]), filters, 80)
        louder = frames[:, 60:].mean(axis=1) - frames[:, :40].mean(axis=1)
        assert louder.argmax() == band


def test_frames_are_centred_scaled_and_blind_to_volume() -> None:
    samples, filters = np.random.default_rng(0).normal(size=3000), mel_filters(12)
    frames = log_mel(samples, filters, 100)
    assert frames.shape == (12, 1 + (3000 - WINDOW) // 100)
    np.testing.assert_allclose(frames.mean(axis=1), 0, atol=1e-5)
    assert frames.std() == pytest.approx(1, rel=1e-4)
    np.testing.assert_allclose(log_mel(samples / 3, filters, 100), frames, atol=1e-4)
    assert log_mel(samples[:50], filters, 100).shape == (12, 1)
    window = samples[500:700] * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / (WINDOW - 1)))
    turns = np.exp(-2j * np.pi * np.outer(np.arange(129), np.arange(WINDOW)) / 256)
    energies = np.log(filters @ np.abs(turns @ window) ** 2 + 1e-8)
    before = log_mel(samples, filters, 100)[:, 5] * 1.0
    other = log_mel(samples, filters, 100)[:, 6]
    assert np.corrcoef(energies, before)[0, 1] > np.corrcoef(energies, other)[0, 1]


def test_recordings_are_split_as_the_data_set_has_it(spoken: EncoderFsdd) -> None:
    known, supply = spoken.recordings.artefact(0), spoken.supply(0)
    assert len(known.frames) == 1680
    assert np.bincount(known.digits).tolist() == [168] * 10
    labelled, training, validation, test = (
        np.concatenate(pools) for pools in (supply.labelled, supply.training, supply.validation, supply.test)
    )
    assert (len(labelled), len(validation), len(test)) == (60, 120, 300)
    assert len(training) + len(validation) == 1380
    assert set(labelled) <= set(training)
    assert not set(training) & set(validation)
    assert (known.takes[test] < 5).all()
    assert (known.takes[np.concatenate([training, validation])] >= 5).all()
    assert all(len(set(known.speakers[pool])) == 1 for pool in supply.test)


def test_speakers_of_the_test_are_not_heard_before(spoken: EncoderFsdd) -> None:
    task = replace(spoken, split=Split.SPEAKERS)
    known = spoken.recordings.artefact(0)
    for seed in range(3):
        supply = task.supply(seed)
        heard = set(known.speakers[np.concatenate([*supply.training, *supply.validation])])
        judged = set(known.speakers[np.concatenate(supply.test)])
        assert (len(heard), len(judged)) == (4, 2)
        assert not heard & judged
        assert sum(map(len, supply.test)) == 2 * 280
    assert task.problem(0).unlabelled == 10


# --- methods ---


def answer(method: Method, problem: SharedEncoder, run: AttemptRun) -> Solution:
    solution = method.solve(problem, run)
    assert isinstance(solution, Solution)
    assert solution.lower is not None
    return solution


def bl_just(largest: float = 0.5, passes: int = 1, finish: float = 0.0, *, coupled: bool = True) -> BLJust:
    return BLJust(largest=largest, passes=passes, finish=finish, coupled=coupled, rate=1.0)


def test_an_attached_slope_is_the_gradient_and_leaves_the_value() -> None:
    vector = torch.tensor([1.0, -2.0], requires_grad=True)
    loss = 3.0 * attached(5.0, (vector, torch.tensor([0.5, 7.0])))
    torch.autograd.backward(loss)
    assert loss.item() == 15.0
    assert vector.grad is not None
    assert vector.grad.tolist() == [1.5, 21.0]


@pytest.mark.parametrize(
    "method",
    [
        bl_just(0.0, passes=0),
        bl_just(0.0, passes=0, coupled=False),
        bl_just(9.0, passes=3, finish=1.0),
        FixedWeightSum(weight=0.0, rate=1.0),
        PretrainFinetune(share=0.0, rate=1.0),
    ],
    ids=repr,
)
def test_without_the_lower_level_everything_is_supervised_training(method: Method, make_run: MakeRun) -> None:
    first, second = DIGITS.problem(0), DIGITS.problem(0)
    plain = answer(SupervisedOnly(rate=1.0), first, make_run(first))
    other = answer(method, second, make_run(second))
    assert first.ledger.totals() == second.ledger.totals()
    assert torch.equal(plain.upper, other.upper)
    assert torch.equal(cast("Tensor", plain.lower), cast("Tensor", other.lower))


def test_the_plan_of_bl_just_by_hand(make_run: MakeRun) -> None:
    """Ten rows in batches of four: two steps a pass; an epoch costs 2 + 2 + 2 steps of 0.4, the first one less."""
    problem = DIGITS.problem(0)
    asked: list[tuple[str, int]] = []

    def watched(name: str) -> Any:
        oracle = getattr(problem, name)

        def ask(*vectors: Tensor, rows: Any, draw: int = -1) -> Any:
            asked.append((name[:5], draw))
            return oracle(*vectors, rows=rows, **({} if draw < 0 else {"draw": draw}))

        return ask

    spy = replace(problem, upper_gradient=watched("upper_gradient"), lower_gradient=watched("lower_gradient"))
    assert pass_steps(spy) == 2
    record = make_run(spy)
    answer(bl_just(1.2), spy, record)
    first = [("lower", 0), ("lower", 1), ("upper", -1), ("upper", -1)]
    second = [("lower", 2), ("lower", 3), ("upper", -1), ("lower", 4), ("upper", -1), ("lower", 5)]
    assert asked[:10] == first + second
    assert len(asked) == 14  # 15 of 0.4 would be the whole budget of 6, but a step of both losses is left
    # an epoch is 2.4 of work, so gamma rises by 1.2 * 2.4 / 6 from epoch to epoch, of which the third is not over
    assert record.logs["gamma"][0][2] == pytest.approx(2 * 1.2 * 2.4 / 6)
    plan = affordable(problem, 100.0, bl_just(1.2)._epochs(problem, 6.0))
    weights = [it.lower / it.upper for it in plan if it.upper]
    assert weights[:6] == pytest.approx([0.0, 0.0, 0.48, 0.48, 0.96, 0.96])
    assert [max(it.upper, it.lower) for it in plan if it.upper][:8] == pytest.approx([1.0] * 8)


def test_large_weights_scale_the_loss_down() -> None:
    assert penalised(0.0) == Mixture(1.0, 0.0)
    assert penalised(0.25) == Mixture(1.0, 0.25)
    assert penalised(4.0) == Mixture(0.25, 1.0)


@both
@pytest.mark.parametrize("mixture", [Mixture(1.0, 0.0), Mixture(0.0, 1.0), Mixture(1.0, 0.3)], ids=repr)
def test_a_step_goes_down_the_mixture(task: Any, mixture: Mixture, make_run: MakeRun) -> None:
    """The first step of Adam is the learning rate times the sign of the gradient, where that is not tiny."""
    problem = replace(task, recipe=replace(RECIPE, warmup=0.0, clip=1e9)).problem(0)
    x, y = problem.upper_start, problem.lower_start
    rows, others = problem.upper_batch(0), problem.lower_batch(0)
    _, f_x, f_y = problem.upper_gradient(x, y, rows=rows)
    _, g_y = problem.lower_gradient(y, rows=others, draw=0)
    solution = follow(problem, make_run(problem), Vectors(problem), [mixture], 2.0)
    assert solution.lower is not None
    slope = mixture.upper * f_y + mixture.lower * g_y
    clear = slope.abs() > 1e-5
    torch.testing.assert_close((solution.lower - y)[clear], -6e-3 * slope.sign()[clear], rtol=2e-2, atol=1e-6)
    assert torch.equal(solution.upper, x) == (mixture.upper == 0)
    if mixture.upper:
        clear = f_x.abs() > 1e-5
        torch.testing.assert_close((solution.upper - x)[clear], -6e-3 * f_x.sign()[clear], rtol=2e-2, atol=1e-6)


@both
def test_without_coupling_nothing_of_g_reaches_what_is_returned(task: Any, make_run: MakeRun) -> None:
    """The same steps on f as with gamma 0 and the same first epochs, whatever the other encoder does."""
    own = Layout(task.listener(task.supply(0), 0).encoder.shapes()).size
    apart, joint = task.problem(0), task.problem(0)
    one, two = (answer(bl_just(coupled=coupled), it, make_run(it)) for it, coupled in ((apart, False), (joint, True)))
    assert apart.ledger.totals() == joint.ledger.totals(), "the same work"
    assert one.lower is not None
    assert two.lower is not None
    assert torch.equal(one.lower[own:], apart.lower_start[own:])
    assert not torch.equal(one.lower[:own], apart.lower_start[:own])
    assert not torch.equal(two.lower[own:], joint.lower_start[own:])
    other = task.problem(0)
    again = answer(bl_just(0.9, coupled=False), other, make_run(other))
    assert torch.equal(cast("Tensor", again.lower)[:own], one.lower[:own]), "gamma is of no meaning then"


@pytest.mark.parametrize(
    "method",
    [
        SupervisedOnly(rate=1.0),
        PretrainFinetune(share=0.4, rate=1.0),
        FixedWeightSum(weight=3.0, rate=1.0),
        bl_just(),
        bl_just(2.0, passes=2, finish=0.2),
        bl_just(coupled=False),
    ],
    ids=repr,
)
def test_everybody_spends_the_budget_and_no_more(method: Method, execute: Callable[..., Record]) -> None:
    record = execute(method, DIGITS, ARENA.board(SharedEncoder))
    assert record.status is Status.OK, record.reason + record.traceback
    assert not record.reason, "a plan ends before the budget does"
    assert 6.0 - 1.7 < record.cost["solve"]["work"] <= 6.0
    assert len(record.curve) >= 5
    assert record.curve[-1]["metrics"]["token_error"] == record.metrics["token_error"]
    again = execute(method, DIGITS, ARENA.board(SharedEncoder))
    assert again.metrics == record.metrics


def test_phases_of_pretraining_share_the_budget(make_run: MakeRun) -> None:
    problem = DIGITS.problem(0)
    answer(PretrainFinetune(share=0.45, rate=1.0), problem, make_run(problem))
    totals = problem.ledger.totals()
    assert totals["lower_gradients"] == pytest.approx(2.4)  # of 2.7, in steps of 0.4
    assert totals["upper_gradients"] == pytest.approx(3.2)  # of 3.3
    assert work(problem, Mixture(1.0, 0.5)) == pytest.approx(0.8)


def test_training_lowers_both_losses(make_run: MakeRun) -> None:
    task = replace(DIGITS, budget=60.0, width=12)
    problem = task.problem(0)
    start = Solution(problem.upper_start, problem.lower_start)
    solution = answer(FixedWeightSum(weight=1.0, rate=1.0), problem, make_run(problem))
    before, after = task.evaluate(start, 0, run()), task.evaluate(solution, 0, run())
    free = replace(task, budget=1e9).problem(0)
    assert after["lower_loss"] < 0.8 * before["lower_loss"]
    assert free.upper_value(solution.upper, solution.lower) < 0.7 * free.upper_value(start.upper, start.lower)


@pytest.mark.parametrize("lower", [TELLING, CONTRASTING], ids=repr)
def test_a_self_supervised_loss_names_its_weights(lower: SelfSupervision) -> None:
    encoder = Encoder(features=3, width=5, depth=1, stride=2, causal=lower.causal)
    names = [name for name, _ in (*encoder.shapes(), *lower.shapes(encoder))]
    assert len(names) == len(set(names))


def test_values_that_make_no_method_are_refused() -> None:
    with pytest.raises(ValueError, match="share must lie between 0 and 1, got 2"):
        PretrainFinetune(share=2.0, rate=1.0)
    with pytest.raises(ValueError, match="weight must not be negative, got -1"):
        FixedWeightSum(weight=-1.0, rate=1.0)
    with pytest.raises(ValueError, match="finish must lie between 0 and 1"):
        bl_just(finish=1.5)
