"""Multiple-choice questions about a table, each asked in many orders."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.base import Diverged, Invalid, Run, Task
from tasks.metering import Ledger, Oracle
from tasks.option_order import Chooser, OptionItems, Probabilities, Question
from tasks.option_order.tables import TableReader, law_of_places
from tasks.reader import Reader, causal

TOLERANCE = 1e-6  # how far a row may be from the simplex


@dataclass(frozen=True, kw_only=True)
class MultipleChoice(Task):
    """Which of these options belongs to the key?

    Args:
        model: the table and the reader that was trained on it.
        options: K.
        orders: how many orders each question is asked in: the natural one and others that are drawn, or all K! where
            there are no more.
        items: questions without answers that a method may use.
        validation, test: numbers of questions.
    """

    model: TableReader
    options: int
    orders: int
    items: int
    validation: int
    test: int

    def __post_init__(self) -> None:
        if self.options not in self.model.counts:
            raise ValueError(f"the model was not trained on {self.options} options, but on {self.model.counts}")
        if min(self.items, self.validation, self.test) < 1 or self.orders < 2:
            raise ValueError("items, validation and test must be 1 or more, orders 2 or more")

    def problem(self, seed: int) -> OptionItems:
        """The problem of a seed."""
        ledger = Ledger()
        reader = self.model.trained(seed).reader
        return OptionItems(
            ledger=ledger,
            options=self.options,
            items=self._drawn(seed, "items", self.items)[0],
            forward=Oracle(ledger, "forward_tokens", Forward(reader), price=lambda tokens, *_: tokens.numel()),
        )

    def evaluate(self, solution: Chooser, seed: int, run: Run) -> Mapping[str, float]:
        """Every metric of the board over test questions.

        Raises:
            Invalid: not callable, a wrong shape, or rows off the simplex.
            Diverged: an answer is not a number.
        """
        return self._scored(solution, seed, "test", self.test, run)

    def validate(self, solution: Chooser, seed: int, run: Run) -> Mapping[str, float]:
        """The same over other questions, which no method sees.

        Raises:
            Invalid, Diverged: as for `evaluate`.
        """
        return self._scored(solution, seed, "tuning", self.validation, run)

    def trivial(self, seed: int) -> Chooser:
        """All options are equally likely."""
        return lambda questions: np.full((len(questions), self.options), 1 / self.options)

    def best(self, seed: int) -> Chooser:
        """What the model says when all questions are put in one order, that in which it is most often right here.

        An upper end for ordering, chosen with the answers of the test.
        """
        questions, answers = self._drawn(seed, "test", self.test)
        ask = Forward(self.model.trained(seed).reader)
        orders = self._orders(seed)
        said = np.stack([_unshuffled(_asked(ask, questions, order), order) for order in orders])
        chosen = said[(said.argmax(axis=2) == answers).mean(axis=1).argmax()]
        rows = [dict(zip(one.options, row, strict=True)) for one, row in zip(questions, chosen, strict=True)]
        known = {_sorted(one): row for one, row in zip(questions, rows, strict=True)}

        def choose(shown: Sequence[Question]) -> Probabilities:
            return np.array([[known[_sorted(one)][text] for text in one.options] for one in shown])

        return choose

    def _drawn(self, seed: int, purpose: str, count: int) -> tuple[tuple[Question, ...], NDArray[np.int64]]:
        law = law_of_places(self.options, self.model.decay)
        return self.model.table(seed).questions(self.stream(seed, f"{purpose} {self.options}"), count, law)

    def _orders(self, seed: int) -> list[tuple[int, ...]]:
        """The natural order first."""
        if self.orders >= math.factorial(self.options):
            return list(itertools.permutations(range(self.options)))
        rng, natural = self.stream(seed, "orders"), tuple(range(self.options))
        others = list(itertools.permutations(range(self.options)))[1:]
        return [natural, *(others[int(it)] for it in rng.permutation(len(others))[: self.orders - 1])]

    def _scored(self, solution: Chooser, seed: int, purpose: str, count: int, run: Run) -> dict[str, float]:
        questions, answers = self._drawn(seed, purpose, count)
        orders, before = self._orders(seed), run.ledger.total("forward_tokens", "use")
        said, choices = [], []
        for done, order in enumerate(orders):
            shown = [question.shown(order) for question in questions]
            rows = _checked(solution, shown, self.options)
            said.append(_unshuffled(rows, order))
            choices.append(
                np.array(order)[rows.argmax(axis=1)]
            )  # of equals the first as shown, not the first by nature
            run.progress(done + 1, len(orders))
        tokens = run.ledger.total("forward_tokens", "use") - before
        return measured(np.stack(said), np.stack(choices), answers) | {"forward_tokens": tokens / (len(orders) * count)}


@dataclass(frozen=True)
class Forward:
    """A reader without gradients, asked on the device where it is."""

    reader: Reader

    @torch.no_grad()
    def __call__(self, tokens: Tensor, positions: Tensor, attention: Tensor) -> Tensor:
        """Tokens and positions (B, T), attention (B, T, T) -> logits (B, T, V)."""
        logits: Tensor = self.reader(tokens, positions, attention)
        return logits


def measured(said: Probabilities, choices: NDArray[np.int64], answers: NDArray[np.int64]) -> dict[str, float]:
    """The metrics of probabilities (orders, n, K), options in natural order, and choices (orders, n); answers (n,)."""
    right = choices == answers
    by_order = right.mean(axis=1)
    return {
        "accuracy": float(by_order.mean()),
        "accuracy_worst": float(by_order.min()),
        "accuracy_best": float(by_order.max()),
        "worst_item_accuracy": float(right.all(axis=0).mean()),
        "flips": float((choices != choices[0]).any(axis=0).mean()),
        "order_gap": float((said.max(axis=0) - said.min(axis=0)).max()),
    }


def _checked(solution: Chooser, shown: Sequence[Question], options: int) -> Probabilities:
    if not callable(solution):
        raise Invalid(f"the solution must be callable, got {type(solution).__name__}")
    rows = np.asarray(solution(shown), dtype=np.float64)
    if rows.shape != (len(shown), options):
        wanted = (len(shown), options)
        raise Invalid(f"answers to {len(shown)} questions must have the shape {wanted}, not {rows.shape}")
    if np.isnan(rows).any():
        raise Diverged("an answer is not a number")
    if rows.min() < -TOLERANCE or np.abs(rows.sum(axis=1) - 1).max() > TOLERANCE:
        raise Invalid("an answer is not a probability vector")
    return rows


def _unshuffled(rows: Probabilities, order: Sequence[int]) -> Probabilities:
    """Probabilities (n, K) of options as shown, put back in natural order."""
    natural = np.empty_like(rows)
    natural[:, list(order)] = rows
    return natural


def _sorted(question: Question) -> tuple[object, ...]:
    return (question.prefix, tuple(sorted(question.options)))


def _asked(ask: Forward, questions: Sequence[Question], order: Sequence[int]) -> Probabilities:
    """What the reader says in one order, read as it was trained to read. Texts of one length are read together."""
    shown = [question.shown(order) for question in questions]
    texts = [[*it.prefix, *itertools.chain(*it.options), *it.suffix] for it in shown]
    heads = torch.tensor([[option[1] for option in it.options] for it in shown])
    rows = np.empty((len(shown), len(order)))
    for length in {len(text) for text in texts}:
        some = [place for place, text in enumerate(texts) if len(text) == length]
        tokens = torch.tensor([texts[place] for place in some])
        logits = ask(tokens, torch.arange(length).expand(tokens.shape), causal(*tokens.shape))[:, -1]
        rows[some] = logits.gather(1, heads[some]).double().softmax(dim=1).numpy()
    return rows
