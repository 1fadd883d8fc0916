"""Self-distilled kernel ridge regression against scikit-learn's, and against its own definition."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from scipy import optimize
from sklearn.kernel_ridge import KernelRidge as LibraryRidge

from methods.base import Run
from methods.gp_distillation.kernel_ridge import KernelRidge
from tests.gp_examples import ASKED, INPUTS, KERNEL, TARGETS, regression

LOGGED: Any = SimpleNamespace(log=lambda *_: None)
RUN = cast("Run", LOGGED)
MATRIX = KERNEL(INPUTS, INPUTS)


def test_each_round_is_a_kernel_ridge_regression_that_misses_as_much() -> None:
    """The ridge of a round is found here by scikit-learn's regression alone."""
    targets, allowed = TARGETS, 0.2 * 0.1
    for rounds in (1, 2, 3):

        def fit(log: float, targets: Any = targets) -> Any:
            return LibraryRidge(alpha=float(np.exp(log)), kernel="precomputed").fit(MATRIX, targets)

        def excess(log: float, targets: Any = targets) -> float:
            return float(np.mean((targets - fit(log, targets).predict(MATRIX)) ** 2)) - allowed

        model = fit(optimize.brentq(excess, -15, 15, xtol=1e-13))
        answer = KernelRidge(tolerance=0.2 * rounds**2).solve(regression(*[0.1] * rounds), RUN)
        assert answer(ASKED).mean == pytest.approx(model.predict(KERNEL(ASKED, INPUTS)), abs=1e-8)
        targets = model.predict(MATRIX)
        assert answer(INPUTS).mean == pytest.approx(targets, abs=1e-8)


def test_a_round_is_the_smoothest_function_within_the_tolerance() -> None:
    """The programme of the paper, solved as such: least norm in the kernel's space under a constraint."""
    inverse = np.linalg.inv(MATRIX)
    constraint = {"type": "ineq", "fun": lambda f: 100 * (0.02 - np.mean((f - TARGETS) ** 2))}
    found = optimize.minimize(
        lambda f: f @ inverse @ f,
        TARGETS,
        jac=lambda f: 2 * inverse @ f,
        constraints=constraint,
        method="SLSQP",
        options={"ftol": 1e-13, "maxiter": 500},
    )
    own = KernelRidge(tolerance=0.2).solve(regression(0.1), RUN)(INPUTS).mean
    assert found.success
    assert own == pytest.approx(found.x, abs=1e-3)
    assert own @ inverse @ own == pytest.approx(found.fun, rel=1e-4)


def test_it_collapses_to_the_prior_and_stays_there() -> None:
    for tolerance, rounds in ((100.0, 1), (75.0, 5)):
        answer = KernelRidge(tolerance=tolerance).solve(regression(*[0.1] * rounds), RUN)(ASKED)
        assert (answer.mean == 0).all()
        assert answer.covariance == pytest.approx(KERNEL(ASKED, ASKED))


def test_a_tolerance_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="is positive, got 0"):
        KernelRidge(tolerance=0.0)
