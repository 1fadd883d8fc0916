"""Work handed to other processes, a bounded amount at a time; on one core, or for little work, it is done here."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from types import TracebackType
from typing import Any

_AHEAD = 6  # pieces of work for each process that may wait; what they hold is in memory
_OBJECTS = 100_000  # new objects between two searches for cycles; records have none


class Hands:
    """Does pieces of work in other processes; errors come out of `do` or `finish`.

    Args:
        processes: how many; 0 does the work at once, in this process.
    """

    def __init__(self, processes: int) -> None:
        self._limit = _AHEAD * processes
        # fresh interpreters: this process may have connections and threads that a fork would break
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(processes, context, gc.set_threshold, (_OBJECTS,)) if processes else None
        self._waiting: deque[Future[Any]] = deque()

    def __enter__(self) -> Hands:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def do(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Do `work(*arguments)` some time before `finish` returns."""
        if self._pool is None:
            work(*arguments)
            return
        while len(self._waiting) >= self._limit:
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(work, *arguments))

    def finish(self) -> None:
        """Wait until all is done."""
        while self._waiting:
            self._waiting.popleft().result()


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
