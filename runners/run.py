"""The run: what one attempt may use and change."""

from __future__ import annotations

import functools
import math
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from runners.hardware import Hardware
from tasks.base import Task
from tasks.metering import PRICED, SOLVE, Ledger

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Watcher(Protocol):
    """Somebody who is told how far an attempt is."""

    def phase(self, text: str) -> None:
        """A new phase begins."""

    def progress(self, done: float, total: float) -> None:
        """So much of the phase is done."""

    def carried(self, seconds: float) -> None:
        """The clock goes on from an earlier attempt that was cut off."""


class Nobody:
    """Watches nothing."""

    def phase(self, text: str) -> None:
        """Say nothing."""

    def progress(self, done: float, total: float) -> None:
        """Say nothing."""

    def carried(self, seconds: float) -> None:
        """Say nothing."""


class Clock:
    """Seconds since it was made, plus those carried over from an interrupted attempt."""

    def __init__(self) -> None:
        self.carried = 0.0
        self._start = time.perf_counter()

    def seconds(self) -> float:
        """Seconds so far."""
        return self.carried + time.perf_counter() - self._start


@dataclass(frozen=True)
class Offer:
    """A solution with the clock and the ledger at the time it was offered."""

    solution: Any
    seconds: float
    cost: dict[str, float]


class Offers:
    """The offers of one attempt. Of many, a geometric selection is kept for the curve, and always the last.

    Args:
        most: kept beside the last. With 12, two neighbours of a long curve differ by a factor of at most 2.25, with 60
            by one of 1.21.
    """

    def __init__(self, most: int = Task.offers_scored) -> None:
        self.most = most
        self.count = 0
        self._kept: list[Offer] = []
        self._last: Offer | None = None
        self._next = 1.0

    def add(self, offer: Offer) -> None:
        """Take an offer in."""
        self.count += 1
        self._last = offer
        if self.count >= self._next:
            self._kept.append(offer)
            self._next = max(self.count + 1.0, self._next * (1 + 6 / self.most))
            if len(self._kept) > self.most:
                del self._kept[1::2]

    @property
    def last(self) -> Offer | None:
        """The newest offer."""
        return self._last

    def curve(self) -> list[Offer]:
        """What is to be scored, oldest first."""
        if self._last is None or (self._kept and self._kept[-1] is self._last):
            return list(self._kept)
        return [*self._kept, self._last]


@dataclass
class AttemptRun:
    """The `Run` of one phase of one attempt; see `tasks.base.Run`."""

    rng: np.random.Generator
    ledger: Ledger
    hardware: Hardware
    room: Path  # where `folder` is made, if anybody asks for it
    watcher: Watcher = field(default_factory=Nobody)
    clock: Clock = field(default_factory=Clock)
    checkpoint_file: Path | None = None
    offers: Offers | None = None
    logs: dict[str, list[list[float]]] = field(default_factory=dict)
    preemptions: int = 0
    _restored: bool = False

    @functools.cached_property
    def folder(self) -> Path:
        """An empty folder for files."""
        self.room.parent.mkdir(mode=0o700, exist_ok=True)
        self.room.mkdir(exist_ok=True)
        return self.room

    @functools.cached_property
    def fabric(self) -> Fabric:
        """Device, precision and strategy of the hardware profile."""
        return self.hardware.fabric()

    def log(self, name: str, value: float, step: float | None = None) -> None:
        """Add one point to a curve of the record; a value that is not finite is left out."""
        points = self.logs.setdefault(name, [])
        place = float(len(points) if step is None else step)
        if math.isfinite(value) and math.isfinite(place):
            points.append([place, self.clock.seconds(), float(value)])

    def progress(self, done: float, total: float) -> None:
        """Say how far the work is."""
        self.watcher.progress(done, total)

    def offer(self, solution: Any) -> None:
        """Name the best answer so far."""
        if self.offers is None:
            raise RuntimeError("there is nothing to offer in this phase")
        self.offers.add(Offer(solution, self.clock.seconds(), self.ledger.totals(SOLVE)))

    def checkpoint(self, state: Mapping[str, Any]) -> None:
        """Store a state to continue from, with the clock, the ledger and the random stream."""
        if self.checkpoint_file is None:
            raise RuntimeError("there is nothing to checkpoint in this phase")
        import torch  # its file format holds tensors and reads back without running code

        self.checkpoint_file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.checkpoint_file.with_suffix(f".{uuid.uuid4().hex}")  # a forced run may write the same cell
        content = {
            "state": dict(state),
            "seconds": self.clock.seconds(),
            "totals": self.ledger.totals(SOLVE),
            "rng": self.rng.bit_generator.state,
            "preemptions": self.preemptions,
        }
        torch.save(content, temporary)
        temporary.replace(self.checkpoint_file)

    def restore(self) -> dict[str, Any] | None:
        """The last checkpoint of this cell; clock, ledger and random stream go on from there."""
        if self.checkpoint_file is None or not self.checkpoint_file.is_file():
            return None
        import torch

        content = torch.load(self.checkpoint_file, weights_only=True)
        if self._restored:
            return dict(content["state"])
        self._restored = True
        self.preemptions = content["preemptions"] + 1
        self.clock.carried += content["seconds"]
        self.watcher.carried(content["seconds"])
        for unit, total in content["totals"].items():
            if unit != PRICED or not self.ledger.prices():  # a priced total books itself
                self.ledger.spend(unit, total)
        self.rng.bit_generator.state = content["rng"]
        return dict(content["state"])
