"""Moments, as records write them."""

from __future__ import annotations

import contextvars
import datetime

_began: contextvars.ContextVar[str] = contextvars.ContextVar("began")


def now() -> str:
    """This moment: UTC, ISO 8601, milliseconds."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def begin() -> None:
    """A command begins."""
    _began.set(now())


def began() -> str:
    """When this command began; now, where none did. What ended since was not there to be seen by whoever typed it."""
    return _began.get(None) or now()
