"""Regression: a noisy sinusoid, and the diabetes data that scikit-learn carries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_diabetes

from tasks.base import Run, Task, read_only
from tasks.gp_distillation import Array, Gaussian, RadialBasis, RegressionDistillation, Regressor
from tasks.gp_distillation.closed_forms import effective_noise, shrinkage
from tasks.gp_distillation.judging import distance, gaussian

PATIENTS = 442


@dataclass(frozen=True)
class Data:
    """What is fitted and what is tested.

    Args:
        inputs, targets: (n, d) and (n,).
        test_inputs, test_targets: (m, d) and (m,), with noise.
        truth: (m,), the test targets without noise, or themselves where nobody knows.
    """

    inputs: Array
    targets: Array
    test_inputs: Array
    test_targets: Array
    truth: Array


@dataclass(frozen=True, kw_only=True)
class Model:
    """What is fitted in every round.

    Args:
        variance, length_scale: of the kernel.
        noise: noise variance of round 1.
        growth: that of each later round is this times the one before.
    """

    variance: float
    length_scale: float
    noise: float
    growth: float

    def __post_init__(self) -> None:
        if not (self.noise > 0 and self.growth > 0):
            raise ValueError(f"noise and its growth are positive, got {self.noise} and {self.growth}")
        self.kernel()  # refuses what is none

    def kernel(self) -> RadialBasis:
        """As a function."""
        return RadialBasis(self.variance, self.length_scale)

    def noises(self, rounds: int) -> Array:
        """(t,)."""
        levels: Array = self.noise * self.growth ** np.arange(rounds, dtype=np.float64)
        return levels

    def problem(self, data: Data, rounds: int) -> RegressionDistillation:
        """What methods see."""
        return RegressionDistillation(
            inputs=read_only(data.inputs),
            targets=read_only(data.targets),
            kernel=self.kernel(),
            noise=read_only(self.noises(rounds)),
        )

    def prior(self, points: Array) -> Gaussian:
        """Before anything was seen."""
        return Gaussian(np.zeros(len(points)), self.kernel()(points, points))

    def scores(self, solution: Regressor, data: Data, rounds: int) -> dict[str, float]:
        """All metrics of the board."""
        answer = gaussian(solution(data.test_inputs), len(data.test_inputs))
        fitted = gaussian(solution(data.inputs), len(data.inputs))
        total = answer.covariance.diagonal().clip(min=0) + self.noise
        surprise = (data.test_targets - answer.mean) ** 2 / total + np.log(2 * np.pi * total)
        known = (self.kernel(), data.inputs, data.targets, self.noises(rounds), data.test_inputs)
        missed = float(np.mean((answer.mean - data.truth) ** 2))
        return {
            "test_nll": float(surprise.mean() / 2),
            "rmse": missed**0.5,
            "explained": 1 - missed / float(np.var(data.truth)),
            "train_rmse": float(np.mean((fitted.mean - data.targets) ** 2)) ** 0.5,
            "shrinkage_deviation": distance(answer, shrinkage(*known)),
            "effective_noise_deviation": distance(answer, effective_noise(*known)),
        }


@dataclass(frozen=True, kw_only=True)
class Sinusoid(Task):
    """y = sin(x) + normal noise, x even on [0, width]; tested at other points.

    Args:
        train, test: rows.
        width: of the interval.
        spread: standard deviation of the noise.
        model: what is fitted.
        rounds: t, fits in all; 1 is the ordinary model.
    """

    train: int
    test: int
    width: float
    spread: float
    model: Model
    rounds: int

    def __post_init__(self) -> None:
        if min(self.train, self.test) < 2 or self.rounds < 1 or self.width <= 0 or self.spread < 0:
            raise ValueError(f"{self.name}: at least 2 rows to fit and to test, 1 round, a width, no negative spread")

    def data(self, seed: int, purpose: str = "test") -> Data:
        """The rows of a seed; those that are asked about have a stream of their own for each purpose."""
        inputs, targets, _ = self._rows(seed, "train", self.train)
        return Data(inputs, targets, *self._rows(seed, purpose, self.test))

    def problem(self, seed: int) -> RegressionDistillation:
        """The problem of a seed."""
        return self.model.problem(self.data(seed), self.rounds)

    def evaluate(self, solution: Regressor, seed: int, run: Run) -> Mapping[str, float]:
        """On further points, and against closed forms."""
        return self.model.scores(solution, self.data(seed), self.rounds)

    def validate(self, solution: Regressor, seed: int, run: Run) -> Mapping[str, float]:
        """On rows that are not tested."""
        return self.model.scores(solution, self.data(seed, "validation"), self.rounds)

    def trivial(self, seed: int) -> Regressor:
        """The prior."""
        return self.model.prior

    def _rows(self, seed: int, purpose: str, count: int) -> tuple[Array, Array, Array]:
        """Inputs (count, 1), targets with noise, and without."""
        rng = self.stream(seed, purpose)
        inputs = rng.uniform(0, self.width, size=(count, 1))
        truth: Array = np.sin(inputs[:, 0])
        return inputs, truth + self.spread * rng.normal(size=count), truth


@dataclass(frozen=True, kw_only=True)
class Diabetes(Task):
    """Progression of diabetes from 10 measurements (Efron et al. 2004), standardised on the rows that are fitted.

    Args:
        train, validation: rows that are fitted, and rows for tuning; those left of 442 are tested.
        model: what is fitted.
        rounds: t, fits in all; 1 is the ordinary model.
    """

    train: int
    validation: int
    model: Model
    rounds: int

    def __post_init__(self) -> None:
        if min(self.train, self.validation) < 2 or self.train + self.validation > PATIENTS - 2 or self.rounds < 1:
            raise ValueError(f"{self.name}: at least 2 of {PATIENTS} rows to fit, to validate and to test, and 1 round")

    def data(self, seed: int, purpose: str = "test") -> Data:
        """A random split."""
        inputs, targets = load_diabetes(return_X_y=True)
        order = self.stream(seed).permutation(len(targets))
        fitted, validated, tested = np.split(order, [self.train, self.train + self.validation])
        tested = tested if purpose == "test" else validated
        inputs = (inputs - inputs[fitted].mean(axis=0)) / inputs[fitted].std(axis=0)
        targets = (targets - targets[fitted].mean()) / targets[fitted].std()
        return Data(inputs[fitted], targets[fitted], inputs[tested], targets[tested], targets[tested])

    def problem(self, seed: int) -> RegressionDistillation:
        """The problem of a seed."""
        return self.model.problem(self.data(seed), self.rounds)

    def evaluate(self, solution: Regressor, seed: int, run: Run) -> Mapping[str, float]:
        """On the rows left, and against closed forms."""
        return self.model.scores(solution, self.data(seed), self.rounds)

    def validate(self, solution: Regressor, seed: int, run: Run) -> Mapping[str, float]:
        """On rows that are not tested."""
        return self.model.scores(solution, self.data(seed, "validation"), self.rounds)

    def trivial(self, seed: int) -> Regressor:
        """The prior."""
        return self.model.prior
