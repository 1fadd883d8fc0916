"""The shared training loop."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from runners.hardware import Hardware
from runners.run import AttemptRun
from tasks.base import Diverged
from tasks.metering import Ledger, random_stream
from tasks.training import Recipe, Saving, fit

RECIPE = Recipe(steps=20, batch_size=4, lr=0.1, weight_decay=0.0, clip=1.0, warmup=0.2, floor=0.1)


@pytest.fixture
def make_run(one_core: Hardware, tmp_path: Path) -> Callable[[], AttemptRun]:
    """A new run of the same cell each time."""

    def make() -> AttemptRun:
        file = tmp_path / "checkpoint.pt"
        return AttemptRun(random_stream("cell"), Ledger(), one_core, tmp_path, checkpoint_file=file)

    return make


def test_the_rate_rises_linearly_and_falls_along_a_cosine_to_the_floor() -> None:
    assert [RECIPE.rate(step) for step in range(4)] == pytest.approx([0.02, 0.04, 0.06, 0.08])
    assert RECIPE.rate(4) == pytest.approx(0.1)
    assert RECIPE.rate(12) == pytest.approx(0.1 * (0.1 + 0.9 / 2))  # half way down
    assert RECIPE.rate(20) == pytest.approx(0.01)
    assert RECIPE.rate(8) == pytest.approx(0.1 * (0.1 + 0.9 * (1 + math.cos(math.pi / 4)) / 2))


@pytest.mark.parametrize("wrong", [{"steps": -1}, {"batch_size": 0}, {"lr": 0.0}])
def test_a_recipe_that_cannot_be_followed_is_refused(wrong: dict[str, Any]) -> None:
    values: dict[str, Any] = {name: getattr(RECIPE, name) for name in RECIPE.__dataclass_fields__}
    with pytest.raises(ValueError, match="are needed"):
        Recipe(**values | wrong)


def test_it_learns_a_line(make_run: Callable[[], AttemptRun]) -> None:
    torch.manual_seed(0)
    x = torch.linspace(-1, 1, 16)[:, None]
    module = nn.Linear(1, 1)
    recipe = Recipe(steps=200, batch_size=16, lr=0.1, weight_decay=0.0, clip=10.0, warmup=0.0, floor=0.0)
    counted: list[int] = []
    fit(
        make_run(),
        module,
        recipe,
        lambda step: x,
        lambda x: ((module(x) - 2 * x - 1) ** 2).mean(),
        after_step=counted.append,
    )
    assert module.weight.item() == pytest.approx(2, abs=1e-3)
    assert module.bias.item() == pytest.approx(1, abs=1e-3)
    assert counted == list(range(1, 201))
    assert not module.training


def test_only_matrices_decay(make_run: Callable[[], AttemptRun]) -> None:
    module = nn.Linear(2, 2)
    with torch.no_grad():
        module.weight.fill_(1.0)
        module.bias.fill_(1.0)
    recipe = Recipe(steps=1, batch_size=1, lr=0.1, weight_decay=0.5, clip=1.0, warmup=0.0, floor=0.0)
    fit(make_run(), module, recipe, lambda step: 0, lambda _: 0 * module(torch.ones(1, 2)).sum())
    assert module.weight.tolist() == [[pytest.approx(0.95)] * 2] * 2  # 1 - lr * weight_decay
    assert module.bias.tolist() == [1.0, 1.0]


def test_a_loss_that_is_no_number_has_diverged(make_run: Callable[[], AttemptRun]) -> None:
    module = nn.Linear(1, 1)
    with pytest.raises(Diverged, match="the loss is nan at step 0"):
        fit(make_run(), module, RECIPE, lambda step: step, lambda _: module(torch.ones(1, 1)).sum() * math.nan)


def test_a_training_that_was_cut_off_ends_bit_for_bit_like_one_that_was_not(make_run: Callable[[], AttemptRun]) -> None:
    """With dropout, which draws from torch's generator, and a state of the caller's own."""

    def train(run: AttemptRun, stop: int | None) -> tuple[list[Tensor], list[float]]:
        torch.manual_seed(0)
        module = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1))
        drawn: list[float] = []

        def draw(step: int) -> Tensor:
            if step == stop:
                raise KeyboardInterrupt
            drawn.append(float(run.rng.random()))
            return torch.full((4, 3), drawn[-1])

        def resume(kept: Any) -> None:
            drawn.extend(kept["drawn"])

        saving = Saving(every=5, state=lambda: {"drawn": list(drawn)}, resume=resume)
        fit(run, module, RECIPE, draw, lambda x: (module(x) ** 2).mean(), saving=saving)
        return list(module.parameters()), drawn

    with pytest.raises(KeyboardInterrupt):
        train(make_run(), 13)
    continued = make_run()
    assert continued.checkpoint_file is not None
    parameters, drawn = train(continued, None)
    continued.checkpoint_file.unlink()
    whole_parameters, whole_drawn = train(make_run(), None)
    assert drawn == whole_drawn
    assert all(torch.equal(one, other) for one, other in zip(parameters, whole_parameters, strict=True))
