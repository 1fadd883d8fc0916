"""ImitKD's schedule against its released code; its loss is that of kd."""

from __future__ import annotations

import pytest

from methods.distillation._regimes import Decaying, Draw, Progress
from methods.distillation.imitkd import ImitKD
from runners import catalog
from runners.build import build


def test_the_chance_of_references_falls_as_in_the_code_of_imitkd() -> None:
    """asappresearch/imitkd at 8b9fadd: beta = 200 ** (-t / N), t counted from 0: at a half 1 / sqrt(200)."""
    regime = Decaying(base=200.0)
    for step, references in ((1, 1.0), (51, 200**-0.5), (100, 200**-0.99)):
        progress = Progress(step, 100, 0)
        state = regime.choose(regime.start(), progress, 0.0)[1]
        assert state.phi == pytest.approx(1 - references, rel=1e-12)
        for u, draw in ((state.phi - 1e-9, Draw.FRESH), (state.phi + 1e-9, Draw.DATA)):
            assert u < 0 or regime.choose(regime.start(), progress, u)[0] is draw


def test_a_base_that_does_not_decay_is_refused() -> None:
    with pytest.raises(ValueError, match="base must be above 1"):
        Decaying(base=1.0)


def test_the_row_has_the_value_of_the_released_code() -> None:
    row = build(catalog.find("method", "distillation/imitkd").values, ImitKD, "method")
    assert row == ImitKD(regime=Decaying(base=200.0))
