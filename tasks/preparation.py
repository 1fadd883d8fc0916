"""Expensive things that tasks share: a trained small model, a tokenizer, a table of probabilities.

A preparation is a frozen record. Its content address is a hash of everything that it is built from, so it is built
once, kept in the cache folder, and never on the clock of a method.
"""

from __future__ import annotations

import enum
import math
import os
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import platformdirs

from tasks.metering import fingerprint

if TYPE_CHECKING:
    from tasks.base import Run

MARK = "preparation.json"  # written last; its presence says that the folder is complete


class NotPrepared(RuntimeError):
    """A task asked for a preparation that nobody has built."""


def cache_root() -> Path:
    """`BAKEOFF_CACHE`, or the user's cache folder."""
    return Path(os.environ.get("BAKEOFF_CACHE") or platformdirs.user_cache_dir("bakeoff"))


def identity(value: Any) -> Any:
    """A record and everything nested in it as plain values, with the class of each record as `_target_`."""
    if isinstance(value, Preparation):
        surroundings = value.surroundings()
        return _record(value) | ({"surroundings": surroundings} if surroundings else {})
    if is_dataclass(value) and not isinstance(value, type):
        return _record(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON, in which records are kept, has no such number
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, list | tuple):
        return [identity(item) for item in value]
    if isinstance(value, dict):
        return {str(key): identity(item) for key, item in value.items()}
    return value


def _record(value: Any) -> dict[str, Any]:
    kind = type(value)
    plain = {item.name: identity(getattr(value, item.name)) for item in fields(value)}
    return {"_target_": f"{kind.__module__}.{kind.__qualname__}"} | plain


@dataclass(frozen=True, kw_only=True)
class Preparation(ABC):
    """Something built once and read often.

    Args:
        version: bump it when the code of `build` changes what comes out.
    """

    per_seed: ClassVar[bool] = False  # True: every task seed has one of its own; False: all seeds share one

    version: int

    @abstractmethod
    def build(self, seed: int, run: Run) -> None:
        """Write the files of the artefact into `run.folder`. `seed` is 0 where all seeds share one artefact."""

    @abstractmethod
    def load(self, folder: Path) -> Any:
        """Read the artefact. What is returned is shared: it must be immutable, or made fresh by each call."""

    def surroundings(self) -> dict[str, str]:
        """Facts outside the fields that change what is built, such as the version of Python whose text is read."""
        return {}

    def parts(self) -> dict[str, Preparation]:
        """Preparations that this one is built from, by field name."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Preparation)}

    def replicate(self, seed: int) -> int:
        """Which artefact serves a task seed."""
        return seed if self.per_seed else 0

    def key(self, seed: int) -> str:
        """The content address of the artefact that serves a task seed."""
        return fingerprint([identity(self), self.replicate(seed)])

    def folder(self, seed: int) -> Path:
        """Where the artefact that serves a task seed is kept."""
        return cache_root() / "preparations" / type(self).__name__ / self.key(seed)

    def is_built(self, seed: int) -> bool:
        """Whether the artefact that serves a task seed is complete."""
        return (self.folder(seed) / MARK).is_file()

    def artefact(self, seed: int) -> Any:
        """Read the artefact that serves a task seed.

        Raises:
            NotPrepared: nobody has built it.
        """
        if not self.is_built(seed):
            raise NotPrepared(f"{type(self).__name__} {self.key(seed)} has not been built")
        return self.load(self.folder(seed))
