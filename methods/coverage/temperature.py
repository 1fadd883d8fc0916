"""Cross-entropy, sampled at the temperature with the best pass@N."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch.nn.functional import cross_entropy

from methods.base import Method, Run
from methods.coverage._loop import Sampled, logits_of, pass_at, trained
from tasks.coverage import Answerer, AnswerTraining


@dataclass(frozen=True, kw_only=True)
class Temperature(Method):
    """Cross-entropy through all epochs, then softmax(z / t) with the t whose pass@N on validation examples is highest.

    The usual knob at test time (as in Chen et al. 2021, arXiv 2107.03374, section 3.3, who choose it for each N). t is
    sought on a geometric grid, since pass@N need not have a single hump in t. It sees labels that the losses do not
    see.

    Args:
        coldest, hottest: ends of the grid.
        points: of the grid.
    """

    coldest: float
    hottest: float
    points: int

    def __post_init__(self) -> None:
        if not 0 < self.coldest < self.hottest or self.points < 2:
            raise ValueError("0 < coldest < hottest and at least 2 points are needed")

    def solve(self, problem: AnswerTraining, run: Run) -> Answerer:
        """Train through all epochs, then choose the temperature."""
        network = trained(problem, run, cross_entropy)
        inputs, labels = problem.validation()
        logits = logits_of(network, inputs)
        grid = np.geomspace(self.coldest, self.hottest, self.points)
        chosen = float(grid[int(np.argmax([pass_at(logits / t, labels, problem.samples) for t in grid]))])
        run.log("temperature", chosen)
        return Sampled(network, chosen)
