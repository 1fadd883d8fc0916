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
from threadpoolctl import threadpool_limits

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
    """

    accelerator: str
    devices: int
    precision: str
    threads: int | None
    deterministic: bool

    def __post_init__(self) -> None:
        if self.accelerator not in ACCELERATORS:
            raise ValueError(f"accelerator {self.accelerator!r} is none of {', '.join(ACCELERATORS)}")
        if self.devices < 1:
            raise ValueError(f"devices must be at least 1, got {self.devices}")
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads must be at least 1, got {self.threads}")

    def resolved(self) -> Hardware:
        """This profile on this machine: `auto` decided, threads counted.

        Raises:
            NotApplicable: the machine has not what the profile asks for.
        """
        available = cores()
        if self.threads is not None and self.threads > available:
            raise NotApplicable(f"the profile wants {self.threads} threads, but {available} cores are available")
        accelerator = self.accelerator
        if accelerator != "cpu":
            found = _cuda_devices()
            if accelerator == "auto":
                accelerator = "cuda" if found else "cpu"
            elif found < self.devices:
                raise NotApplicable(f"the profile wants {self.devices} cuda device(s), this machine has {found}")
        return replace(self, accelerator=accelerator, threads=self.threads or min(available, MOST_THREADS))

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
        with threadpool_limits(limits=self.threads):
            if "torch" in sys.modules:
                import torch

                torch.set_num_threads(self.threads or 1)
                torch.use_deterministic_algorithms(self.deterministic, warn_only=True)
                warm_up()
            yield


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
