"""What the benchmarks share: a folder on a real disk, a tiny arena in it that fresh processes find, and slopes."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.conftest import write_arena

TOP = Path(__file__).resolve().parents[2]
CACHE = TOP / ".bench"  # git is told to ignore it by a file in it
CELL = ("method=urns/single", "task=urns/draws", "scale=tiny", "hardware=cpu", "hardware.threads=1")

# Python reads a module of this name when it starts, in workers too
_START = """\
import configs, methods, tasks
for package in (configs, methods, tasks):
    package.__path__.append({root!r} + "/" + package.__name__)
"""


def cache() -> Path:
    """The folder for what is kept between benchmarks."""
    CACHE.mkdir(exist_ok=True)
    (CACHE / ".gitignore").write_text("*\n")
    return CACHE


@contextmanager
def workshop() -> Iterator[Path]:
    """An empty folder beside the project, and so on its disk, with the tiny arena in `plugins`."""
    with tempfile.TemporaryDirectory(dir=cache(), prefix="run-") as folder:
        root = Path(folder) / "plugins"
        write_arena(root)
        (Path(folder) / "start").mkdir()
        (Path(folder) / "start" / "sitecustomize.py").write_text(_START.format(root=str(root)))
        yield Path(folder)


def seconds(words: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> float:
    """Wall time of one command in a fresh process.

    Raises:
        RuntimeError: it failed; the message holds what it said.
    """
    start = time.perf_counter()
    done = subprocess.run(
        words, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    taken = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)[:200]} ended with {done.returncode}:\n{done.stdout[-2000:]}")
    return taken


def bakeoff(folder: Path, *words: str) -> float:
    """Wall time of one sweep over the tiny arena."""
    environment = os.environ | {"PYTHONPATH": str(folder / "start"), "BAKEOFF_CACHE": str(folder / "cache")}
    environment.pop("BAKEOFF_STORE", None)
    return seconds([sys.executable, "-P", "-m", "runners.cli", "run", "-m", *words], folder, environment)


@dataclass(frozen=True)
class Slope:
    """Seconds per extra cell: the median over repeats, the least and the most."""

    few: int
    many: int
    median: float
    low: float
    high: float


def slope(measure: Callable[[int], float], sizes: Sequence[int], repeats: int) -> Slope:
    """Seconds per extra cell between a few cells and many, so that whatever a command takes to start drops out."""
    few, many = sizes
    measure(few)  # the first start of a program compiles it and reads it from the disk
    found = [(measure(many) - measure(few)) / (many - few) for _ in range(repeats)]
    return Slope(few, many, statistics.median(found), min(found), max(found))
