"""Random draws keyed by text, so that what is computed from records depends on nothing else."""

from __future__ import annotations

import zlib

import numpy as np


def stream(key: str) -> np.random.Generator:
    """The random stream of a key, always the same."""
    return np.random.default_rng(zlib.crc32(key.encode("utf-8")))
