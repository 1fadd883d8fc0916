"""What the model says, as it is."""

from __future__ import annotations

from dataclasses import dataclass

from methods.base import Method, Run
from tasks.calibration import Calibrator, LabelProbabilities, Probabilities


@dataclass(frozen=True, kw_only=True)
class Uncalibrated(Method):
    """In-context learning without calibration: answer with the model's own probabilities."""

    def solve(self, problem: LabelProbabilities, run: Run) -> Calibrator:
        """The map that changes nothing."""
        return _same


def _same(probabilities: Probabilities) -> Probabilities:
    return probabilities
