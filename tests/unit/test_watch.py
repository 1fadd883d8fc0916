"""Limits as the parent sees them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from results.record import Status
from runners.hardware import Hardware
from runners.watch import Meter, excess, kill_group, obituary


def test_an_attempt_within_its_limits_is_left_alone(one_core: Hardware) -> None:
    profile = replace(one_core, time_limit=10.0, memory_limit=1e6, device_memory_limit=1e6)
    assert excess(profile, 9.9, Meter(os.getpid())) is None
    assert excess(one_core, 1e9, Meter(os.getpid())) is None


def test_each_limit_has_its_sentence(one_core: Hardware) -> None:
    found = excess(replace(one_core, time_limit=2.0), 2.5, Meter(os.getpid()))
    assert found == (Status.TIMEOUT, "stopped after 2.5 s; the limit is 2 s")
    found = excess(replace(one_core, memory_limit=1.0), 0.0, Meter(os.getpid()))
    assert found is not None
    assert found[0] is Status.MEMORY
    assert "the limit is 1 MiB" in found[1]


def test_the_memory_of_child_processes_counts() -> None:
    program = "import time; hoard = bytearray(200 * 2**20); print(1, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        alone = Meter(child.pid).resident()
        assert alone > 200
        assert Meter(os.getpid()).resident() > alone
        child.kill()
    assert Meter(child.pid).resident() == 0


def test_device_memory_is_read_as_the_driver_tells_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver's own program is not on every machine; what it prints is a fixed format."""
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\necho '{os.getpid()}, 300'\necho '1, 5000'\necho '{os.getpid()}, [N/A]'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert Meter(os.getpid()).device() == 300
    program.write_text("#!/bin/sh\nexit 9\n")
    assert Meter(os.getpid()).device() == 0


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-signal.SIGSEGV, "its process was ended by SIGSEGV"),
        (-signal.SIGKILL, "its process was ended by SIGKILL; the system may have run out of memory"),
        (3, "its process left with exit code 3"),
        (-250, "its process was ended by signal 250"),
        (None, "its process ended"),
    ],
)
def test_how_a_process_ended_in_words(code: int | None, words: str) -> None:
    assert obituary(code) == words


def test_a_group_is_killed_with_everything_that_it_started() -> None:
    program = "import subprocess, sys, time; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); p.wait()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True, text=True
    ) as process:
        assert process.stdout is not None
        grandchild = int(process.stdout.readline())
        kill_group(process.pid)
        assert process.wait(10) == -signal.SIGKILL
    end = time.monotonic() + 10
    while Path(f"/proc/{grandchild}").exists() and _running(grandchild) and time.monotonic() < end:
        time.sleep(0.02)
    assert not _running(grandchild)
    kill_group(process.pid)  # once more: nobody is left, and nothing happens


def _running(pid: int) -> bool:
    try:
        return "(sleep) Z" not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
