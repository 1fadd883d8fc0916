"""What an attempt prints goes into a file of its own, whoever prints it: Python, a library, or a child process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NAME = "log.txt"  # beside the record


@contextmanager
def into(path: Path) -> Iterator[None]:
    """Lead standard output and standard error of this process into a file; an empty one is removed afterwards.

    Where the file cannot be made, everything goes where it went before: a full disk must not cost the attempt.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError:
        yield
        return
    _flush()
    kept = {number: os.dup(number) for number in (1, 2)}
    for number in kept:
        os.dup2(target, number)
    os.close(target)
    try:
        yield
    finally:
        _flush()
        for number, before in kept.items():
            os.dup2(before, number)
            os.close(before)
        with suppress(OSError):
            if not path.stat().st_size:
                path.unlink()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a full disk, or a stream that a method has closed
            stream.flush()
