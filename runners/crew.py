"""A crew of worker processes on this machine: each makes one attempt at a time, under the eyes of this process.

The loop that calls `wait` hears what the workers say, holds the limits of the hardware profile, and writes the record
of an attempt whose process could not.
"""

from __future__ import annotations

import queue
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pebble

from results.record import Record, Status, from_json
from runners.attempt import Attempt
from runners.errors import CommandError, one_line
from runners.pair import board_of
from runners.places import attempt_name, checkpoint_file, record_file, scratch_folder
from runners.progress import Display
from runners.supervised import TRIES, Cell, Job, Worker, packed
from runners.watch import obituary
from runners.worker import Answer, Order, keep

TICK = 0.05  # seconds between two looks at the workers


@dataclass
class Crew:
    """Workers, and what they are doing.

    Args:
        size: number of workers.
        threads: threads of each.
        outputs: folder for record files and checkpoints.
        settings: what cannot move a number, for the records.
        display: who shows what happens.
        apart: whether cells run in other processes than this one.
        bell: rung whenever something has happened; others may ring it too, with what `wait` then returns.
    """

    size: int
    threads: int
    outputs: Path
    settings: Mapping[str, Any]
    display: Display
    bell: queue.Queue[Any] = field(default_factory=queue.Queue)
    workers: list[Worker] = field(default_factory=list)
    apart: bool = True

    def __enter__(self) -> Crew:
        self._interval = sys.getswitchinterval()
        sys.setswitchinterval(0.0005)  # else a thread that writes JSON keeps the others waiting 5 ms
        self._folder = Path(tempfile.mkdtemp(prefix="bakeoff-crew-"))
        self._pickled: dict[int, bytes] = {}
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # a worker takes eight descriptors of this process
        try:
            for number in range(self.size):
                self.workers.append(Worker(number, self._folder, self.threads, self.bell))
        except OSError as error:
            self.__exit__(type(error))
            raise CommandError(f"worker processes cannot be started here: {one_line(error)}") from error
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for worker in self.workers:
            worker.close(at_once=kind is not None or worker.job is not None)
        shutil.rmtree(self._folder, ignore_errors=True)
        sys.setswitchinterval(self._interval)

    def expect(self, cells: Sequence[Cell]) -> None:
        """Pack the pairs of these cells, once.

        Raises:
            CommandError: one cannot be sent to a worker.
        """
        for pair in {id(cell.pair): cell.pair for cell in cells}.values():
            self._pickled[id(pair)] = packed(pair)

    def idle(self) -> list[Worker]:
        """Workers with nothing to do."""
        return [worker for worker in self.workers if worker.job is None]

    def jobs(self) -> list[Job]:
        """What is being done."""
        return [worker.job for worker in self.workers if worker.job is not None]

    def give(self, cell: Cell, place: Worker) -> None:
        """Start an attempt at a cell."""
        outputs = str(self.outputs.absolute())
        order = Order(
            self._pickled[id(cell.pair)], cell.seed, attempt_name(cell.name), outputs, self.size, self.settings
        )
        self.display.cell(place.number, cell.pair.label(cell.seed))
        place.give(cell, order)

    def wait(self, seconds: float = TICK) -> tuple[list[Answer], list[Any]]:
        """Wait until something happens, but not longer than this.

        Returns:
            Attempts that have ended, and whatever else was put on the bell.
        """
        answers, others = [], []
        try:
            rung = [self.bell.get(timeout=seconds)]
        except queue.Empty:
            rung = []
        while not self.bell.empty():
            rung.append(self.bell.get())
        for worker in self.workers:
            worker.listen(self.display)
        for item in rung:
            if isinstance(item, tuple) and isinstance(item[0], Worker):
                answers += self._answer(*item)
            else:
                others.append(item)
        for worker in self.workers:
            worker.watch()
        return answers, others

    def stop(self, reason: str, hurry: Callable[[], bool] = lambda: False) -> Iterator[Answer]:
        """Ask everybody to stop and wait for it; attempts that do not are killed, at once if `hurry` says so."""
        for worker in self.workers:
            if worker.job is not None and worker.job.verdict is None:
                worker.job.verdict = (Status.INTERRUPTED, reason)
                worker.ask()
        while jobs := self.jobs():
            for job in jobs:
                job.asked = 0.0 if hurry() else job.asked
            yield from self.wait()[0]

    def _answer(self, worker: Worker, future: Future[Answer]) -> list[Answer]:
        """What is left of an attempt that has ended in whatever way; nothing if it has to begin again."""
        job, error = worker.job, future.exception()
        if job is None or future is not job.future:
            return []  # answered already
        lost = isinstance(error, pebble.ProcessExpired | BrokenProcessPool)
        trace = worker.replace() if lost else ""
        if lost and not job.begun and job.verdict is None:
            if job.tries < TRIES:
                worker.send()
                return []
            job.verdict = (Status.KILLED, f"no worker process could take it up: {obituary(_code(error))}")
        worker.job = None
        return [self._ending(job, future, error, trace)]

    def _ending(self, job: Job, future: Future[Answer], error: BaseException | None, trace: str) -> Answer:
        if error is None:
            answer = future.result()
            if answer.record.status is not Status.INTERRUPTED:
                return answer
            status, reason = job.verdict or (Status.INTERRUPTED, "asked to stop")
            record = replace(answer.record, status=status, reason=reason)
        elif isinstance(error, pebble.ProcessExpired | BrokenProcessPool):
            finished = self._finished(job)
            if finished is not None:
                return finished
            status, reason = job.verdict or (Status.KILLED, obituary(_code(error)))
            record = self._cut_off(job, status, reason, trace)
        else:
            trace = str(getattr(error, "traceback", "") or "")
            status, reason = job.verdict or (Status.FAILED, f"{type(error).__name__}: {one_line(error)}")
            record = self._cut_off(job, status, reason, trace)
        if record.status in (Status.TIMEOUT, Status.MEMORY):  # to go on from there would cross the limit again
            checkpoint_file(self.outputs, job.cell.name).unlink(missing_ok=True)
        return keep(record, self.outputs)

    def _finished(self, job: Job) -> Answer | None:
        """The record that a worker wrote before it died, if it got so far."""
        pair = job.cell.pair.choice
        place = record_file(self.outputs, pair.task, pair.method, job.cell.seed, job.order.attempt)
        if not place.exists():
            return None
        return Answer(from_json(place.read_text(encoding="utf-8"), str(place)), written=True)

    def _cut_off(self, job: Job, status: Status, reason: str, trace: str) -> Record:
        pair = job.cell.pair
        attempt = Attempt(pair, job.cell.seed, board_of(pair), job.order.settings, self.outputs, name=job.order.attempt)
        shutil.rmtree(scratch_folder(job.order.attempt), ignore_errors=True)
        if job.timed is not None:
            carried = job.carried if job.phase == "solve" else 0.0
            attempt.seconds = {job.phase: time.monotonic() - job.since + carried}
        return attempt.cut_off(status, reason, job.phase, job.started, trace)


def _code(error: BaseException | None) -> int | None:
    """The exit code of a process that has left."""
    code = getattr(error, "exitcode", None)
    return code if isinstance(code, int) else None
