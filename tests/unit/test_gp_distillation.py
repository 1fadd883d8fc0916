"""The arena `gp_distillation`: likelihoods, approximations and closed forms by other calculations; tasks; scores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, optimize
from scipy.special import expit
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from methods.base import Diverged
from methods.gp_distillation import _laplace
from methods.gp_distillation._conditioning import conditioned, prior, smoothed, tail
from methods.gp_distillation._laplace import Likelihood, averaged, posterior
from methods.gp_distillation.data_centric_classification import DataCentricClassification
from methods.gp_distillation.data_centric_regression import DataCentricRegression
from methods.gp_distillation.distribution_centric_classification import DistributionCentricClassification, HandedOn
from methods.gp_distillation.distribution_centric_regression import DistributionCentricRegression
from methods.gp_distillation.ordinary_classification import OrdinaryClassification
from methods.gp_distillation.ordinary_regression import OrdinaryRegression
from runners.match import needed_type, satisfies
from tasks.base import Invalid, NotApplicable
from tasks.gp_distillation import (
    Array,
    ClassificationDistillation,
    Classified,
    Gaussian,
    RadialBasis,
    RegressionDistillation,
)
from tasks.gp_distillation.classification import TwoMoons
from tasks.gp_distillation.closed_forms import effective_noise, enlarged_kernel, shrinkage
from tasks.gp_distillation.regression import Diabetes, Model, Sinusoid
from tests.gp_examples import ASKED, INPUTS, KERNEL, LABELS, RUN, SOFT, TARGETS, classification, regression

MODEL = Model(variance=1.0, length_scale=1.0, noise=0.2, growth=1.5)
SINUSOID = Sinusoid(
    name="gp_distillation/sinusoid", version=1, train=12, test=20, width=6.0, spread=0.5, model=MODEL, rounds=4
)
DIABETES = Diabetes(name="gp_distillation/diabetes", version=1, train=30, validation=20, model=MODEL, rounds=4)
MOONS = TwoMoons(
    name="gp_distillation/two_class", version=1, train=12, test=20, spread=0.3, variance=4.0, length_scale=0.8, rounds=3
)
TASKS: tuple[Any, ...] = (SINUSOID, DIABETES, MOONS)
every_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
REGRESSORS: tuple[Any, ...] = (OrdinaryRegression(), DataCentricRegression(), DistributionCentricRegression())
CLASSIFIERS: tuple[Any, ...] = (
    OrdinaryClassification(),
    *(DataCentricClassification(likelihood=likelihood) for likelihood in Likelihood),
    *(DistributionCentricClassification(handed_on=handed_on) for handed_on in HandedOn),
)
TINY = 1e-10


def same(one: Gaussian, other: Gaussian, tolerance: float = TINY) -> bool:
    return bool(
        np.allclose(one.mean, other.mean, rtol=0, atol=tolerance)
        and np.allclose(one.covariance, other.covariance, rtol=0, atol=tolerance)
    )


# --- likelihoods ---


@given(f=st.floats(-30, 30))
def test_the_continuous_bernoulli_is_the_density_on_the_unit_interval(f: float) -> None:
    """Normaliser, mean and variance by quadrature of exp(f y), near zero (where series are used) as elsewhere."""
    shift = max(f, 0.0)

    def moment(power: int, centre: float = 0.0) -> float:
        whole = integrate.quad(lambda y: (y - centre) ** power * np.exp(f * y - shift), 0, 1, epsabs=1e-14, limit=200)
        return float(whole[0])

    at, likelihood = np.array([f]), Likelihood.CONTINUOUS
    mean = moment(1) / moment(0)
    assert likelihood.normaliser(at)[0] == pytest.approx(np.log(moment(0)) + shift, abs=1e-9)
    assert likelihood.mean(at)[0] == pytest.approx(mean, abs=1e-9)
    assert likelihood.curvature(at)[0] == pytest.approx(moment(2, mean) / moment(0), abs=1e-9)


@pytest.mark.parametrize("likelihood", list(Likelihood))
def test_derivatives_are_those_of_the_normaliser(likelihood: Likelihood) -> None:
    at = np.array([-3.0, -0.051, -0.049, -1e-4, 0.0, 1e-4, 0.049, 0.051, 3.0])
    h = 1e-5
    assert (likelihood.normaliser(at + h) - likelihood.normaliser(at - h)) / (2 * h) == pytest.approx(
        likelihood.mean(at), abs=1e-8
    )
    assert (likelihood.mean(at + h) - likelihood.mean(at - h)) / (2 * h) == pytest.approx(
        likelihood.curvature(at), abs=1e-8
    )


@pytest.mark.parametrize("likelihood", list(Likelihood))
def test_far_latent_values_do_not_overflow(likelihood: Likelihood) -> None:
    at = np.array([-1e4, -800.0, 800.0, 1e4])
    for values in (likelihood.normaliser(at), likelihood.mean(at), likelihood.curvature(at)):
        assert np.isfinite(values).all()
    assert likelihood.mean(at) == pytest.approx([0, 0, 1, 1], abs=2e-3)


# --- approximations ---


@pytest.mark.parametrize("likelihood", list(Likelihood))
@pytest.mark.parametrize("copies", [1, 3])
def test_the_mode_is_where_a_general_optimiser_finds_it(likelihood: Likelihood, copies: int) -> None:
    mean = 0.3 * np.cos(np.arange(16.0))
    before = Gaussian(mean, prior(KERNEL, INPUTS, ASKED).covariance)
    inverse = np.linalg.inv(before.covariance[:12, :12])

    def loss(f: Array) -> float:
        gap = f - mean[:12]
        return float(gap @ inverse @ gap / 2 - copies * (SOFT @ f - likelihood.normaliser(f).sum()))

    found = optimize.minimize(loss, np.zeros(12), method="BFGS", options={"gtol": 1e-8, "maxiter": 5000})
    after = posterior(before, SOFT, likelihood, copies)
    assert after.mean[:12] == pytest.approx(found.x, abs=1e-4)
    assert loss(after.mean[:12]) <= found.fun + 1e-12
    curved = np.linalg.inv(inverse + copies * np.diag(likelihood.curvature(after.mean[:12])))
    assert after.covariance[:12, :12] == pytest.approx(curved, abs=1e-8)


@pytest.mark.parametrize("likelihood", list(Likelihood))
def test_a_power_of_the_likelihood_is_copied_data(likelihood: Likelihood) -> None:
    """Copied points make the prior covariance singular, which the method must bear."""
    powered = tail(posterior(prior(KERNEL, INPUTS, ASKED), SOFT, likelihood, copies=3), 12)
    copied = posterior(prior(KERNEL, np.tile(INPUTS, (3, 1)), ASKED), np.tile(SOFT, 3), likelihood)
    assert same(powered, tail(copied, 36))


def test_newton_says_when_it_does_not_settle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_laplace, "STEPS", 1)
    with pytest.raises(Diverged, match="did not find the mode in 1 steps"):
        posterior(prior(KERNEL, INPUTS, ASKED), SOFT, Likelihood.BERNOULLI)


@given(mean=st.floats(-8, 8), variance=st.floats(1e-6, 9))
def test_the_sigmoid_is_averaged(mean: float, variance: float) -> None:
    spread = variance**0.5
    whole = integrate.quad(lambda z: expit(mean + spread * z) * np.exp(-(z**2) / 2), -12, 12, limit=200)[0]
    one = averaged(Gaussian(np.array([mean]), np.array([[variance]])))
    assert one[0] == pytest.approx(whole / (2 * np.pi) ** 0.5, abs=1e-6)


def test_conditioning_is_that_of_the_library() -> None:
    library = GaussianProcessRegressor(ConstantKernel(4.0) * RBF(0.8), alpha=0.3, optimizer=None).fit(INPUTS, TARGETS)
    mean, covariance = library.predict(ASKED, return_cov=True)
    own = tail(conditioned(prior(KERNEL, INPUTS, ASKED), TARGETS, 0.3), 12)
    assert same(own, Gaussian(mean, covariance))
    assert smoothed(KERNEL(INPUTS, INPUTS), TARGETS, 0.3) == pytest.approx(library.predict(INPUTS))
    assert same(OrdinaryRegression().solve(regression(0.3, 5.0), RUN)(ASKED), Gaussian(mean, covariance))


# --- closed forms and rounds ---


@given(noise=st.lists(st.floats(0.01, 10), min_size=1, max_size=5))
def test_rounds_of_regression_have_closed_forms(noise: list[float]) -> None:
    levels, known = np.array(noise), (KERNEL, INPUTS, TARGETS)
    data = DataCentricRegression().solve(regression(*noise), RUN)(ASKED)
    distribution = DistributionCentricRegression().solve(regression(*noise), RUN)(ASKED)
    assert same(data, shrinkage(*known, levels, ASKED), 1e-8)
    assert same(distribution, effective_noise(*known, levels, ASKED), 1e-8)
    if len(noise) > 1:
        assert not same(data, distribution, 1e-6)


@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_the_enlarged_kernel_is_copied_data(rounds: int) -> None:
    """The judge's own Newton's method against the arena's, on data that are really copied."""
    form = enlarged_kernel(KERNEL, INPUTS, LABELS, rounds, ASKED)
    copied = prior(KERNEL, np.tile(INPUTS, (rounds, 1)), ASKED)
    after = tail(posterior(copied, np.tile(LABELS, rounds).astype(float), Likelihood.BERNOULLI), 12 * rounds)
    assert after.mean == pytest.approx(form.mean, abs=1e-8)
    assert rounds * after.covariance == pytest.approx(form.covariance, abs=1e-8)


