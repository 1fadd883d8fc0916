"""What the tasks of this arena share: posing, scoring, and the two answers of the task itself."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tasks.base import Diverged, Invalid, Run, Task, read_only
from tasks.coverage import Answerer, AnswerTraining, Inputs, Laws, measures
from tasks.metering import Ledger, Oracle
from tasks.training import Recipe

TOLERANCE = 1e-5  # how far a law may be from the simplex, and an answer from the same answer asked for alone


@dataclass(frozen=True, kw_only=True)
class Answering(Task):
    """Questions whose right answers have known laws.

    Args:
        samples: N of the metric that ranks.
        answers: Y.
        train, validation, test: numbers of questions.
        hidden: widths of the hidden layers of the network; none makes it linear.
        epochs: passes over the training questions. The rate is constant: fewer epochs are the beginning of more.
        batch_size: questions a step; what is left over in an epoch is not seen in it.
        lr, weight_decay: of AdamW.
    """

    samples: int
    answers: int
    train: int
    validation: int
    test: int
    hidden: tuple[int, ...]
    epochs: int
    batch_size: int
    lr: float
    weight_decay: float

    def __post_init__(self) -> None:
        if min(self.samples, self.validation, self.test, self.epochs, self.batch_size) < 1 or self.answers < 2:
            raise ValueError("samples, validation, test, epochs and batch_size must be 1 or more, answers 2 or more")
        if self.train < self.batch_size:
            raise ValueError(f"{self.train} training questions do not fill a batch of {self.batch_size}")

    @abstractmethod
    def asked(self, seed: int, purpose: str, count: int) -> Inputs:
        """Questions (count, d), drawn from the stream of a purpose."""

    @abstractmethod
    def truth(self, seed: int, inputs: Inputs) -> Laws:
        """The laws (n, Y) of the right answers to questions (n, d)."""

    def problem(self, seed: int) -> AnswerTraining:
        """The problem of a seed."""
        ledger = Ledger()
        inputs, labels = self._examples(seed, "train", self.train)
        further = self._examples(seed, "validation", self.validation)
        steps = self.train // self.batch_size
        return AnswerTraining(
            ledger=ledger,
            samples=self.samples,
            answers=self.answers,
            network=lambda: self.network(seed, inputs.shape[1]),
            recipe=self.recipe(steps * self.epochs),
            batches=read_only(self._batches(seed, steps), np.int64),
            epoch_steps=steps,
            training=Oracle(ledger, "examples", lambda rows: _some(inputs, labels, rows), price=len),
            validation=Oracle(
                ledger, "validation_labels", lambda: (further[0].clone(), further[1].clone()), price=self.validation
            ),
        )

    def recipe(self, steps: int) -> Recipe:
        """AdamW with a constant rate."""
        return Recipe(
            steps=steps,
            batch_size=self.batch_size,
            lr=self.lr,
            weight_decay=self.weight_decay,
            clip=10.0,  # far above what the losses of this arena reach: it only stops an explosion
            warmup=0.0,
            floor=1.0,
        )

    def network(self, seed: int, width: int) -> nn.Module:
        """A perceptron with fresh weights: (B, width) -> logits (B, Y). The weights belong to the seed."""
        sizes = (width, *self.hidden, self.answers)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(self.stream(seed, "weights").integers(2**62)))
            layers = [nn.Linear(before, after) for before, after in itertools.pairwise(sizes)]
        between = [it for layer in layers[:-1] for it in (layer, nn.ReLU())]
        return nn.Sequential(*between, layers[-1])

    def evaluate(self, solution: Answerer, seed: int, run: Run) -> Mapping[str, float]:
        """Exact scores on test questions.

        Raises:
            Invalid: not callable, a wrong shape, laws off the simplex, or rows that depend on the rows beside them.
            Diverged: an answer is not a number.
        """
        return self._scored(solution, seed, self.asked(seed, "test", self.test), run)

    def validate(self, solution: Answerer, seed: int, run: Run) -> Mapping[str, float]:
        """The same on as many questions as `validation`; methods never see these.

        Raises:
            Invalid, Diverged: as for `evaluate`.
        """
        return self._scored(solution, seed, self.asked(seed, "tuning", self.validation), run)

    def trivial(self, seed: int) -> Answerer:
        """Every answer is equally likely."""
        return Uniform(self.answers)

    def best(self, seed: int) -> Answerer:
        """The law with the highest pass@N, from the known laws of the right answers."""
        return lambda inputs: measures.best_laws(self.truth(seed, inputs), self.samples)

    def _scored(self, solution: Answerer, seed: int, inputs: Inputs, run: Run) -> dict[str, float]:
        law = _answered(solution, inputs, self.answers)
        some = np.sort(run.rng.permutation(len(inputs))[: (len(inputs) + 1) // 2])
        if not np.allclose(_answered(solution, inputs[some], self.answers), law[some], rtol=0, atol=TOLERANCE):
            raise Invalid("the answer to a question depends on the questions beside it")
        return measures.measured(law, self.truth(seed, inputs), self.samples)

    def _examples(self, seed: int, purpose: str, count: int) -> tuple[Tensor, Tensor]:
        """Questions (count, d) and one drawn answer each (count,)."""
        inputs = self.asked(seed, purpose, count)
        levels = np.cumsum(self.truth(seed, inputs), axis=1)
        drawn = self.stream(seed, f"{purpose} answers").random((count, 1)) * levels[:, -1:]
        labels = np.minimum((levels <= drawn).sum(axis=1), self.answers - 1)
        return torch.tensor(inputs), torch.tensor(labels)

    def _batches(self, seed: int, steps: int) -> NDArray[np.int64]:
        rng = self.stream(seed, "batches")
        epochs = [rng.permutation(self.train)[: steps * self.batch_size] for _ in range(self.epochs)]
        return np.concatenate(epochs).reshape(-1, self.batch_size)


@dataclass(frozen=True)
class Uniform:
    """Gives every one of Y answers the same probability."""

    answers: int

    def __call__(self, inputs: Inputs) -> Laws:
        """(n, d) -> (n, Y)."""
        return np.full((len(inputs), self.answers), 1 / self.answers)


def _some(inputs: Tensor, labels: Tensor, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    chosen = torch.tensor(rows)
    return inputs[chosen], labels[chosen]


def _answered(solution: Answerer, inputs: Inputs, answers: int) -> Laws:
    """What a solution answers to (n, d), checked: (n, Y)."""
    if not callable(solution):
        raise Invalid(f"the solution must be callable, got {type(solution).__name__}")
    law = np.asarray(solution(read_only(inputs)), dtype=np.float64)
    if law.shape != (len(inputs), answers):
        raise Invalid(f"laws for {len(inputs)} questions must have the shape {(len(inputs), answers)}, not {law.shape}")
    if np.isnan(law).any():
        raise Diverged("an answer is not a number")
    if law.min() < -TOLERANCE or np.abs(law.sum(axis=1) - 1).max() > TOLERANCE:
        raise Invalid("an answer is not a probability vector")
    return np.maximum(law, 0.0)
