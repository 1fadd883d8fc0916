"""What runs inside a worker process: one attempt after the other, told to a watching parent.

The parent (`runners/crew.py`) gives orders, hears events through a pipe of this worker alone, and asks for a stop by a
signal that counts only if a file names the attempt that it is meant for.
"""

from __future__ import annotations

import contextvars
import faulthandler
import functools
import json
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

from results.record import Record, Status, write
from runners.attempt import Attempt
from runners.errors import one_line
from runners.logs import NAME, into
from runners.moments import now
from runners.pair import Pair, board_of
from runners.places import extend, record_file

_PROGRESS = 0.1  # seconds between two reports of progress
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True)
class Order:
    """One attempt to be made.

    Args:
        pair: the pickled `Pair`; unpickling imports the plugins.
        seed: the seed.
        attempt: name of the attempt.
        outputs: folder for the record file and checkpoints.
        workers: attempts that share this machine.
        settings: what cannot move a number, for the record.
    """

    pair: bytes
    seed: int
    attempt: str
    outputs: str
    workers: int
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """What an attempt left.

    Args:
        record: the record; the parent decides over one that was interrupted, and writes it.
        written: whether the record file is there.
        trouble: why it could not be written, if so.
    """

    record: Record
    written: bool
    trouble: str = ""


class Link:
    """The line from one worker to its parent; a watcher of attempts.

    Args:
        connection: where events go.
        folder: where the parent leaves a file named after an attempt that is to stop.
    """

    def __init__(self, connection: Connection, folder: Path) -> None:
        self._connection = connection
        self._folder = folder
        self._told = 0.0
        self.attempt: Attempt | None = None

    def tell(self, *event: Any) -> None:
        """Send one event: small, so that it is written in one piece. Without a parent the worker ends."""
        try:
            self._connection.send_bytes(json.dumps([time.monotonic(), *event]).encode())
        except OSError:
            os.killpg(0, signal.SIGKILL)

    def phase(self, text: str) -> None:
        """A phase begins."""
        self.tell("phase", text[:200])

    def progress(self, done: float, total: float) -> None:
        """So much of the phase is done; not every call is passed on."""
        moment = time.monotonic()
        if moment - self._told > _PROGRESS:
            self._told = moment
            self.tell("progress", float(done), float(total))

    def carried(self, seconds: float) -> None:
        """The clock goes on from an earlier attempt."""
        self.tell("carried", seconds)

    def stop(self, _signal: int, _frame: FrameType | None) -> None:
        """Signal handler: leave the attempt, if it is the one that the parent means."""
        attempt = self.attempt
        if attempt is not None and attempt.open and self.unwanted(attempt.name):
            attempt.asked = True
            raise KeyboardInterrupt("asked to stop")

    def unwanted(self, attempt: str) -> bool:
        """Whether the parent wants an attempt to stop."""
        return (self._folder / attempt).exists()


_link: contextvars.ContextVar[Link] = contextvars.ContextVar("link")


def start(connection: Connection, folder: str, threads: int, roots: Mapping[str, list[str]], parent: int) -> None:
    """Make this process a worker: a process group of its own, few threads, and an end when the parent ends."""
    os.setsid()
    for name in _THREAD_VARIABLES:  # for libraries that are loaded later; those here are told by the hardware profile
        os.environ[name] = str(threads)
    extend(roots)
    place = Path(folder)
    link = Link(connection, place)
    _link.set(link)
    signal.signal(signal.SIGUSR1, link.stop)
    faulthandler.enable((place / f"fault-{os.getpid()}").open("w"))
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    link.tell("hello", os.getpid())


def _follow(parent: int) -> None:
    """End this process and its children when the parent has ended, however that happened."""
    server = multiprocessing.parent_process()
    while server is not None and server.is_alive() and _exists(parent):
        time.sleep(0.5)
    os.killpg(0, signal.SIGKILL)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@functools.lru_cache(maxsize=64)
def _pair(pickled: bytes, workers: int) -> Pair:
    """The pair on this machine: threads, and `auto`, are settled where the attempt runs."""
    pair: Pair = pickle.loads(pickled)  # noqa: S301 (from the parent, over its own pipe)
    return replace(pair, hardware=pair.declared.resolved(workers))


def work(order: Order) -> Answer:
    """Make one attempt. A record that ended by itself is on disk when this returns."""
    link = _link.get()
    link.tell("begin", order.attempt)
    pair = _pair(order.pair, order.workers)
    outputs = Path(order.outputs)
    attempt = Attempt(pair, order.seed, board_of(pair), order.settings, outputs, watcher=link, name=order.attempt)
    if link.unwanted(order.attempt):
        return Answer(attempt.cut_off(Status.INTERRUPTED, "asked to stop", "prepare", now()), written=False)
    link.attempt = attempt
    task, method = pair.choice.task, pair.choice.method
    log = record_file(outputs, task, method, order.seed, order.attempt).with_name(NAME)
    try:
        with into(log):
            record = attempt.execute()
    finally:
        link.attempt = None
    if record.status is Status.INTERRUPTED:
        return Answer(record, written=False)
    return keep(record, outputs)


def keep(record: Record, outputs: Path) -> Answer:
    """Write the record file; a full disk loses the file, not the record."""
    try:
        write(record, record_file(outputs, record.task, record.method, record.seed, record.id))
    except OSError as error:
        return Answer(record, written=False, trouble=one_line(error))
    return Answer(record, written=True)
