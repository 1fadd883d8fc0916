"""Hardware profiles."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from runners import hardware
from runners.build import build
from runners.errors import CommandError
from runners.hardware import Hardware, PeakMemory, seed_everything, warm_up
from tasks.base import NotApplicable

VALUES: dict[str, Any] = {
    "accelerator": "cpu",
    "devices": 1,
    "precision": "32-true",
    "threads": 1,
    "deterministic": True,
    "time_limit": None,
    "memory_limit": None,
    "device_memory_limit": None,
}


def profile(**changes: Any) -> Hardware:
    return build(VALUES | changes, Hardware, "hardware")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"accelerator": "abacus"}, "accelerator 'abacus' is none of auto, cpu, cuda"),
        ({"devices": 0}, "devices must be at least 1, got 0"),
        ({"threads": 0}, "threads must be at least 1, got 0"),
        ({"time_limit": 0}, "time_limit must be above 0, got 0"),
        ({"memory_limit": -1}, "memory_limit must be above 0, got -1"),
        ({"threads": "many"}, r"hardware\.threads: cannot use 'many'"),
    ],
)
def test_a_profile_that_makes_no_sense_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        profile(**change)


def test_threads_are_counted_on_the_machine_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    assert profile(threads=None).resolved().threads == 3
    assert profile(threads=2).resolved().threads == 2
    with pytest.raises(NotApplicable, match="wants 4 threads, but 3 cores are available"):
        profile(threads=4).resolved()
    assert profile(threads=None).resolved(workers=2).threads == 1
    assert profile(threads=None).resolved(workers=3).threads == 1
    with pytest.raises(NotApplicable, match="wants 2 threads for each of 2 workers, but 3 cores are available"):
        profile(threads=2).resolved(workers=2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    assert profile(threads=None).resolved(workers=32).threads == 2
    assert profile(threads=None).resolved().threads == 4, "small networks get slower with many"
    assert profile(threads=32).resolved().threads == 32


def test_another_machine_is_not_checked_but_must_be_told_which_accelerator() -> None:
    assert profile(accelerator="cuda", devices=8, threads=4096).elsewhere().devices == 8
    with pytest.raises(NotApplicable, match="name hardware=cpu or cuda"):
        profile(accelerator="auto").elsewhere()


@pytest.mark.parametrize(("found", "decided"), [(0, "cpu"), (2, "cuda")])
def test_auto_takes_what_there_is(monkeypatch: pytest.MonkeyPatch, found: int, decided: str) -> None:
    monkeypatch.setattr(hardware, "_cuda_devices", lambda: found)
    assert profile(accelerator="auto").resolved().accelerator == decided


def test_a_profile_that_wants_more_devices_than_there_are_does_not_apply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "_cuda_devices", lambda: 1)
    assert profile(accelerator="cuda").resolved().accelerator == "cuda"
    with pytest.raises(NotApplicable, match=r"wants 2 cuda device\(s\), this machine has 1"):
        profile(accelerator="cuda", devices=2).resolved()


def test_threads_cannot_move_a_number_and_the_rest_can() -> None:
    one = profile()
    assert one.identity() == replace(one, threads=2).identity()
    changes: list[dict[str, Any]] = [{"accelerator": "cuda"}, {"devices": 2}, {"precision": "64-true"}]
    for change in [*changes, {"deterministic": False}]:
        assert one.identity() != profile(**change).identity()


def test_threads_are_held_inside_the_block_and_let_go_after(monkeypatch: pytest.MonkeyPatch) -> None:
    before = [pool["num_threads"] for pool in threadpool_info()]
    with profile().applied():
        assert {pool["num_threads"] for pool in threadpool_info()} == {1}
        assert torch.get_num_threads() == 1
        assert torch.are_deterministic_algorithms_enabled()
    assert [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"] == [
        count for count, pool in zip(before, threadpool_info(), strict=True) if pool["user_api"] == "blas"
    ]


def test_a_fabric_has_the_precision_of_the_profile() -> None:
    fabric = profile(precision="64-true").fabric()
    assert fabric.device == torch.device("cpu")
    assert fabric.setup_module(torch.nn.Linear(2, 2)).weight.dtype == torch.float64


def test_the_global_generators_are_seeded_from_the_stream() -> None:
    def draw() -> tuple[float, float, float]:
        return random.random(), np.random.rand(), float(torch.rand(()))  # noqa: NPY002 (the legacy global is the point)

    seed_everything(np.random.default_rng(3))
    first = draw()
    assert draw() != first
    seed_everything(np.random.default_rng(3))
    assert draw() == first
    seed_everything(np.random.default_rng(4))
    assert draw() != first


def test_warming_up_leaves_nothing_behind() -> None:
    warm_up.cache_clear()
    warm_up()
    assert warm_up.cache_info().currsize == 1


def test_the_memory_mark_grows_with_what_is_held() -> None:
    mark = PeakMemory()
    before = mark.mib()
    if before is None:
        pytest.skip("this machine cannot tell")
    held = np.ones(60 * 2**17)  # 60 MiB
    after = mark.mib()
    assert after is not None
    assert 40 < after - before < 200
    del held
    assert (mark.mib() or 0) >= after - 10, "the mark falls when memory is let go"
    fresh = PeakMemory().mib()
    assert fresh is not None
    assert fresh < after - 20


def test_a_machine_that_cannot_reset_the_mark_gives_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, text: str) -> int:
        raise PermissionError(self)

    monkeypatch.setattr(Path, "write_text", refuse)
    assert PeakMemory().mib() is None


def test_a_mark_that_is_not_listed_gives_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    mark = PeakMemory()
    monkeypatch.setattr(Path, "read_text", lambda self: "VmRSS: 10 kB")
    assert mark.mib() is None


def test_torch_is_only_asked_for_devices_where_that_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> int:
        raise AssertionError("asked for devices")

    monkeypatch.setattr(hardware, "_cuda_devices", fail)
    assert profile().resolved().accelerator == "cpu"


@pytest.mark.parametrize(("driver", "expected"), [(True, 2), (False, 0)])
def test_devices_are_counted_where_there_is_a_driver(
    monkeypatch: pytest.MonkeyPatch, driver: bool, expected: int
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(Path, "exists", lambda self: driver)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert hardware._cuda_devices() == expected
