"""Which names are right elsewhere."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from methods.base import Method, Run
from tasks.hidden_knowledge import KnowledgeQuestions, Question, Scorer, Scores


@dataclass(frozen=True, kw_only=True)
class NamePrior(Method):
    """The share of the questions with known answers in which a name was right when it was a candidate.

    A control, ours: it sees the labels of the probe but neither question nor model. What a probe finds beyond it is not
    in the names alone.

    Args:
        weight: imagined questions in which a name was right as often as names are on average.
    """

    weight: float

    def __post_init__(self) -> None:
        if not self.weight > 0:
            raise ValueError(f"weight must be above 0, got {self.weight}")

    def solve(self, problem: KnowledgeQuestions, run: Run) -> Scorer:
        """Count."""
        counts: dict[tuple[int, ...], list[bool]] = defaultdict(list)
        for question in (*problem.train, *problem.development):
            for name, right in zip(question.candidates, problem.right(question), strict=True):
                counts[name].append(bool(right))
        usual = float(np.mean([right for rights in counts.values() for right in rights]))
        shares = {name: (sum(it) + self.weight * usual) / (len(it) + self.weight) for name, it in counts.items()}

        def score(question: Question) -> Scores:
            return np.array([shares.get(name, usual) for name in question.candidates])

        return score
