"""The arena `calibration`: its measures, its prompts, its small model, and what `evaluate` refuses."""

from __future__ import annotations

import json
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

from methods.base import Method
from runners import catalog
from runners.build import build, plugin_class
from runners.hardware import Hardware
from runners.match import needed_type, satisfies
from runners.pair import Choice, resolve
from runners.preparing import ensure
from runners.run import Nobody
from tasks.base import Direction, Diverged, Invalid, NotApplicable, Run, read_only
from tasks.calibration import (
    ARENA,
    CONTENT_FREE,
    RANDOM_TEXTS,
    AskedProbabilities,
    LabelProbabilities,
    Probabilities,
    measures,
)
from tasks.calibration.asking import Prompted, label_tokens
from tasks.calibration.corpora import Example, LabelledTexts, ManifestTexts, Pools, SkewedQueries, StandardLibraryTopics
from tasks.calibration.models import IGNORED, FewShotTrained, Prompts
from tasks.calibration.prompted import PromptedClassification
from tasks.calibration.prompts import Template
from tasks.calibration.tables import random_texts
from tasks.language_models import Architecture, HubModel, train_tokenizer
from tasks.metering import Ledger, Oracle, fingerprint
from tasks.preparation import identity
from tasks.training import Recipe
from tests.text_examples import CORPUS, EXAMPLES, Toy

FRUIT = Template(instruction="", query="Text: ", answer="Colour:", words=("yellow", "red"))
ASKED = Template(instruction="Name the colour.", query="Q: ", answer="A:", words=("amber", "scarlet"))
MODEL = FewShotTrained(
    version=1,
    corpus=CORPUS,
    templates=(FRUIT, ASKED),
    architecture=Architecture(width=16, layers=2, heads=2, context=160),
    vocabulary_size=320,
    examples=3,
    growth=0.5,
    concentration=1.0,
    shortened=0.25,
    recipe=Recipe(steps=4, batch_size=2, lr=1e-3, weight_decay=0.0, clip=1.0, warmup=0.0, floor=1.0),
)
TASK = PromptedClassification(
    name="calibration/toy",
    version=1,
    model=MODEL,
    corpus=CORPUS,
    templates=(FRUIT, ASKED),
    shots=3,
    orders=2,
    labelled=6,
    unlabelled=7,
    test=9,
)


@pytest.fixture(scope="module")
def ready(one_core: Hardware) -> PromptedClassification:
    """The toy task with everything prepared for seeds 0 and 1."""
    for seed in (0, 1):
        ensure(TASK.tables, seed, one_core, Nobody())
    return TASK


def run() -> Run:
    return cast("Run", SimpleNamespace(rng=np.random.default_rng(0)))


def test_the_error_of_confidence_by_hand() -> None:
    # confidences .55 and .6 share the bin (.5, .6], .95 and 1 the bin (.9, 1]:
    # |1 - 1.15| + |1 - 1.95| over 4 rows
    rows = np.array([[0.55, 0.45], [0.4, 0.6], [0.95, 0.05], [1.0, 0.0]])
    labels = np.array([0, 0, 0, 1])
    assert measures.expected_calibration_error(rows, labels) == pytest.approx((0.15 + 0.95) / 4)
    assert measures.expected_calibration_error(np.array([[0.7, 0.3]]), np.array([0])) == pytest.approx(0.3)


def test_other_measures_by_hand() -> None:
    rows = np.array([[0.5, 0.25, 0.25], [0.2, 0.8, 0.0], [0.2, 0.8, 0.0]])
    labels = np.array([0, 1, 2])
    assert measures.accuracy(rows, labels) == pytest.approx(2 / 3)
    assert measures.macro_f1(rows, labels) == pytest.approx((1 + 2 / 3 + 0) / 3)
    expected = -(np.log(0.5) + np.log(0.8) + np.log(measures.SMALLEST)) / 3
    assert measures.negative_log_likelihood(rows, labels) == pytest.approx(expected)
    assert measures.brier(rows, labels) == pytest.approx((0.375 + 0.08 + 1.68) / 3)


