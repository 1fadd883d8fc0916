"""Scores that know nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from methods.base import Method, Run
from tasks.hidden_knowledge import KnowledgeQuestions, Question, Scorer, Scores


@dataclass(frozen=True, kw_only=True)
class RandomScores(Method):
    """Uniform scores, the same whenever a question is asked: half of all pairs are in the right order."""

    def solve(self, problem: KnowledgeQuestions, run: Run) -> Scorer:
        """Draw the key."""
        key = int(run.rng.integers(2**62))

        def score(question: Question) -> Scores:
            return np.random.default_rng([key, question.number]).random(len(question.candidates))

        return score