def test_what_is_handed_on_matters() -> None:
    exact, rescaled, gaussian = (
        DistributionCentricClassification(handed_on=it).solve(classification(3), RUN)(ASKED).latent for it in HandedOn
    )
    assert rescaled.mean == pytest.approx(exact.mean, abs=1e-9)
    assert rescaled.covariance == pytest.approx(3 * exact.covariance, abs=1e-9)
    assert np.abs(gaussian.mean - exact.mean).max() > 1e-2


@pytest.mark.parametrize("method", REGRESSORS, ids=lambda it: type(it).__name__)
def test_one_round_of_regression_is_the_ordinary_model(method: Any) -> None:
    ordinary = OrdinaryRegression().solve(regression(0.3), RUN)(ASKED)
    assert same(method.solve(regression(0.3), RUN)(ASKED), ordinary)


@pytest.mark.parametrize("method", CLASSIFIERS, ids=lambda it: repr(it))
def test_one_round_of_classification_is_the_ordinary_model(method: Any) -> None:
    ordinary = OrdinaryClassification().solve(classification(1), RUN)(ASKED)
    answer = method.solve(classification(1), RUN)(ASKED)
    assert same(answer.latent, ordinary.latent)
    assert answer.probability == pytest.approx(ordinary.probability)


@pytest.mark.parametrize("method", CLASSIFIERS, ids=lambda it: repr(it))
def test_classes_can_be_exchanged(method: Any) -> None:
    asked = classification(3)
    one, other = (method.solve(it, RUN)(ASKED) for it in (asked, replace(asked, labels=1 - LABELS)))
    assert one.probability == pytest.approx(1 - other.probability, abs=1e-9)
    assert one.latent.mean == pytest.approx(-other.latent.mean, abs=1e-8)


