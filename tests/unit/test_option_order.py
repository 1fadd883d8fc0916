"""The arena `option_order`: its reader, its questions, invariance, and what `evaluate` refuses."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from methods.base import Method, NotApplicable
from methods.option_order._asking import Layout, asked
from methods.option_order.permutation_ensemble import PermutationEnsemble
from methods.option_order.pride import PriDe
from methods.option_order.set_based import SetBased
from methods.option_order.sorted_options import SortedOptions
from runners.hardware import Hardware
from runners.preparing import ensure
from runners.run import AttemptRun, Nobody
from tasks.base import Diverged, Invalid
from tasks.metering import Ledger, Oracle
from tasks.option_order import ARENA, OptionItems, Probabilities, Question
from tasks.option_order.multiple_choice import Forward, MultipleChoice, measured
from tasks.option_order.tables import ANSWER, ASK, BEGIN, FIRST, OPTION, TableReader, law_of_places
from tasks.reader import Reader, Shape, causal
from tasks.training import Recipe

SHAPE = Shape(width=24, layers=2, heads=2, context=32)
MODEL = TableReader(
    version=1,
    keys=5,
    values=12,
    paired=3,
    counts=(3, 4),
    decay=0.5,
    shape=SHAPE,
    recipe=Recipe(steps=150, batch_size=32, lr=5e-3, weight_decay=0.0, clip=1.0, warmup=0.05, floor=0.1),
)
TASK = MultipleChoice(
    name="option_order/toy", version=1, model=MODEL, options=4, orders=24, items=12, validation=5, test=20
)
ORDERS = list(itertools.permutations(range(4)))
PLAIN, BOTH = ({"share_positions": it, "separate_options": it} for it in (False, True))


@pytest.fixture(scope="module")
def ready(one_core: Hardware) -> MultipleChoice:
    ensure(MODEL, 0, one_core, Nobody())
    return TASK


@pytest.fixture
def run(one_core: Hardware, tmp_path: Path) -> AttemptRun:
    return AttemptRun(np.random.default_rng(0), Ledger(), one_core, tmp_path)


def untrained(seed: int, scale: float = 0.5) -> OptionItems:
    """A problem about a reader with fresh, large weights."""
    torch.manual_seed(seed)
    reader = Reader(SHAPE, 30).eval()
    for parameter in reader.parameters():
        torch.nn.init.normal_(parameter, std=scale)
    ledger = Ledger()
    forward = Oracle(ledger, "forward_tokens", Forward(reader), price=lambda tokens, *_: tokens.numel())
    return OptionItems(ledger=ledger, options=4, items=(), forward=forward)


def gap(problem: OptionItems, question: Question, method: Method, run: AttemptRun) -> float:
    """The largest difference of an option's probability between two of all orders."""
    choose = method.solve(problem, run)
    rows = np.empty((len(ORDERS), 4))
    for row, order in zip(rows, ORDERS, strict=True):
        row[list(order)] = choose([question.shown(order)])[0]
    return float(np.ptp(rows, axis=0).max())


def test_a_question_reads_as_described() -> None:
    table = MODEL.table(3)
    questions, answers = table.questions(np.random.default_rng(0), 400, law_of_places(4, 0.5))
    first_value = FIRST + 5
    for question, answer in zip(questions, answers, strict=True):
        begin, key, ask = question.prefix
        assert (begin, ask, question.suffix) == (BEGIN, ASK, (ANSWER,))
        values = [option[1] - first_value for option in question.options]
        assert [table.belongs[key - FIRST, value] for value in values] == [place == answer for place in range(4)]
        assert all(
            option == (OPTION, first_value + value, *table.modifiers[value])
            for option, value in zip(question.options, values, strict=True)
        )
        assert len(set(values)) == 4
    np.testing.assert_allclose(np.bincount(answers) / 400, np.array([8, 4, 2, 1]) / 15, atol=0.07)
    assert (table.belongs.sum(axis=1) == 3).all()
    assert {len(it) for it in table.modifiers} == {0, 1, 2}
    assert not np.array_equal(MODEL.table(4).belongs, table.belongs)


