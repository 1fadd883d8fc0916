"""The arena `coverage`: its measures, its tasks, its rivals, and what `evaluate` refuses."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from methods.base import Method
from methods.coverage._loop import Sampled, pass_at
from methods.coverage.cross_entropy import CrossEntropy
from methods.coverage.dco import DirectCoverage
from methods.coverage.early_stopping import EarlyStopping
from methods.coverage.focal import Focal
from methods.coverage.temperature import Temperature
from runners.hardware import Hardware
from runners.run import AttemptRun
from tasks.base import Diverged, Invalid
from tasks.coverage import ARENA, AnswerTraining, Laws, measures
from tasks.coverage.answering import Answering
from tasks.coverage.clusters import OverlappingClusters
from tasks.coverage.table import AmbiguousTable

CLUSTERS = OverlappingClusters(
    name="coverage/toy",
    version=1,
    samples=4,
    answers=6,
    train=70,
    validation=30,
    test=40,
    hidden=(16,),
    epochs=5,
    batch_size=16,
    lr=0.01,
    weight_decay=0.0,
    dimensions=3,
    noise=1.0,
)
TABLE = AmbiguousTable(
    name="coverage/table",
    version=1,
    samples=3,
    answers=4,
    train=6000,
    validation=8,
    test=2,
    hidden=(),
    epochs=30,
    batch_size=600,
    lr=0.05,
    weight_decay=0.0,
    questions=2,
    concentration=1.0,
)


@pytest.fixture
def run(one_core: Hardware, tmp_path: Path) -> AttemptRun:
    return AttemptRun(np.random.default_rng(0), CLUSTERS.problem(0).ledger, one_core, tmp_path)


def laws(rng: np.random.Generator, count: int, answers: int) -> Laws:
    return rng.dirichlet(np.full(answers, 0.5), size=count)


def test_pass_at_n_is_what_sampling_gives() -> None:
    rng = np.random.default_rng(0)
    law, truth = laws(rng, 1, 5), laws(rng, 1, 5)
    right = rng.choice(5, size=40_000, p=truth[0])
    drawn = rng.choice(5, size=(40_000, 3), p=law[0])
    assert measures.pass_at(law, truth, 3) == pytest.approx((drawn == right[:, None]).any(axis=1).mean(), abs=0.01)


def test_measures_by_hand() -> None:
    law = np.array([[1.0, 0.0], [0.25, 0.75]])
    truth = np.array([[0.4, 0.6], [0.0, 1.0]])
    scores = measures.measured(law, truth, 2)
    assert scores["pass_at_n"] == pytest.approx((0.4 + (1 - 0.25**2)) / 2)
    assert scores["pass_at_1"] == pytest.approx((0.4 + 0.75) / 2)
    assert scores["confidence_wrong"] == 1.0
    assert scores["nll"] == pytest.approx((-0.6 * np.log(measures.SMALLEST) - np.log(0.75)) / 2)
    assert "confidence_wrong" not in measures.measured(truth, truth, 2)
    assert set(scores) == {metric.name for metric in ARENA.board(AnswerTraining).metrics}


def test_the_best_law_by_the_worked_example() -> None:
    truth = np.array([[0.15, 0.5, 0.1, 0.25]])
    assert measures.pass_at(measures.best_laws(truth, 4), truth, 4) == pytest.approx(0.7517, abs=5e-5)
    assert measures.pass_at(truth, truth, 4) == pytest.approx(0.7457, abs=5e-5)
    np.testing.assert_array_equal(measures.best_laws(truth, 1), [[0, 1, 0, 0]])


@pytest.mark.parametrize("samples", [2, 3, 16])
def test_the_best_law_is_what_an_optimiser_finds(samples: int) -> None:
    for truth in laws(np.random.default_rng(samples), 6, 5):

        def missed(law: Laws, truth: Laws = truth) -> float:
            return float((truth * (1 - np.clip(law, 0, 1)) ** samples).sum())

        whole: Any = {"type": "eq", "fun": lambda law: law.sum() - 1}
        found = minimize(missed, np.full(5, 0.2), bounds=[(0, 1)] * 5, constraints=[whole], options={"ftol": 1e-14})
        best = measures.best_laws(truth[None], samples)[0]
        assert missed(best) <= missed(found.x) + 1e-10
        np.testing.assert_allclose(best, found.x, atol=2e-3)


@given(st.integers(0, 10_000), st.integers(1, 300))
def test_no_law_beats_the_best(seed: int, samples: int) -> None:
    rng = np.random.default_rng(seed)
    truth = laws(rng, 5, 8)
    best = measures.best_laws(truth, samples)
    np.testing.assert_allclose(best.sum(axis=1), 1, atol=1e-9)
    assert best.min() >= 0
    for other in (truth, laws(rng, 5, 8), np.full((5, 8), 1 / 8), 0.9 * best + 0.1 * laws(rng, 5, 8)):
        assert measures.pass_at(other, truth, samples) <= measures.pass_at(best, truth, samples) + 1e-12


def test_answers_that_never_happen_get_nothing() -> None:
    best = measures.best_laws(np.array([[0.0, 1.0, 0.0], [0.5, 0.0, 0.5]]), 4)
    np.testing.assert_allclose(best, np.array([[0.0, 1.0, 0.0], [0.5, 0.0, 0.5]]))


def test_the_posterior_of_a_cluster_is_bayes_rule() -> None:
    points = CLUSTERS.asked(0, "test", 5)
    means = CLUSTERS._means(0)
    densities = np.exp(-((points[:, None].astype(float) - means) ** 2).sum(axis=2) / 2)
    np.testing.assert_allclose(CLUSTERS.truth(0, points), densities / densities.sum(axis=1, keepdims=True), rtol=1e-9)


def test_labels_follow_their_laws() -> None:
    task = replace(TABLE, train=40_000)
    inputs, labels = task.problem(0).training(np.arange(40_000))
    for question in range(2):
        asked = inputs.argmax(dim=1) == question
        assert int(asked.sum()) == 20_000
        shares = torch.bincount(labels[asked], minlength=4).numpy() / 20_000
        np.testing.assert_allclose(shares, task.truth(0, np.eye(2, dtype=np.float32))[question], atol=0.015)


def test_fewer_epochs_are_the_beginning_of_more_and_nothing_else_moves() -> None:
    long, short = CLUSTERS.problem(3), replace(CLUSTERS, epochs=2, samples=64).problem(3)
    assert long.batches.shape == (5 * 4, 16)
    np.testing.assert_array_equal(short.batches, long.batches[: 2 * 4])
    assert all(len(set(epoch.ravel())) == 64 for epoch in np.split(long.batches, 5)), "no question twice in an epoch"
    for one, other in zip(long.network().state_dict().values(), short.network().state_dict().values(), strict=True):
        assert torch.equal(one, other)
    rows = np.arange(70)
    assert all(torch.equal(one, other) for one, other in zip(long.training(rows), short.training(rows), strict=True))
    assert not torch.equal(long.training(rows)[0], CLUSTERS.problem(4).training(rows)[0])
    assert not torch.equal(long.training(np.arange(30))[0], long.validation()[0])


def test_what_is_seen_is_booked(run: AttemptRun) -> None:
    problem = CLUSTERS.problem(0)
    CrossEntropy(smoothing=0.0).solve(problem, run)
    assert problem.ledger.totals() == {"examples": 5 * 64}
    problem = CLUSTERS.problem(0)
    Temperature(coldest=0.5, hottest=2.0, points=3).solve(problem, run)
    assert problem.ledger.totals() == {"examples": 5 * 64, "validation_labels": 30}


def scores(method: Method, task: Answering, run: AttemptRun, seed: int = 0) -> dict[str, float]:
    return dict(task.evaluate(method.solve(task.problem(seed), run), seed, run))


def test_losses_that_should_agree_agree(run: AttemptRun) -> None:
    plain = scores(CrossEntropy(smoothing=0.0), CLUSTERS, run)
    for same in (DirectCoverage(samples=1), Focal(gamma=0.0)):
        assert scores(same, CLUSTERS, run) == pytest.approx(plain, rel=1e-3)
    matched = scores(DirectCoverage(samples=None), CLUSTERS, run)
    assert matched == scores(DirectCoverage(samples=4), CLUSTERS, run)
    assert matched["pass_at_1"] < plain["pass_at_1"]


def test_losses_find_their_own_optimum_where_answers_are_ambiguous(run: AttemptRun) -> None:
    """Cross-entropy the law itself; direct coverage the law that minimises its own loss, found by an optimiser."""
    questions = np.eye(2, dtype=np.float32)
    inputs, labels = TABLE.problem(0).training(np.arange(6000))
    for question, asked in enumerate(questions):
        shares = torch.bincount(labels[inputs[:, question] == 1], minlength=4).numpy() / 3000
        plain = CrossEntropy(smoothing=0.0).solve(TABLE.problem(0), run)(asked[None])[0]
        np.testing.assert_allclose(plain, shares, atol=0.02)

        def objective(free: Laws, shares: Laws = shares) -> float:
            law = np.exp(free) / np.exp(free).sum()
            return float(-(shares * np.log(1 - (1 - law) ** 3)).sum())

        found = np.exp(minimize(objective, np.zeros(4)).x)
        ours = DirectCoverage(samples=3).solve(TABLE.problem(0), run)(asked[None])[0]
        np.testing.assert_allclose(ours, found / found.sum(), atol=0.02)


def test_early_stopping_goes_back_to_the_best_epoch(run: AttemptRun) -> None:
    task = replace(CLUSTERS, samples=16, epochs=30)
    problem = task.problem(0)
    answer = EarlyStopping(every=1).solve(problem, run)
    curve = {int(epoch): value for epoch, _, value in run.logs["validation_pass_at_n"]}
    inputs, labels = problem.validation()
    law = answer(inputs.numpy())
    assert len(curve) == 30
    assert pass_at(torch.tensor(law).log(), labels, 16) == pytest.approx(max(curve.values()), abs=1e-6)
    stopped = int(run.logs["stopped_at"][0][2])
    assert stopped < 30
    assert curve[stopped] == max(curve.values())
    again = CrossEntropy(smoothing=0.0).solve(replace(task, epochs=stopped).problem(0), run)
    np.testing.assert_allclose(again(inputs.numpy()), law, atol=1e-6)


def test_the_temperature_is_the_best_of_the_grid(run: AttemptRun) -> None:
    problem = replace(CLUSTERS, samples=64, epochs=40).problem(0)
    chosen = Temperature(coldest=0.25, hottest=16.0, points=13).solve(problem, run)
    assert isinstance(chosen, Sampled)
    inputs, labels = problem.validation()

    def at(temperature: float) -> float:
        law = Sampled(chosen.network, temperature)(inputs.numpy())[np.arange(30), labels.numpy()]
        return float((1 - (1 - law) ** 64).mean())

    assert at(chosen.temperature) == pytest.approx(max(at(float(t)) for t in np.geomspace(0.25, 16.0, 13)), abs=1e-9)
    assert chosen.temperature > 1, "64 samples of a network that learnt by heart want to be warmer"


def test_the_ceiling_is_the_ceiling_and_the_floor_is_uniform(run: AttemptRun) -> None:
    tasks: tuple[Answering, ...] = (CLUSTERS, TABLE)
    for task in tasks:
        best = task.evaluate(task.best(0), 0, run)
        bayes = task.evaluate(partial(task.truth, 0), 0, run)
        floor = task.evaluate(task.trivial(0), 0, run)
        assert best["pass_at_n"] >= bayes["pass_at_n"] >= floor["pass_at_n"]
        assert floor["pass_at_n"] == pytest.approx(1 - (1 - 1 / task.answers) ** task.samples)


def test_validation_asks_other_questions(run: AttemptRun) -> None:
    seen: list[Any] = []

    def answer(inputs: Any) -> Laws:
        seen.append(inputs)
        return np.full((len(inputs), 6), 1 / 6)

    CLUSTERS.validate(answer, 0, run)
    assert len(seen[0]) == 30
    known = {
        tuple(row) for rows in (CLUSTERS.problem(0).validation()[0], CLUSTERS.asked(0, "test", 40)) for row in rows
    }
    assert not {tuple(row) for row in seen[0]} & known


@pytest.mark.parametrize(
    ("solution", "error", "message"),
    [
        (None, Invalid, "must be callable, got NoneType"),
        (lambda x: np.full((len(x), 5), 0.2), Invalid, r"must have the shape \(40, 6\), not \(40, 5\)"),
        (lambda x: np.full((len(x), 6), 0.2), Invalid, "not a probability vector"),
        (lambda x: np.full((len(x), 6), np.nan), Diverged, "not a number"),
        (lambda x: np.roll(np.eye(6)[np.arange(len(x)) % 6], 1, axis=0), Invalid, "depends on the questions beside it"),
    ],
)
def test_illegal_answers(run: AttemptRun, solution: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        CLUSTERS.evaluate(solution, 0, run)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="70 training questions do not fill a batch of 80"):
        replace(CLUSTERS, batch_size=80)
    with pytest.raises(ValueError, match="answers 2 or more"):
        replace(CLUSTERS, answers=1)
    with pytest.raises(ValueError, match=r"smoothing must lie in \[0, 1\), got 1.0"):
        CrossEntropy(smoothing=1.0)
    with pytest.raises(ValueError, match="gamma must not be negative"):
        Focal(gamma=-1.0)
    with pytest.raises(ValueError, match="every must be 1 or more"):
        EarlyStopping(every=0)
    with pytest.raises(ValueError, match="0 < coldest < hottest"):
        Temperature(coldest=2.0, hottest=1.0, points=5)
