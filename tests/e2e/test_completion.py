"""Completion of verbs, keys and names, by a real bash."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runners.completion import candidates

TOP = Path(__file__).resolve().parents[2]


def completed(line: str, tmp_path: Path) -> list[str]:
    """What bash would offer behind a line."""
    program = tmp_path / "bakeoff"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m runners.cli "$@"\n')
    program.chmod(0o755)
    script = (
        'source <(bakeoff completion); compopt() { :; }; COMP_LINE="$1"; COMP_POINT=${#COMP_LINE}; _bakeoff; '
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(TOP)}
    said = subprocess.run(
        ["bash", "-c", script, "bash", line], capture_output=True, text=True, env=environment, check=True
    )
    return said.stdout.split()


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("bakeoff lea", ["leaderboard"]),
        ("bakeoff run meth", ["method="]),
        ("bakeoff run method=calibration/lin", ["calibration/linc"]),
        ("bakeoff run method=calibration/linc task=calibration/subj", ["calibration/subj", "calibration/subj_orders"]),
        ("bakeoff run experiment=qui", ["quick"]),
        ("bakeoff info calibration/linc", ["calibration/linc"]),
        ("bakeoff claims paper=distillm", ["distillm"]),
        ("bakeoff leaderboard arena=trans", ["transfer_rates"]),
        ("bakeoff run scale=t", ["tiny"]),
        ("bakeoff zzz", []),
    ],
)
def test_what_comes_next_is_offered(tmp_path: Path, line: str, wanted: list[str]) -> None:
    assert set(wanted) <= set(completed(line, tmp_path))
    assert bool(wanted) == bool(completed(line, tmp_path))


def test_every_verb_and_every_method_can_be_completed() -> None:
    assert {"run", "doctor", "replay"} <= set(candidates("bakeoff "))
    assert "distillation/distillm" in candidates("bakeoff run method=")
