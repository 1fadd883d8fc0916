"""How likely the model is to say the candidate."""

from __future__ import annotations

from dataclasses import dataclass

from methods.base import Method, Run
from tasks.hidden_knowledge import KnowledgeQuestions, Question, Scorer, Scores


@dataclass(frozen=True, kw_only=True)
class Likelihood(Method):
    """log P(a | q), or its mean over the tokens of a: the external scores "P(a | q)" and its length-normalised form of
    Gekhman et al. (COLM 2025, arXiv 2503.15299). The end of the answer is one of its tokens.

    Args:
        normalised: divide by the number of tokens.
    """

    normalised: bool

    def solve(self, problem: KnowledgeQuestions, run: Run) -> Scorer:
        """Nothing is learnt."""

        def score(question: Question) -> Scores:
            total, tokens = problem.likelihood(question)
            return total / tokens if self.normalised else total

        return score