def test_entropy_by_hand() -> None:
    rows = np.array([[1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3], [0.5, 0.5, 0.0]])
    assert measures.entropy(rows) == pytest.approx((0 + np.log(3) + np.log(2)) / 3)
    assert ARENA.board(LabelProbabilities).metrics[-1].direction is Direction.NONE


def test_a_prompt_reads_as_in_the_paper() -> None:
    shown = (Example("ripe", 0), Example("raw", 1))
    assert ASKED.opening(shown) == "Name the colour.\n\nQ: ripe\nA: amber\n\nQ: raw\nA: scarlet"
    assert ASKED.closing("new", first=False) == "\n\nQ: new\nA:"
    assert FRUIT.opening(()) == ""
    assert FRUIT.closing("new", first=True) == "Text: new\nColour:"


@pytest.mark.parametrize("template", [FRUIT, ASKED])
@pytest.mark.parametrize("shots", [0, 3])
def test_a_cached_opening_answers_as_the_whole_prompt_does(template: Template, shots: int) -> None:
    torch.manual_seed(0)
    words = sorted(template.word(label) for label in range(2))
    tokenizer = train_tokenizer([example.text for example in EXAMPLES], 300, words)
    network = MODEL.architecture.network(len(tokenizer), 0, 1).eval()
    torch.nn.init.normal_(network.transformer.wte.weight)  # fresh weights are too small to tell answers apart
    texts = ["a number 1", "", "b", "a b a b a number"]
    prompted = Prompted(network, tokenizer, template, EXAMPLES[:shots])
    naive = []
    for text in texts:
        opening = template.opening(EXAMPLES[:shots])
        ids = tokenizer(opening + template.closing(text, first=not opening))["input_ids"]
        with torch.inference_mode():
            logits = network(torch.tensor([ids])).logits[0, -1]
        naive.append(torch.softmax(logits[label_tokens(tokenizer, template)].double(), dim=-1).numpy())
    np.testing.assert_allclose(prompted.probabilities(texts), naive, atol=1e-5)
    assert np.ptp(np.array(naive)[:, 0]) > 1e-3


def test_prompts_that_cannot_be_asked_are_refused() -> None:
    tokenizer = train_tokenizer(["some text"], 270, [" amber", " scarlet"])
    network = MODEL.architecture.network(len(tokenizer), 0, 1)
    with pytest.raises(NotApplicable, match="tokens, but the model reads 160: use fewer shots"):
        Prompted(network, tokenizer, ASKED, EXAMPLES).probabilities(["new"])
    with pytest.raises(NotApplicable, match="label words yellow, red begin with the same token"):
        label_tokens(tokenizer, FRUIT)


def test_training_prompts_ask_for_the_label_words() -> None:
    tokenizer = train_tokenizer([e.text for e in EXAMPLES], 300, [" yellow", " red", " amber", " scarlet"])
    prompts = Prompts(tokenizer, (FRUIT, ASKED), EXAMPLES, context=160)
    tokens, targets = prompts.batch(np.random.default_rng(0), size=8, count=3, concentration=1.0, shortened=0.5)
    asked = targets != IGNORED
    assert asked.sum() == 8 * 3
    words = set(label_tokens(tokenizer, FRUIT) + label_tokens(tokenizer, ASKED))
    assert set(targets[asked].tolist()) <= words
    rows, places = np.nonzero(asked.numpy())
    inside = places + 1 < tokens.shape[1]
    assert torch.equal(tokens[rows[inside], places[inside] + 1], targets[rows[inside], places[inside]])
    text = str(tokenizer.decode(tokens[0]))
    assert text.startswith(("Text: ", "Name the colour.\n\nQ: "))


def test_prompts_grow_while_the_labels_of_a_step_stay_as_many() -> None:
    sizes = [replace(MODEL, examples=9, recipe=replace(MODEL.recipe, steps=100)).sizes(step) for step in range(100)]
    assert sizes[0] == (18, 1)
    assert {count for _, count in sizes[50:]} == {9}
    assert all(12 <= prompts * count <= 18 for prompts, count in sizes)


