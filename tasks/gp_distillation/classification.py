"""Classification: two half moons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.base import Invalid, Run, Task, read_only
from tasks.gp_distillation import Array, ClassificationDistillation, Classified, Classifier, Gaussian, RadialBasis
from tasks.gp_distillation.closed_forms import enlarged_kernel
from tasks.gp_distillation.judging import gaussian

SMALLEST = 1e-12  # a true label that was given no probability costs 27.6 nats, not infinitely many


@dataclass(frozen=True, kw_only=True)
class TwoMoons(Task):
    """Points on two half circles that hold each other, moved by normal noise.

    Args:
        train, test: points, half of them of either class.
        spread: standard deviation of the noise; the circles have radius 1.
        variance, length_scale: of the kernel of the latent function.
        rounds: t, fits in all; 1 is the ordinary model.
    """

    train: int
    test: int
    spread: float
    variance: float
    length_scale: float
    rounds: int

    def __post_init__(self) -> None:
        if min(self.train, self.test) < 2 or self.rounds < 1 or self.spread < 0:
            raise ValueError(f"{self.name}: at least 2 points to fit and to test, 1 round, and no negative spread")
        self.kernel()  # refuses what is none

    def kernel(self) -> RadialBasis:
        """As a function."""
        return RadialBasis(self.variance, self.length_scale)

    def data(self, seed: int, purpose: str, count: int) -> tuple[Array, NDArray[np.int64]]:
        """Points (count, 2) and their labels."""
        rng = self.stream(seed, purpose)
        labels = np.arange(count) % 2
        angle = rng.uniform(0, np.pi, size=count)
        x = np.where(labels == 1, 1 - np.cos(angle), np.cos(angle))
        y = np.where(labels == 1, 0.5 - np.sin(angle), np.sin(angle))
        return np.stack([x, y], axis=1) + self.spread * rng.normal(size=(count, 2)), labels

    def problem(self, seed: int) -> ClassificationDistillation:
        """The problem of a seed."""
        inputs, labels = self.data(seed, "train", self.train)
        return ClassificationDistillation(
            inputs=read_only(inputs), labels=read_only(labels), kernel=self.kernel(), rounds=self.rounds
        )

    def evaluate(self, solution: Classifier, seed: int, run: Run) -> Mapping[str, float]:
        """On further points, and against the form with an enlarged kernel."""
        return self._scores(solution, seed, "test")

    def validate(self, solution: Classifier, seed: int, run: Run) -> Mapping[str, float]:
        """On points that are not tested."""
        return self._scores(solution, seed, "validation")

    def trivial(self, seed: int) -> Classifier:
        """The prior: a half everywhere."""

        def answer(points: Array) -> Classified:
            prior = Gaussian(np.zeros(len(points)), self.kernel()(points, points))
            return Classified(prior, np.full(len(points), 0.5))

        return answer

    def _scores(self, solution: Classifier, seed: int, purpose: str) -> dict[str, float]:
        points, labels = self.data(seed, purpose, self.test)
        answer = solution(points)
        latent = gaussian(answer.latent, len(points))
        one = np.asarray(answer.probability, dtype=np.float64)
        if one.shape != labels.shape or not ((one >= 0) & (one <= 1)).all():
            raise Invalid(f"the probabilities are not {len(labels)} numbers between 0 and 1")
        right = np.where(labels == 1, one, 1 - one)
        form = enlarged_kernel(self.kernel(), *self.data(seed, "train", self.train), self.rounds, points)
        return {
            "test_nll": float(-np.log(right.clip(min=SMALLEST)).mean()),
            "accuracy": float(np.mean((one > 0.5) == (labels == 1))),
            "confidence": float(np.maximum(one, 1 - one).mean()),
            "mode_deviation": float(np.abs(latent.mean - form.mean).max()),
            "covariance_deviation": float(np.abs(self.rounds * latent.covariance - form.covariance).max()),
        }
