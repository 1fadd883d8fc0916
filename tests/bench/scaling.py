"""Times cells that keep a core busy, with one worker and with two. Run it with `make bench-scaling`, on a machine that
does nothing else.
"""

from __future__ import annotations

import argparse
import datetime
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # as a script this file sees only its own folder

from results.record import Record, Status
from results.store import Store
from tests.bench.throwaway import CELL, bakeoff, workshop

RATIO, SHARE = 1.85, 0.02  # limits: speed with two workers against one, the harness's share of the wall time

METHOD = """
from dataclasses import dataclass
from methods.base import Method, Run
from tasks.urns import Urn

@dataclass(frozen=True, kw_only=True)
class Spin(Method):
    loops: int

    def solve(self, problem: Urn, run: Run) -> float:
        total = 0
        for step in range(self.loops):
            total += step % 7
        return total % 2
"""
VALUES = """
_target_: methods.urns.spin.Spin
loops: {loops}
card: {{version: 1, role: baseline, fidelity: none, title: keeps a core busy, source: none}}
"""
SPIN = "total = 0\nfor step in range({loops}):\n    total += step % 7\n"


def loops_for(wanted: float) -> int:
    """How many steps of the loop take so many seconds here."""
    loops = 2_000_000
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"def spin():\n    {_indented(loops)}\nspin()"], check=True)
    return int(loops * wanted / (time.perf_counter() - start))


def machine(loops: int) -> float:
    """How much faster two bare processes are than one after the other: what no harness can exceed."""
    words = [sys.executable, "-c", f"def spin():\n    {_indented(loops)}\nspin()"]
    start = time.perf_counter()
    for _ in range(2):
        subprocess.run(words, check=True)
    single = time.perf_counter() - start
    start = time.perf_counter()
    for process in [subprocess.Popen(words) for _ in range(2)]:
        process.wait()
    return single / (time.perf_counter() - start)


def _indented(loops: int) -> str:
    return SPIN.format(loops=loops).replace("\n", "\n    ")


def sweep(folder: Path, cells: int, jobs: int, repeat: int) -> tuple[float, list[Record]]:
    """Wall time of a sweep, and its records."""
    outputs = f"{folder}/{cells}-{jobs}-{repeat}"
    words = (*CELL[1:], "method=urns/spin", f"seed=range(0,{cells})", f"n_jobs={jobs}", f"outputs={outputs}")
    wall = bakeoff(folder, *words)
    store = Store(f"{outputs}/store.sqlite")
    try:
        records = store.records()
    finally:
        store.close()
    if len(records) != cells or {record.status for record in records} != {Status.OK}:
        raise RuntimeError(f"{len(records)} of {cells} cells ended, {[record.reason for record in records]}")
    return wall, records


def harness_share(records: list[Record]) -> float:
    """What part of the time between a worker's first start and its last end went into no phase of any attempt.

    Records do not say which worker made them, so that each goes to the one that was free last before it began.
    """
    ends: list[datetime.datetime] = []
    begun: list[datetime.datetime] = []
    for record in sorted(records, key=lambda record: record.started):
        start, end = (datetime.datetime.fromisoformat(text) for text in (record.started, record.ended))
        free = [place for place, last in enumerate(ends) if last <= start]
        if free:
            ends[max(free, key=lambda place: ends[place])] = end
        else:
            begun.append(start)
            ends.append(end)
    held = sum((end - start).total_seconds() for start, end in zip(begun, ends, strict=True))
    return 1 - sum(sum(record.seconds.values()) for record in records) / held


def main() -> int:
    """Print the table; the exit code says whether both limits were kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, nargs=2, default=(4, 12), metavar=("FEW", "MANY"))
    parser.add_argument("--seconds", type=float, default=1.0, help="of each cell")
    parser.add_argument("--repeats", type=int, default=3, help="the fastest of each counts")
    given = parser.parse_args()
    few, many = given.cells
    loops = loops_for(given.seconds)
    walls: dict[tuple[int, int], float] = {}
    shares: dict[int, float] = {}
    with workshop() as folder:
        (folder / "plugins/methods/urns/spin.py").write_text(METHOD)
        (folder / "plugins/configs/method/urns/spin.yaml").write_text(VALUES.format(loops=loops))
        for jobs in (1, 2):
            for cells in (few, many):
                runs = [sweep(folder, cells, jobs, repeat) for repeat in range(given.repeats)]
                walls[cells, jobs] = min(wall for wall, _ in runs)
                shares[jobs] = min(harness_share(records) for _, records in runs)
    each = {jobs: (walls[many, jobs] - walls[few, jobs]) / (many - few) for jobs in (1, 2)}
    print(f"{'workers':>8s} {f'{few} cells':>10s} {f'{many} cells':>10s} {'each':>8s} {'harness':>8s}")
    for jobs in (1, 2):
        print(f"{jobs:8d} {walls[few, jobs]:8.2f} s {walls[many, jobs]:8.2f} s {each[jobs]:6.3f} s {shares[jobs]:8.2%}")
    ratio = each[1] / each[2]
    whole = walls[many, 1] / walls[many, 2]
    print(f"two workers are {ratio:.3f} times as fast, the start left out (limit {RATIO}); with it {whole:.3f}")
    print(f"two bare processes are {machine(loops):.3f} times as fast as one on this machine")
    print(f"the harness takes {shares[2]:.2%} of the wall time with two workers (limit {SHARE:.0%})")
    return 0 if ratio >= RATIO and shares[2] < SHARE else 1


if __name__ == "__main__":
    sys.exit(main())
