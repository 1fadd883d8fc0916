"""Fixtures of the end-to-end tests: a tiny arena of its own, run by the real command.

The arena is written into a folder that looks like the project's own (`configs/`, `methods/`, `tasks/`), and Python is
told to look there too, so that nothing of it is in the catalogue of the project.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import configs
import methods
import tasks
from runners import cli

ARENA = '''
from dataclasses import dataclass
from tasks.base import Arena, Board, Direction, Metric, Problem
from tasks.metering import Oracle

@dataclass(frozen=True, kw_only=True)
class Urn(Problem):
    """Draws from a normal law of unknown mean."""
    draw: Oracle[float]

@dataclass(frozen=True, kw_only=True)
class Sealed(Problem):
    """Nothing can be drawn."""

ERROR = Metric("error", "", Direction.LOWER, "distance to the mean")
ARENA = Arena("Where is the mean?", "the draws", (
    Board(Urn, "a number", (ERROR, Metric("guess", "", Direction.NONE, "the answer"))),
    Board(Sealed, "a number", (ERROR,)),
))
'''

TASK = '''
from dataclasses import dataclass
from tasks.base import Invalid, Task
from tasks.metering import Ledger, Limit, Oracle
from tasks.urns import Sealed, Urn

@dataclass(frozen=True, kw_only=True)
class Draws(Task):
    """Draws are metered."""
    budget: int
    spread: float

    def problem(self, seed: int) -> Urn:
        mean, ledger = self.stream(seed).normal(), Ledger(Limit("draws", self.budget))
        oracle = Oracle(ledger, "draws", lambda rng: mean + self.spread * rng.normal(), noise=f"urn {seed}")
        return Urn(ledger=ledger, draw=oracle)

    def evaluate(self, solution, seed, run):
        if solution > 1e6:
            raise Invalid("the answer is absurd")
        run.ledger.spend("looks")
        return {"error": abs(solution - self.stream(seed).normal()), "guess": solution}

    def validate(self, solution, seed, run):
        return {"error": abs(solution - self.stream(seed).normal() - 0.1 * self.stream(seed, "validation").normal())}

    def trivial(self, seed):
        return 0.0

    def best(self, seed):
        return float(self.stream(seed).normal())

@dataclass(frozen=True, kw_only=True)
class Closed(Task):
    """Nothing to draw."""

    def problem(self, seed: int) -> Sealed:
        return Sealed()

    def evaluate(self, solution, seed, run):
        return {"error": abs(solution)}

    def trivial(self, seed):
        return 1.0
'''

METHOD = '''
import ctypes
import os
import signal
import time
from dataclasses import dataclass
import numpy as np
from methods.base import Diverged, Method, NotApplicable, Run
from tasks.urns import Urn

@dataclass(frozen=True, kw_only=True)
class Mean(Method):
    """The mean of what was drawn."""
    draws: int
    lr: float
    trouble: str

    def __post_init__(self):
        if self.trouble == "unsendable":
            object.__setattr__(self, "secret", lambda: None)

    def solve(self, problem: Urn, run: Run) -> float:
        values = []
        if self.trouble == "raise":
            raise RuntimeError("no such luck")
        if self.trouble == "talks":
            print("said by Python")
            os.system("echo said by a child >&2")
        if self.trouble == "skip":
            raise NotApplicable("the urn is of the wrong colour")
        if self.trouble == "stop":
            raise KeyboardInterrupt
        if self.trouble == "segfault":
            ctypes.string_at(0)
        if self.trouble == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.trouble == "leaves":
            os._exit(0)
        if self.trouble == "swallows":
            try:
                while True:
                    time.sleep(0.05)
            except KeyboardInterrupt:
                return 0.0
        if self.trouble == "memory":
            hoard = np.ones(2**29)  # 4 GiB
            time.sleep(20 + hoard[0])
        while self.trouble == "loop":
            pass
        while self.trouble == "deaf":
            try:
                time.sleep(60)
            except BaseException:
                continue
        if self.trouble == "resume":
            values = (run.restore() or {"values": []})["values"]
        for step in range(len(values), self.draws):
            if self.trouble in ("slow", "resume"):
                time.sleep(0.1)
            values.append(problem.draw())
            run.progress(step + 1, self.draws)
            run.log("value", values[-1])
            if self.trouble == "resume":
                run.checkpoint({"values": values})
            run.offer(sum(values) / len(values))
        if self.trouble == "nan":
            return float("nan")
        return 1e9 if self.trouble == "absurd" else sum(values) / len(values)
'''

TASK_YAML = """
_target_: tasks.urns.urns.Draws
budget: 20
spread: 1.0
card: {version: 1, rank: error, title: a metered urn, scales: {tiny: {budget: 3}, laptop: {}}, axes: {spread: [1, 2]}}
"""
CLOSED_YAML = """
_target_: tasks.urns.urns.Closed
card: {version: 1, rank: error, title: a closed urn, scales: {tiny: {}, laptop: {}}}
"""
METHOD_YAML = """
_target_: methods.urns.mean.Mean
draws: DRAWS
lr: 0.1
trouble: TROUBLE
card: {version: 1, role: baseline, fidelity: none, title: TITLE, source: textbook}
"""


def write_arena(root: Path) -> None:
    """Write the arena's files below `root`."""
    files = {
        "tasks/urns/__init__.py": ARENA,
        "tasks/urns/urns.py": TASK,
        "methods/urns/__init__.py": "",
        "methods/urns/mean.py": METHOD,
        "configs/task/urns/draws.yaml": TASK_YAML,
        "configs/task/urns/closed.yaml": CLOSED_YAML,
    }
    for name, draws, trouble in (
        ("mean", 10, "none"),
        ("single", 1, "none"),
        ("greedy", 50, "none"),
        ("broken", 1, "raise"),
        ("picky", 1, "skip"),
        ("absurd", 1, "absurd"),
        ("lost", 1, "nan"),
        ("stopped", 1, "stop"),
    ):
        text = METHOD_YAML.replace("DRAWS", str(draws)).replace("TROUBLE", trouble).replace("TITLE", f"the {name}")
        files[f"configs/method/urns/{name}.yaml"] = text
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@dataclass
class Said:
    """What one command said."""

    code: int
    out: str
    err: str


