"""The run: clock, offers, logs and checkpoints."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from runners.hardware import Hardware
from runners.run import AttemptRun, Clock, Nobody, Offer, Offers
from tasks.metering import BudgetSpent, Ledger, Limit


def run_of(folder: Path, hardware: Hardware, ledger: Ledger | None = None, solving: bool = True) -> AttemptRun:
    rng = np.random.default_rng(1)
    file = folder / "deep" / "cell.pt" if solving else None
    offers = Offers() if solving else None
    return AttemptRun(rng, ledger or Ledger(), hardware, folder, checkpoint_file=file, offers=offers)


@given(st.integers(0, 400), st.sampled_from([12, 60]))
def test_of_many_offers_a_few_are_kept_in_order_with_the_first_and_the_last(count: int, most: int) -> None:
    offers = Offers(most)
    for number in range(count):
        offers.add(Offer(number, float(number), {}))
    kept = [offer.solution for offer in offers.curve()]
    assert offers.count == count
    assert len(kept) <= most + 1
    assert kept == sorted(set(kept))
    assert len(kept) >= min(count, 4)
    if count:
        assert offers.last is not None
        assert (kept[0], kept[-1], offers.last.solution) == (0, count - 1, count - 1)


def test_early_offers_lie_closer_together_than_late_ones() -> None:
    offers = Offers()
    for number in range(1000):
        offers.add(Offer(number, float(number), {}))
    kept = [offer.solution for offer in offers.curve()]
    assert kept[1] - kept[0] < kept[-1] - kept[-2]
    assert len(kept) >= 6


@pytest.mark.parametrize(("most", "factor"), [(12, 2.25), (60, 1.21)])
def test_neighbours_of_a_long_curve_are_at_most_a_factor_apart(most: int, factor: float) -> None:
    offers = Offers(most)
    for number in range(20_000):
        offers.add(Offer(number, float(number), {}))
    kept = [offer.solution for offer in offers.curve() if offer.solution >= 60]
    assert all(after + 1 <= factor * (before + 1) + 1 for before, after in itertools.pairwise(kept))


def test_an_offer_is_stamped_with_clock_and_ledger(tmp_path: Path, one_core: Hardware) -> None:
    run = run_of(tmp_path, one_core)
    run.offer("first")
    run.ledger.spend("labels", 4)
    run.offer("second")
    assert run.offers is not None
    first, second = run.offers.curve()
    assert (first.cost, second.cost) == ({}, {"labels": 4})
    assert 0 <= first.seconds <= second.seconds <= run.clock.seconds()


def test_there_is_nothing_to_offer_or_to_checkpoint_while_a_solution_is_used(
    tmp_path: Path, one_core: Hardware
) -> None:
    run = run_of(tmp_path, one_core, solving=False)
    with pytest.raises(RuntimeError, match="nothing to offer"):
        run.offer(1)
    with pytest.raises(RuntimeError, match="nothing to checkpoint"):
        run.checkpoint({})
    assert run.restore() is None


def test_logs_are_points_and_leave_out_what_is_not_finite(tmp_path: Path, one_core: Hardware) -> None:
    run = run_of(tmp_path, one_core)
    for value in (1.0, math.nan, math.inf, np.float32(2.0)):
        run.log("loss", float(value))
    run.log("loss", 3, step=10)
    assert [(step, value) for step, _, value in run.logs["loss"]] == [(0, 1.0), (1, 2.0), (10, 3.0)]
    assert all(type(item) is float for point in run.logs["loss"] for item in point)


def test_progress_reaches_the_watcher(tmp_path: Path, one_core: Hardware) -> None:
    seen: list[tuple[float, float]] = []

    class Watcher(Nobody):
        def progress(self, done: float, total: float) -> None:
            seen.append((done, total))

    run = run_of(tmp_path, one_core)
    run.progress(1, 2)
    run.watcher = Watcher()
    run.progress(2, 4)
    run.watcher.phase("solve")
    assert seen == [(2, 4)]


def test_a_clock_goes_on_from_what_it_carries() -> None:
    clock = Clock()
    before = clock.seconds()
    clock.carried += 100
    assert 100 <= clock.seconds() - before < 101


def test_a_checkpoint_carries_state_clock_ledger_and_randomness(tmp_path: Path, one_core: Hardware) -> None:
    first = run_of(tmp_path, one_core, Ledger(Limit("labels", 5)))
    assert first.restore() is None
    first.clock.carried = 50
    first.ledger.spend("labels", 3)
    first.rng.random(7)
    first.checkpoint({"step": 4, "weights": torch.arange(3.0), "nested": {"list": [1, 2.5, "a", None]}})
    expected = first.rng.random(3).tolist()

    second = run_of(tmp_path, one_core, Ledger(Limit("labels", 5)))
    state = second.restore()
    assert state is not None
    assert state["weights"].tolist() == [0, 1, 2]
    assert (state["step"], state["nested"]) == (4, {"list": [1, 2.5, "a", None]})
    assert second.clock.seconds() >= 50
    assert second.ledger.totals() == {"labels": 3}
    assert second.rng.random(3).tolist() == expected
    with pytest.raises(BudgetSpent):
        second.ledger.spend("labels", 3)


def test_the_last_checkpoint_counts_and_a_torn_one_is_never_seen(
    tmp_path: Path, one_core: Hardware, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(tmp_path, one_core)
    run.checkpoint({"step": 1})
    run.checkpoint({"step": 2})

    def torn(content: object, place: Path) -> None:
        Path(place).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", torn)
    with pytest.raises(OSError, match="disk full"):
        run.checkpoint({"step": 3})
    again = run_of(tmp_path, one_core).restore()
    assert again == {"step": 2}


def test_the_fabric_is_made_once_and_only_when_asked_for(tmp_path: Path, one_core: Hardware) -> None:
    run = run_of(tmp_path, one_core)
    assert "fabric" not in vars(run)
    assert run.fabric is run.fabric
    assert run.fabric.device.type == "cpu"


def test_offers_of_arrays_are_told_apart_by_identity() -> None:
    offers = Offers()
    for number in range(8):
        offers.add(Offer(np.array([number, 1.0]), 0.0, {}))
    assert offers.curve()[-1].solution[0] == 7


def test_restoring_twice_carries_over_once(tmp_path: Path, one_core: Hardware) -> None:
    first = run_of(tmp_path, one_core)
    first.ledger.spend("steps", 3)
    first.checkpoint({"step": 3})
    again = run_of(tmp_path, one_core)
    assert again.restore() == again.restore() == {"step": 3}
    assert again.ledger.totals() == {"steps": 3}
