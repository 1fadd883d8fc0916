"""The tuned protocol from the command line: trials, the choice among them, and the boards."""

from __future__ import annotations

import importlib.util
import json
import shlex
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from results.record import Record, Status
from results.report.commands import repeat
from results.store import Store
from runners.describing import catalogue
from runners.tuning import domain

Bakeoff = Callable[..., Any]  # the fixture: words in, what was said out

METHOD = """
_target_: methods.urns.mean.Mean
draws: DRAWS
lr: 0.1
trouble: TROUBLE
card: {version: 1, role: baseline, fidelity: none, title: NAME, source: textbook, search: SEARCH}
"""
SWEEP = ("run", "-m", "protocol=tuned", "task=urns/draws", "n_jobs=0")
TWO = ("method=urns/searched,urns/other", "seed=range(0,3)")


def method(arena: Path, name: str, search: str, trouble: str = "none", draws: int = 1) -> None:
    """A method of the tiny arena whose card has a search; the number of its draws decides how good it is."""
    text = METHOD.replace("TROUBLE", trouble).replace("NAME", name).replace("SEARCH", search)
    (arena / f"configs/method/urns/{name}.yaml").write_text(text.replace("DRAWS", str(draws)))


@pytest.fixture(autouse=True)
def searched(arena: Path) -> None:
    method(arena, "searched", "{draws: [1, 20, log]}")
    method(arena, "other", "{draws: {values: [2, 5, 9, 12, 15]}, lr: [1.0e-3, 1.0, log]}")


def records(outputs: str = "outputs") -> list[Record]:
    store = Store(f"{outputs}/store.sqlite")
    try:
        return store.records()
    finally:
        store.close()


def trials(name: str = "urns/searched") -> list[Record]:
    return [record for record in records() if record.protocol == "tuning" and record.method == name]


def scored(name: str = "urns/searched") -> list[Record]:
    return [record for record in records() if record.protocol != "tuning" and record.method == name]


def numbers(name: str) -> list[int]:
    return [record.settings["tuning"]["trial"] for record in trials(name)]


def test_every_method_has_the_same_trials_and_the_best_is_scored(bakeoff: Bakeoff) -> None:
    said = bakeoff(*SWEEP, *TWO, "trials=6")
    assert said.code == 0, said.err
    assert numbers("urns/other") == [0, 1, 2, 3, 4, 5]
    for name in ("urns/searched", "urns/other"):
        tried, (one, *_) = trials(name), scored(name)
        assert {record.seed for record in tried} == {-1}
        assert tried[0].identity["method"]["draws"] == 1, "trial 0 has the values of the YAML"
        best = min(tried, key=lambda record: record.metrics["error"])
        told = one.settings["tuning"]
        assert one.identity["method"]["draws"] == best.identity["method"]["draws"] == told["values"]["draws"]
        assert (told["trial"], told["score"]) == (best.settings["tuning"]["trial"], best.metrics["error"])
        assert (told["trials"], told["sampler"], told["seeds"]) == (6, "random", [-1])
        assert sorted(told["attempts"]) == sorted(record.id for record in tried)
        assert told["cost"] == {"draws": sum(record.cost["solve"]["draws"] for record in tried)}
        assert told["seconds"] == pytest.approx(sum(sum(r.seconds[p] for p in ("solve", "evaluate")) for r in tried))
        assert f"trial {told['trial']} of 6 is chosen, draws={told['values']['draws']}" in said.err
        assert [record.seed for record in scored(name)] == [0, 1, 2]
        assert {record.protocol for record in scored(name)} == {"tuned, 6 trials"}
        assert {record.identity["protocol"] for record in scored(name)} == {"tuned, 6 trials"}
        assert all(not record.curve for record in tried), "offers would be scored on what is tested"


def test_a_sweep_that_is_typed_again_runs_nothing_and_more_trials_are_added_to_those_there(bakeoff: Bakeoff) -> None:
    bakeoff(*SWEEP, *TWO, "trials=3")
    before = {record.id for record in records()}
    again = bakeoff(*SWEEP, *TWO, "trials=3")
    assert again.code == 0
    assert "skipped 6 of 6 cells: the store has them already" in again.err
    assert {record.id for record in records()} == before
    assert bakeoff(*SWEEP, *TWO, "trials=5").code == 0
    assert numbers("urns/other") == [0, 1, 2, 3, 4]
    assert {record.protocol for record in scored()} == {"tuned, 3 trials", "tuned, 5 trials"}


