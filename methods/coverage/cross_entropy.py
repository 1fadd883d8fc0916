"""Cross-entropy: maximum likelihood of the answers seen."""

from __future__ import annotations

from dataclasses import dataclass

from torch.nn.functional import cross_entropy

from methods.base import Method, Run
from methods.coverage._loop import Sampled, trained
from tasks.coverage import Answerer, AnswerTraining


@dataclass(frozen=True, kw_only=True)
class CrossEntropy(Method):
    """-log q of the answer: what supervised fine-tuning minimises, and pass@1 in the notation of Chen et al. 2025.

    With `smoothing` e the target is (1 - e) of the answer and e / Y of every answer (Szegedy et al. 2016, arXiv
    1512.00567, section 7).

    Args:
        smoothing: e, 0 for none.
    """

    smoothing: float

    def __post_init__(self) -> None:
        if not 0 <= self.smoothing < 1:
            raise ValueError(f"smoothing must lie in [0, 1), got {self.smoothing}")

    def solve(self, problem: AnswerTraining, run: Run) -> Answerer:
        """Train through all epochs."""
        return Sampled(trained(problem, run, lambda z, y: cross_entropy(z, y, label_smoothing=self.smoothing)))