def test_the_problem_holds_probabilities_and_books_what_is_asked(ready: PromptedClassification) -> None:
    problem = ready.problem(0)
    assert problem.unlabelled.shape == (4, 7, 2)
    assert not problem.unlabelled.flags.writeable
    np.testing.assert_allclose(problem.unlabelled.sum(axis=-1), 1)
    assert problem.ledger.totals() == {}
    assert problem.content_free().shape == (4, len(CONTENT_FREE), 2)
    assert problem.ledger.totals() == {"forward_passes": 12}
    rows, labels = problem.labelled()
    assert rows.shape == (4, 6, 2)
    assert labels.shape == (6,)
    assert problem.ledger.totals() == {"forward_passes": 12 + 24, "labels": 6}
    assert not np.array_equal(ready.problem(1).unlabelled, problem.unlabelled)


def test_random_words_are_those_of_the_unlabelled_inputs() -> None:
    corpus = ["Alpha beta gamma", "Alpha", "DELTA epsilon"]
    texts = random_texts(corpus, np.random.default_rng(0))
    assert len(texts) == RANDOM_TEXTS
    assert {len(text.split()) for text in texts} == {2 + 1}, "the mean length, and the full stop"
    assert all(text.endswith(" .") for text in texts)
    drawn = [word for text in texts for word in text.split()[:-1]]
    assert set(drawn) == {"alpha", "beta", "gamma", "delta", "epsilon"}
    many = [word for text in random_texts(corpus, np.random.default_rng(1), 2_000) for word in text.split()[:-1]]
    assert many.count("alpha") / len(many) == pytest.approx(2 / 6, abs=0.03), "as often as they occur"
    assert random_texts(["", "a"], np.random.default_rng(0))[0] == "a ."


def test_random_words_are_asked_about_and_paid_for(ready: PromptedClassification) -> None:
    problem = ready.problem(0)
    rows = problem.random_words()
    assert rows.shape == (4, RANDOM_TEXTS, 2)
    assert not rows.flags.writeable
    np.testing.assert_allclose(rows.sum(axis=-1), 1)
    assert problem.ledger.totals() == {"forward_passes": 4 * RANDOM_TEXTS}
    assert not np.array_equal(ready.problem(1).random_words(), rows)


def test_random_words_are_built_with_the_tables_but_name_no_cell(ready: PromptedClassification) -> None:
    assert set(ready.preparations()) == {"tables"}
    assert ready.tables.key(0) == fingerprint([identity(ready.tables), 0])
    assert "words" not in identity(ready.tables)
    words = ready.tables.words
    assert words.is_built(0)
    assert words.key(0) != replace(ready, unlabelled=3).tables.words.key(0), "the words come from these"
    assert set(words.parts()) == {"model"}, "not the tables, which have it as a part themselves"


def test_draws_are_nested_and_share_no_text() -> None:
    def draw(**changes: Any) -> list[list[Example]]:
        return [list(part) for part in replace(TASK, **changes).tables._draw(3)]

    shown, labelled, unlabelled, test = draw()
    assert len({example.text for example in shown + labelled + unlabelled + test}) == 3 + 6 + 7 + 9
    for field, place in (("shots", 0), ("labelled", 1), ("unlabelled", 2), ("test", 3)):
        fewer = draw(**{field: 2})
        assert fewer[place] == (shown, labelled, unlabelled, test)[place][:2]
        assert [part for index, part in enumerate(fewer) if index != place] == [
            part for index, part in enumerate((shown, labelled, unlabelled, test)) if index != place
        ]
    with pytest.raises(NotApplicable, match="23 demonstrations and labelled inputs are wanted, but the corpus has 20"):
        draw(labelled=20)


