"""Options in an order of their own: sorted before they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from methods.base import Method, Run
from methods.option_order._asking import Layout, asked
from tasks.option_order import Chooser, OptionItems, Probabilities, Question


@dataclass(frozen=True, kw_only=True)
class SortedOptions(Method):
    """Sort the options by their tokens, ask once, and put the answers back.

    Ours, since nothing that is cheaper can be invariant: it costs what asking once costs and hears of no order. It does
    not take the model's liking of places away, but gives every place to the same option each time.
    """

    def solve(self, problem: OptionItems, run: Run) -> Chooser:
        """Nothing is learnt."""
        plain = Layout(share_positions=False, separate_options=False)

        def choose(questions: Sequence[Question]) -> Probabilities:
            orders = [sorted(range(problem.options), key=it.options.__getitem__) for it in questions]
            shown = [question.shown(order) for question, order in zip(questions, orders, strict=True)]
            answers = np.empty((len(questions), problem.options))
            np.put_along_axis(answers, np.array(orders), asked(problem, shown, plain), axis=1)
            return answers

        return choose
