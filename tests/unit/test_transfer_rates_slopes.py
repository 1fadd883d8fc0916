"""The published rate of this learner, S A / n (arXiv 2310.07838, abstract), where it is reached."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from methods.base import Run
from methods.transfer_rates.squared_error_logit import SquaredErrorLogit
from runners import catalog
from runners.build import build
from tasks.transfer_rates.table import TransferTable
from tasks.transfer_rates.teachers import Family

RUN = cast("Run", None)
IN_DRAWS, IN_LABELS = -1.0, 1.0  # published exponents of n and of A


def error(**values: Any) -> float:
    asked = {"inputs": 10, "labels": 20, "draws": 4096, "repeats": 400} | values
    task = TransferTable(name="transfer_rates/test", version=1, family=Family.RARE_LABEL, **asked)
    errors = [task.evaluate(SquaredErrorLogit().solve(task.problem(seed), RUN), seed, RUN) for seed in range(3)]
    return float(np.mean([it["total_variation"] for it in errors]))


def slope(axis: str, points: tuple[int, ...]) -> float:
    errors = [error(**{axis: point}) for point in points]
    return float(np.polyfit(np.log(points), np.log(errors), 1)[0])


def test_the_exponents_are_the_published_ones() -> None:
    assert slope("draws", (1024, 8192, 65536)) == pytest.approx(IN_DRAWS, abs=0.05)
    # with few labels the share of what is left over that falls on never drawn ones still grows, which adds 0.1
    assert slope("labels", (18, 54, 162)) == pytest.approx(IN_LABELS, abs=0.1)


def test_the_row_is_this_method() -> None:
    values = catalog.find("method", "transfer_rates/squared_error_logit").values
    assert build(values, SquaredErrorLogit, "method") == SquaredErrorLogit()