def test_the_openings_of_the_prompts_can_be_read(ready: PromptedClassification) -> None:
    openings = json.loads((ready.tables.folder(0) / "openings.json").read_text())
    assert len(openings) == 4
    assert openings[0] != openings[1]
    assert sorted(openings[0].split("\n\n")) == sorted(openings[1].split("\n\n"))


def same(probabilities: Probabilities) -> Probabilities:
    return probabilities


def test_scores_are_means_over_the_prompts(ready: PromptedClassification) -> None:
    table = ready.tables.artefact(0)
    scores = ready.evaluate(same, 0, run())
    each = [measures.accuracy(rows, table.test_labels) for rows in table.test]
    assert scores["accuracy"] == pytest.approx(np.mean(each))
    assert scores["accuracy_worst"] == min(each)
    assert scores["accuracy_spread"] == pytest.approx(np.std(each, ddof=1))
    assert set(scores) == {metric.name for metric in ARENA.board(LabelProbabilities).metrics}


def test_a_selector_answers_under_one_prompt(ready: PromptedClassification) -> None:
    scores = ready.evaluate(lambda probabilities: probabilities[2:3], 0, run())
    assert "accuracy_spread" not in scores
    assert "accuracy_worst" not in scores


def test_the_dumb_answer_is_the_majority_of_the_models_own(ready: PromptedClassification) -> None:
    constant = ready.trivial(0)
    answers = constant(ready.tables.artefact(0).test)
    majority = np.bincount(ready.tables.artefact(0).unlabelled.argmax(axis=-1).ravel(), minlength=2).argmax()
    assert (answers.argmax(axis=-1) == majority).all()
    assert ready.evaluate(constant, 0, run())["accuracy_spread"] == 0
    with pytest.raises(NotApplicable):
        ready.best(0)


@pytest.mark.parametrize(
    ("solution", "error", "message"),
    [
        (None, Invalid, "must be callable, got NoneType"),
        (lambda p: p[:, :, :1], Invalid, "answers to"),
        (lambda p: p[:2], Invalid, "answers to"),
        (lambda p: p * 1.01, Invalid, "not a probability vector"),
        (lambda p: np.stack([p[..., 0] + 1, -p[..., 0]], axis=-1), Invalid, "not a probability vector"),
        (lambda p: p * np.nan, Diverged, "not a number"),
        (lambda p: np.broadcast_to(p.mean(axis=1, keepdims=True), p.shape), Invalid, "depends on the rows beside it"),
    ],
)
def test_illegal_answers(ready: PromptedClassification, solution: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ready.evaluate(solution, 0, run())


def test_validation_inputs_are_in_no_other_part_of_a_seed(ready: PromptedClassification, one_core: Hardware) -> None:
    asked: list[str] = []
    ask = Prompted.probabilities

    def watched(self: Prompted, texts: Sequence[str]) -> Probabilities:
        asked.extend(texts)
        return ask(self, texts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Prompted, "probabilities", watched)
        ensure(ready.validation_tables, 0, one_core, Nobody())
    own = set(asked)
    rows, labels = ready.validation_tables.artefact(0)
    assert (rows.shape, labels.shape) == ((4, 6, 2), (6,))
    assert not rows.flags.writeable
    assert not labels.flags.writeable
    np.testing.assert_allclose(rows.sum(axis=-1), 1)
    assert len(own) == 6
    others = [example for part in ready.tables._draw(0) for example in part]
    assert own & {example.text for example in others} == set()
    assert own <= {example.text for example in CORPUS.pools().support}
    known = {example.text: example.label for example in CORPUS.pools().support}
    assert labels.tolist() == [known[text] for text in asked[:6]]


def test_validation_takes_what_is_left_and_says_when_nothing_is(ready: PromptedClassification) -> None:
    run = cast("Run", SimpleNamespace(fabric=SimpleNamespace(to_device=lambda it: it), ledger=Ledger(), progress=print))
    few = replace(ready, labelled=15)
    assert few.tables.ask_validation(0, run)[1].shape == (2,)
    with pytest.raises(NotApplicable, match="leave no text of the corpus for validation"):
        replace(ready, labelled=17).tables.ask_validation(0, run)


def test_validation_scores_as_the_test_does_on_other_questions(
    ready: PromptedClassification, one_core: Hardware
) -> None:
    ensure(ready.validation_tables, 1, one_core, Nobody())
    rows, labels = ready.validation_tables.artefact(1)
    said = ready.validate(lambda questions: questions, 1, run())
    assert said["accuracy"] == np.mean([measures.accuracy(one, labels) for one in rows])
    assert set(said) == set(ready.evaluate(lambda questions: questions, 1, run()))
    with pytest.raises(Invalid, match="must have that shape"):
        ready.validate(lambda questions: questions[:, :1], 1, run())
    assert ready.validation_tables.key(0) != ready.validation_tables.key(1)
    assert set(ready.preparations()) == {"tables"}, "the cells that are scored do not need it"


def test_a_solution_cannot_write_into_the_questions(ready: PromptedClassification) -> None:
    def writes(probabilities: Probabilities) -> Probabilities:
        probabilities[:] = 0.5
        return probabilities

    with pytest.raises(ValueError, match="read-only"):
        ready.evaluate(writes, 0, run())


def test_the_trained_model_is_an_ordinary_folder(ready: PromptedClassification, one_core: Hardware) -> None:
    named = replace(ready, model=HubModel(name=MODEL.place()))
    ensure(named.tables, 0, one_core, Nobody())
    np.testing.assert_array_equal(named.tables.artefact(0).test, ready.tables.artefact(0).test)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="2 label words in each"):
        replace(TASK, templates=(replace(FRUIT, words=("one",)),))
    with pytest.raises(ValueError, match="shots must be 0 or more"):
        replace(TASK, shots=-1)
    with pytest.raises(ValueError, match="2 classes need as many lists of modules"):
        StandardLibraryTopics(classes=("a", "b"), longest=9, modules=("email",), model_share=0.5, support_share=0.2)


