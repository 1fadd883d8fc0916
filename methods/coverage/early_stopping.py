"""Cross-entropy, stopped at the epoch with the best pass@N."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.nn.functional import cross_entropy

from methods.base import Method, Run
from methods.coverage._loop import Sampled, logits_of, pass_at, trained
from tasks.coverage import Answerer, AnswerTraining


@dataclass(frozen=True, kw_only=True)
class EarlyStopping(Method):
    """Cross-entropy with the weights of the epoch whose pass@N on validation examples is highest, N of the problem.

    Chen et al. 2025 (arXiv 2502.07154) find that pass@N falls as cross-entropy goes on; to stop before is the plainest
    remedy. It sees labels that the losses do not see.

    Args:
        every: epochs between two looks; the last epoch is always looked at.
    """

    every: int

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ValueError(f"every must be 1 or more, got {self.every}")

    def solve(self, problem: AnswerTraining, run: Run) -> Answerer:
        """Train through all epochs and go back to the best."""
        inputs, labels = problem.validation()
        epochs = problem.recipe.steps // problem.epoch_steps
        best: list[tuple[float, int, dict[str, Any]]] = []

        def look(network: nn.Module, epoch: int) -> None:
            if epoch % self.every and epoch != epochs:
                return
            reached = pass_at(logits_of(network, inputs), labels, problem.samples)
            run.log("validation_pass_at_n", reached, epoch)
            if not best or reached > best[0][0]:
                best[:] = [(reached, epoch, copy.deepcopy(network.state_dict()))]

        network = trained(problem, run, cross_entropy, look)
        _, epoch, weights = best[0]
        run.log("stopped_at", epoch)
        network.load_state_dict(weights)
        return Sampled(network)
