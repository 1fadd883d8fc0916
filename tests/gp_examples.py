"""Twelve points on which the authors' code of self-distilled Gaussian processes was run.

`Kennethborup/gaussian_process_self_distillation` at 7577d4f with scikit-learn 1.9.1, whose estimators had lost
`_validate_data`; it was put back as a call of `sklearn.utils.validation.validate_data`. The kernel is
`ConstantKernel(4.0) * RBF(0.8)` with `optimizer=None`, and answers are those at `ASKED`.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from methods.base import Run
from tasks.gp_distillation import Array, ClassificationDistillation, RadialBasis, RegressionDistillation

KERNEL = RadialBasis(4.0, 0.8)
NUMBER = np.arange(12.0)
INPUTS: Array = np.stack([np.cos(1.3 * NUMBER) + 0.1 * NUMBER, np.sin(0.7 * NUMBER)], axis=1)
TARGETS: Array = np.sin(INPUTS[:, 0]) + 0.3 * np.cos(5 * NUMBER)
LABELS = (INPUTS[:, 0] + 0.6 * np.sin(9 * NUMBER) > 0.5).astype(np.int64)  # 1 1 0 0 0 1 0 0 0 1 1 0
SOFT: Array = 0.5 + 0.4 * np.sin(2 * NUMBER)
ASKED: Array = np.array([[0.0, 0.0], [1.0, -0.5], [2.0, 0.5], [-0.5, 1.0]])
RUN = cast("Run", None)  # nothing is drawn or logged


def regression(*noise: float) -> RegressionDistillation:
    return RegressionDistillation(inputs=INPUTS, targets=TARGETS, kernel=KERNEL, noise=np.array(noise))


def classification(rounds: int) -> ClassificationDistillation:
    return ClassificationDistillation(inputs=INPUTS, labels=LABELS, kernel=KERNEL, rounds=rounds)
