"""A report over 10,000 attempts of 100 methods: seconds, memory, and the size of the front page."""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from results.record import Record, Status
from results.store import Store
from runners.cli import main

METHODS, TASKS, SEEDS = 100, 10, 10
POINTS = 50  # of each of two logged curves


def record(method: int, task: int, seed: int, rng: np.random.Generator) -> Record:
    """An attempt as a real one would be: with logs, a curve of offers and provenance; one in fifty failed."""
    name, place = f"toys/method_{method:03d}", f"toys/task_{task}"
    failed = rng.random() < 0.02
    score = float(0.4 + 0.004 * method + 0.02 * task + 0.03 * rng.standard_normal())
    steps = np.linspace(0, 1000, POINTS)
    loss = np.exp(-steps / (200 + method)) + 0.02 * rng.standard_normal(POINTS)
    values = {"lr": 0.1, "steps": 1000, "schedule": {"kind": "cosine", "warmup": 0.05}}
    base: dict[str, Any] = {
        "identity": {
            "method": {"name": name, "version": 1, "_target_": f"methods.toys.m{method}.M"} | values,
            "task": {"name": place, "version": 1, "size": 100, "recipe": values},
            "preparations": {"model": f"key{task}"},
            "hardware": {"accelerator": "cpu", "devices": 1, "precision": "32-true", "deterministic": True},
            "scale": "laptop",
            "protocol": "paper values",
            "seed": seed,
        },
        "settings": {"launcher": "", "threads": 2, "alone": True, "workers": 1, "overrides": []},
        "metrics": {} if failed else {"accuracy": score, "nll": 2 - score, "ece": 0.1 + 0.1 * score},
        "metric_info": {
            "accuracy": {"unit": "share", "direction": "higher"},
            "nll": {"unit": "nats", "direction": "lower"},
            "ece": {"unit": "share", "direction": "lower"},
        },
        "cost": {"solve": {"gradients": 1000.0 + 10 * method, "labels": 100.0}, "use": {"calls": 300.0}},
        "seconds": {"problem": 0.1, "solve": 1.0 + 0.01 * method, "evaluate": 0.2},
        "peak_memory_mib": 300.0 + method,
        "logs": {
            "loss": [[s, s / 500, v] for s, v in zip(steps.tolist(), loss.tolist(), strict=True)],
            "rate": [[s, s / 500, 0.1 * (1 - s / 1001)] for s in steps.tolist()],
        },
        "curve": [
            {
                "seconds": k * 0.2,
                "cost": {"solve": {"gradients": 200.0 * k}, "use": {}},
                "metrics": {"accuracy": score * k / 6},
            }
            for k in range(1, 7)
        ],
        "provenance": {
            "code": {"commit": "0" * 40, "dirty": False},
            "python": "3.11.2",
            "processor": "a processor",
            "cores": 2,
            "packages": {"numpy": "2", "torch": "2"},
            "fingerprints": {"method": f"m{method}", "task": f"t{task}"},
        },
        "traceback": "Traceback (most recent call last):\n  ...\nRuntimeError: no luck" if failed else "",
    }
    return Record(
        id=f"{method:03d}{task:02d}{seed:03d}-{rng.integers(2**32):08x}",
        cell=f"{method}-{task}-{seed}",
        arena="toys",
        task=place,
        method=name,
        problem="Toy",
        scale="laptop",
        hardware="cpu",
        protocol="paper values",
        seed=seed,
        method_version=1,
        task_version=1,
        role="paper" if method % 2 else "baseline",
        fidelity="none",
        status=Status.FAILED if failed else Status.OK,
        reason="RuntimeError: no luck" if failed else "",
        phase="solve" if failed else "",
        rank_metric="accuracy",
        started="2026-01-01T00:00:00+00:00",
        ended=f"2026-01-01T00:00:{seed:02d}+00:00",
        **base,
    )


def bench() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", type=int, default=METHODS)
    parser.add_argument("--keep", type=Path, help="a folder that the site is left in")
    words = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"{folder}/store.sqlite")
        count = store.add(
            record(m, t, s, rng) for m in range(words.methods) for t in range(TASKS) for s in range(SEEDS)
        )
        store.close()
        out = words.keep or Path(folder) / "site"
        began = time.perf_counter()
        code = main(["report", f"out={out}", f"store={folder}/store.sqlite"])
        seconds = time.perf_counter() - began
        used = [resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        front = (out / "index.html").stat().st_size / 1e3
        files = [path.stat().st_size for path in out.rglob("*") if path.is_file()]
        print(f"{count} attempts, {words.methods} methods: {seconds:.1f} s (limit 20)")
        print(f"memory: {used[0]:.0f} MiB, and {used[1]:.0f} in the largest of its processes (limit 1024 in all)")
        print(f"front page {front:.0f} kB (limit 1000); {len(files)} files, {sum(files) / 1e6:.0f} MB")
    return code


if __name__ == "__main__":
    sys.exit(bench())