def test_regression_and_classification_do_not_mix() -> None:
    assert all(needed_type(type(it)) is RegressionDistillation for it in REGRESSORS)
    assert all(needed_type(type(it)) is ClassificationDistillation for it in CLASSIFIERS)
    assert not satisfies(RegressionDistillation, ClassificationDistillation)


# --- tasks ---


@every_task
def test_what_is_fitted_does_not_depend_on_what_is_asked(task: Any) -> None:
    solution = task.trivial(0)
    tested, validated = task.evaluate(solution, 0, RUN), task.validate(solution, 0, RUN)
    assert set(tested) == set(validated)
    assert tested["test_nll"] != validated["test_nll"] or task is MOONS  # a half is a half on any point
    with pytest.raises(NotApplicable, match="knows no best answer"):
        task.best(0)


def test_the_rows_of_diabetes_are_split() -> None:
    data, other = DIABETES.data(0), DIABETES.data(0, "validation")
    assert [len(rows) for rows in (data.inputs, other.test_inputs, data.test_inputs)] == [30, 20, 392]
    every = np.concatenate([data.inputs, other.test_inputs, data.test_inputs])
    assert len(np.unique(every.round(9), axis=0)) == 442
    assert data.inputs.mean(axis=0) == pytest.approx(0, abs=1e-12)
    assert data.targets.std() == pytest.approx(1)


def test_the_sinusoid_and_its_noise() -> None:
    data = replace(SINUSOID, test=20_000).data(0)
    assert data.truth == pytest.approx(np.sin(data.test_inputs[:, 0]))
    assert np.std(data.test_targets - data.truth) == pytest.approx(0.5, rel=0.03)
    assert SINUSOID.model.noises(3) == pytest.approx([0.2, 0.3, 0.45])


