"""Sweeps carried by other launchers, with the real engines on this machine."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from results.record import Record, Status
from results.store import Store

Start = Callable[..., subprocess.Popen[str]]  # the fixture: words in, a running command out

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.xdist_group("launchers")]

SWEEP = ("run", "-m", "method=urns/mean,urns/single,urns/broken", "task=urns/draws", "seed=range(0,4)", "hardware=cpu")


def records() -> list[Record]:
    store = Store("outputs/store.sqlite")
    try:
        return store.records()
    finally:
        store.close()


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and what was said of a command, once it has ended."""
    _, err = process.communicate(timeout=180)
    return process.returncode, err


@pytest.mark.parametrize("launcher", ["submitit_local", "joblib"])
def test_cells_are_packed_into_jobs_and_every_record_comes_back(start: Start, launcher: str) -> None:
    code, err = finish(start(*SWEEP, f"hydra/launcher={launcher}", "jobs=2"))
    assert code == 1, err
    found = records()
    assert len(found) == 12, err
    assert {record.status for record in found} == {Status.OK, Status.FAILED}
    assert len({record.cell for record in found}) == 12
    assert {record.settings["launcher"] for record in found} == {
        {"submitit_local": "LocalLauncher", "joblib": "JoblibLauncher"}[launcher]
    }
    _, again = finish(start(*SWEEP, f"hydra/launcher={launcher}", "jobs=2"))
    assert "skipped 8 of 12 cells" in again
    assert len(records()) == 16
    assert not list(Path("outputs/waiting").iterdir())


def test_a_tuned_sweep_hands_out_its_trials_and_then_its_scored_cells(start: Start, arena: Path) -> None:
    path = arena / "configs/method/urns/mean.yaml"
    path.write_text(path.read_text().replace("title:", "search: {draws: [1, 20]}, title:"))
    words = (*SWEEP, "protocol=tuned", "trials=3", "hydra/launcher=submitit_local", "jobs=2")
    code, err = finish(start(*words))
    assert code == 1, err
    assert "left out urns/broken on urns/draws: its one trial did not end ok" in err
    found = records()
    assert [record.protocol for record in found].count("tuning") == 3 + 1 + 1, err
    assert {record.settings["launcher"] for record in found} == {"LocalLauncher"}
    scored = {(r.method, r.seed) for r in found if r.protocol == "tuned, 3 trials" and r.status is Status.OK}
    assert scored == {(method, seed) for method in ("urns/mean", "urns/single") for seed in range(4)}
    finish(start(*words))
    assert len(records()) == len(found)


@pytest.fixture
def two_raylets(arena: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A Ray cluster of a head that runs nothing and two nodes of one core each."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_DEDUP_LOGS", "0")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()  # type: ignore[no-untyped-call]


def test_a_raylet_that_dies_in_mid_sweep_loses_no_cell(two_raylets: Any, start: Start) -> None:
    nodes = [two_raylets.add_node(num_cpus=1) for _ in range(2)]
    two_raylets.wait_for_nodes()
    killed: list[float] = []

    def kill_one() -> None:
        while not list(Path("outputs/urns").rglob("record.json")):
            time.sleep(0.05)
        two_raylets.remove_node(nodes[0], allow_graceful=False)
        killed.append(time.monotonic())

    thread = threading.Thread(target=kill_one)
    thread.start()
    process = start(
        *("run", "-m", "method=urns/mean,urns/greedy", "task=urns/draws", "seed=range(0,6)", "hardware=cpu"),
        *("method.trouble=slow", "hydra/launcher=ray", "jobs=4"),
        *(f"hydra.launcher.ray.init.address='{two_raylets.address}'", "+hydra.launcher.ray.remote.num_cpus=1"),
    )
    code, err = finish(process)
    thread.join()
    assert killed, err
    assert code == 0, err
    found = [record for record in records() if record.status is Status.OK]
    assert {(record.method, record.seed) for record in found} == {
        (method, seed) for method in ("urns/mean", "urns/greedy") for seed in range(6)
    }
