"""The fault table: what breaks in real sweeps, broken for real.

After each fault every finished cell is in the store once, every broken one is a row with its reason, and the next
command continues.
"""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from results.record import SCHEMA, Record, Status
from results.store import Store, StoreError

if TYPE_CHECKING:
    from tests.postgres import Server, binaries
else:  # pytest looks where conftest.py is
    from postgres import Server, binaries

Bakeoff = Callable[..., Any]  # the fixture: words in, what was said out
Start = Callable[..., subprocess.Popen[str]]

FIELD = ("task=urns/draws", "seed=0,1")


def records(url: str = "outputs/store.sqlite") -> list[Record]:
    """All attempts of a store."""
    store = Store(url)
    try:
        return store.records()
    finally:
        store.close()


def endings(found: list[Record]) -> Counter[str]:
    return Counter(record.status.value for record in found)


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for something to happen."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def written() -> list[Path]:
    return sorted(Path("outputs").rglob("record.json"))


@pytest.mark.parametrize(
    ("trouble", "limits", "status", "reason"),
    [
        ("killed", [], Status.KILLED, "its process was ended by SIGKILL"),
        ("segfault", [], Status.KILLED, "its process was ended by SIGSEGV"),
        ("memory", ["hardware.memory_limit=1024"], Status.MEMORY, "the limit is 1024 MiB"),
        ("loop", ["hardware.time_limit=2"], Status.TIMEOUT, "the limit is 2 s"),
        ("deaf", ["hardware.time_limit=2"], Status.TIMEOUT, "the limit is 2 s"),
        ("swallows", ["hardware.time_limit=2"], Status.TIMEOUT, "the limit is 2 s"),
        ("leaves", [], Status.KILLED, "its process left with exit code 0"),
        ("nan", [], Status.DIVERGED, "not finite: error, guess"),
        ("raise", [], Status.FAILED, "RuntimeError: no such luck"),
    ],
)
def test_an_attempt_that_breaks_is_a_row_and_the_others_go_on(
    bakeoff: Bakeoff, trouble: str, limits: list[str], status: Status, reason: str
) -> None:
    words = ("run", "-m", "method=urns/single", *FIELD, f"method.trouble={trouble},none", "n_jobs=2", *limits)
    began = time.monotonic()
    said = bakeoff(*words)
    assert said.code == 1, said.err
    found = records()
    assert endings(found) == {status.value: 2, "ok": 2}
    for record in found:
        if record.status is status:
            assert reason in record.reason
            assert record.phase == "solve" if status is not Status.DIVERGED else record.phase == "evaluate"
    if status is Status.TIMEOUT:
        ends = [record for record in found if record.status is status]
        assert all(2 <= record.seconds["solve"] < 4 for record in ends), [record.seconds for record in ends]
        assert time.monotonic() - began < 30
    if trouble == "segfault":
        assert all("Segmentation fault" in r.traceback and "mean.py" in r.traceback for r in found if r.traceback)
        assert any(record.traceback for record in found)
    assert len(written()) == 4
    again = bakeoff(*words)
    assert "skipped 2 of 4 cells" in again.err
    assert endings(records()) == {status.value: 4, "ok": 2}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_leaves_rows_and_checkpoints_and_the_same_command_goes_on_inside(start: Start, number: int) -> None:
    words = ("run", "-m", "method=urns/mean", *FIELD, "method.trouble=resume", "method.draws=19", "n_jobs=2")
    process = start(*words)
    until(lambda: len(list(Path("outputs/checkpoints").glob("*.pt"))) == 2)
    time.sleep(0.3)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    first = records()
    assert endings(first) == {"interrupted": 2}
    assert all(record.reason == "stopped by the user" and record.cost["solve"]["draws"] > 0 for record in first)
    process = start(*words)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    good = [record for record in records() if record.status is Status.OK]
    assert sorted(record.seed for record in good) == [0, 1]
    for record in good:
        before = next(other for other in first if other.cell == record.cell)
        assert record.preemptions == 1
        assert record.cost["solve"]["draws"] == 19
        assert record.seconds["solve"] > before.seconds["solve"]
        assert len(record.logs["value"]) < 19, "it went on and did not begin again"
    assert not list(Path("outputs/checkpoints").glob("*.pt"))


