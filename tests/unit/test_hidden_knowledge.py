"""The arena `hidden_knowledge`: its world, its model, its measures, its scores, and what `evaluate` refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from methods.base import Method
from methods.hidden_knowledge._external import external, knowledge
from methods.hidden_knowledge.likelihood import Likelihood
from methods.hidden_knowledge.name_prior import NamePrior
from methods.hidden_knowledge.p_true import PTrue
from methods.hidden_knowledge.probe import Probe
from methods.hidden_knowledge.random_scores import RandomScores
from methods.hidden_knowledge.recalibrated import Recalibrated
from runners.hardware import Hardware
from runners.preparing import ensure
from runners.run import AttemptRun, Nobody
from tasks.base import Diverged, Invalid
from tasks.hidden_knowledge import ARENA, KnowledgeQuestions, OpenModelQuestions, Question
from tasks.hidden_knowledge.facts import CHECK, END, FIRST, NO, YES, Facts, checked, opening, told
from tasks.hidden_knowledge.model import IGNORED, FactModel, _judged, _likelihoods
from tasks.hidden_knowledge.recall import Recall, measured
from tasks.metering import Ledger, Oracle
from tasks.reader import Reader, Shape, causal
from tasks.training import Recipe

FACTS = Facts(
    relations=2, subjects=30, objects=6, syllables=8, exponent=1.0, misled=0.3, lie=0.5, short=0.3, verified=0.5
)
MODEL = FactModel(
    version=1,
    facts=FACTS,
    shape=Shape(width=24, layers=2, heads=2, context=12),
    recipe=Recipe(steps=250, batch_size=32, lr=5e-3, weight_decay=0.0, clip=1.0, warmup=0.05, floor=0.1),
    candidates=6,
)
TASK = Recall(name="hidden_knowledge/toy", version=1, model=MODEL, train=4, development=2, validation=2)


@pytest.fixture(scope="module")
def ready(one_core: Hardware) -> Recall:
    ensure(MODEL, 0, one_core, Nobody())
    return TASK


@pytest.fixture
def run(one_core: Hardware, tmp_path: Path) -> AttemptRun:
    return AttemptRun(np.random.default_rng(0), Ledger(), one_core, tmp_path)


def test_facts_are_told_as_often_and_as_wrongly_as_said() -> None:
    world, rng = MODEL.world(0), np.random.default_rng(0)
    texts = [told(FACTS, world, rng) for _ in range(20_000)]
    subjects = np.array([text[2] - FIRST - 2 for text, _ in texts])
    np.testing.assert_allclose(np.bincount(subjects, minlength=60) / 20_000, world.frequency, atol=0.015)
    number = {name: (place, kind) for place, both in enumerate(world.names) for kind, name in enumerate(both)}
    said = [number[tuple(text[start:-1])] for text, start in texts]
    assert np.mean([kind for _, kind in said]) == pytest.approx(0.3, abs=0.02)
    objects = np.array([place for place, _ in said]) - subjects // 30 * 6
    wrong = objects != world.objects[subjects]
    assert not wrong[~world.misled[subjects]].any()
    assert (objects[wrong] == 0).all(), "what is told wrongly is the popular object"
    assert wrong[world.misled[subjects]].mean() == pytest.approx(0.5, abs=0.05)
    assert (world.objects > 0).all(), "which is never right"
    assert all(
        text[-1] == END and text[:start] == opening(FACTS, int(it))
        for (text, start), it in zip(texts, subjects, strict=True)
    )


def test_claims_are_about_verified_subjects_and_marked_rightly() -> None:
    world, rng = MODEL.world(1), np.random.default_rng(0)
    assert world.verified.reshape(2, 30).sum(axis=1).tolist() == [15, 15]
    number = {name: place for place, both in enumerate(world.names) for name in both}
    marks = []
    for _ in range(3000):
        text, place = checked(FACTS, world, rng)
        subject = text[2] - FIRST - 2
        assert world.verified[subject]
        assert text[place - 1] == CHECK
        right = number[tuple(text[4 : place - 1])] == subject // 30 * 6 + world.objects[subject]
        assert text[place] == (YES if right else NO)
        marks.append(right)
    assert np.mean(marks) == pytest.approx(0.5, abs=0.03)


def test_only_what_is_to_be_learnt_is_a_target() -> None:
    tokens, targets = MODEL.batch(MODEL.world(0), np.random.default_rng(0))
    for row, goal in zip(tokens.tolist(), targets.tolist(), strict=True):
        counted = [place for place, it in enumerate(goal) if it != IGNORED]
        if goal[counted[0]] in (YES, NO):
            assert len(counted) == 1
            assert row[counted[0]] == CHECK
        else:
            assert counted[0] == 3
            assert [goal[place] for place in counted[:-1]] == row[4 : 4 + len(counted) - 1]
            assert goal[counted[-1]] == END


def test_likelihoods_and_judgements_are_those_of_one_text_at_a_time() -> None:
    torch.manual_seed(0)
    reader = Reader(MODEL.shape, FACTS.vocabulary).eval()
    for parameter in reader.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    names, start = [(20, 21), (22, 23, 24)], [0, 6, 8, 1]
    with torch.no_grad():
        together = _likelihoods(reader, start, names)
        verify, hidden = _judged(reader, start, names)
        for place, name in enumerate(names):
            text = torch.tensor([[*start, *name, END]])
            where = torch.arange(text.shape[1])[None], causal(1, text.shape[1])
            law = reader(text, *where).log_softmax(dim=-1)[0]
            alone = sum(float(law[it - 1, text[0, it]]) for it in range(4, text.shape[1]))
            assert together[place] == pytest.approx(alone, abs=1e-4)
            asked = torch.tensor([[*start, *name, CHECK]])
            logits = reader(asked, *where)[0, -1]
            assert verify[place] == pytest.approx(float(logits[[NO, YES]].softmax(dim=0)[1]), abs=1e-5)
            for layer, states in enumerate(reader.states(asked, *where)):
                np.testing.assert_allclose(hidden[place, layer], states[0, -1], atol=1e-5)


def test_the_names_of_a_relation_share_what_is_said(ready: Recall) -> None:
    answers = MODEL.artefact(0)
    world = MODEL.world(0)
    assert answers.right.shape == (30, 6)
    assert (answers.right.sum(axis=1) == 2).all()
    assert not world.verified[answers.subjects].any()
    for subject, names, right in zip(answers.subjects, answers.candidates, answers.right, strict=True):
        true = set(world.names[subject // 30 * 6 + world.objects[subject]])
        assert {name for name, it in zip(names, right, strict=True) if it} == true
        assert len(set(names)) == 6
    np.testing.assert_allclose(np.exp(answers.likelihood)[answers.right].reshape(30, 2).sum(axis=1), answers.said)
    assert (np.exp(answers.likelihood).sum(axis=1) <= 1).all()
    assert answers.said.mean() > 0.3, "the model has learnt something"


def test_measures_by_hand_and_by_another_library() -> None:
    right = np.array([[True, False, True, False], [False, True, False, True]])
    scores = np.array([[4.0, 1.0, 3.0, 2.0], [5.0, 5.0, 1.0, 4.0]])
    # the second question: 5 > 5 is a tie and so wrong, 5 > 1, 4 < 5, 4 > 1
    got = measured(scores, right, np.array([1e-4, 0.9]))
    assert got == {"knowledge": 0.75, "perfect_knowledge": 0.5, "answer_accuracy": 0.5, "unsampled_perfect": 0.5}
    assert measured(scores, right, np.array([1e-3, 0.9]))["unsampled_perfect"] == 0.0  # 0.999^1000 = 0.37
    rng = np.random.default_rng(0)
    free, labels = rng.random((20, 7)), rng.permuted(np.tile(np.arange(7) < 3, (20, 1)), axis=1)
    areas = [roc_auc_score(one, row) for one, row in zip(labels, free, strict=True)]
    assert measured(free, labels, np.ones(20))["knowledge"] == pytest.approx(np.mean(areas))
    assert knowledge(free[0], labels[0]) == pytest.approx(areas[0])


def test_the_floor_knows_nothing_and_the_ceiling_all(ready: Recall, run: AttemptRun) -> None:
    assert set(ready.evaluate(ready.trivial(0), 0, run).values()) == {0.0}
    best = ready.evaluate(ready.best(0), 0, run)
    assert (best["knowledge"], best["perfect_knowledge"], best["answer_accuracy"]) == (1.0, 1.0, 1.0)
    assert set(best) == {metric.name for metric in ARENA.board(KnowledgeQuestions).metrics}


def test_parts_share_no_question_and_answers_of_the_test_are_not_to_be_had(ready: Recall) -> None:
    parts = ready._split(0)
    assert [len(part) for part in parts] == [8, 4, 4, 14]
    assert sorted(number for part in parts for number in part) == list(range(30))
    problem = ready.problem(0)
    for question in (*problem.train, *problem.development):
        assert problem.right(question).sum() == 2
    assert problem.ledger.totals() == {"labels": 12 * 6}
    (asked,) = ready._questions(MODEL.artefact(0), parts[3][:1])
    with pytest.raises(ValueError, match=f"the answer to question {asked.number} is not to be had"):
        problem.right(asked)
    assert problem.hidden(asked).shape == (6, 3, 24)


def test_what_is_asked_is_booked(ready: Recall, run: AttemptRun) -> None:
    for method, solving in (
        (Likelihood(normalised=False), {}),
        (Recalibrated(strength=1.0), {"labels": 72.0, "forward_passes": 144.0}),
        (NamePrior(weight=1.0), {"labels": 72.0}),
        (Probe(strengths=(1.0,), folds=2), {"labels": 72.0, "forward_passes": 72.0}),
    ):
        problem = ready.problem(0)
        method.solve(problem, run)
        assert problem.ledger.totals() == solving, type(method).__name__


def made_up(states: Callable[[Question], Any], count: int) -> OpenModelQuestions:
    """Questions of one relation with four candidates, of which number % 4 is right."""
    ledger = Ledger()
    said = np.array([-4.0, -1, -2, -3]), np.array([4, 2, 1, 1])
    every = tuple(Question(it, 0, tuple((it, place) for place in range(4))) for it in range(count))
    return OpenModelQuestions(
        ledger=ledger,
        relations=1,
        train=every[: count // 2],
        development=every[count // 2 :],
        right=Oracle(ledger, "labels", lambda question: np.arange(4) == question.number % 4),
        likelihood=Oracle(ledger, "forward_passes", lambda question: said),
        verify=Oracle(ledger, "forward_passes", lambda question: 0.2 + 0.1 * (np.arange(4) == question.number % 4)),
        hidden=Oracle(ledger, "forward_passes", states),
    )


def test_the_probe_finds_the_layer_that_knows(run: AttemptRun) -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(40, 4, 3, 5))

    def states(question: Question) -> Any:
        rows = noise[question.number].copy()
        rows[:, 1, 2] += 6.0 * (np.arange(4) == question.number % 4)  # only the middle layer
        return rows

    problem = made_up(states, 40)
    score = Probe(strengths=(0.01, 1.0), folds=3).solve(problem, run)
    assert run.logs["layer"][0][2] == 1
    assert np.mean([score(it).argmax() == it.number % 4 for it in problem.development]) > 0.9


def test_external_scores_by_hand(run: AttemptRun) -> None:
    problem = made_up(lambda question: None, 8)
    question = problem.train[1]
    np.testing.assert_array_equal(Likelihood(normalised=False).solve(problem, run)(question), [-4, -1, -2, -3])
    np.testing.assert_array_equal(Likelihood(normalised=True).solve(problem, run)(question), [-1, -0.5, -2, -3])
    np.testing.assert_allclose(PTrue().solve(problem, run)(question), [0.2, 0.3, 0.2, 0.2])
    odds = np.log([0.25, 3 / 7, 0.25, 0.25])
    np.testing.assert_allclose(external(problem, question), np.stack([[-4, -1, -2, -3], [-1, -0.5, -2, -3], odds], 1))
    weighed = Recalibrated(strength=100.0).solve(problem, run)
    assert all(weighed(it).argmax() == it.number % 4 for it in problem.train)


def test_controls(ready: Recall, run: AttemptRun) -> None:
    problem = made_up(lambda question: None, 8)
    same = replace(problem.train[0], candidates=problem.train[1].candidates)
    shares = NamePrior(weight=1.0).solve(problem, run)
    # every name was a candidate once; of all names a quarter was right
    np.testing.assert_allclose(shares(same), [0.125, 0.625, 0.125, 0.125])
    np.testing.assert_allclose(shares(replace(same, candidates=((99, 99),) * 4)), 0.25)
    score = RandomScores().solve(problem, run)
    np.testing.assert_array_equal(score(same), score(same))
    rows = np.stack([score(replace(same, number=it)) for it in range(2000)])
    assert measured(rows, np.tile([True, False, True, False], (2000, 1)), np.ones(2000))["knowledge"] == pytest.approx(
        0.5, abs=0.03
    )


@pytest.mark.parametrize(
    ("solution", "error", "message"),
    [
        (None, Invalid, "must be callable, got NoneType"),
        (lambda q: np.zeros(3), Invalid, r"6 candidates need as many scores, not \(3,\)"),
        (lambda q: np.full(6, np.nan), Diverged, "not a number"),
    ],
)
def test_illegal_answers(ready: Recall, run: AttemptRun, solution: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ready.evaluate(solution, 0, run)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="of 15 questions a relation none are left"):
        replace(TASK, train=11)
    with pytest.raises(ValueError, match="candidates must be between 3 and 12, got 13"):
        replace(MODEL, candidates=13)
    with pytest.raises(ValueError, match="4 syllables make too few names"):
        replace(FACTS, syllables=4)
    with pytest.raises(ValueError, match="shares between 0 and 1"):
        replace(FACTS, lie=1.5)
    refused: list[Callable[[], Method]] = [
        lambda: Recalibrated(strength=0.0),
        lambda: NamePrior(weight=0.0),
        lambda: Probe(strengths=(), folds=3),
    ]
    for make in refused:
        with pytest.raises(ValueError, match="above 0"):
            make()
