"""Hardware profiles: declared in YAML, checked against the machine, applied, and recorded."""

from __future__ import annotations

import functools
import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import ThreadpoolController

from tasks.base import NotApplicable

if TYPE_CHECKING:
    from lightning_fabric import Fabric

ACCELERATORS = ("auto", "cpu", "cuda")
MOST_THREADS = 4  # where the profile names no number


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """One hardware profile.

    Args:
        accelerator: cpu, cuda, or auto (cuda where there is one).
        devices: number of devices.
        precision: as Lightning Fabric names it, such as 32-true or bf16-mixed.
        threads: threads of one attempt; None means one for each core that this process may use, but not more than
            `MOST_THREADS`, since small networks get slower with many.
        deterministic: ask torch for algorithms that give the same bits twice.
        time_limit: seconds that `solve` and `evaluate` of one attempt may take together; None for no limit.
        memory_limit: MiB of resident memory that one attempt may hold, its child processes included.
        device_memory_limit: MiB of CUDA memory that one attempt may hold.
    """

    accelerator: str
    devices: int
    precision: str
    threads: int | None
    deterministic: bool
    time_limit: float | None
    memory_limit: float | None
    device_memory_limit: float | None

    def __post_init__(self) -> None:
        if self.accelerator not in ACCELERATORS:
            raise ValueError(f"accelerator {self.accelerator!r} is none of {', '.join(ACCELERATORS)}")
        if self.devices < 1:
            raise ValueError(f"devices must be at least 1, got {self.devices}")
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads must be at least 1, got {self.threads}")
        for name in ("time_limit", "memory_limit", "device_memory_limit"):
            if (limit := getattr(self, name)) is not None and not limit > 0:
                raise ValueError(f"{name} must be above 0, got {limit}")

    def resolved(self, workers: int = 1) -> Hardware:
        """This profile on this machine: `auto` decided, threads counted.

        Args:
            workers: attempts that run at the same time and share the cores.

        Raises:
            NotApplicable: the machine has not what the profile asks for.
        """
        available = cores()
        if self.threads is not None and self.threads * workers > available:
            each = f" for each of {workers} workers" if workers > 1 else ""
            raise NotApplicable(f"the profile wants {self.threads} threads{each}, but {available} cores are available")
        accelerator = self.accelerator
        if accelerator != "cpu":
            found = _cuda_devices()
            if accelerator == "auto":
                accelerator = "cuda" if found else "cpu"
            elif found < self.devices:
                raise NotApplicable(f"the profile wants {self.devices} cuda device(s), this machine has {found}")
        threads = self.threads or max(1, min(available // workers, MOST_THREADS))
        return replace(self, accelerator=accelerator, threads=threads)

    def elsewhere(self) -> Hardware:
        """This profile on a machine that is not this one: nothing is checked, and nothing may depend on it.

        Raises:
            NotApplicable: the accelerator is left to the machine, so that the cells could not be named.
        """
        if self.accelerator == "auto":
            raise NotApplicable("hardware=auto is decided where the sweep is planned; name hardware=cpu or cuda")
        return self

    def identity(self) -> dict[str, Any]:
        """The part of the profile that can move a number."""
        return {
            "accelerator": self.accelerator,
            "devices": self.devices,
            "precision": self.precision,
            "deterministic": self.deterministic,
        }

    def fabric(self) -> Fabric:
        """A Lightning Fabric with this profile's device, precision and strategy."""
        import lightning_fabric  # slow, and only methods with tensors need it

        fabric = lightning_fabric.Fabric(
            accelerator=self.accelerator,
            devices=self.devices,
            precision=self.precision,  # type: ignore[arg-type]  # a string from YAML; Fabric checks it
        )
        fabric.launch()
        return fabric

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Hold the thread limits inside the block, and warm torch up where a plugin has imported it."""
        with _controller(len(sys.modules)).limit(limits=self.threads):
            if "torch" in sys.modules:
                import torch

                torch.set_num_threads(self.threads or 1)
                torch.use_deterministic_algorithms(self.deterministic, warn_only=True)
                warm_up()
                if self.device_memory_limit is not None and self.accelerator == "cuda":
                    cap_device_memory(self.device_memory_limit)
            yield


@functools.lru_cache(maxsize=1)
def _controller(_loaded: int) -> ThreadpoolController:
    """The thread pools of this process; looked for again (2.5 ms) only after more modules were loaded."""
    return ThreadpoolController()


def cap_device_memory(limit: float) -> None:
    """Let torch refuse more than `limit` MiB of CUDA memory, which ends an attempt as `memory`."""
    import torch

    for device in range(torch.cuda.device_count()):
        whole = torch.cuda.get_device_properties(device).total_memory / 2**20
        torch.cuda.set_per_process_memory_fraction(min(1.0, limit / whole), device)


def cores() -> int:
    """Cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cuda_devices() -> int:
    if sys.platform == "linux" and not any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/dxg")):
        return 0  # no driver: spare the seconds that it takes to import torch
    import torch

    return torch.cuda.device_count()


@functools.cache
def warm_up() -> None:
    """One throw-away training step: the first torch optimizer of a process costs seconds that no method should pay."""
    import torch

    module = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(module.parameters())
    module(torch.ones(1, 2)).sum().backward()
    optimizer.step()


def seed_everything(rng: np.random.Generator) -> None:
    """Seed the global generators, for library code that draws from them."""
    value = int(rng.integers(2**32))
    random.seed(value)
    np.random.seed(value)  # noqa: NPY002 (the legacy global is what such code draws from)
    if "torch" in sys.modules:
        import torch

        torch.manual_seed(value)


class PeakMemory:
    """Highest resident memory of this process since it was made, in MiB.

    On Linux the kernel's high-water mark is set back first; where that cannot be done, the mark of the whole process
    would be wrong for one attempt, so there is no figure.
    """

    def __init__(self) -> None:
        try:
            Path("/proc/self/clear_refs").write_text("5")
            self._works = True
        except OSError:
            self._works = False

    def mib(self) -> float | None:
        """The mark now, or None where the machine cannot tell."""
        if not self._works:
            return None
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        return None
