"""Worker processes as their parent sees them: orders go in, events and answers come out, limits are held.

Each worker is a pool of one (`pebble`), so that killing it can break no lock of another.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import queue
import signal
import time
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pebble

from results.record import Status
from runners.errors import CommandError, one_line
from runners.moments import now
from runners.pair import Pair
from runners.places import PRELOAD, roots
from runners.progress import Display
from runners.watch import GRACE, Meter, excess, kill_group
from runners.worker import Answer, Order, start, work

STANDARD = ("fork", "spawn", "forkserver")
STARTUP = 300.0  # seconds within which a worker must take an attempt up
TRIES = 3  # times that a worker is started for one attempt


@dataclass(frozen=True)
class Cell:
    """A cell to be run."""

    pair: Pair
    seed: int
    name: str


@dataclass
class Job:
    """An attempt in progress.

    Args:
        order: as it was given to a worker.
        started: when, as records write it.
        phase, since: the phase and the moment it began.
        carried: seconds on the clock from earlier attempts.
        timed: the moment at which the limited phases began; None before.
        share: how much of the phase is done, where the attempt says so.
        verdict: what this process has found against it.
        asked: when it was asked to stop.
        begun: whether a worker has taken it up.
        tries: how many workers it was given to.
        future: gives the answer; an earlier one does not count any more.
        left: when its process was seen to have left; the pool says nothing of one that left in peace.
    """

    cell: Cell
    order: Order
    started: str
    since: float
    phase: str = "prepare"
    carried: float = 0.0
    timed: float | None = None
    share: float | None = None
    verdict: tuple[Status, str] | None = None
    asked: float | None = None
    begun: bool = False
    tries: int = 0
    future: Future[Answer] | None = None
    left: float | None = None

    def seconds(self, moment: float) -> float:
        """Seconds on the clock that has a limit."""
        return 0.0 if self.timed is None else moment - self.timed + self.carried


def warm(modules: Iterable[str]) -> None:
    """Start the process that workers are forked from, and let it import these modules while we go on."""
    if multiprocessing.get_start_method(allow_none=True) not in (None, *STANDARD):
        multiprocessing.set_start_method("forkserver", force=True)  # joblib's own method is unknown to our workers
    os.environ[PRELOAD] = ",".join(["runners.worker", *modules])
    multiprocessing.get_context("forkserver").set_forkserver_preload(["runners.preload"])
    forkserver.ensure_running()


def packed(pair: Pair) -> bytes:
    """A pair as bytes, for another process.

    Raises:
        CommandError: a method or task holds something that cannot be sent.
    """
    try:
        return pickle.dumps(pair)
    except Exception as error:  # whatever the object's own code raises
        what = f"{pair.choice.method} on {pair.choice.task}"
        raise CommandError(f"{what} cannot be sent to a worker process: {one_line(error)}") from error


class Worker:
    """One worker process and its replacements.

    Args:
        number: which of the crew.
        folder: for stop notes and traces of crashes.
        threads: threads of its libraries.
        bell: a queue that is given something when an attempt has ended.
    """

    def __init__(self, number: int, folder: Path, threads: int, bell: queue.Queue[Any]) -> None:
        self.number = number
        self._folder = folder
        self._threads = threads
        self._bell = bell
        self._context = multiprocessing.get_context("forkserver")
        self.job: Job | None = None
        self.meter: Meter | None = None
        self._open()

    def _open(self) -> None:
        self._events: Connection
        self._events, line = self._context.Pipe(duplex=False)
        self._line = line
        arguments = (line, str(self._folder), self._threads, roots(), os.getpid())
        self._pool = pebble.ProcessPool(max_workers=1, initializer=start, initargs=arguments, context=self._context)

    def give(self, cell: Cell, order: Order) -> None:
        """Start an attempt."""
        limit = cell.pair.hardware.memory_limit
        if limit is not None and self.meter is not None and self.meter.resident() > limit / 2:
            self.replace()  # what earlier attempts left behind must not count against this one
        self.job = Job(cell, order, now(), time.monotonic())
        self.send()

    def send(self) -> None:
        """Give the attempt to the worker process."""
        assert self.job is not None
        self.job.tries, self.job.since = self.job.tries + 1, time.monotonic()
        try:
            future: Future[Answer] = self._pool.schedule(work, args=(self.job.order,))
        except RuntimeError:  # the process died while it had nothing to do
            self.replace()
            try:
                future = self._pool.schedule(work, args=(self.job.order,))
            except (RuntimeError, OSError) as error:
                self.job = None
                raise CommandError(f"worker processes cannot be started here: {one_line(error)}") from error
        self.job.future = future
        future.add_done_callback(lambda done: self._bell.put((self, done)))

    def _lost(self) -> None:
        """Nobody will answer for the attempt any more."""
        if self.job is not None:
            self.job.future = Future()
            self.job.future.set_exception(pebble.ProcessExpired("Abnormal termination", 0))  # type: ignore[no-untyped-call]
            self._bell.put((self, self.job.future))

    def listen(self, display: Display) -> None:
        """Take in what the worker has said."""
        while self._events.poll():
            stamp, kind, *rest = json.loads(self._events.recv_bytes())
            if kind == "hello":
                if self.meter is not None:  # the one before has left without a word
                    kill_group(self.meter.pid)
                    if self.job is not None and self.job.begun:
                        self.job.left = time.monotonic()
                self.meter = Meter(rest[0])
            elif self.job is not None:
                self._hear(self.job, display, stamp, kind, rest)

    def _hear(self, job: Job, display: Display, stamp: float, kind: str, rest: list[Any]) -> None:
        """One event of an attempt."""
        if kind == "begin":
            job.begun = True
        elif kind == "phase":
            job.phase, job.since, job.share = rest[0], stamp, None
            if rest[0] in ("problem", "solve", "offers"):  # each begins the clock anew, `evaluate` goes on
                job.timed, job.carried = stamp, 0.0
            display.phase(self.number, rest[0])
        elif kind == "progress":
            job.share = rest[0] / rest[1] if rest[1] else None
            display.progress(self.number, rest[0], rest[1])
        elif kind == "carried":
            job.carried = rest[0]

    def watch(self) -> None:
        """Hold the limits: ask an attempt that crosses one to stop, and kill it if it does not."""
        job, moment = self.job, time.monotonic()
        if job is None:
            return
        if job.verdict is None and self.meter is not None:
            job.verdict = excess(job.cell.pair.hardware, job.seconds(moment), self.meter)
            if job.verdict:
                self.ask()
        late = job.verdict is not None and job.asked is not None and moment - job.asked > GRACE[job.verdict[0]]
        if late and self.meter is not None:
            kill_group(self.meter.pid)
        elif late or (not job.begun and moment - job.since > STARTUP):
            self._lost()
        if job.left is not None and moment - job.left > 1.0:
            self._lost()

    def ask(self) -> None:
        """Ask the attempt to stop."""
        if self.job is None:
            return
        (self._folder / self.job.order.attempt).touch()
        self.job.asked = time.monotonic()
        if self.meter is not None:
            try:
                os.kill(self.meter.pid, signal.SIGUSR1)
            except ProcessLookupError:  # it has just died; its future says so
                return

    def replace(self) -> str:
        """Put a new process in the place of one that died; returns the trace that it left, if any."""
        trace = ""
        if self.meter is not None:
            kill_group(self.meter.pid)
            fault = self._folder / f"fault-{self.meter.pid}"
            trace = fault.read_text(errors="replace") if fault.exists() else ""
        self.meter = None
        self.close(at_once=True)
        self._open()
        return trace

    def close(self, at_once: bool = False) -> None:
        """Let the process go, and whatever it has started."""
        pid = None if self.meter is None else self.meter.pid
        if at_once:
            if pid is not None:
                kill_group(pid)
            self._pool.stop()  # type: ignore[no-untyped-call]
        else:
            self._pool.close()  # type: ignore[no-untyped-call]
        self._pool.join()
        if pid is not None:
            kill_group(pid)
        self._events.close()
        self._line.close()
