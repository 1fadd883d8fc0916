"""Times what the harness itself takes for a cell in which nothing happens, beside benchopt and plain Hydra. Run it
with `make bench-overhead`, on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # as a script this file sees only its own folder

from tests.bench.throwaway import CELL, Slope, bakeoff, cache, seconds, slope, workshop

PEERS = Path(__file__).resolve().parent / "peers"
EXTRA, DONE = 5.0, 0.2  # limits in milliseconds: per extra cell with two workers, per cell that is there already

Line = tuple[str, Slope | str, float | None]  # what, how long or why not, the limit in milliseconds


def extra_cells(folder: Path, jobs: int) -> Callable[[int], float]:
    """Seconds of a sweep over so many new cells."""
    fresh = itertools.count()

    def measure(count: int) -> float:
        outputs = f"outputs={folder}/extra-{jobs}-{next(fresh)}"
        return bakeoff(folder, *CELL, f"seed=range(0,{count})", f"n_jobs={jobs}", outputs)

    return measure


def done_cells(folder: Path) -> Callable[[int], float]:
    """Seconds of a sweep over so many cells that have all been run before."""
    ready: set[int] = set()

    def measure(count: int) -> float:
        words = (*CELL, f"seed=range(0,{count})", "n_jobs=2", f"outputs={folder}/done-{count}")
        if count not in ready:
            bakeoff(folder, *words)
            ready.add(count)
        return bakeoff(folder, *words)

    return measure


def benchopt_runs(folder: Path, jobs: int) -> Callable[[int], float]:
    """Seconds of benchopt for so many new runs of two solvers."""
    program, fresh = benchopt(), itertools.count()

    def measure(count: int) -> float:
        place = folder / f"benchopt-{jobs}-{next(fresh)}"
        shutil.copytree(PEERS / "benchopt_noop", place)
        halves = {"first": count // 2, "second": count - count // 2}
        chosen = [f"{name}[number={list(range(half))}]" for name, half in halves.items()]
        words = [str(program), "run", str(place), *(word for one in chosen for word in ("-s", one))]
        return seconds([*words, "-j", str(jobs), "--no-plot", "--no-display", "--output", "out"], folder)

    return measure


def benchopt() -> Path:
    """benchopt's command, in a virtual environment of its own that is made where it is not there.

    Raises:
        RuntimeError: it cannot be installed.
    """
    place = cache() / "benchopt"
    program = place / "bin" / "benchopt"
    if not program.exists():
        venv.create(place, with_pip=True, clear=True)
        pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        installed = subprocess.run([*pip, "benchopt==1.10.*"], capture_output=True, text=True)
        if installed.returncode or not program.exists():
            last = (installed.stderr.strip().splitlines() or ["pip said nothing"])[-1]
            raise RuntimeError(f"benchopt cannot be installed: {last}")
    return program


def hydra_jobs(folder: Path) -> Callable[[int], float]:
    """Seconds of Hydra's own sweeper and launcher for so many jobs."""
    fresh = itertools.count()

    def measure(count: int) -> float:
        place = folder / f"hydra-{next(fresh)}"
        place.mkdir()
        return seconds([sys.executable, str(PEERS / "hydra_noop.py"), "-m", f"+number=range(0,{count})"], place)

    return measure


def measurements(folder: Path, given: argparse.Namespace) -> Iterator[Line]:
    """One line of the table after the other."""
    for jobs in (1, 2):
        limit = EXTRA if jobs == 2 else None
        measured = slope(extra_cells(folder, jobs), given.cells, given.repeats)
        yield f"bakeoff, an extra cell, {jobs} worker{'s' if jobs > 1 else ''}", measured, limit
    yield "bakeoff, a cell that is done", slope(done_cells(folder), given.done, given.repeats), DONE
    for jobs in (1, 2):
        name = f"benchopt 1.10, an extra run, {jobs} worker{'s' if jobs > 1 else ''}"
        try:
            yield name, slope(benchopt_runs(folder, jobs), given.peers, given.repeats), None
        except RuntimeError as error:
            yield name, " ".join(str(error).split())[:200], None
    yield "Hydra 1.3 multirun, an extra job", slope(hydra_jobs(folder), given.peers, given.repeats), None


def main() -> int:
    """Print the table; the exit code says whether all limits were kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, numbers in (("cells", (20, 420)), ("done", (200, 4200)), ("peers", (5, 45))):
        parser.add_argument(f"--{name}", type=int, nargs=2, default=numbers, metavar=("FEW", "MANY"))
    parser.add_argument("--repeats", type=int, default=3)
    kept = True
    print(f"{'':38s} {'cells':>12s} {'ms each':>9s} {'least':>9s} {'most':>9s}  limit")
    with workshop() as folder:
        for name, found, limit in measurements(folder, parser.parse_args()):
            if isinstance(found, str):
                print(f"{name:38s} {found}")
                continue
            median, low, high = (1000 * value for value in (found.median, found.low, found.high))
            good = limit is None or median <= limit
            kept &= good
            verdict = "" if limit is None else f"{limit:g} ms{'' if good else ', not kept'}"
            line = f"{name:38s} {f'{found.few} to {found.many}':>12s} {median:9.3f} {low:9.3f} {high:9.3f}  {verdict}"
            print(line.rstrip(), flush=True)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