def test_the_sweep_itself_killed_loses_no_finished_cell(start: Start) -> None:
    words = ("run", "-m", "method=urns/mean", "task=urns/draws", "seed=range(0,8)", "method.trouble=slow", "n_jobs=2")
    process = start(*words)
    until(lambda: len(written()) >= 3)
    process.kill()
    process.communicate()  # until its workers have noticed, and ended too
    files = written()
    assert 3 <= len(files) < 8
    process = start(*words)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    found = records()
    assert sorted(record.seed for record in found if record.status is Status.OK) == list(range(8))
    assert {json.loads(path.read_text())["id"] for path in files} <= {record.id for record in found}


def test_a_full_disk_stops_the_sweep_with_one_line_and_the_next_command_goes_on(start: Start, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(small)], capture_output=True, text=True
    )
    if mount.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mount.stderr.strip()}")
    try:
        words = ("run", "-m", "method=urns/mean", "task=urns/draws", "seed=range(0,60)", "n_jobs=2")
        places = (f"outputs={small}/outputs", f"store={tmp_path}/store.sqlite")
        process = start(*words, *places)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 2, err
        assert "No space left on device; the sweep stops here, and the same command goes on from here" in err
        assert "Traceback" not in err
        kept = records(f"{tmp_path}/store.sqlite")
        assert 0 < len(kept) < 60
        assert len({record.cell for record in kept}) == len(kept)
        subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
        process = start(*words, *places)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        after = records(f"{tmp_path}/store.sqlite")
        assert sorted(record.seed for record in after if record.status is Status.OK) == list(range(60))
        assert {record.id for record in kept} <= {record.id for record in after}
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_a_locked_database_delays_records_and_loses_none(start: Start) -> None:
    words = ("run", "-m", "method=urns/mean", "task=urns/draws", "seed=range(0,6)", "method.trouble=slow", "n_jobs=2")
    process = start(*words)
    until(lambda: len(written()) >= 1)
    lock = sqlite3.connect("outputs/store.sqlite", timeout=20, isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    time.sleep(8)  # longer than a sweep waits for a lock; what was claimed goes on
    lock.execute("COMMIT")
    lock.close()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    found = records()
    if len(found) < 6:  # it ended before the lock did: what waits is taken in by the next command
        process = start(*words)
        _, err = process.communicate(timeout=60)
        assert "skipped 6 of 6 cells" in err
    assert sorted(record.seed for record in records()) == list(range(6))


@pytest.fixture
def postgres() -> Iterator[Server]:
    """A PostgreSQL server of the test's own."""
    if binaries() is None:
        pytest.skip("there is no PostgreSQL server on this machine")
    folder = Path(tempfile.mkdtemp(prefix="bakeoff-postgres-"))
    made = Server(folder)
    made.start()
    yield made
    made.stop()
    shutil.rmtree(folder)


def test_a_database_that_goes_and_comes_back_gets_every_record(start: Start, postgres: Server) -> None:
    words = ("run", "-m", "method=urns/mean", "task=urns/draws", "seed=range(0,24)", "method.trouble=slow", "n_jobs=2")
    process = start(*words, f"store={postgres.url}")
    until(lambda: len(written()) >= 2)
    postgres.stop()  # may take seconds, so that there are cells enough for it to fall among them
    time.sleep(4)  # what was claimed goes on, nothing new begins
    postgres.start()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert "finished attempts wait until it answers again" in err
    process = start(*words, f"store={postgres.url}")
    _, err = process.communicate(timeout=60)
    assert "skipped 24 of 24 cells" in err
    assert sorted(record.seed for record in records(postgres.url)) == list(range(24))
    assert len(written()) == 24


def test_two_sweeps_of_the_same_cells_share_them(start: Start) -> None:
    words = ("run", "-m", "method=urns/mean,urns/broken", "task=urns/draws", "seed=range(0,12)", "n_jobs=2")
    both = [start(*words, "method.draws=12"), start(*words, "method.draws=12")]
    said = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [1, 1], said
    found = records()
    assert len(found) == 24, said
    assert len({record.cell for record in found}) == 24
    assert endings(found) == {"ok": 12, "failed": 12}
    assert len(written()) == 24


def test_a_truncated_record_is_named_and_the_rest_goes_on(bakeoff: Bakeoff) -> None:
    words = ("run", "-m", "method=urns/single", *FIELD)
    bakeoff(*words)
    first, second = written()
    second.write_text(second.read_text()[:200])
    said = bakeoff("import", "outputs", "store=other.sqlite")
    assert said.code == 1
    assert f"{second}: not a complete record" in said.err.replace(str(Path.cwd()) + "/", "")
    assert len(records("other.sqlite")) == 1
    again = bakeoff(*words, "store=other.sqlite")
    assert "skipped 1 of 2 cells" in again.err
    assert len(records("other.sqlite")) == 2
    assert first.exists()


def test_a_newer_record_or_store_is_named_and_left_alone(bakeoff: Bakeoff) -> None:
    words = ("run", "-m", "method=urns/single", *FIELD)
    bakeoff(*words)
    path = written()[0]
    content = json.loads(path.read_text()) | {"schema": SCHEMA + 1}
    path.write_text(json.dumps(content))
    Path("outputs/waiting").mkdir(exist_ok=True)
    (Path("outputs/waiting") / "newer").write_text(str(path.resolve()))
    said = bakeoff("run", "method=urns/single", "task=urns/draws", "seed=5")
    assert said.code == 0
    assert f"written by a newer bakeoff (schema {SCHEMA + 1}, this one reads {SCHEMA})" in said.err
    assert (Path("outputs/waiting") / "newer").exists()
    with sqlite3.connect("outputs/store.sqlite") as connection:
        connection.execute("UPDATE layout SET version = 99")
    connection.close()
    for command in (words, ("leaderboard",), ("status",)):
        said = bakeoff(*command)
        assert said.code == 2
        assert said.err.count("\n") == 1
        assert "made by a newer bakeoff (layout 99" in said.err
    with pytest.raises(StoreError, match="newer"):
        Store("outputs/store.sqlite")


def test_what_cannot_be_sent_to_a_worker_is_named_before_anything_runs(bakeoff: Bakeoff) -> None:
    said = bakeoff("run", "-m", "method=urns/single", *FIELD, "method.trouble=none,unsendable")
    assert said.code == 2
    assert "urns/single on urns/draws cannot be sent to a worker process" in said.err
    assert said.err.count("\n") == 1
    assert records() == []


def test_a_reader_that_leaves_stops_no_sweep(start: Start) -> None:
    process = start("run", "-m", "method=urns/mean", "task=urns/draws", "seed=range(0,30)", "n_jobs=2")
    assert process.stderr is not None
    process.stderr.readline()
    process.stderr.close()
    process.stderr = None
    assert process.wait(60) == 0
    assert sorted(record.seed for record in records()) == list(range(30))


@pytest.mark.parametrize("wait", [0.0, 0.05, 0.11, 0.17, 0.3])
def test_a_stop_at_any_moment_ends_soon_and_keeps_what_was_finished(start: Start, wait: float) -> None:
    process = start("run", "-m", "method=urns/mean", "task=urns/draws", "seed=range(0,3000)", "n_jobs=2")
    until(lambda: len(written()) >= 5)
    time.sleep(wait)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err[-500:]
    assert {path.parent.name for path in written()} == {record.id for record in records()}


def test_a_cell_that_another_sweep_was_stopped_in_is_run(start: Start) -> None:
    words = ("run", "-m", "method=urns/mean", "task=urns/draws", "seed=range(0,4)", "method.trouble=slow")
    first = start(*words, "method.draws=19")
    until(lambda: len(written()) >= 1)
    second = start(*words, "method.draws=19")
    time.sleep(3)
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=30)
    _, err = second.communicate(timeout=90)
    assert second.returncode == 0, err
    assert sorted(record.seed for record in records() if record.status is Status.OK) == [0, 1, 2, 3]
