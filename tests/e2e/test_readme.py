"""The method of the README, added as the README says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

README = Path(__file__).resolve().parents[2] / "README.md"
Bakeoff = Callable[..., Any]  # the fixture: words in, what was said out


def block(language: str) -> str:
    """The only block of the README in a language."""
    (text,) = re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    return str(text)


@pytest.mark.xdist_group("quick")
def test_a_module_and_a_yaml_make_a_row(bakeoff: Bakeoff, arena: Path) -> None:
    module, values = arena / "methods/calibration/median.py", arena / "configs/method/calibration/median.yaml"
    for path, text in ((module, block("python")), (values, block("yaml"))):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    values.write_text(values.read_text().replace("methods.calibration.median", "methods.urns.median"))
    module.rename(arena / "methods/urns/median.py")  # the package methods.calibration is that of the project
    said = bakeoff(
        "run", "-m", "method=calibration/median", "task=calibration/docstring_topics", "scale=tiny", "seed=0,1"
    )
    assert said.code == 0, said.err
    (row,) = json.loads(bakeoff("leaderboard", "format=json").out)["rows"]
    assert (row["method"], row["n"]) == ("calibration/median", 2)
    assert row["metrics"]["accuracy"]["value"] > 0
