"""Small tasks of the arena `bilevel` with learnt data and many decays, and what tests do with all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tasks.bilevel import UNITS, CoupledBilevel
from tasks.bilevel.images import Decay
from tasks.bilevel.learned_data import Distillation, PixelNoise
from tasks.bilevel.quadratic import Quadratic, QuadraticStep
from tasks.bilevel.tables import Source
from tasks.bilevel.wide import WideDecayStep

PRICES = dict.fromkeys(UNITS, 1.0)
IMAGES: dict[str, Any] = {
    "version": 1,
    "source": Source.DIGITS,
    "pool": 2,
    "validation": 40,
    "test": 50,
    "warm_steps": 30,
    "prices": PRICES,
    "budget": 600.0,
}
DECAY = Decay(
    name="bilevel/decay", train=30, corrupted=0.2, lowest=-4.0, highest=2.0, start=0.0, hyperparameters=10, **IMAGES
)
DISTILLATION = Distillation(
    name="bilevel/distil", train=10, corrupted=0.0, lowest=-2.0, highest=2.0, start=0.0, ridge=0.1, **IMAGES
)
NOISE = PixelNoise(
    name="bilevel/noise", train=20, corrupted=0.2, lowest=-5.0, highest=1.0, start=-3.0, copies=3, ridge=0.01, **IMAGES
)
WIDE = WideDecayStep(
    name="bilevel/wide",
    version=1,
    source=Source.DIGITS,
    pool=2,
    train=15,
    validation=20,
    features=12,
    start=-2.0,
    spread=0.5,
    prices=PRICES,
    budget=1e9,
)
STEP = QuadraticStep(name="bilevel/step", version=1, size=5, kappa=10.0, prices=PRICES, budget=1e9)
QUADRATIC = Quadratic(name="bilevel/quadratic", version=1, size=5, kappa=10.0, noise=0.0, prices=PRICES, budget=2000.0)


def point(problem: CoupledBilevel, key: int = 0) -> tuple[Tensor, Tensor]:
    """Some x and y."""
    rng = np.random.default_rng(key)
    sizes = len(problem.upper_start), len(problem.lower_start)
    x, y = (torch.from_numpy(0.5 * rng.normal(size=size)) for size in sizes)
    return x, y


def differences(function: Callable[[Tensor], float], at: Tensor, width: float = 1e-6) -> Tensor:
    """The gradient by central differences."""
    rows = [function(at + width * unit) - function(at - width * unit) for unit in torch.eye(len(at), dtype=at.dtype)]
    return torch.tensor(rows, dtype=at.dtype) / (2 * width)
