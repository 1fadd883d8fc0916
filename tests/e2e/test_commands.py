"""From the command line to a table, with a tiny arena and the real engines."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from results.record import Record, Status, from_json
from results.store import Store
from runners import usage
from runners.verbs import VERBS

Bakeoff = Callable[..., Any]  # the fixture: words in, what was said out


def records(outputs: str = "outputs") -> list[Record]:
    """All attempts in the store of an outputs folder."""
    store = Store(f"{outputs}/store.sqlite")
    try:
        return store.records()
    finally:
        store.close()


def test_help_names_every_verb(bakeoff: Bakeoff) -> None:
    said = bakeoff("--help")
    assert said.code == 0
    assert all(f"bakeoff {verb}" in said.out for verb in ("list", "info", "run", "leaderboard", "show"))


def test_no_verb_and_a_wrong_verb_are_refused(bakeoff: Bakeoff) -> None:
    assert bakeoff().code == 2
    said = bakeoff("lsit")
    assert (said.code, said.err) == (2, "bakeoff: there is no command 'lsit'; did you mean list?\n")


def test_list_is_a_list_of_objects_with_name(bakeoff: Bakeoff) -> None:
    rows = json.loads(bakeoff("list", "format=json").out)
    assert {"urns/mean", "urns/draws"} <= {row["name"] for row in rows}
    only = json.loads(bakeoff("list", "methods", "arena=urns", "format=json").out)
    assert {row["kind"] for row in only} == {"method"}
    assert all(row["arena"] == "urns" and row["title"] for row in only)


def test_list_shows_a_broken_file_and_goes_on(bakeoff: Bakeoff, arena: Path) -> None:
    (arena / "configs/method/urns/wrecked.yaml").write_text("a: [1\n")
    said = bakeoff("list", "methods", "arena=urns")
    assert said.code == 0
    assert "urns/wrecked  wrecked.yaml:" in said.out
    assert "urns/mean" in said.out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["list", "colour=red"], "colour: this command has no such key; it has arena, format"),
        (["list", "arena=urn"], "there is no arena called 'urn'; did you mean urns?"),
        (["list", "format=xml"], "format: 'xml' is none of text, json"),
        (["info"], "info takes one name"),
        (["info", "urns/men"], "there is nothing called 'urns/men'; did you mean urns/mean"),
        (["show"], "show takes the name of one attempt"),
        (["show", "abc"], "no attempt begins with 'abc'"),
        (["leaderboard", "format=pdf"], "format: 'pdf' is none of terminal, md, csv, json"),
        (["leaderboard", "urns"], "leaderboard: 'urns' is not key=value"),
    ],
)
def test_a_wrong_question_gets_one_clear_line(bakeoff: Bakeoff, words: list[str], sentence: str) -> None:
    said = bakeoff(*words)
    assert said.code == 2
    assert sentence in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["method=urns/mean", "task=urns/closed"], "urns/mean needs Urn, but urns/closed poses Sealed"),
        (["method.lr=banana"], "method.lr: cannot use 'banana' as float"),
        (["method.nope=1"], "method.nope: there is no such key"),
        (["+method.nope=1"], "method.nope: Mean has no such field"),
        (["method=urns/men"], "there is no method called 'urns/men'; did you mean urns/mean"),
        (["task=urns/drawers"], "there is no task called 'urns/drawers'; did you mean urns/draws"),
        (["hardware=abacus"], "there is no hardware called 'abacus'"),
        (["hardware.threads=4096"], "the profile wants 4096 threads"),
        (["hardware.accelerator=tpu"], "accelerator 'tpu' is none of auto, cpu, cuda"),
        (["seed=first"], "seed: expected a whole number that is not negative, got 'first'"),
        (["seed=-1"], "seed: expected a whole number that is not negative, got -1"),
        (["seed=1,2"], "several values need a sweep"),
        (["scale=huge"], "task urns/draws has no scale 'huge'; it has tiny, laptop"),
        (["colour=red"], "colour: there is no such key"),
        (["+colour=red"], "colour: there is no such key"),
        (["task.card.version=7"], "task.card: a card describes its file"),
        (["method._target_=os.system"], "method._target_: urns/mean is methods.urns.mean.Mean, and os.system would be"),
        (["task._target_=subprocess.run"], "task._target_: urns/draws is tasks.urns.urns.Draws, and subprocess.run"),
        (["method.lr=[1"], "method.lr=[1: not a value that Hydra's override grammar allows"),
        (["-m", "method=glob(nothing/*)"], "no method matches nothing/*"),
        (["-m", "method=urns/mean,urns/men"], "there is no method called 'urns/men'; did you mean urns/mean"),
        (["-m", "method.lr=1,banana"], "method.lr: cannot use 'banana' as float"),
        (["-m", "method.lr=glob(*)"], "method.lr: a glob can only choose among"),
        (["-m", "task=urns/closed"], "nothing to run; left out: urns/mean needs Urn, but urns/closed poses Sealed"),
        (["-m", "seed=1,x"], "seed: expected a whole number that is not negative, got 'x'"),
        (["-m", "scale=tiny,huge"], "task urns/draws has no scale 'huge'"),
        (["-m", "experiment=nope"], "there is no experiment called 'nope'"),
    ],
)
def test_a_wrong_run_is_refused_by_name(bakeoff: Bakeoff, words: list[str], sentence: str) -> None:
    given = {word.partition("=")[0] for word in words}
    rest = [word for word in ("method=urns/mean", "task=urns/draws") if word.partition("=")[0] not in given]
    said = bakeoff("run", *rest, *words)
    assert said.code == 2, said
    assert sentence in said.err
    assert "Traceback" not in said.err
    assert said.err.count("\n") == 1
    assert not Path("outputs/store.sqlite").exists() or not records()


@pytest.mark.parametrize("sweep", [[], ["-m"]])
def test_what_is_not_named_is_asked_for(bakeoff: Bakeoff, sweep: list[str]) -> None:
    assert "method is not given" in bakeoff("run", *sweep, "task=urns/draws").err
    assert "task is not given" in bakeoff("run", *sweep, "method=urns/mean").err


def test_one_cell_leaves_a_record_a_row_and_a_line(bakeoff: Bakeoff) -> None:
    said = bakeoff("run", "method=urns/mean", "task=urns/draws", "seed=3", "method.lr=0.5")
    assert said.code == 0
    assert "urns/mean on urns/draws, seed 3: error" in said.err
    (record,) = records()
    assert (record.status, record.seed, record.identity["method"]["lr"]) == (Status.OK, 3, 0.5)
    assert record.cost == {"solve": {"draws": 10.0}, "use": {"looks": 1.0}}
    assert record.curve[-1]["metrics"]["error"] == record.metrics["error"]
    assert [point[0] for point in record.logs["value"]] == list(range(10))
    (path,) = Path("outputs").rglob("record.json")
    assert from_json(path.read_text(), str(path)) == record


def test_the_same_cell_is_skipped_and_force_adds_an_attempt(bakeoff: Bakeoff) -> None:
    words = ("run", "method=urns/mean", "task=urns/draws")
    assert bakeoff(*words).code == 0
    again = bakeoff(*words)
    assert again.code == 0
    assert "skipped 1 of 1 cells" in again.err
    assert len(records()) == 1
    assert bakeoff(*words, "force=true").code == 0
    first, second = records()
    assert first.id != second.id
    assert first.cell == second.cell
    assert first.metrics == second.metrics


def test_operational_settings_do_not_move_the_cell_but_values_do(bakeoff: Bakeoff) -> None:
    words = ("run", "method=urns/mean", "task=urns/draws")
    bakeoff(*words)
    assert "skipped 1" in bakeoff(*words, "hardware=cpu", "hardware.threads=1").err
    assert "skipped" not in bakeoff(*words, "task.spread=2").err
    assert "skipped" not in bakeoff(*words, "scale=tiny").err
    assert len({record.cell for record in records()}) == 3


def test_a_tier_changes_the_task_and_the_command_line_wins_over_it(bakeoff: Bakeoff) -> None:
    bakeoff("run", "method=urns/mean", "task=urns/draws", "scale=tiny")
    bakeoff("run", "method=urns/mean", "task=urns/draws", "scale=tiny", "task.budget=20")
    assert [record.limits["solve"]["draws"] for record in records()] == [3, 20]


def test_a_sweep_runs_what_can_be_run_and_fails_loudly(bakeoff: Bakeoff) -> None:
    said = bakeoff("run", "-m", "method=glob([urns/*,reference/*],urns/s*)", "task=glob(urns/*)", "seed=range(0,2)")
    assert said.code == 1
    assert "left out 6 pairs whose types do not fit, such as: urns/absurd needs Urn, but urns/closed" in said.err
    ended = {(r.method.partition("/")[2], r.task.partition("/")[2], r.seed): r for r in records()}
    assert len(ended) == (6 + 2) * 2 + 2 * 2
    assert ended["mean", "draws", 1].status is Status.OK
    assert ended["greedy", "draws", 0].status is Status.OK
    assert "draws is spent; the last offer counts" in ended["greedy", "draws", 0].reason
    broken = ended["broken", "draws", 0]
    assert (broken.status, broken.reason, broken.phase) == (Status.FAILED, "RuntimeError: no such luck", "solve")
    assert "methods/urns/mean.py" in broken.traceback
    assert ended["absurd", "draws", 0].status is Status.INVALID
    assert ended["lost", "draws", 0].status is Status.DIVERGED
    picky = ended["picky", "draws", 0]
    assert (picky.status, picky.reason) == (Status.SKIPPED, "the urn is of the wrong colour")
    assert ended["best", "closed", 0].status is Status.SKIPPED
    assert ended["best", "draws", 0].metrics["error"] == 0


def test_a_sweep_goes_seed_by_seed_so_that_a_busy_machine_disturbs_all_methods_alike(bakeoff: Bakeoff) -> None:
    bakeoff("run", "-m", "method=urns/mean,urns/greedy", "task=urns/draws", "seed=1,0", "n_jobs=0")
    assert [it.seed for it in sorted(records(), key=lambda it: it.started)] == [0, 0, 1, 1]


def test_a_board_ranks_what_ended_well_and_names_the_rest(bakeoff: Bakeoff) -> None:
    bakeoff("run", "-m", "method=glob([urns/*,reference/*],urns/s*)", "task=urns/draws", "seed=range(0,4)")
    rows = json.loads(bakeoff("leaderboard", "format=json").out)["rows"]
    by_name = {row["method"]: row for row in rows}
    assert [row["method"] for row in rows][:2] == ["urns/greedy", "urns/mean"]
    assert by_name["urns/mean"]["n"] == 4
    assert by_name["urns/mean"]["metrics"]["error"]["low"] < by_name["urns/mean"]["metrics"]["error"]["value"]
    assert by_name["urns/broken"]["endings"] == {"failed": 4}
    assert by_name["urns/broken"]["rank"] is None
    assert by_name["urns/broken"]["metrics"] == {}
    assert by_name["reference/trivial"]["rank"] is None
    text = bakeoff("leaderboard", "task=urns/draws").out
    assert "urns/broken: seeds 0, 1, 2, 3: RuntimeError: no such luck" in text
    assert "urns/draws v1, laptop, cpu-32-true" in text
    markdown = bakeoff("leaderboard", "arena=urns", "format=md").out
    assert markdown.startswith("### urns/draws v1")
    table = list(csv.DictReader(io.StringIO(bakeoff("leaderboard", "format=csv").out)))
    assert {row["method"] for row in table} == set(by_name)
    assert bakeoff("leaderboard", "format=md", "out=board.md").code == 0
    assert Path("board.md").read_text() == markdown


def test_a_board_of_nothing_says_so(bakeoff: Bakeoff) -> None:
    assert "the store has no attempts for task=urns/draws" in bakeoff("leaderboard", "task=urns/draws").out
    assert json.loads(bakeoff("leaderboard", "format=json").out) == {"rows": []}
    assert "out: " in bakeoff("leaderboard", "format=json", "out=/proc/nowhere/board.json").err


def test_values_that_differ_get_rows_and_boards_of_their_own(bakeoff: Bakeoff) -> None:
    bakeoff("run", "-m", "method=urns/mean", "task=urns/draws", "seed=0,1", "method.lr=0.1,0.2", "task.spread=1,2")
    rows = json.loads(bakeoff("leaderboard", "format=json").out)["rows"]
    assert {(row["method"], row["task_variant"]) for row in rows} == {
        (f"urns/mean [lr={lr}]", f"spread={spread}") for lr in (0.1, 0.2) for spread in (1.0, 2.0)
    }


def test_an_experiment_is_a_named_sweep_that_the_command_line_narrows(bakeoff: Bakeoff, arena: Path) -> None:
    (arena / "configs/experiment").mkdir()
    (arena / "configs/experiment/small.yaml").write_text(
        "# @package _global_\ncard: {title: small}\n"
        "hydra: {sweeper: {params: {method: 'glob(urns/m*)', task: urns/draws, seed: 'range(0,3)'}}}\n"
    )
    assert bakeoff("run", "-m", "experiment=small", "seed=7").code == 0
    assert [record.seed for record in records()] == [7]
    assert bakeoff("run", "-m", "experiment=small").code == 0
    assert sorted(record.seed for record in records()) == [0, 1, 2, 7]
    assert "small" in bakeoff("list", "experiments").out


def test_info_and_show_tell_all_about_one_thing(bakeoff: Bakeoff) -> None:
    said = bakeoff("info", "urns/mean").out
    assert "needs: Urn" in said
    assert "- urns/draws" in said
    assert "urns/closed" not in said
    assert "The mean of what was drawn." in said
    about = json.loads(bakeoff("info", "urns/draws", "format=json").out)
    assert about["poses"] == "Urn"
    assert "urns/mean" in about["methods"]
    bakeoff("run", "-m", "method=urns/mean,urns/broken", "task=urns/draws")
    broken = next(record for record in records() if record.method == "urns/broken")
    shown = bakeoff("show", broken.id[:9]).out
    assert "RuntimeError: no such luck" in shown
    assert "Traceback" in shown
    assert json.loads(bakeoff("show", broken.id, "format=json").out)["id"] == broken.id
    assert "2 attempts begin with ''" in bakeoff("show", "").err


def test_a_store_that_is_no_store_is_refused_by_name(bakeoff: Bakeoff, tmp_path: Path) -> None:
    wrecked = tmp_path / "wrecked.sqlite"
    wrecked.write_bytes(b"this is no database, however long one looks at it" * 50)
    for words in (["run", "method=urns/mean", "task=urns/draws"], ["leaderboard"], ["show", "a"]):
        said = bakeoff(*words, f"store={wrecked}")
        assert said.code == 2
        assert said.err.count("\n") == 1
        assert str(wrecked) in said.err
        assert "file is not a database" in said.err
    said = bakeoff("leaderboard", "store=nosuchengine://somewhere/x")
    assert said.code == 2
    assert "nosuchengine" in said.err


def test_a_store_elsewhere_by_environment_or_key(
    bakeoff: Bakeoff, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAKEOFF_STORE", f"sqlite:///{tmp_path}/team/one.sqlite")
    bakeoff("run", "method=urns/mean", "task=urns/draws")
    assert (tmp_path / "team/one.sqlite").exists()
    assert not Path("outputs/store.sqlite").exists()
    bakeoff("run", "method=urns/mean", "task=urns/draws", f"store={tmp_path}/two.sqlite")
    assert (tmp_path / "two.sqlite").exists()


def test_a_record_that_cannot_reach_the_store_waits_for_the_next_command(bakeoff: Bakeoff) -> None:
    from results import store as module

    def refuse(self: Store, new: object) -> int:
        raise module.StoreError("store is away")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "add", refuse)
        said = bakeoff("run", "method=urns/mean", "task=urns/draws")
    assert "store is away; finished attempts wait until it answers again" in said.err
    assert "waits in outputs/waiting for the next command" in said.err
    assert records() == []
    assert len(list(Path("outputs/waiting").iterdir())) == 1
    bakeoff("run", "method=urns/mean", "task=urns/draws", "seed=1")
    assert sorted(record.seed for record in records()) == [0, 1]
    assert list(Path("outputs/waiting").iterdir()) == []


def test_a_store_that_breaks_after_it_was_opened_is_named_and_what_waits_goes_on_waiting(bakeoff: Bakeoff) -> None:
    from results import store as module

    def away(self: Store, *_: object) -> int:
        raise module.StoreError("store is away")

    words = ("run", "method=urns/mean", "task=urns/draws")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "add", away)
        bakeoff(*words)
        again = bakeoff(*words, "seed=1")
        assert "still waits: store is away" in again.err
        patch.setattr(Store, "done", away)
        for sweep in ([], ["-m"]):
            said = bakeoff(*words, *sweep, "seed=2")
            assert (said.code, said.err.splitlines()[-1]) == (2, "bakeoff: store is away")
    assert len(list(Path("outputs/waiting").iterdir())) == 2


def test_an_outputs_folder_that_cannot_be_is_named_before_anything_runs(bakeoff: Bakeoff) -> None:
    Path("taken").write_text("a file")
    said = bakeoff("run", "method=urns/mean", "task=urns/draws", "outputs=taken", "store=elsewhere.sqlite")
    assert said.code == 2
    assert said.err.startswith("bakeoff: outputs: ")
    assert "taken" in said.err
    assert not Path("elsewhere.sqlite").exists()


def test_a_waiting_record_that_is_cut_off_is_reported_and_kept(bakeoff: Bakeoff) -> None:
    Path("outputs/waiting").mkdir(parents=True)
    Path("outputs/cut.json").write_text('{"schema": 1, "id": ')
    Path("outputs/waiting/abc").write_text("outputs/cut.json")
    said = bakeoff("run", "method=urns/mean", "task=urns/draws")
    assert said.code == 0
    assert "attempt abc still waits: outputs/cut.json: not a complete record" in said.err
    assert Path("outputs/waiting/abc").exists()


def test_stopping_leaves_a_row_and_the_same_command_goes_on(bakeoff: Bakeoff) -> None:
    words = ("run", "-m", "method=urns/mean,urns/stopped,urns/single", "task=urns/draws")
    said = bakeoff(*words)
    assert said.code == 130
    assert "the same command typed again continues" in said.err
    assert [record.status for record in records()] == [Status.OK, Status.INTERRUPTED]
    (record,) = (record for record in records() if record.status is Status.INTERRUPTED)
    assert record.phase == "solve"


def test_sigterm_stops_a_real_process_with_a_row(arena: Path) -> None:
    slow = (arena / "methods/urns/mean.py").read_text().replace("values = []", "values = []\n        import time")
    slow = slow.replace("values.append(problem.draw())", "time.sleep(0.2); values.append(0.0)")
    (arena / "methods/urns/mean.py").write_text(slow)
    program = (
        "import sys, configs, methods, tasks\n"
        f"[p.__path__.append({str(arena)!r} + '/' + p.__name__) for p in (configs, methods, tasks)]\n"
        "from runners.cli import main\n"
        "sys.exit(main(['run', 'method=urns/mean', 'task=urns/draws', 'method.draws=1000']))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, env=os.environ)
    scratch = Path("outputs")
    for _ in range(600):
        if scratch.exists():
            break
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
    try:
        process.wait(1.5)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert [record.status for record in records()] == [Status.INTERRUPTED]


def test_every_verb_has_help_with_examples_of_its_own(bakeoff: Bakeoff) -> None:
    assert usage.VERBS.keys() == VERBS.keys()
    for verb in VERBS:
        for word in ("--help", "-h"):
            said = bakeoff(verb, word)
            assert said.code == 0
            assert said.out.startswith(f"bakeoff {verb}")
            assert f"examples:\n  bakeoff {verb}" in said.out
