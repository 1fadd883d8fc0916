"""A table of questions that have several right answers each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.coverage import Inputs, Laws
from tasks.coverage.answering import Answering


@dataclass(frozen=True, kw_only=True)
class AmbiguousTable(Answering):
    """Each of some questions has a law of its own over the answers, and every part of the data asks the same questions.

    Nothing has to be generalised: a linear network has a free law for every question, and what separates two losses is
    what they make of a sample of answers. Laws are drawn from a symmetric Dirichlet distribution.

    Args:
        questions: how many there are; an input is a one-hot vector of that length.
        concentration: of the Dirichlet distribution, the parameter of every answer. The smaller, the fewer answers
            share the probability.
    """

    questions: int
    concentration: float

    def asked(self, seed: int, purpose: str, count: int) -> Inputs:
        """One-hot rows (count, questions): every question in turn, so that all are asked equally often."""
        return np.eye(self.questions, dtype=np.float32)[np.arange(count) % self.questions]

    def truth(self, seed: int, inputs: Inputs) -> Laws:
        """The laws of the questions."""
        laws = self.stream(seed, "laws").dirichlet(np.full(self.answers, self.concentration), size=self.questions)
        asked: Laws = laws[inputs.argmax(axis=1)]
        return asked