def test_further_seeds_and_methods_use_the_same_trials(bakeoff: Bakeoff) -> None:
    bakeoff(*SWEEP, "method=urns/other", "trials=4", "seed=0")
    bakeoff(*SWEEP, "method=urns/searched,urns/other", "trials=4", "seed=0,1")
    assert len(trials("urns/other")) == 4
    assert [record.seed for record in scored("urns/other")] == [0, 1]
    first, second = (record.identity["method"] for record in scored("urns/other"))
    assert first == second


def test_trials_stand_on_no_board_and_the_title_has_the_budget(bakeoff: Bakeoff) -> None:
    bakeoff(*SWEEP, "method=urns/other,urns/mean,reference/trivial", "seed=range(0,2)", "trials=4")
    text = bakeoff("leaderboard", "format=md").out
    (title,) = (line for line in text.splitlines() if line.startswith("###"))
    assert title == "### urns/draws v1, laptop, cpu-32-true, tuned, 4 trials"
    assert "chosen by validation among 4 trials per method, the same number for all." in text
    rows = {row["method"]: row for row in json.loads(bakeoff("leaderboard", "format=json").out)["rows"]}
    assert {name: row["n"] for name, row in rows.items()} == {"urns/other": 2, "urns/mean": 2, "reference/trivial": 2}
    published = bakeoff("publish", "arena=urns", "folder=published")
    assert published.code == 0
    kept = [json.loads(line) for line in Path("published/published/urns.jsonl").read_text().splitlines()]
    assert {record["protocol"] for record in kept} == {"tuned, 4 trials"}
    assert all("tuning" in record["settings"] for record in kept if record["method"] != "reference/trivial")


def test_a_report_gives_trials_pages_and_no_place(bakeoff: Bakeoff) -> None:
    bakeoff(*SWEEP, "method=urns/other", "seed=0", "trials=2")
    assert bakeoff("report", "out=site").code == 0
    for trial in trials("urns/other"):
        (page,) = Path("site").rglob(f"*{trial.id}*.html")
        text = page.read_text()
        assert "This is a trial" in text
        assert "stands on no board" in text
        assert trial.id not in Path("site/tasks/urns/draws.html").read_text()
    (page,) = Path("site").rglob(f"*{scored('urns/other')[0].id}*.html")
    assert "tuning.trial" in page.read_text()
    shown = bakeoff("show", trials("urns/other")[0].id).out
    assert "protocol: tuning" in shown


def test_only_trials_of_a_plugin_that_is_gone_make_a_report_without_dead_ends(bakeoff: Bakeoff, arena: Path) -> None:
    method(arena, "hopeless", "{lr: [0.1, 1.0]}", "raise")
    bakeoff(*SWEEP, "method=urns/hopeless", "trials=2")
    (arena / "configs/method/urns/hopeless.yaml").unlink()
    (arena / "configs/task/urns/draws.yaml").unlink()
    assert bakeoff("report", "out=site").code == 0
    assert Path("site/methods/urns/hopeless.html").is_file()
    assert Path("site/tasks/urns/draws.html").is_file()


def test_a_method_without_search_has_one_trial_and_a_reference_none(bakeoff: Bakeoff) -> None:
    said = bakeoff(*SWEEP, "method=urns/mean,reference/trivial", "seed=0", "trials=4")
    assert said.code == 0, said.err
    assert "one trial with the values of the YAML, since its card has no search: urns/mean" in said.err
    assert numbers("urns/mean") == [0]
    assert trials("reference/trivial") == []
    assert scored("urns/mean")[0].settings["tuning"]["values"] == {}
    assert {scored(name)[0].protocol for name in ("urns/mean", "reference/trivial")} == {"tuned, 4 trials"}


