"""Several processes that do something at the same moment."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")


def at_once(work: Callable[[str, int], Result], place: str, count: int) -> list[Result]:
    """What `work(place, number)` returns in each of `count` fresh processes, which begin together.

    Args:
        work: a function of a module.
        place: what they contend for.
        count: how many processes; they have the numbers from 0.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        count, mp_context=context, initializer=_wait, initargs=(context.Barrier(count),)
    ) as processes:
        waiting = [processes.submit(work, place, number) for number in range(count)]
        return [one.result(timeout=120) for one in waiting]


def _wait(barrier: Any) -> None:
    barrier.wait(120)
