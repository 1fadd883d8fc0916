"""How true the model says the candidate is."""

from __future__ import annotations

from dataclasses import dataclass

from methods.base import Method, Run
from tasks.hidden_knowledge import KnowledgeQuestions, Scorer


@dataclass(frozen=True, kw_only=True)
class PTrue(Method):
    """P(True) (Kadavath et al. 2022, arXiv 2207.05221): the probability of "true" against "false" when the model is
    asked whether a is the answer to q. The external score by verification of Gekhman et al. (COLM 2025, arXiv
    2503.15299).
    """

    def solve(self, problem: KnowledgeQuestions, run: Run) -> Scorer:
        """Nothing is learnt."""
        return problem.verify