def test_a_method_of_which_no_trial_ended_ok_is_left_out_with_a_reason(bakeoff: Bakeoff, arena: Path) -> None:
    method(arena, "hopeless", "{lr: [0.1, 1.0]}", "raise")
    words = (*SWEEP, "method=urns/hopeless,urns/searched,urns/broken", "seed=0,1", "trials=3")
    said = bakeoff(*words)
    assert said.code == 1
    told = "left out urns/{} on urns/draws: {} ok; the last ended as failed: RuntimeError: no such luck"
    assert told.format("hopeless", "none of its 3 trials ended") in said.err
    assert told.format("broken", "its one trial did not end") in said.err
    assert [record.status for record in trials("urns/hopeless")] == [Status.FAILED] * 3
    assert scored("urns/hopeless") == []
    assert len(scored()) == 2
    count = len(records())
    again = bakeoff(*words)
    assert (again.code, len(records())) == (1, count), "failed trials are not tried again"
    bakeoff(*words, "force=true")
    tried, statuses = trials("urns/hopeless"), Counter(record.status for record in trials())
    assert (len(tried), len(scored())) == (6, 4), "force runs scored cells again, and trials that did not end ok"
    assert statuses == {Status.OK: len(trials())}
    assert len({record.cell for record in trials()}) == len(trials())


def test_a_trial_that_fails_is_not_chosen_and_does_not_fail_the_sweep(bakeoff: Bakeoff, arena: Path) -> None:
    method(arena, "mixed", "{trouble: {values: [none, raise, nan]}}", "raise")
    said = bakeoff(*SWEEP, "method=urns/mixed", "seed=0", "trials=16")
    assert said.code == 0, said.err
    assert {record.status for record in trials("urns/mixed")} == {Status.OK, Status.FAILED, Status.DIVERGED}
    assert len(trials("urns/mixed")) == 3, "trials with the same values are one"
    assert scored("urns/mixed")[0].identity["method"]["trouble"] == "none"
    assert "of its attempts did not end ok" in said.err


def test_equal_trials_are_decided_by_their_numbers(bakeoff: Bakeoff, arena: Path) -> None:
    method(arena, "level", "{lr: [0.1, 1.0]}")
    bakeoff(*SWEEP, "method=urns/level", "seed=0", "trials=4")
    assert len({record.metrics["error"] for record in trials("urns/level")}) == 1
    assert scored("urns/level")[0].settings["tuning"]["trial"] == 0


def test_several_tuning_seeds_are_part_of_the_budget(bakeoff: Bakeoff) -> None:
    bakeoff(*SWEEP, "method=urns/searched", "seed=0", "trials=3", "tuning_seeds=2")
    assert {record.seed for record in trials()} == {-1, -2}
    (one,) = scored()
    assert one.protocol == "tuned, 3 trials on 2 seeds"
    means: dict[int, list[float]] = {}
    for record in trials():
        means.setdefault(record.settings["tuning"]["trial"], []).append(record.metrics["error"])
    best = min(means, key=lambda trial: sum(means[trial]))
    assert one.settings["tuning"]["trial"] == best
    assert "among 3 trials per method" in bakeoff("leaderboard", "format=md").out


def test_tpe_goes_on_from_how_trials_went_and_where_it_was_stopped(bakeoff: Bakeoff) -> None:
    pytest.importorskip("optuna")
    words = (*SWEEP, "method=urns/other,urns/mean", "seed=0", "sampler=tpe")
    assert bakeoff(*words, "trials=7").code == 0
    assert numbers("urns/other") == list(range(7))
    assert scored("urns/other")[0].protocol == "tuned, 7 trials (tpe)"
    assert bakeoff(*words, "trials=9").code == 0
    assert numbers("urns/other") == list(range(9)), "the first seven were there"
    at_once = bakeoff(*words, "trials=9", "outputs=elsewhere")
    assert at_once.code == 0
    stopped = [record.cell for record in trials("urns/other")]
    assert stopped == [r.cell for r in records("elsewhere") if r.protocol == "tuning" and r.method == "urns/other"]
    lrs = domain("lr", [1e-3, 1.0, "log"])
    assert all(lrs.holds(record.identity["method"]["lr"]) for record in trials("urns/other"))
    bakeoff(*SWEEP, "method=urns/other", "seed=0", "trials=5")
    assert numbers("urns/other") == list(range(9)), "the first five are those of sampler=random"


def test_without_optuna_one_line_names_the_extra(bakeoff: Bakeoff, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "optuna" else find(name, *rest)
    )
    said = bakeoff(*SWEEP, "method=urns/searched", "sampler=tpe")
    assert (said.code, said.err) == (2, "bakeoff: sampler: tpe needs the package Optuna: pip install 'bakeoff[tune]'\n")


