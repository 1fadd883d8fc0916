"""Sweeps on other machines: cells packed into jobs, and any of Hydra's launchers to carry the jobs.

A job runs its cells on a crew of its own, with the same limits as here. Its records travel back through the launcher;
where the output folder is shared they also wait there as files, so that nothing is lost when a job or its machine dies
half-way. No job ever opens the store.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from omegaconf import DictConfig, open_dict

from results.record import Record, RecordError, Status, from_json, write_text
from results.store import Store
from runners.attempt import Attempt
from runners.collector import Collector
from runners.crew import Crew
from runners.errors import CommandError, one_line
from runners.hardware import cores
from runners.moments import now
from runners.pair import Pair, board_of
from runners.places import cell_folder, extend, record_file, roots
from runners.planning import Plan
from runners.progress import Display
from runners.session import open_store
from runners.supervised import Cell, warm
from runners.sweep import PATIENCE, begin, look, outputs_of, settings_of, workers_of
from runners.worker import Answer
from tasks.base import NotApplicable

ROUNDS = 3  # how often cells whose job was lost are handed out


@dataclass(frozen=True)
class Shard:
    """What one job has to do: the seeds of each pair."""

    work: tuple[tuple[Pair, tuple[int, ...]], ...]

    def cells(self) -> list[Cell]:
        """Its cells, named."""
        return [Cell(pair, seed, name) for pair, seeds in self.work for seed, name in pair.cells(seeds).items()]


@dataclass(frozen=True)
class Job:
    """The function that a launcher calls on the machine where it runs a job.

    Args:
        shards: all of them, pickled; the config says which one this job is.
        folders: where plugins are looked for.
        outputs: folder for records; the same one where file systems are shared.
        workers: attempts at a time; -1 for one a core.
        settings: what cannot move a number, for the records.
        began: when the sweep began. A job that is started again runs nothing that it has already finished since.
    """

    shards: tuple[bytes, ...]
    folders: dict[str, list[str]]
    outputs: str
    workers: int
    settings: dict[str, Any]
    began: str

    def __call__(self, config: DictConfig) -> list[str]:
        """Run a shard; its records as JSON texts."""
        extend(self.folders)
        outputs = Path(self.outputs)
        size = cores() if self.workers == -1 else max(1, self.workers)
        records: list[Record] = []
        cells: list[Cell] = []
        shard: Shard = pickle.loads(self.shards[int(config.shard)])  # noqa: S301 (made by the sweep itself)
        for cell in shard.cells():
            found = self._finished(cell, outputs)
            if found is not None:
                records.append(found)
                continue
            try:
                hardware = cell.pair.declared.resolved(size)
            except NotApplicable as error:
                records.append(self._unfit(cell, outputs, one_line(error)))
                continue
            cells.append(Cell(replace(cell.pair, hardware=hardware), cell.seed, cell.name))
        for answer in self._run(cells, size, outputs):
            records.append(answer.record)
            if answer.written:
                _note(answer.record, outputs)
        return [record.to_json() for record in records]

    def _run(self, cells: Sequence[Cell], size: int, outputs: Path) -> Iterator[Answer]:
        if not cells:
            return
        warm(sorted({type(part).__module__ for cell in cells for part in (cell.pair.method, cell.pair.task)}))
        threads = max(cell.pair.hardware.threads or 1 for cell in cells)
        with Display() as display, Crew(min(size, len(cells)), threads, outputs, self.settings, display) as crew:
            display.begin(len(cells))
            crew.expect(cells)
            left = list(reversed(cells))
            while left or crew.jobs():
                for worker in crew.idle():
                    if left:
                        crew.give(left.pop(), worker)
                for answer in crew.wait()[0]:
                    display.finished(answer.record)
                    yield answer

    def _finished(self, cell: Cell, outputs: Path) -> Record | None:
        """The record of a cell that an earlier start of this job has finished."""
        choice = cell.pair.choice
        folder = cell_folder(outputs, choice.task, choice.method, cell.seed)
        for path in sorted(folder.glob("*/record.json")) if folder.is_dir() else []:
            try:
                record = from_json(path.read_text(encoding="utf-8"), str(path))
            except RecordError as error:
                logging.getLogger(__name__).warning("%s", error)
                continue
            if record.cell == cell.name and record.started >= self.began and record.status is not Status.INTERRUPTED:
                return record
        return None

    def _unfit(self, cell: Cell, outputs: Path, reason: str) -> Record:
        """The row of a cell whose machine is not the one that was asked for."""
        attempt = Attempt(cell.pair, cell.seed, board_of(cell.pair), self.settings, outputs)
        return attempt.cut_off(Status.FAILED, f"the machine does not fit: {reason}", "prepare", now())


def _note(record: Record, outputs: Path) -> None:
    """Leave a note that a record waits, for a sweep that shares the folder."""
    place = record_file(outputs, record.task, record.method, record.seed, record.id)
    write_text(outputs / "waiting" / record.id, str(place.resolve()))


def pack(cells: Sequence[Cell], jobs: int) -> list[Shard]:
    """Deal cells out to at most so many jobs, each with a like number; seeds of a pair lie next to each other."""
    count = max(1, min(jobs, len(cells)))
    shards = []
    for number in range(count):
        own = cells[len(cells) * number // count : len(cells) * (number + 1) // count]
        work: list[tuple[Pair, list[int]]] = []
        for cell in own:
            if not work or work[-1][0] is not cell.pair:
                work.append((cell.pair, []))
            work[-1][1].append(cell.seed)
        shards.append(Shard(tuple((pair, tuple(seeds)) for pair, seeds in work)))
    return shards


def run_elsewhere(work: Plan, config: DictConfig, context: Any) -> list[Status]:
    """Run what a plan holds and the store has not, through the launcher of the config; how the cells ended.

    Raises:
        CommandError: the launcher cannot be used, or the store does not answer at the beginning.
    """
    outputs = outputs_of(config)
    store = open_store(config.store, outputs, PATIENCE)
    try:
        with Display() as display:
            cells = look(work, store, outputs, display, force=bool(config.force))
            return _hand_out(cells, config, context, store, outputs, display) if cells else []
    finally:
        store.close()


def _hand_out(
    cells: Sequence[Cell], config: DictConfig, context: Any, store: Store, outputs: Path, display: Display
) -> list[Status]:
    """Launch jobs until every cell has a record, or has lost its job too often."""
    began = now()
    sweep, share = begin(store, outputs, len(cells)), not config.force
    collector = Collector(
        store, outputs, display, {cell.name: cell for cell in cells}, sweep, config.tracker, share=share
    )
    try:
        collector.claim()
        for number in range(ROUNDS):
            left = collector.left()
            if number and left:
                display.say(f"{len(left)} cells came back from no job; they are handed out again")
            if left:
                _launch(left, config, context, collector, began)
        collector.give_up(began)
    finally:
        collector.end()
    return collector.ended


def _launch(cells: Sequence[Cell], config: DictConfig, context: Any, collector: Collector, began: str) -> None:
    """Hand cells to the launcher, and take in whatever comes back."""
    shards, workers = pack(cells, int(config.jobs)), workers_of(config, elsewhere=True)
    engine = str(config.hydra.launcher["_target_"]).rpartition(".")[2]
    settings = settings_of(config, engine, workers)
    outputs = str(Path(config.outputs).absolute())
    job = Job(tuple(map(pickle.dumps, shards)), roots(), outputs, int(config.n_jobs), settings, began)
    overrides = []
    for number, shard in enumerate(shards):
        choice = shard.work[0][0].choice  # only so that the config is complete; the shard says what is run
        overrides.append([f"method={choice.method}", f"task={choice.task}", f"shard={number}"])
    if "ray" in config.hydra.launcher:  # the launcher would size a memory that Ray refuses to size once it runs
        with open_dict(config.hydra.launcher):
            config.hydra.launcher.ray.init.object_store_memory = None
    launcher = Plugins.instance().instantiate_launcher(hydra_context=context, task_function=job, config=config)
    returned: Sequence[JobReturn] = ()
    trouble = ""
    with collector.listening():
        try:
            returned = launcher.launch(overrides, initial_job_idx=0)
        except Exception as error:  # noqa: BLE001 (each engine has its own; what it lost is handed out again)
            trouble = f"{engine}: {type(error).__name__}: {one_line(error)}"
    if trouble and not collector.anything():
        raise CommandError(f"{trouble}; no cell came back")
    if trouble:
        collector.say(trouble)
    for back in returned:
        try:
            texts = back.return_value
        except Exception as error:  # noqa: BLE001 (whatever the job raised on its machine)
            collector.say(f"{engine}: a job failed: {type(error).__name__}: {one_line(error)}")
            continue
        for text in texts:
            record = from_json(text, "a record from a job")
            collector.take(record, written=False)
