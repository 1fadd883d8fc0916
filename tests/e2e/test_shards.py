"""Jobs that carry cells to other machines, run here."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from results.leases import Leases
from results.record import Record, Status, from_json
from results.store import Store
from runners import catalog, shards
from runners.collector import Collector
from runners.errors import CommandError
from runners.moments import now
from runners.pair import Choice, Pair, resolve
from runners.places import roots
from runners.progress import Display
from runners.shards import Job, Shard, pack
from runners.supervised import Cell


@pytest.fixture
def pair(arena: Path) -> Pair:
    names = {"method": "urns/mean", "task": "urns/draws", "hardware": "cpu"}
    entries = {kind: catalog.find(kind, name) for kind, name in names.items()}
    values = {kind: {**entry.values, "card": entry.card} for kind, entry in entries.items()}
    return resolve(Choice("urns/mean", "urns/draws", "cpu", "laptop", values), elsewhere=True)


def cells(pair: Pair, count: int) -> list[Cell]:
    return [Cell(pair, seed, name) for seed, name in pair.cells(range(count)).items()]


def job(shard: Shard, began: str, outputs: str = "outputs") -> Job:
    return Job((pickle.dumps(shard),), roots(), outputs, 1, {"launcher": "test"}, began)


@pytest.mark.parametrize(("count", "jobs", "expected"), [(7, 3, [2, 2, 3]), (2, 5, [1, 1]), (6, 1, [6])])
def test_cells_are_dealt_out_evenly_and_each_once(pair: Pair, count: int, jobs: int, expected: list[int]) -> None:
    packed = pack(cells(pair, count), jobs)
    assert [len(shard.cells()) for shard in packed] == expected
    assert [cell.name for shard in packed for cell in shard.cells()] == [cell.name for cell in cells(pair, count)]


def test_a_cell_keeps_its_name_on_the_way(pair: Pair) -> None:
    for seed, name in pair.cells(range(3)).items():
        assert pair.cell(seed) == name
    again: Pair = pickle.loads(pickle.dumps(pair))
    assert again.cells(range(3)) == pair.cells(range(3))
    assert len(pickle.dumps(pair)) < 10_000


def test_a_job_that_is_started_again_runs_nothing_twice(pair: Pair) -> None:
    (shard,), began = pack(cells(pair, 3), 1), now()
    first = [from_json(text, "job") for text in job(shard, began)(SimpleNamespace(shard=0))]  # type: ignore[arg-type]
    assert sorted(record.seed for record in first) == [0, 1, 2]
    assert all(record.status is Status.OK and record.hardware == "cpu" for record in first)
    assert {record.id for record in first} == {path.name for path in Path("outputs/waiting").iterdir()}
    broken = next(Path("outputs/urns/draws/urns/mean/seed1").glob("*/record.json"))
    broken.write_text(broken.read_text()[:50])
    second = [from_json(text, "job") for text in job(shard, began)(SimpleNamespace(shard=0))]  # type: ignore[arg-type]
    ids = {record.seed: record.id for record in first}
    assert {record.seed: record.id == ids[record.seed] for record in second} == {0: True, 1: False, 2: True}
    later = [from_json(text, "job") for text in job(shard, now())(SimpleNamespace(shard=0))]  # type: ignore[arg-type]
    assert not {record.id for record in later} & {record.id for record in [*first, *second]}


def test_a_machine_that_does_not_fit_is_a_row_with_its_reason(pair: Pair) -> None:
    greedy = replace(pair, declared=replace(pair.declared, threads=4096))
    (shard,) = pack(cells(greedy, 1), 1)
    (text,) = job(shard, now())(SimpleNamespace(shard=0))  # type: ignore[arg-type]
    record = from_json(text, "job")
    assert record.status is Status.FAILED
    assert record.reason.startswith("the machine does not fit: the profile wants 4096 threads")


class Engine:
    """A launcher that loses jobs: each call brings back the job returns that the test has prepared, or raises."""

    def __init__(self, *rounds: Callable[[Job, list[list[str]]], list[JobReturn]]) -> None:
        self.rounds = list(rounds)
        self.job: Job | None = None

    def launch(self, overrides: list[list[str]], initial_job_idx: int) -> list[JobReturn]:
        assert self.job is not None
        return self.rounds.pop(0)(self.job, overrides)


def back(number: int) -> Callable[[Job, list[list[str]]], list[JobReturn]]:
    """A round in which the first so many jobs come back and the others fail."""

    def launch(job: Job, overrides: list[list[str]]) -> list[JobReturn]:
        returns = []
        for place in range(len(overrides)):
            done = JobReturn(status=JobStatus.COMPLETED if place < number else JobStatus.FAILED)
            value: Any = job(SimpleNamespace(shard=place)) if place < number else OSError("lost")  # type: ignore[arg-type]
            done.return_value = value
            returns.append(done)
        return returns

    return launch


def away(job: Job, overrides: list[list[str]]) -> list[JobReturn]:
    raise ConnectionError("no answer")


def hand_out(pair: Pair, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Record], list[Status]]:
    """Hand four cells to an engine in two jobs; the store's records and the endings."""

    def instantiate(self: Any, *, hydra_context: Any, task_function: Job, config: Any) -> Engine:
        engine.job = task_function
        return engine

    monkeypatch.setattr(Plugins, "instantiate_launcher", instantiate)
    config = OmegaConf.create(
        {"jobs": 2, "n_jobs": 1, "outputs": "outputs", "tracker": None, "force": False,
         "hydra": {"launcher": {"_target_": "engines.Engine"}}}
    )  # fmt: skip
    store = Store("outputs/store.sqlite")
    try:
        with Display() as display:
            ended = shards._hand_out(cells(pair, 4), config, None, store, Path("outputs"), display)
        return store.records(), ended
    finally:
        store.close()


def test_lost_jobs_are_handed_out_again(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    found, ended = hand_out(pair, Engine(back(1), away, back(2)), monkeypatch)
    assert sorted(record.seed for record in found) == [0, 1, 2, 3]
    assert ended == [Status.OK] * 4


def test_cells_that_are_lost_every_time_are_rows(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    found, ended = hand_out(pair, Engine(back(1), away, back(0)), monkeypatch)
    assert sorted((record.seed, record.status.value) for record in found) == [
        (0, "ok"), (1, "ok"), (2, "killed"), (3, "killed"),
    ]  # fmt: skip
    assert "without a record" in found[-1].reason
    assert len(ended) == 4


def test_an_engine_that_never_answers_is_named(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError, match="Engine: ConnectionError: no answer; no cell came back"):
        hand_out(pair, Engine(away), monkeypatch)


def test_a_waiting_record_that_is_cut_off_is_said_and_left(pair: Pair, capfd: pytest.CaptureFixture[str]) -> None:
    Path("outputs/waiting").mkdir(parents=True)
    Path("outputs/waiting/cut").write_text("outputs/cut.json")
    Path("outputs/cut.json").write_text(json.dumps({"schema": 1})[:5])
    store = Store("outputs/store.sqlite")
    with Display() as display:
        sweep = Leases(store).begin(command="a sweep", outputs="outputs", total=0)
        collector = Collector(store, Path("outputs"), display, {}, sweep, None)
        with collector.listening():
            pass
        collector.end()
    store.close()
    assert "attempt cut still waits" in capfd.readouterr().err
    assert Path("outputs/waiting/cut").exists()
