"""Peak memory and seconds of one hyper-gradient for a million hyperparameters, each in a fresh process: plain training,
implicit differentiation by a Neumann series, and unrolling. Run it with `make bench-bilevel-size`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # as a script this file sees only its own folder

import numpy as np

from runners import catalog
from runners.build import build
from runners.hardware import Hardware, PeakMemory
from runners.run import AttemptRun, Offers
from tasks.bilevel import UNITS, SingleStep, Solution
from tasks.bilevel.oracles import pose, unchanged
from tasks.bilevel.tables import Source
from tasks.bilevel.wide import WideDecayStep

METHODS = ("alternating", "ift_million_hyperparameters", "unrolled")
SIZES, STEPS = (10_000, 100_000), (20, 100)  # features, a tenth of the hyperparameters; lower steps, terms
ENDLESS = 1e9


def task(features: int) -> WideDecayStep:
    """A step in ten times as many weight decays."""
    prices = dict.fromkeys(UNITS, 1.0)
    return WideDecayStep(
        name="bilevel/size",
        version=1,
        source=Source.DIGITS,
        pool=1,
        train=20,
        validation=20,
        features=features,
        start=-1.0,
        spread=0.5,
        prices=prices,
        budget=ENDLESS,
    )


def measured(name: str, features: int, steps: int) -> dict[str, float]:
    """One attempt in this process: hyperparameters, MiB before it and at most, seconds, and how far x moved."""
    memory = PeakMemory()
    posed = task(features)
    problem = pose(SingleStep, posed.landscape(0), posed.prices, ENDLESS, outer_steps=1, tangent=unchanged)
    method: Any = build(catalog.find("method", f"bilevel/{name}").values, object, name)
    changed = {"steps": steps} | ({"terms": steps} if hasattr(method, "terms") else {})
    limits = {"time_limit": None, "memory_limit": None, "device_memory_limit": None}
    profile = Hardware(accelerator="cpu", devices=1, precision="32-true", threads=1, deterministic=False, **limits)
    with profile.applied():
        run = AttemptRun(np.random.default_rng(0), problem.ledger, profile, Path(), offers=Offers())
        before, start = memory.mib() or 0.0, time.perf_counter()
        answer: Solution = replace(method, **changed).solve(problem, run)
        seconds = time.perf_counter() - start
    moved = float((answer.upper - problem.upper_start).norm())
    return {
        "hyperparameters": len(answer.upper),
        "before": before,
        "peak": memory.mib() or 0.0,
        "seconds": seconds,
        "moved": moved,
    }


def apart(name: str, features: int, steps: int) -> dict[str, float]:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--method", name, "--features", str(features), "--steps", str(steps)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", choices=METHODS, help="measure this one here, and print JSON")
    parser.add_argument("--features", type=int, default=SIZES[-1])
    parser.add_argument("--steps", type=int, default=STEPS[0])
    asked = parser.parse_args()
    if asked.method:
        print(json.dumps(measured(asked.method, asked.features, asked.steps)))
        return
    print("| method | hyperparameters | steps | MiB before | MiB at most | seconds |")
    print("| --- | --- | --- | --- | --- | --- |")
    for features in SIZES:
        for steps in STEPS:
            for name in METHODS:
                row = apart(name, features, steps)
                sizes = f"{row['hyperparameters']:,} | {steps} | {row['before']:.0f} | {row['peak']:.0f}"
                print(f"| {name} | {sizes} | {row['seconds']:.1f} |", flush=True)


if __name__ == "__main__":
    main()