def test_a_plan_counts_trial_cells_and_scored_cells_and_runs_nothing(bakeoff: Bakeoff) -> None:
    words = (*SWEEP, "method=urns/other,urns/mean,reference/trivial", "seed=range(0,3)", "plan=true")
    said = bakeoff(*words, "trials=4")
    assert said.code == 0
    assert (
        "urns/other on urns/draws (laptop, auto): 4 of 4 trial cells, 3 of 3 scored cells; no past record" in said.out
    )
    assert "5 of 5 trial cells would run, then 9 of 9 scored cells" in said.out
    assert "3 seeds detect a mean paired difference" in said.out
    assert records() == []
    bakeoff(*SWEEP, "method=urns/other", "seed=0", "trials=4")
    assert "1 of 5 trial cells would run, then 8 of 9 scored cells" in bakeoff(*words, "trials=4").out
    tpe = bakeoff(*words, "trials=8", "sampler=tpe").out
    assert "5 of 9 trial cells would run, then 9 of 9 scored cells" in tpe


def test_a_task_without_validation_data_is_left_out_by_name(bakeoff: Bakeoff) -> None:
    told = "urns/closed provides no validation data, so nothing can be tuned on it"
    said = bakeoff("run", "-m", "protocol=tuned", "task=urns/closed", "method=reference/trivial")
    assert said.code == 2
    assert said.err == f"bakeoff: nothing to run; left out 1: {told} (reference/trivial on urns/closed)\n"
    said = bakeoff(*SWEEP[:3], "n_jobs=0", "task=urns/closed,urns/draws", "method=reference/trivial")
    assert said.code == 0
    assert told in said.err
    assert {record.task for record in records()} == {"urns/draws"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["protocol=tuned"], "protocol: tuned values are chosen in a sweep; use `bakeoff run -m ..`"),
        (["trials=3"], "trials: only protocol=tuned makes trials"),
        (["protocol=matched"], "protocol: 'matched' is none of 'paper values', tuned"),
        (["-m", "protocol=matched"], "protocol: 'matched' is none of 'paper values', tuned"),
        (["-m", "sampler=tpe"], "sampler: only protocol=tuned makes trials"),
        (["-m", "protocol=tuned", "trials=1"], "trials: expected a whole number of at least 2, since the first is the"),
        (["-m", "protocol=tuned", "trials=many"], "trials: expected a whole number of at least 2"),
        (["-m", "protocol=tuned", "trials=4,8"], "trials: a sweep has one, got 4, 8"),
        (["-m", "protocol=tuned", "tuning_seeds=0"], "tuning_seeds: expected a whole number of at least 1, got 0"),
        (["-m", "protocol=tuned", "sampler=grid"], "sampler: 'grid' is none of random, tpe"),
        (["-m", "protocol=tuned", "method.draws=3"], "method.draws: protocol=tuned searches it, so leave it out"),
        (["-m", "protocol=tuned", "method.draws=3,4"], "method.draws: protocol=tuned searches it, so leave it out"),
        (["-m", "protocol=tuned", "seed=-1"], "seed: expected a whole number that is not negative, got -1"),
    ],
)
def test_what_cannot_be_tuned_gets_one_line(bakeoff: Bakeoff, words: list[str], sentence: str) -> None:
    said = bakeoff("run", "method=urns/searched", "task=urns/draws", *words)
    assert said.code == 2, said
    assert sentence in said.err
    assert said.err.count("\n") == 1
    assert not Path("outputs/store.sqlite").exists() or not records()


@pytest.mark.parametrize(
    ("search", "sentence"),
    [
        ("{depth: [1, 2]}", "urns/wrong: card.search.depth: the method has no such value"),
        ("{lr: [0, 1]}", "whole bounds draw whole numbers, but the value is 0.1; write 0.0 and 1.0"),
        ("{lr: [1e-3, 1.0, log]}", "card: search.lr: a bound is a finite number, got '1e-3'; YAML takes 1e-3 for text"),
        ("{draws: [1.5, 2.5]}", "urns/wrong: its card lets draws="),
    ],
)
def test_a_search_that_does_not_fit_its_method_is_refused(
    bakeoff: Bakeoff, arena: Path, search: str, sentence: str
) -> None:
    method(arena, "wrong", search)
    said = bakeoff(*SWEEP, "method=urns/wrong", "trials=3")
    assert said.code == 2
    assert sentence in said.err
    assert said.err.count("\n") == 1


