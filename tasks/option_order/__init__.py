"""The arena `option_order`: how much of an answer hangs on the order of the options, and what does invariance cost?

A frozen causal model is asked multiple-choice questions. Which option it picks depends on where that option stands. A
method answers questions of which it sees one order; the task asks each question in many orders and compares.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tasks.base import Arena, Board, Direction, Metric, Problem
from tasks.metering import Oracle

if TYPE_CHECKING:
    from torch import Tensor

Probabilities: TypeAlias = NDArray[np.float64]  # (n, K), rows on the simplex, options in shown order


@dataclass(frozen=True)
class Question:
    """A multiple-choice question as tokens; its text is prefix, options in the order shown, suffix.

    Args:
        prefix: at least one token.
        options: K texts. The answer to the question is the second token of one of them; the first is the same for all.
        suffix: at least one token, after which the model answers.
    """

    prefix: tuple[int, ...]
    options: tuple[tuple[int, ...], ...]
    suffix: tuple[int, ...]

    def shown(self, order: Sequence[int]) -> Question:
        """The same question with option `order[i]` in place i."""
        return Question(self.prefix, tuple(self.options[place] for place in order), self.suffix)


Chooser: TypeAlias = Callable[[Sequence[Question]], Probabilities]  # n questions -> (n, K)


@dataclass(frozen=True, kw_only=True)
class OptionItems(Problem):
    """A frozen model that can be asked, and questions without answers that are drawn like those of the test.

    Args:
        options: K.
        items: questions to estimate something from.
        forward: tokens (B, T) int64, positions (B, T) int64, attention (B, T, T) bool, true where row may look at
            column -> logits (B, T, V); costs B T `forward_tokens`. Every token must see itself.
    """

    options: int
    items: tuple[Question, ...]
    forward: Oracle[Tensor]


def _metrics() -> tuple[Metric, ...]:
    higher, lower = Direction.HIGHER, Direction.LOWER
    rows: tuple[Any, ...] = (
        ("accuracy", "share", higher, "right answers, mean over the orders"),
        ("accuracy_worst", "share", higher, "accuracy in the worst order, the same for all questions"),
        ("accuracy_best", "share", higher, "accuracy in the best order, the same for all questions"),
        ("worst_item_accuracy", "share", higher, "questions that are answered right in every order"),
        ("flips", "share", lower, "questions whose answer is not the same in every order"),
        ("order_gap", "share", lower, "largest difference of an option's probability between two orders"),
        ("forward_tokens", "tokens", lower, "that the model reads to answer one question once"),
    )
    return tuple(Metric(*row) for row in rows)


ARENA = Arena(
    question="How much of an answer hangs on the order of the options, and what does invariance cost?",
    equal="the model, its weights, the questions and the orders in which they are asked",
    boards=(
        Board(
            problem=OptionItems,
            solution="a callable: n questions, each in one order -> probabilities (n, K) of the options as shown",
            metrics=_metrics(),
        ),
    ),
)