def test_topics_of_docstrings_are_balanced_and_apart() -> None:
    topics = StandardLibraryTopics(
        classes=("mail", "tasks"),
        longest=40,
        modules=("email mailbox", "asyncio threading"),
        model_share=0.5,
        support_share=0.2,
    )
    topics.check()
    pools = topics.pools()
    for pool in (pools.model, pools.support, pools.query):
        assert len({sum(example.label == label for example in pool) for label in (0, 1)}) == 1
    texts = [example.text for pool in (pools.model, pools.support, pools.query) for example in pool]
    assert len(texts) == len(set(texts)) > 300
    assert max(len(text) for text in texts) == 40
    with pytest.raises(NotApplicable, match="no source of the modules of the topic 'mail': nothing"):
        replace(topics, modules=("nothing", "asyncio")).check()


def test_a_long_text_is_cut_after_a_word() -> None:
    cut = Toy(classes=("a", "b"), longest=9).cut
    assert cut("  one\ntwo  ") == "one two"
    assert cut("one two three") == "one two"
    assert cut("seven two three") == "seven two"
    assert cut("undividedly") == "undivided"
    assert CORPUS.cut("one two three") == "one two three"


def test_a_data_set_is_split_by_its_files(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "train": [f"A:fine text {count}" for count in range(100)] + ["B:fine asked", "B:fine shown"],
        "validation": ["B:fine shown", "B:fine asked"],
        "test": ["A:fine asked", "A:fine asked", "B:fine other  one two"],
    }
    monkeypatch.setattr("tasks.data.lines", lambda data_set, file, encoding: files[file])
    texts = ManifestTexts(
        classes=("a", "b"),
        longest=9,
        data_set="toy",
        train="train",
        validation="validation",
        test="test",
        encoding="utf-8",
        json=False,
        keys=("A", "B"),
        model_share=0.8,
    )
    pools = texts.pools()
    assert set(pools.query) == {Example("asked", 0), Example("other one", 1)}
    assert Example("shown", 1) in pools.support
    assert not {e.text for e in pools.support} & {e.text for e in pools.query}
    assert not {e.text for e in pools.model} & {e.text for e in pools.support + pools.query}
    assert 70 < len(pools.model) < 90