def test_padding_in_front_changes_nothing_in_training() -> None:
    rng = np.random.default_rng(1)
    table = MODEL.table(0)
    torch.manual_seed(0)
    reader = Reader(SHAPE, table.vocabulary).eval()
    torch.nn.init.normal_(reader.positions.weight)
    tokens, positions, attention, answers = MODEL.batch(table, rng)
    together = reader(tokens, positions, attention)[:, -1]
    assert tokens.shape == positions.shape == attention.shape[:2]
    assert positions.max() < SHAPE.context
    lengths = set()
    for row in range(len(tokens)):
        real = attention[row, -1]
        text = tokens[row][real]
        lengths.add(len(text))
        alone = reader(text[None], positions[row][real][None], causal(1, len(text)))[0, -1]
        torch.testing.assert_close(alone, together[row], atol=1e-5, rtol=1e-5)
        assert (torch.diff(positions[row][real]) == 1).all()
        assert answers[row] in text
    assert len(lengths) > 1


def test_the_reader_heeds_positions_and_the_mask() -> None:
    torch.manual_seed(0)
    reader = Reader(SHAPE, 20).eval()
    torch.nn.init.normal_(reader.positions.weight)
    torch.nn.init.normal_(reader.tokens.weight)
    tokens, places = torch.randint(20, (1, 6)), torch.arange(6)[None]
    whole = reader(tokens, places, causal(1, 6))
    torch.testing.assert_close(reader(tokens[:, :4], places[:, :4], causal(1, 4)), whole[:, :4])
    other = tokens.clone()
    other[0, 2] = (other[0, 2] + 1) % 20
    blind = causal(1, 6).clone()
    blind[:, 3:, 2] = False
    torch.testing.assert_close(reader(other, places, blind)[:, 3:], reader(tokens, places, blind)[:, 3:])
    assert not torch.allclose(reader(other, places, causal(1, 6))[:, 3:], whole[:, 3:], atol=1e-2)
    assert not torch.allclose(reader(tokens, places + 1, causal(1, 6)), whole, atol=1e-2)


def test_both_halves_are_invariant_and_one_is_not(ready: MultipleChoice, run: AttemptRun) -> None:
    for problem, questions in (
        (untrained(0), ready._drawn(0, "test", 5)[0]),
        (ready.problem(0), ready._drawn(0, "test", 5)[0]),
    ):
        for question in questions:
            assert gap(problem, question, SetBased(**BOTH), run) < 1e-5
        for shared, separate in ((False, False), (True, False), (False, True)):
            method = SetBased(share_positions=shared, separate_options=separate)
            assert max(gap(problem, question, method, run) for question in questions) > 1e-3


options = st.lists(
    st.lists(st.integers(5, 29), min_size=2, max_size=4).map(tuple), min_size=4, max_size=4, unique_by=lambda it: it[1]
)


@given(st.integers(0, 20), st.lists(st.integers(0, 29), min_size=1, max_size=4), options, st.integers(1, 3))
def test_no_order_is_heard_of_whatever_the_texts_are(
    seed: int, prefix: list[int], texts: list[tuple[int, ...]], after: int
) -> None:
    problem, layout = untrained(seed), Layout(**BOTH)
    question = Question(tuple(prefix), tuple(texts), (3,) * after)
    first = asked(problem, [question], layout)[0]
    for order in ORDERS[1::7]:
        again = asked(problem, [question.shown(order)], layout)[0]
        np.testing.assert_allclose(again, first[list(order)], atol=1e-5)


def test_a_single_option_may_not_see_the_others() -> None:
    """Changing one option leaves what is computed at another as it is."""
    problem, layout = untrained(2), Layout(**BOTH)
    question = Question((0, 7, 1), ((2, 8), (2, 9, 27), (2, 10), (2, 11)), (3,))
    changed = replace(question, options=((2, 12), *question.options[1:]))
    logits = [
        problem.forward(
            torch.tensor([[*it.prefix, *itertools.chain(*it.options), *it.suffix]]),
            layout.positions(it)[None],
            layout.attention(it)[None],
        )[0]
        for it in (question, changed)
    ]
    torch.testing.assert_close(logits[0][5:12], logits[1][5:12])
    assert not torch.allclose(logits[0][-1], logits[1][-1], atol=1e-3)