def test_other_values_may_be_set_and_the_words_that_repeat_a_cell_run_it_again(bakeoff: Bakeoff) -> None:
    bakeoff(*SWEEP, "method=urns/searched", "seed=2", "trials=3", "tuning_seeds=2", "method.lr=0.5", "task.spread=2.0")
    (one,) = scored()
    assert one.identity["method"]["lr"] == 0.5
    command = next(line for line in repeat(one, catalogue().hardware).splitlines() if line.startswith("bakeoff run"))
    assert "method.draws" not in command
    words = shlex.split(command)[1:]
    assert {"-m", "protocol=tuned", "trials=3", "tuning_seeds=2", "method.lr=0.5", "task.spread=2.0"} <= set(words)
    assert bakeoff(*words).code == 0
    assert [record.cell for record in scored()] == [one.cell, one.cell]
    trial = trials()[0]
    command = next(line for line in repeat(trial, catalogue().hardware).splitlines() if line.startswith("bakeoff run"))
    assert bakeoff(*shlex.split(command)[1:]).code == 0
    assert trial.cell in {record.cell for record in records("again")}


def test_explain_speaks_of_tuned_cells_and_of_trials(bakeoff: Bakeoff) -> None:
    bakeoff(*SWEEP, "method=urns/other", "seed=0,1", "trials=3")
    one, trial = scored("urns/other")[0], trials("urns/other")[1]
    for record in (one, trial):
        said = bakeoff("explain", record.id)
        assert said.code == 0
        assert "not stale" in said.out
        assert f"protocol: {record.protocol} | paper values" in said.out
    beside = bakeoff("explain", one.id, trial.id)
    assert beside.code == 0
    assert "protocol: tuned, 3 trials | tuning" in beside.out


def test_an_experiment_may_say_that_a_sweep_is_tuned(bakeoff: Bakeoff, arena: Path) -> None:
    (arena / "configs/experiment").mkdir()
    (arena / "configs/experiment/small.yaml").write_text(
        "# @package _global_\ncard: {title: small}\nhydra: {sweeper: {params: "
        "{method: urns/other, task: urns/draws, protocol: tuned, trials: 3}}}\n"
    )
    assert bakeoff("run", "-m", "experiment=small", "n_jobs=0").code == 0
    assert scored("urns/other")[0].protocol == "tuned, 3 trials"
    assert bakeoff("run", "-m", "experiment=small", "n_jobs=0", "trials=2").code == 0
    assert {record.protocol for record in scored("urns/other")} == {"tuned, 3 trials", "tuned, 2 trials"}


def test_a_sweep_that_was_stopped_among_its_trials_goes_on(bakeoff: Bakeoff, arena: Path) -> None:
    method(arena, "halting", "{trouble: {values: [none, stop]}}")
    words = (*SWEEP, "method=urns/halting,urns/searched", "seed=0", "trials=6")
    assert bakeoff(*words).code == 130
    assert {record.status for record in trials("urns/halting")} == {Status.OK, Status.INTERRUPTED}
    assert scored() == scored("urns/halting") == []
    done = [record.cell for record in records() if record.status is Status.OK]
    source = arena / "methods/urns/mean.py"
    source.write_text(source.read_text().replace("raise KeyboardInterrupt", "return 0.0"))
    importlib.invalidate_caches()
    code = subprocess.run([*_command(arena), *words], capture_output=True, text=True, check=False)
    assert code.returncode == 0, code.stderr
    assert Counter(record.cell for record in records() if record.cell in done) == dict.fromkeys(done, 1)
    assert len(scored("urns/halting")) == 1


def _command(arena: Path) -> list[str]:
    """The command as a process of its own, with the tiny arena in its catalogue."""
    import sys

    program = (
        "import sys, configs, methods, tasks\n"
        f"[p.__path__.append({str(arena)!r} + '/' + p.__name__) for p in (configs, methods, tasks)]\n"
        "from runners.cli import main\nsys.exit(main(sys.argv[1:]))\n"
    )
    return [sys.executable, "-c", program]


@pytest.mark.xdist_group("launchers")
def test_workers_run_trials_and_scored_cells(bakeoff: Bakeoff) -> None:
    said = bakeoff(*SWEEP[:4], *TWO, "trials=3", "n_jobs=2", "hardware.threads=1")
    assert said.code == 0, said.err
    assert len(scored()) == len(scored("urns/other")) == 3
    assert {record.settings["workers"] for record in records()} == {2}
