"""Limits that limit: what one attempt takes of the clock and of memory, seen from outside."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field

import psutil

from results.record import Status
from runners.hardware import Hardware

GRACE = {Status.TIMEOUT: 1.0, Status.MEMORY: 0.3, Status.INTERRUPTED: 5.0}  # seconds between asking and killing
_FAMILY = 0.5  # seconds between two looks for new child processes
_DEVICE = 1.0  # seconds between two questions to the driver


@dataclass
class Meter:
    """What the processes of one worker hold.

    Args:
        pid: the worker, who leads its process group.
    """

    pid: int
    _family: list[psutil.Process] = field(default_factory=list)
    _looked: float = 0.0
    _asked: float = 0.0
    _device: float = 0.0

    def resident(self) -> float:
        """Resident memory of the worker and its child processes, in MiB."""
        moment = time.monotonic()
        try:
            if moment - self._looked > _FAMILY:
                self._looked = moment
                worker = psutil.Process(self.pid)
                self._family = [worker, *worker.children(recursive=True)]
        except psutil.NoSuchProcess:
            self._family = []
        return sum(_resident(process) for process in self._family) / 2**20

    def device(self) -> float:
        """CUDA memory of the worker and its child processes as the driver tells it, in MiB; 0 where none tells."""
        moment = time.monotonic()
        if moment - self._asked > _DEVICE and shutil.which("nvidia-smi"):
            self._asked = moment
            pids = {process.pid for process in self._family} | {self.pid}
            self._device = sum(held for pid, held in _device_memory() if pid in pids)
        return self._device


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _device_memory() -> list[tuple[int, float]]:
    words = ["nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(words, capture_output=True, text=True, timeout=5, check=True).stdout
    except (OSError, subprocess.SubprocessError):  # torch holds the limit too; see hardware.cap_device_memory
        return []
    rows = [line.split(",") for line in said.splitlines()]
    return [(int(pid), float(held)) for pid, held in rows if held.strip().isdigit()]


def excess(profile: Hardware, seconds: float, meter: Meter) -> tuple[Status, str] | None:
    """The limit that an attempt has crossed, with a sentence; None while it keeps them all.

    Args:
        profile: the limits.
        seconds: how long it has been in `solve` and `evaluate`.
        meter: what its processes hold.
    """
    if profile.time_limit is not None and seconds > profile.time_limit:
        return Status.TIMEOUT, f"stopped after {seconds:.1f} s; the limit is {profile.time_limit:g} s"
    if profile.memory_limit is not None and (held := meter.resident()) > profile.memory_limit:
        return Status.MEMORY, f"held {held:.0f} MiB of memory; the limit is {profile.memory_limit:g} MiB"
    if profile.device_memory_limit is not None and (held := meter.device()) > profile.device_memory_limit:
        return Status.MEMORY, f"held {held:.0f} MiB on the device; the limit is {profile.device_memory_limit:g} MiB"
    return None


def obituary(exit_code: int | None) -> str:
    """How a process ended, in words."""
    if exit_code is None:
        return "its process ended"
    if exit_code >= 0:
        return f"its process left with exit code {exit_code}"
    name = signal.Signals(-exit_code).name if -exit_code in list(signal.Signals) else f"signal {-exit_code}"
    hint = "; the system may have run out of memory" if -exit_code == signal.SIGKILL else ""
    return f"its process was ended by {name}{hint}"


def kill_group(pid: int) -> None:
    """End a worker and everything that it has started, now."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # gone already, or gone and its number used by another user
        return