def test_answers_in_groups_are_those_of_one_by_one(ready: MultipleChoice) -> None:
    problem, questions = ready.problem(0), ready._drawn(0, "test", 20)[0]
    together = asked(problem, questions, Layout(**PLAIN))
    for question, row in zip(questions, together, strict=True):
        text = torch.tensor([[*question.prefix, *itertools.chain(*question.options), *question.suffix]])
        logits = problem.forward(text, torch.arange(text.shape[1])[None], causal(1, text.shape[1]))[0, -1]
        expected = logits[[option[1] for option in question.options]].double().softmax(dim=0)
        np.testing.assert_allclose(row, expected.numpy(), atol=1e-6)


def test_the_reader_has_learnt_and_likes_the_first_place(ready: MultipleChoice, run: AttemptRun) -> None:
    run.ledger = ready.problem(0).ledger
    scores = ready.evaluate(SetBased(**PLAIN).solve(ready.problem(0), run), 0, run)
    assert scores["accuracy"] > 0.5
    method = PriDe(items=12)
    method.solve(ready.problem(0), run)
    prior = [value for _, _, value in run.logs["prior"]]
    assert sum(prior) == pytest.approx(1)
    assert prior[0] > prior[-1]


def test_rivals_by_hand(run: AttemptRun) -> None:
    problem = untrained(4)
    question = Question((0, 7, 1), ((2, 11), (2, 9, 27), (2, 10), (2, 8)), (3,))
    plain = Layout(**PLAIN)
    each = np.zeros(4)
    for order in ORDERS:
        each[list(order)] += asked(problem, [question.shown(order)], plain)[0] / 24
    whole = PermutationEnsemble(orders=None).solve(problem, run)
    np.testing.assert_allclose(whole([question])[0], each, atol=1e-9)
    sorted_once = asked(problem, [question.shown((3, 1, 2, 0))], plain)[0]
    np.testing.assert_allclose(SortedOptions().solve(problem, run)([question])[0], sorted_once[[3, 1, 2, 0]])
    assert gap(problem, question, PermutationEnsemble(orders=None), run) < 1e-9
    assert gap(problem, question, SortedOptions(), run) < 1e-9
    assert gap(problem, question, PermutationEnsemble(orders=5), run) > 1e-3


def test_pride_undoes_a_pure_liking_of_places(run: AttemptRun) -> None:
    """Logits that are those of the option plus those of its place: the prior is the softmax of the latter."""
    liking, worth = np.array([2.0, 1.0, 0.0, -1.0]), {8: 0.3, 9: 0.0, 10: 0.5, 11: -0.4}

    def forward(tokens: torch.Tensor, *_: Any) -> torch.Tensor:
        logits = torch.zeros((*tokens.shape, 20), dtype=torch.float64)
        for row, text in enumerate(tokens.tolist()):
            heads = [token for token in text if token in worth]
            for place, head in enumerate(heads):
                logits[row, -1, head] = liking[place] + worth[head]
        return logits

    items = tuple(
        Question((0,), tuple((2, head) for head in order), (3,)) for order in ([8, 9, 10, 11], [11, 9, 8, 10])
    )
    ledger = Ledger()
    problem = OptionItems(ledger=ledger, options=4, items=items, forward=Oracle(ledger, "forward_tokens", forward))
    rows = PriDe(items=2).solve(problem, run)(items)
    prior = np.array([value for _, _, value in run.logs["prior"]])
    np.testing.assert_allclose(prior, np.exp(liking) / np.exp(liking).sum(), rtol=1e-9)
    for item, row in zip(items, rows, strict=True):
        own = np.exp([worth[option[1]] for option in item.options])
        np.testing.assert_allclose(row, own / own.sum(), rtol=1e-9)
    with pytest.raises(NotApplicable, match="3 questions are needed, but there are 2"):
        PriDe(items=3).solve(problem, run)


