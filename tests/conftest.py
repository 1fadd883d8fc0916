"""Fixtures that several folders of tests share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "500")  # as the command does; must come before torch is loaded

import pytest
from hypothesis import settings

import methods
import tasks
from methods.base import Method, Reference
from results.record import Record
from runners import catalog
from runners.attempt import Attempt
from runners.cards import MethodCard, TaskCard
from runners.hardware import Hardware
from runners.pair import Choice, Pair
from tasks.base import Board, Task
from tasks.data import DataMissing

settings.register_profile("bakeoff", deadline=None, derandomize=True)  # a busy machine or a new draw fails no commit
settings.load_profile("bakeoff")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """A test whose data set is not on this machine is skipped, with the sentence that says how to get it."""
    try:
        return (yield)
    except DataMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of its own for the whole session, shared by parallel workers. Nothing is downloaded."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BAKEOFF_CACHE", str(folder))
        patch.setenv("BAKEOFF_OFFLINE", "1")
        patch.delenv("BAKEOFF_STORE", raising=False)
        yield folder


@pytest.fixture(scope="session")
def one_core() -> Hardware:
    """The hardware profile of every test: one thread of this processor."""
    return Hardware(
        accelerator="cpu",
        devices=1,
        precision="32-true",
        threads=1,
        deterministic=True,
        time_limit=None,
        memory_limit=None,
        device_memory_limit=None,
    )


@pytest.fixture
def make_pair(one_core: Hardware) -> Callable[..., Pair]:
    """A pair of two records, without any YAML."""

    def make(method: Method | Reference, task: Task, rank: str, name: str = "toy/method") -> Pair:
        choice = Choice(name, task.name, "one_core", "tiny", {})
        method_card = MethodCard(role="baseline", version=1, fidelity="none", title="a toy")
        task_card = TaskCard(version=task.version, rank=rank, title="a toy", scales={"laptop": {}})
        return Pair(choice, method, task, method_card, task_card, "Problem", one_core, one_core)

    return make


@pytest.fixture
def execute(make_pair: Callable[..., Pair], tmp_path: Path) -> Callable[..., Record]:
    """Run one cell through the real attempt: method, task, board, and optionally a seed and a name."""

    def run(method: Method | Reference, task: Task, board: Board, seed: int = 0, name: str = "toy/method") -> Record:
        pair = make_pair(method, task, board.metrics[0].name, name)
        return Attempt(pair, seed, board, {}, tmp_path).execute()

    return run


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], Path]]:
    """Write files of a throw-away project: `methods/..`, `tasks/..` can be imported, `configs/..` is the catalogue."""
    root = tmp_path / "plugins"
    for package in (methods, tasks):
        folder = root / package.__name__
        folder.mkdir(parents=True)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    monkeypatch.setattr(catalog, "config_roots", lambda: (root / "configs",))
    before = set(sys.modules)

    def write(place: str, text: str) -> Path:
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    yield write
    for name in set(sys.modules) - before:
        _forget(name, root)


def _forget(name: str, root: Path) -> None:
    module: Any = sys.modules[name]
    places = [str(getattr(module, "__file__", "") or ""), *map(str, getattr(module, "__path__", []))]
    if any(place.startswith(str(root)) for place in places):
        del sys.modules[name]
        parent, _, child = name.rpartition(".")
        if parent in sys.modules:
            vars(sys.modules[parent]).pop(child, None)
