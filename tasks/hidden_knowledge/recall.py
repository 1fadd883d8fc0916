"""Questions about facts that a small model half knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.base import Diverged, Invalid, Run, Task
from tasks.hidden_knowledge import OpenModelQuestions, Question, Right, Scorer, Scores
from tasks.hidden_knowledge.model import Answers, FactModel
from tasks.metering import Ledger, Oracle

SAMPLES = 1000  # of the paper: an answer that this many samples miss with a chance above one half is unsampled


@dataclass(frozen=True, kw_only=True)
class Recall(Task):
    """Score candidate answers to questions about facts.

    Args:
        model: what is asked.
        train, development, validation: questions of each relation; the rest are tested.
    """

    model: FactModel
    train: int
    development: int
    validation: int

    def __post_init__(self) -> None:
        facts = self.model.facts
        asked = facts.subjects - round(facts.verified * facts.subjects)
        if min(self.train, self.development, self.validation) < 1:
            raise ValueError("train, development and validation must be 1 or more")
        if self.train + self.development + self.validation >= asked:
            raise ValueError(f"of {asked} questions a relation none are left for the test")

    def problem(self, seed: int) -> OpenModelQuestions:
        """The problem of a seed."""
        answers, (train, development, _, _) = self.model.artefact(seed), self._split(seed)
        ledger, count, known = Ledger(), self.model.candidates, {*train, *development}

        def right(question: Question) -> Right:
            if question.number not in known:
                raise ValueError(f"the answer to question {question.number} is not to be had")
            row: Right = answers.right[question.number]
            return row

        def likelihood(question: Question) -> tuple[Scores, NDArray[np.int64]]:
            return answers.likelihood[question.number], answers.tokens[question.number]

        passes = "forward_passes"
        return OpenModelQuestions(
            ledger=ledger,
            relations=self.model.facts.relations,
            train=self._questions(answers, train),
            development=self._questions(answers, development),
            right=Oracle(ledger, "labels", right, price=count),
            likelihood=Oracle(ledger, passes, likelihood, price=count),
            verify=Oracle(ledger, passes, lambda question: answers.verify[question.number], price=count),
            hidden=Oracle(ledger, passes, lambda question: answers.hidden[question.number], price=count),
        )

    def evaluate(self, solution: Scorer, seed: int, run: Run) -> Mapping[str, float]:
        """Every metric of the board over test questions.

        Raises:
            Invalid: not callable, or a wrong shape.
            Diverged: a score is not a number.
        """
        return self._scored(solution, seed, 3)

    def validate(self, solution: Scorer, seed: int, run: Run) -> Mapping[str, float]:
        """The same over questions that are neither tested nor part of the problem.

        Raises:
            Invalid, Diverged: as for `evaluate`.
        """
        return self._scored(solution, seed, 2)

    def trivial(self, seed: int) -> Scorer:
        """All candidates alike, which knows nothing."""
        return lambda question: np.zeros(len(question.candidates))

    def best(self, seed: int) -> Scorer:
        """The truth."""
        answers = self.model.artefact(seed)
        return lambda question: answers.right[question.number].astype(float)

    def _split(self, seed: int) -> tuple[list[int], ...]:
        """Numbers of the questions for training, development, validation and test; equal shares of each relation."""
        subjects = self.model.artefact(seed).subjects
        relations, rng = subjects // self.model.facts.subjects, self.stream(seed, "split")
        parts: tuple[list[int], ...] = ([], [], [], [])
        ends = np.cumsum([self.train, self.development, self.validation])
        for relation in range(self.model.facts.relations):
            mine = rng.permutation(np.flatnonzero(relations == relation))
            for part, some in zip(parts, np.split(mine, ends), strict=True):
                part.extend(int(number) for number in some)
        return parts

    def _questions(self, answers: Answers, numbers: list[int]) -> tuple[Question, ...]:
        size = self.model.facts.subjects
        return tuple(Question(it, int(answers.subjects[it]) // size, answers.candidates[it]) for it in numbers)

    def _scored(self, solution: Scorer, seed: int, part: int) -> dict[str, float]:
        if not callable(solution):
            raise Invalid(f"the solution must be callable, got {type(solution).__name__}")
        answers, numbers = self.model.artefact(seed), self._split(seed)[part]
        rows = []
        for question in self._questions(answers, numbers):
            scores = np.asarray(solution(question), dtype=np.float64)
            if scores.shape != (len(question.candidates),):
                raise Invalid(f"{len(question.candidates)} candidates need as many scores, not {scores.shape}")
            if np.isnan(scores).any():
                raise Diverged("a score is not a number")
            rows.append(scores)
        return measured(np.stack(rows), answers.right[numbers], answers.said[numbers])


def measured(scores: NDArray[np.float64], right: NDArray[np.bool_], said: NDArray[np.float64]) -> dict[str, float]:
    """The metrics of scores (q, m) for candidates of which some are right (q, m).

    Args:
        scores: higher is more likely right.
        right: at least one and not all of a question.
        said: (q,) probability that one sample is right.
    """
    pairs = right[:, :, None] & ~right[:, None, :]  # (q, right, wrong)
    ordered = scores[:, :, None] > scores[:, None, :]
    knowledge = (ordered & pairs).sum(axis=(1, 2)) / pairs.sum(axis=(1, 2))
    highest = np.where(right, -np.inf, scores).max(axis=1)  # of the wrong ones
    unsampled = SAMPLES * np.log1p(-np.minimum(said, 1 - 1e-12)) > np.log(0.5)
    return {
        "knowledge": float(knowledge.mean()),
        "perfect_knowledge": float((knowledge == 1).mean()),
        "answer_accuracy": float((np.where(right, scores, -np.inf).max(axis=1) > highest).mean()),
        "unsampled_perfect": float(((knowledge == 1) & unsampled).mean()),
    }
