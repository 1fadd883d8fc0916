"""The arena `hidden_knowledge`: does a model know answers that it does not say?

A frozen language model is asked about facts, and candidate answers to each question are scored. A score is external if
it comes from what the model says (likelihoods, its own judgement), internal if it comes from its states. Knowledge is
how often a right candidate is scored above a wrong one; it is hidden where an internal score finds more of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tasks.base import Arena, Board, Direction, Metric, Problem
from tasks.metering import Oracle

Scores: TypeAlias = NDArray[np.float64]  # (m,), one for each candidate
Right: TypeAlias = NDArray[np.bool_]  # (m,)


@dataclass(frozen=True)
class Question:
    """A question with its candidate answers.

    Args:
        number: which question of the model's.
        relation: what is asked, from 0.
        candidates: m names, each as tokens, in an order that says nothing.
    """

    number: int
    relation: int
    candidates: tuple[tuple[int, ...], ...]


Scorer: TypeAlias = Callable[[Question], Scores]  # question -> (m,), higher is more likely right


@dataclass(frozen=True, kw_only=True)
class KnowledgeQuestions(Problem):
    """A model that can be asked, and questions some of whose answers can be had. Every oracle answers about any
    question of the task, but `right` only about those given here.

    Args:
        relations: how many.
        train, development: questions to learn from and to choose by.
        right: question -> (m,) bool, which candidates are right; costs m `labels`.
        likelihood: question -> log-probability of each candidate (m,) and its tokens, the end included (m,); costs m
            `forward_passes`.
        verify: question -> the model's own probability that each candidate is true (m,); costs m `forward_passes`.
    """

    relations: int
    train: tuple[Question, ...]
    development: tuple[Question, ...]
    right: Oracle[Right]
    likelihood: Oracle[tuple[Scores, NDArray[np.int64]]]
    verify: Oracle[Scores]


@dataclass(frozen=True, kw_only=True)
class OpenModelQuestions(KnowledgeQuestions):
    """The states of the model can be read.

    Args:
        hidden: question -> (m, layers + 1, width), states at the last token of the question whether the candidate is
            true; costs m `forward_passes`.
    """

    hidden: Oracle[NDArray[np.float64]]


def _metrics() -> tuple[Metric, ...]:
    higher, none = Direction.HIGHER, Direction.NONE
    rows: tuple[Any, ...] = (
        (
            "knowledge",
            "share",
            higher,
            "pairs of a right and a wrong candidate that are ordered so",
        ),
        ("perfect_knowledge", "share", higher, "questions with all such pairs in the right order"),
        ("answer_accuracy", "share", higher, "questions whose best-scored candidate is right"),
        ("unsampled_perfect", "share", none, "questions known perfectly whose right answers 1,000 samples likely miss"),
    )
    return tuple(Metric(*row) for row in rows)


ARENA = Arena(
    question="Does a model know answers that it does not say?",
    equal="the model, the questions, their candidate answers, and the questions whose answers can be had",
    boards=(
        Board(
            problem=KnowledgeQuestions,
            solution="a callable: question -> scores of its candidates (m,); equal scores count as the wrong order",
            metrics=_metrics(),
        ),
    ),
)