def skewed(share: float, texts: LabelledTexts = CORPUS, favoured: str = "b") -> SkewedQueries:
    return SkewedQueries(classes=texts.classes, longest=texts.longest, texts=texts, favoured=favoured, share=share)


@pytest.mark.parametrize(("share", "favoured", "others"), [(0.5, 15, 15), (0.75, 15, 5), (0.9, 15, 2), (0.25, 5, 15)])
def test_shifted_questions_have_the_share_that_is_asked_for(share: float, favoured: int, others: int) -> None:
    class Even(Toy):
        def pools(self) -> Pools:
            return Pools(EXAMPLES[:20], EXAMPLES[20:30], EXAMPLES[30:])

    source = Even(classes=("a", "b"), longest=None)
    pools = skewed(share, source).pools()
    assert (pools.model, pools.support) == (source.pools().model, source.pools().support)
    assert [sum(e.label == label for e in pools.query) for label in (1, 0)] == [favoured, others]
    assert set(pools.query) <= set(source.pools().query)


@given(st.floats(0.05, 0.95), st.lists(st.integers(2, 40), min_size=3, max_size=3))
def test_the_other_classes_keep_their_shares_among_themselves(share: float, sizes: list[int]) -> None:
    query = tuple(Example(f"{label} {count}", label) for label, size in enumerate(sizes) for count in range(size))

    class Uneven(Toy):
        def pools(self) -> Pools:
            return Pools((), (), query)

    pools = skewed(share, Uneven(classes=("a", "b", "c"), longest=None)).pools()
    kept = np.array([sum(e.label == label for e in pools.query) for label in range(3)])
    whole = min(sizes[1] / share, (sizes[0] + sizes[2]) / (1 - share))
    wanted = np.array([sizes[0], 0, sizes[2]]) / (sizes[0] + sizes[2]) * (1 - share) * whole
    wanted[1] = share * whole
    assert np.abs(kept - wanted).max() <= 0.5 + 1e-9


def test_a_shift_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="favoured must be one of the classes a, b, got 'c'"):
        skewed(0.5, favoured="c")
    with pytest.raises(ValueError, match=r"share must lie between 0 and 1, got 1\.0"):
        skewed(1.0)
    with pytest.raises(ValueError, match="classes and longest must be those of the texts"):
        SkewedQueries(classes=("a",), longest=None, texts=CORPUS, favoured="a", share=0.5)


