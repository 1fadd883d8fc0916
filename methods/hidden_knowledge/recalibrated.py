"""External scores, weighed with labels."""

from __future__ import annotations

from dataclasses import dataclass

from methods.base import Method, Run
from methods.hidden_knowledge._external import external, fitted
from tasks.hidden_knowledge import KnowledgeQuestions, Question, Scorer, Scores


@dataclass(frozen=True, kw_only=True)
class Recalibrated(Method):
    """Logistic regression on log P(a | q), its mean over tokens and the log-odds of P(True), for each relation.

    Ours: a probe of states learns from labels, which the external scores of Gekhman et al. do not. This one learns from
    the same, so that what is left between the two comes from the states.

    Args:
        strength: C of the regression. Three features need no choice.
    """

    strength: float

    def __post_init__(self) -> None:
        if not self.strength > 0:
            raise ValueError(f"strength must be above 0, got {self.strength}")

    def solve(self, problem: KnowledgeQuestions, run: Run) -> Scorer:
        """Fit on all questions whose answers can be had."""
        known = [*problem.train, *problem.development]
        models = []
        for relation in range(problem.relations):
            mine = [question for question in known if question.relation == relation]
            rows, right = [external(problem, it) for it in mine], [problem.right(it) for it in mine]
            models.append(fitted(rows, right, (self.strength,), folds=0))

        def score(question: Question) -> Scores:
            scores: Scores = models[question.relation].decision_function(external(problem, question))
            return scores

        return score
