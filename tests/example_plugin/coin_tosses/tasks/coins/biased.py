"""A coin of unknown bias."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from coin_tosses.tasks.coins import Coin
from tasks.base import Invalid, Run, Task
from tasks.metering import Ledger, Limit, Oracle


@dataclass(frozen=True, kw_only=True)
class Biased(Task):
    """The bias is uniform on [0, 1].

    Args:
        tosses: how often a method may toss.
    """

    tosses: int

    def bias(self, seed: int) -> float:
        """Probability of heads."""
        return float(self.stream(seed).uniform())

    def problem(self, seed: int) -> Coin:
        """The coin of a seed."""
        bias, ledger = self.bias(seed), Ledger(Limit("tosses", self.tosses))

        def toss(rng: np.random.Generator) -> int:
            return int(rng.uniform() < bias)

        return Coin(ledger=ledger, toss=Oracle(ledger, "tosses", toss, noise=f"coin {seed}"), tosses=self.tosses)

    def evaluate(self, solution: float, seed: int, run: Run) -> Mapping[str, float]:
        """Distance to the bias."""
        if not 0 <= solution <= 1:
            raise Invalid(f"{solution} is no probability")
        return {"error": abs(solution - self.bias(seed))}

    def trivial(self, seed: int) -> float:
        """A fair coin."""
        return 0.5

    def best(self, seed: int) -> float:
        """The bias."""
        return self.bias(seed)