@pytest.mark.parametrize("scale", ["tiny", "laptop"])
def test_more_prompts_are_asked_of_the_same_model(scale: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BAKEOFF_OFFLINE")  # a set that is not here could then be downloaded
    for base, more in (("docstring_topics", "docstring_orders"), ("sst2", "sst2_orders"), ("trec", "trec_orders")):
        plain, wide = resolve(choice(base, scale)).task, resolve(choice(more, scale)).task
        assert isinstance(plain, PromptedClassification)
        assert isinstance(wide, PromptedClassification)
        assert plain.model == wide.model
        assert wide.templates[:2] == plain.templates
        assert len({(template.query, template.answer) for template in wide.templates}) == 4
        assert scale == "tiny" or len(wide.templates) * wide.orders == 40


def test_a_shift_changes_no_model_and_no_label(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BAKEOFF_OFFLINE")  # a set that is not here could then be downloaded
    plain, shifted = resolve(choice("sst2", "laptop")).task, resolve(choice("sst2_shifted", "laptop")).task
    assert isinstance(plain, PromptedClassification)
    assert isinstance(shifted, PromptedClassification)
    assert plain.model == shifted.model
    assert (plain.shots, plain.orders, plain.labelled) == (shifted.shots, shifted.orders, shifted.labelled)
    assert isinstance(shifted.corpus, SkewedQueries)
    assert shifted.corpus.texts == plain.corpus


def calibrators() -> list[str]:
    """The methods of the arena that answer single prompts."""
    kinds = {name: plugin_class(catalog.find("method", name).target, name) for name in catalog.names("method")}
    return [
        name
        for name in kinds
        if name.startswith("calibration/") and satisfies(AskedProbabilities, needed_type(kinds[name]))
    ]


@pytest.mark.parametrize("name", calibrators())
@pytest.mark.parametrize("labels", [[0, 0, 1, 0, 0], [1, 1, 1, 1, 1], [2, 0, 1, 2, 2, 1, 0, 1, 2, 0, 1, 1]])
def test_every_calibrator_answers_each_row_by_itself_with_few_labels_and_classes_missing(
    name: str, labels: list[int]
) -> None:
    rng, ledger = np.random.default_rng(5), Ledger()

    def rows(count: int) -> Probabilities:
        drawn: Probabilities = rng.dirichlet(np.full(3, 0.6), size=(2, count))
        drawn[0, 0] = [1.0, 0.0, 0.0]  # a model may be certain
        return read_only(drawn)

    known, free, words, asked = rows(len(labels)), rows(3), rows(RANDOM_TEXTS), rows(25)
    problem = AskedProbabilities(
        ledger=ledger,
        classes=("a", "b", "c"),
        unlabelled=rows(30),
        content_free=Oracle(ledger, "forward_passes", lambda: free),
        random_words=Oracle(ledger, "forward_passes", lambda: words),
        labelled=Oracle(ledger, "labels", lambda: (known, np.array(labels))),
    )
    method = build(catalog.find("method", name).values, Method, "method")  # type: ignore[type-abstract]
    solution = method.solve(problem, run())
    answers = solution(asked)
    assert np.isfinite(answers).all()
    np.testing.assert_allclose(answers.sum(axis=-1), 1)
    if len(answers) < len(asked):
        return  # a selector
    shuffled = np.random.default_rng(6).permutation(25)
    np.testing.assert_allclose(solution(asked[:, shuffled]), answers[:, shuffled], atol=1e-12)
    for place in range(25):
        np.testing.assert_allclose(solution(asked[:, [place]]), answers[:, [place]], atol=1e-12)


def choice(task: str, scale: str) -> Choice:
    method_entry, task_entry = catalog.find("method", "calibration/linc"), catalog.find("task", f"calibration/{task}")
    values = {
        "method": method_entry.values | {"card": method_entry.card},
        "task": task_entry.values | {"card": task_entry.card},
        "hardware": {
            "accelerator": "cpu",
            "devices": 1,
            "precision": "32-true",
            "threads": 1,
            "deterministic": True,
            "time_limit": None,
            "memory_limit": None,
            "device_memory_limit": None,
        },
    }
    return Choice(method_entry.name, task_entry.name, "cpu", scale, values)


def test_a_model_can_be_named_in_one_word() -> None:
    pair = resolve(choice("docstring_topics", "paper"))
    assert isinstance(pair.task, PromptedClassification)
    assert pair.task.model == HubModel(name="gpt2-xl")
    assert pair.problem == "AskedProbabilities"


@pytest.mark.parametrize("name", ["sst2", "trec", "subj"])
def test_a_missing_data_set_is_said_when_planning(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEOFF_DATA", str(tmp_path))
    monkeypatch.setenv("BAKEOFF_CACHE", str(tmp_path))
    with pytest.raises(NotApplicable, match=f"the data set '{name}' is not here: set BAKEOFF_DATA"):
        resolve(choice(name, "laptop"))


@pytest.mark.parametrize("scale", ["tiny", "laptop", "paper"])
@pytest.mark.parametrize(
    "name",
    [
        "docstring_topics",
        "sst2",
        "trec",
        "subj",
        "docstring_orders",
        "trec_orders",
        "docstring_shifted",
        "subj_shifted",
    ],
)
def test_every_scale_can_be_built(name: str, scale: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BAKEOFF_OFFLINE")  # a set that is not here could then be downloaded
    assert resolve(choice(name, scale)).task_card.rank == "accuracy"