def test_measures_by_hand() -> None:
    one, other = [0.7, 0.2, 0.1], [0.1, 0.6, 0.3]
    said = np.array([[one, one], [one, other]])  # two orders of two questions
    assert measured(said, said.argmax(axis=2), np.array([0, 1])) == pytest.approx(
        {
            "accuracy": 0.75,
            "accuracy_worst": 0.5,
            "accuracy_best": 1.0,
            "worst_item_accuracy": 0.5,
            "flips": 0.5,
            "order_gap": 0.6,
        }
    )


def test_the_task_undoes_the_order(ready: MultipleChoice, run: AttemptRun) -> None:
    table = MODEL.table(0)

    def knows(questions: Sequence[Question]) -> Probabilities:
        rows = [[table.belongs[it.prefix[1] - FIRST, o[1] - FIRST - 5] for o in it.options] for it in questions]
        return np.array(rows, dtype=float)

    scores = ready.evaluate(knows, 0, run)
    assert set(scores) == {metric.name for metric in ARENA.board(OptionItems).metrics}
    assert (scores["accuracy"], scores["worst_item_accuracy"], scores["flips"], scores["order_gap"]) == (1, 1, 0, 0)
    assert scores["forward_tokens"] == 0
    floor = ready.evaluate(ready.trivial(0), 0, run)
    assert (floor["accuracy"], floor["flips"], floor["order_gap"]) == (0.25, 1.0, 0.0)


def test_the_ceiling_is_the_best_order_of_the_model(ready: MultipleChoice, run: AttemptRun) -> None:
    problem = ready.problem(0)
    run.ledger = problem.ledger
    with run.ledger.booking("use"):
        plain = ready.evaluate(SetBased(**PLAIN).solve(problem, run), 0, run)
    best = ready.evaluate(ready.best(0), 0, run)
    assert best["accuracy"] == pytest.approx(plain["accuracy_best"])
    assert best["flips"] == 0
    lengths = [len(it.prefix) + sum(map(len, it.options)) + 1 for it in ready._drawn(0, "test", 20)[0]]
    assert plain["forward_tokens"] == pytest.approx(np.mean(lengths))


def test_orders_are_drawn_once_each_with_the_natural_one() -> None:
    some = replace(TASK, orders=7)._orders(1)
    assert len(set(some)) == 7
    assert some[0] == (0, 1, 2, 3)
    assert TASK._orders(1) == ORDERS


@pytest.mark.parametrize(
    ("solution", "error", "message"),
    [
        (None, Invalid, "must be callable, got NoneType"),
        (lambda q: np.full((len(q), 3), 1 / 3), Invalid, r"must have the shape \(20, 4\), not \(20, 3\)"),
        (lambda q: np.full((len(q), 4), 0.3), Invalid, "not a probability vector"),
        (lambda q: np.full((len(q), 4), np.nan), Diverged, "not a number"),
    ],
)
def test_illegal_answers(
    ready: MultipleChoice, run: AttemptRun, solution: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ready.evaluate(solution, 0, run)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="was not trained on 5 options"):
        replace(TASK, options=5)
    with pytest.raises(ValueError, match="orders 2 or more"):
        replace(TASK, orders=1)
    with pytest.raises(ValueError, match="a key must leave enough values"):
        replace(MODEL, paired=10)
    with pytest.raises(ValueError, match=r"decay must lie in \(0, 1\], got 0"):
        replace(MODEL, decay=0.0)
    with pytest.raises(ValueError, match="may have 20 tokens, the context 16"):
        replace(MODEL, shape=replace(SHAPE, context=16))
    with pytest.raises(ValueError, match="heads must divide width"):
        Shape(width=10, layers=1, heads=3, context=8)
    with pytest.raises(ValueError, match="orders must be 1 or more"):
        PermutationEnsemble(orders=0)
    with pytest.raises(ValueError, match="items must be 1 or more"):
        PriDe(items=0)
