"""PriDe: divide by how much the model likes each place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from methods.base import Method, NotApplicable, Run
from methods.option_order._asking import Layout, asked
from tasks.option_order import Chooser, OptionItems, Probabilities, Question


@dataclass(frozen=True, kw_only=True)
class PriDe(Method):
    """Debiasing with a prior of the places (Zheng et al., ICLR 2024, arXiv 2309.03882, section 4.2).

        prior(x) = softmax( mean over cyclic orders of log p(place | x, order) ),  prior = mean over some questions x
        q ~ p / prior

    Deviations from the paper:

    1. A place is the option that stands there, where the paper has the letters A, B, ..
    2. The questions that the prior is estimated from are not those that are answered afterwards.

    Args:
        items: questions that the prior is estimated from.
    """

    items: int

    def __post_init__(self) -> None:
        if self.items < 1:
            raise ValueError(f"items must be 1 or more, got {self.items}")

    def solve(self, problem: OptionItems, run: Run) -> Chooser:
        """Estimate the prior."""
        if len(problem.items) < self.items:
            raise NotApplicable(f"{self.items} questions are needed, but there are {len(problem.items)}")
        plain = Layout(share_positions=False, separate_options=False)
        count, some = problem.options, problem.items[: self.items]
        turned = [[(start + place) % count for place in range(count)] for start in range(count)]
        rows = [np.log(asked(problem, [question.shown(order) for question in some], plain)) for order in turned]
        prior = softmax(np.mean(rows, axis=0), axis=1).mean(axis=0)  # (K,)
        for place, share in enumerate(prior):
            run.log("prior", share, place)

        def choose(questions: Sequence[Question]) -> Probabilities:
            ratios = asked(problem, questions, plain) / prior
            answers: Probabilities = ratios / ratios.sum(axis=1, keepdims=True)
            return answers

        return choose
