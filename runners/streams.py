"""Streams whose reader may leave before everything is said."""

from __future__ import annotations

import os
from typing import TextIO


def settle(*streams: TextIO) -> None:
    """Write what streams still hold; where a reader has left, that and all that follows goes nowhere. Otherwise the
    interpreter would fail as it ends."""
    for stream in streams:
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