@pytest.fixture
def arena(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The tiny arena beside the project's own, and an empty working folder."""
    root = tmp_path / "plugins"
    write_arena(root)
    for package in (configs, methods, tasks):
        package.__path__.append(str(root / package.__name__))  # the list that the package's spec holds too
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.delenv("BAKEOFF_STORE", raising=False)
    importlib.invalidate_caches()
    yield root
    for package in (configs, methods, tasks):
        package.__path__.remove(str(root / package.__name__))
    for name in [name for name in sys.modules if name.startswith(("tasks.urns", "methods.urns"))]:
        del sys.modules[name]


@pytest.fixture
def bakeoff(arena: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Runs one command in this process; gives its exit code and what it printed."""

    def call(*words: str) -> Said:
        capfd.readouterr()
        code = cli.main(list(words))
        captured = capfd.readouterr()
        return Said(code, captured.out, captured.err)

    return call


@pytest.fixture
def start(arena: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a command as a process of its own, with the tiny arena in its catalogue."""
    processes = []

    def call(*words: str) -> subprocess.Popen[str]:
        program = (
            "import sys, configs, methods, tasks\n"
            f"[p.__path__.append({str(arena)!r} + '/' + p.__name__) for p in (configs, methods, tasks)]\n"
            f"from runners.cli import main\nsys.exit(main({list(words)!r}))\n"
        )
        command = [sys.executable, "-c", program]
        processes.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ))
        return processes[-1]

    yield call
    for process in processes:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()
