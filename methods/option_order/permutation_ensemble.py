"""The mean of what the model says in many orders."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from methods.base import Method, Run
from methods.option_order._asking import Layout, asked
from tasks.option_order import Chooser, OptionItems, Probabilities, Question


@dataclass(frozen=True, kw_only=True)
class PermutationEnsemble(Method):
    """Ask in several orders and average the probabilities of each option, as full permutation in Zheng et al. 2024
    (arXiv 2309.03882, section 4.1).

    With all K! orders the answer cannot depend on the one shown. With fewer, the orders are drawn once and applied to
    whatever is shown, and some dependence stays.

    Args:
        orders: how many; null for all.
    """

    orders: int | None

    def __post_init__(self) -> None:
        if self.orders is not None and self.orders < 1:
            raise ValueError(f"orders must be 1 or more, or null, got {self.orders}")

    def solve(self, problem: OptionItems, run: Run) -> Chooser:
        """Draw the orders."""
        plain = Layout(share_positions=False, separate_options=False)
        every = list(itertools.permutations(range(problem.options)))
        kept = len(every) if self.orders is None else self.orders
        orders = [every[int(place)] for place in run.rng.permutation(len(every))[:kept]]

        def choose(questions: Sequence[Question]) -> Probabilities:
            total = np.zeros((len(questions), problem.options))
            for order in orders:
                total[:, list(order)] += asked(problem, [question.shown(order) for question in questions], plain)
            return total / len(orders)

        return choose
