"""The published rates of the learners of arXiv 2310.07838 (abstract), each on the family where it is reached.

They are sqrt(S A / n) for labels alone, S A / n for one probability besides, and S / n for whole laws, with S inputs,
A labels and n draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pytest

from methods.base import Run
from methods.transfer_rates.hard_mle import HardMLE
from methods.transfer_rates.soft_kl import SoftKL
from methods.transfer_rates.squared_error_logit import SquaredErrorLogit
from runners import catalog
from runners.build import build
from tasks.transfer_rates.table import TransferTable
from tasks.transfer_rates.teachers import Family

RUN = cast("Run", None)


@dataclass(frozen=True)
class Published:
    """A learner with its exponents.

    Args:
        kind: its class.
        row: its name in the catalogue.
        family: where the rate is reached.
        in_draws, in_labels: the exponents of n and of A.
        labels: the A between which the slope is measured.
    """

    kind: Any
    row: str
    family: Family
    in_draws: float
    in_labels: float
    labels: tuple[int, ...]


RATES = [
    Published(HardMLE, "hard_mle", Family.EVEN, -0.5, 0.5, (6, 18, 54)),
    # with few labels the share of what is left over that falls on never drawn ones still grows, which adds 0.1
    Published(SquaredErrorLogit, "squared_error_logit", Family.RARE_LABEL, -1.0, 1.0, (18, 54, 162)),
    Published(SoftKL, "soft_kl", Family.RARE_INPUT, -1.0, 0.0, (6, 18, 54)),
]
every_rate = pytest.mark.parametrize("known", RATES, ids=lambda known: known.row)


def error(known: Published, **values: Any) -> float:
    asked = {"inputs": 10, "labels": 20, "draws": 4096, "repeats": 400} | values
    task = TransferTable(name="transfer_rates/test", version=1, family=known.family, **asked)
    errors = [task.evaluate(known.kind().solve(task.problem(seed), RUN), seed, RUN) for seed in range(3)]
    return float(np.mean([it["total_variation"] for it in errors]))


def slope(known: Published, axis: str, points: tuple[int, ...]) -> float:
    errors = [error(known, **{axis: point}) for point in points]
    return float(np.polyfit(np.log(points), np.log(errors), 1)[0])


@every_rate
def test_the_exponents_are_the_published_ones(known: Published) -> None:
    assert slope(known, "draws", (1024, 8192, 65536)) == pytest.approx(known.in_draws, abs=0.05)
    assert slope(known, "labels", known.labels) == pytest.approx(known.in_labels, abs=0.1)


@every_rate
def test_the_row_is_this_method(known: Published) -> None:
    values = catalog.find("method", f"transfer_rates/{known.row}").values
    assert build(values, known.kind, "method") == known.kind()
