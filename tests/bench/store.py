"""Times a SQLite store of a million attempts. Run it with `python tests/bench/store.py [attempts]`.

Needs about 6 GB in the temporary folder for a million. The limits are for a million; they hold for fewer as well.
"""

from __future__ import annotations

import hashlib
import itertools
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from results.leaderboard import leaderboards
from results.leases import Leases
from results.record import Record, Status
from results.store import Store

ATTEMPTS = 1_000_000
METHODS, SEEDS = 20, 500
BATCH = 1000
STRIDE = 7919  # a prime: each attempt comes once
LIMITS = {
    "insert, attempts a second": 5000.0,  # at least; all others at most
    "heads and board of one task, s": 1.0,
    "done of 10,000 cells, s": 2.0,
    "known of 10,000 names, s": 2.0,
    "timings of a method on a task, s": 0.1,
    "claim of 10,000 cells, s": 1.0,
    "open the store, s": 0.5,
    "peak memory, MiB": 1024.0,
}
LOGGED = ("train_loss", "validation_loss", "learning_rate", "gradient_norm")
PACKAGES = (
    "bakeoff",
    "numpy",
    "scipy",
    "scikit-learn",
    "torch",
    "transformers",
    "tokenizers",
    "hydra-core",
    "omegaconf",
)


def attempt(moment: int, attempts: int) -> Record:
    """A made-up attempt that says as much as a real one. All tasks and methods arrive mixed, as from many machines."""
    number = moment * STRIDE % attempts
    rest, seed = divmod(number, SEEDS)
    task, method = divmod(rest, METHODS)
    draw = random.Random(number)
    names = f"arena/task_{task:03d}", f"arena/method_{method:02d}"
    cell = hashlib.blake2b(repr((names, seed)).encode(), digest_size=16).hexdigest()
    ended = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=moment)
    ok = draw.random() > 0.02
    loss = 0.4 + 0.01 * method + draw.gauss(0, 0.02)
    return Record(
        id=f"{cell[:10]}-{draw.getrandbits(32):08x}",
        cell=cell,
        identity=identity(names, seed, cell),
        settings={"threads": 4, "launcher": "processes", "workers": 2, "alone": False, "outputs": "outputs",
                  "profile": {"accelerator": "cpu", "devices": 1, "precision": "32-true", "threads": 4}},
        arena="arena", task=names[0], method=names[1], problem="LabelledProbabilities", scale="laptop",
        hardware="cpu", protocol="paper values", seed=seed, method_version=1, task_version=1,
        role="paper", fidelity="code", status=Status.OK if ok else Status.FAILED,
        reason="" if ok else "RuntimeError: the matrix is singular", phase="" if ok else "solve", rank_metric="loss",
        started=(ended - timedelta(seconds=9)).isoformat(timespec="milliseconds"),
        ended=ended.isoformat(timespec="milliseconds"),
        metrics={"loss": loss, "accuracy": 1 - loss, "calibration_error": loss / 7, "brier": loss / 3} if ok else {},
        metric_info={name: {"unit": "", "direction": "higher" if name == "accuracy" else "lower"}
                     for name in ("loss", "accuracy", "calibration_error", "brier")},
        cost={"solve": {"forward_passes": 128, "labels": 64, "tokens": 8192}, "use": {"forward_passes": 512}},
        limits={"solve": {"labels": 64}},
        seconds={"prepare": 0.01, "solve": draw.uniform(1, 9), "evaluate": draw.uniform(0.1, 0.9)},
        peak_memory_mib=draw.uniform(300, 900),
        curve=[{"seconds": draw.uniform(0, 9), "cost": {"labels": 8 * step}, "metrics": {"loss": draw.random()}}
               for step in range(5)],
        logs={name: [[step, draw.uniform(0, 9), draw.random()] for step in range(4)] for name in LOGGED},
        preparations={"model": {"key": cell[::-1], "digest": cell, "seconds": 31.25, "cost": {"tokens": 1_000_000}}},
        provenance={
            "code": {"commit": cell + cell[:8], "dirty": False}, "python": "3.12.1", "cores": 8,
            "packages": dict.fromkeys(PACKAGES, "1.2.3"), "platform": "Linux-6.1.0-x86_64-with-glibc2.36",
            "processor": "A processor of 2.40 GHz", "fingerprints": {"method": cell, "task": cell[::-1]},
        },
    )  # fmt: skip


