"""Implicit Diffusion on Langevin dynamics against the released code.

The reference numbers come from google-deepmind/implicit_diffusion at c5e5933f6250d8d7e528d457fcc403f010e0c386, run in
float64 (jax 0.5.0): `energy.hex_mixture` differentiated in the particle and in theta, `reward.reward_smooth`, and
three rounds of `updates.update_x(.., gamma=0.2)` and `updates.update_theta(.., eta=0.1, lamb_kl=0, bs=5)` from
`PARTICLES` and from the theta of its `main.py`, with `NOISE` for its normal numbers.
"""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from methods.base import Run
from methods.bilevel._loop import Steps
from methods.bilevel.implicit_diffusion import ImplicitDiffusion
from tasks.bilevel import Solution
from tasks.bilevel.langevin import LangevinModes, Modes
from tasks.bilevel.samplers import LANGEVIN_UNITS, LangevinBilevel
from tasks.metering import BudgetSpent

PARTICLES = torch.tensor([[4.2, 0.3], [1.0, -2.0], [-3.5, 0.4], [2.1, 3.2], [-0.7, 2.9]], dtype=torch.float64)
NOISE = 1.3 * np.sin(1.7 * np.arange(30.0)).reshape(3, 5, 2)
GRADIENTS = [
    [0.2003191373, 0.2995701813],
    [-0.7636100884, 1.3632441607],
    [0.4658748239, 0.3478557526],
    [0.0948911779, -0.2483095584],
    [1.2465280068, -0.5639652843],
]
UPPER = [
    [-0.727315606, 0.0606666847, 0.2725248254, 0.0608085079, 0.2725248254, 0.0607907626],
    [0.2434138291, 0.0608076467, 0.2725247547, 0.0608063289, 0.1988751886, -0.836427748],
    [0.2725248254, 0.060808505, 0.2564671637, -0.9221289103, 0.2715199085, 0.0608085077],
    [0.2679660518, -0.933630537, 0.2715226442, 0.0608085079, 0.2725248254, 0.0608085077],
    [0.2725241839, 0.0474221169, -0.7140494301, 0.0607697979, 0.2725248235, 0.0608085079],
]
SMOOTH = [0.772556682, 0.1492320104, 4.385e-05, 1.1540652273, 0.0899283114]
THETAS = [
    [1.5107497161, 0.0094978888, 1.4942921306, -0.0071835737, 1.4993098457, -0.0066660074],
    [1.5210414949, 0.0219085472, 1.4858912129, -0.0149638879, 1.4992950832, -0.0131724502],
    [1.5257766914, 0.03852891, 1.4778315169, -0.0231612518, 1.4992609995, -0.018236866],
]


@pytest.fixture
def problem(monkeypatch: pytest.MonkeyPatch) -> LangevinBilevel:
    """That of the released code: no divergence, the reward not turned, its particles."""
    monkeypatch.setattr(LangevinModes, "modes", lambda task, seed: Modes(4.0, 1.0, 0.0, 0.0))
    monkeypatch.setattr(Modes, "draw", lambda modes, rng, count: PARTICLES)
    prices = dict.fromkeys(LANGEVIN_UNITS, 1.0)
    values: dict[str, Any] = {"particles": 5, "radius": 4.0, "spread": 1.0, "weight": 1.0, "cold": False}
    task = LangevinModes(name="bilevel/langevin_modes", version=1, prices=prices, budget=15.0, **values)
    return task.problem(0)


def expected(rows: Any) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def test_the_landscape_is_that_of_the_released_code(problem: LangevinBilevel) -> None:
    x = problem.upper_start
    torch.testing.assert_close(-problem.drift(x, PARTICLES, None), expected(GRADIENTS), atol=1e-8, rtol=0)
    torch.testing.assert_close(problem.potential_gradient_upper(x, PARTICLES), expected(UPPER), atol=1e-8, rtol=0)
    torch.testing.assert_close(-problem.loss(x, PARTICLES), expected(SMOOTH), atol=1e-8, rtol=0)


def test_rounds_are_those_of_the_released_code(problem: LangevinBilevel, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its constant step in x in place of the arena's."""
    monkeypatch.setattr(Steps, "size", lambda steps, direction: 0.1)
    noises, offers = itertools.cycle(NOISE), cast("list[Solution]", [])
    run = SimpleNamespace(rng=SimpleNamespace(normal=lambda size: next(noises)), offer=offers.append)
    with pytest.raises(BudgetSpent):  # a round costs 5 at these prices; the fourth cannot be paid
        ImplicitDiffusion(size=0.2, rate=0.1).solve(problem, cast("Run", run))
    torch.testing.assert_close(torch.stack([it.upper for it in offers[1:]]), expected(THETAS), atol=1e-8, rtol=0)