def test_moons_without_noise_are_half_circles() -> None:
    points, labels = replace(MOONS, spread=0.0).data(0, "train", 200)
    centre = np.where(labels[:, None] == 1, [1.0, 0.5], [0.0, 0.0])
    assert np.linalg.norm(points - centre, axis=1) == pytest.approx(1)
    assert ((points - centre)[:, 1] * np.where(labels == 1, -1, 1) >= -1e-12).all()
    assert labels.mean() == 0.5


def test_scores_of_regression_by_hand() -> None:
    data = SINUSOID.data(0)
    scores = SINUSOID.evaluate(lambda points: Gaussian(np.ones(len(points)), 0.3 * np.eye(len(points))), 0, RUN)
    surprise = -np.log(np.exp(-((data.test_targets - 1) ** 2)) / (2 * np.pi * 0.5) ** 0.5)
    assert scores["test_nll"] == pytest.approx(surprise.mean())
    assert scores["rmse"] == pytest.approx(np.mean((1 - data.truth) ** 2) ** 0.5)
    assert scores["explained"] == pytest.approx(1 - scores["rmse"] ** 2 / data.truth.var())
    assert scores["train_rmse"] == pytest.approx(np.mean((1 - data.targets) ** 2) ** 0.5)
    form = shrinkage(MODEL.kernel(), data.inputs, data.targets, MODEL.noises(4), data.test_inputs)
    gaps = np.abs(1 - form.mean).max(), np.abs(0.3 * np.eye(20) - form.covariance).max()
    assert scores["shrinkage_deviation"] == pytest.approx(max(gaps))


def test_scores_of_classification_by_hand() -> None:
    labels = MOONS.data(0, "test", 20)[1]

    def answer(points: Array) -> Classified:
        return Classified(Gaussian(np.zeros(len(points)), np.eye(len(points))), np.full(len(points), 0.8))

    scores = MOONS.evaluate(answer, 0, RUN)
    ones = labels.mean()
    assert scores["accuracy"] == pytest.approx(ones)
    assert scores["confidence"] == pytest.approx(0.8)
    assert scores["test_nll"] == pytest.approx(-ones * np.log(0.8) - (1 - ones) * np.log(0.2))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda n: Gaussian(np.zeros(n + 1), np.eye(n)), "are not those of 20 points"),
        (lambda n: Gaussian(np.zeros(n), np.ones(n)), "are not those of 20 points"),
        (lambda n: Gaussian(np.full(n, np.inf), np.eye(n)), "not finite"),
        (lambda n: Gaussian(np.zeros(n), np.triu(np.ones((n, n)))), "not symmetric"),
        (lambda n: Gaussian(np.zeros(n), -np.eye(n)), "negative variance"),
    ],
)
def test_what_is_no_gaussian_is_refused(answer: Any, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        SINUSOID.evaluate(lambda points: answer(len(points)), 0, RUN)
    with pytest.raises(Invalid, match=words):
        MOONS.evaluate(lambda points: Classified(answer(len(points)), np.full(len(points), 0.5)), 0, RUN)


@pytest.mark.parametrize("probability", [np.full(20, 1.5), np.full(20, np.nan), np.full(19, 0.5)])
def test_what_is_no_probability_is_refused(probability: Array) -> None:
    with pytest.raises(Invalid, match="20 numbers between 0 and 1"):
        MOONS.evaluate(lambda points: Classified(Gaussian(np.zeros(20), np.eye(20)), probability), 0, RUN)


@pytest.mark.parametrize(
    ("record", "values", "words"),
    [
        (MODEL, {"noise": 0.0}, "noise and its growth are positive"),
        (MODEL, {"length_scale": 0.0}, "variance and length scale"),
        (SINUSOID, {"rounds": 0}, "1 round"),
        (SINUSOID, {"test": 1}, "at least 2 rows"),
        (DIABETES, {"train": 430}, "of 442 rows"),
        (DIABETES, {"rounds": 0}, "1 round"),
        (MOONS, {"rounds": 0}, "1 round"),
        (MOONS, {"spread": -1.0}, "no negative spread"),
        (MOONS, {"variance": -1.0}, "variance and length scale"),
        (RadialBasis(1.0, 1.0), {"variance": float("nan")}, "variance and length scale"),
    ],
)
def test_values_that_make_no_model_are_refused(record: Any, values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(record, **values)