def identity(names: tuple[str, str], seed: int, key: str) -> dict[str, Any]:
    """What would be hashed into the cell."""
    model = {"name": "small", "layers": 4, "width": 128, "heads": 4, "vocabulary": 4096, "steps": 1000, "rate": 3e-4}
    return {
        "method": {"name": names[1], "version": 1, "neighbours": 3, "temperature": 0.07, "rate": 1e-3, "steps": 200,
                   "schedule": {"kind": "cosine", "warmup": 0.1, "floor": 0.0}},
        "task": {"name": names[0], "version": 1, "shots": 8, "rows": 512, "prompts": 4, "model": model,
                 "data": {"source": "docstrings", "test": 0.5, "shuffle": True}},
        "preparations": {"model": key[::-1]},
        "hardware": {"accelerator": "cpu", "devices": 1, "precision": "32-true", "deterministic": True},
        "scale": "laptop", "protocol": "paper values", "seed": seed,
    }  # fmt: skip


def insert(store: Store, attempts: int) -> float:
    """Fill the store; returns attempts a second, the making of the records not counted."""
    spent, numbers = 0.0, iter(range(attempts))
    while batch := [attempt(number, attempts) for number in itertools.islice(numbers, BATCH)]:
        start = time.perf_counter()
        if store.add(batch) != len(batch):
            raise RuntimeError("an attempt was there before")
        spent += time.perf_counter() - start
    return attempts / spent


def seconds(work: Callable[[], object]) -> float:
    """The shortest of three times."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def measure(place: str, attempts: int) -> Iterator[tuple[str, float]]:
    """What was measured, and how much it was, one after the other."""
    store = Store(place)
    yield "insert, attempts a second", insert(store, attempts)
    middle = attempt(attempts // 2, attempts)
    some = [attempt(number, attempts) for number in random.Random(0).sample(range(attempts), min(attempts, 10_000))]
    cells, names = [record.cell for record in some], [record.id for record in some]
    yield "heads and board of one task, s", seconds(lambda: leaderboards(store.heads(task=middle.task)))
    yield "done of 10,000 cells, s", seconds(lambda: store.done(cells))
    yield "known of 10,000 names, s", seconds(lambda: store.known(names))
    work = middle.method, middle.task, middle.scale
    yield "timings of a method on a task, s", seconds(lambda: store.timings(*work))
    yield "claim of 10,000 cells, s", claim(store, cells)
    store.close()
    yield "open the store, s", seconds(lambda: Store(place).close())
    yield "peak memory, MiB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def claim(store: Store, cells: Sequence[str]) -> float:
    """Seconds to claim cells that nobody holds."""
    leases = Leases(store)
    sweep = leases.begin(command="a benchmark", outputs="none", total=len(cells))
    start = time.perf_counter()
    leases.claim(sweep, cells)
    spent = time.perf_counter() - start
    leases.end(sweep, {})
    return spent


def main(attempts: int) -> int:
    """Print a table; the exit code says whether all limits were kept."""
    kept = True
    record = attempt(1, attempts)
    print(f"{attempts:,} attempts of {len(record.to_json()):,} characters each\n")
    print(f"{'what':34s} {'measured':>10s} {'limit':>10s}")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "store.sqlite"
        for what, amount in measure(str(place), attempts):
            limit = LIMITS[what]
            good = amount >= limit if what.startswith("insert") else amount <= limit
            kept &= good
            print(f"{what:34s} {amount:10.4g} {limit:10.4g}{'' if good else '  not kept'}", flush=True)
        print(f"\nsize of the file: {place.stat().st_size / 1e9:.2f} GB")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else ATTEMPTS))
