"""The project's own arenas by the real command, at the tiny scale."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runners import cli
from tasks import data
from tasks.language_models import END, PAD, Architecture, train_tokenizer

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Runs one command in an empty folder: exit code, what it printed, what it complained of."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = cli.main(list(words))
        said = capfd.readouterr()
        return code, said.out, said.err

    return call


def test_a_method_is_refused_on_a_task_of_another_kind_with_both_types(command: Command) -> None:
    code, _, err = command("run", "method=calibration/linc", "task=distillation/docstrings")
    assert code == 2
    assert err == (
        "bakeoff: calibration/linc needs PromptedProbabilities, "
        "but distillation/docstrings poses LanguageDistillation\n"
    )


@pytest.mark.xdist_group("quick")
def test_the_quick_board_at_tiny_scale_has_both_arenas(command: Command) -> None:
    code, _, err = command("run", "-m", "experiment=quick", "scale=tiny", "seed=0,1", "hardware.threads=1")
    assert code == 0, err
    assert "left out" in err
    rows: list[dict[str, Any]] = json.loads(command("leaderboard", "format=json")[1])["rows"]
    assert {row["arena"] for row in rows} == {"calibration", "distillation"}
    assert {row["method"] for row in rows} >= {"calibration/linc", "distillation/distillm", "reference/trivial"}
    assert all(row["n"] == 2 and not row["endings"] for row in rows)
    assert all(row["metrics"][row["rank_metric"]]["low"] is not None for row in rows)
    again = command("run", "-m", "experiment=quick", "scale=tiny", "seed=0,1", "hardware.threads=1")
    assert f"skipped {2 * len(rows)} of {2 * len(rows)} cells" in again[2]


def test_a_missing_data_set_is_named_with_the_way_to_get_it(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BAKEOFF_DATA", raising=False)
    code, _, err = command("run", "method=calibration/linc", "task=calibration/sst2")
    assert code == 2
    assert err.startswith("bakeoff: the data set 'sst2' is not here: set BAKEOFF_DATA to a folder that holds sst2/")
    assert err.count("\n") == 1
    code, _, err = command("run", "-m", "method=calibration/linc", "task=calibration/sst2,calibration/docstring_topics",
                           "scale=tiny")  # fmt: skip
    assert code == 0
    assert "left out 1: the data set 'sst2' is not here" in err


def test_a_corrupt_data_file_is_named(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "data" / "sst2"
    folder.mkdir(parents=True)
    for name in data.manifest()["sst2"].files:
        (folder / name).write_bytes(b"1 a film\n")
    monkeypatch.setenv("BAKEOFF_DATA", str(tmp_path / "data"))
    code, _, err = command("run", "method=calibration/linc", "task=calibration/sst2")
    assert code == 2
    assert err.startswith(f"bakeoff: the data file {folder}")
    assert "is corrupt: its sha256 is" in err
    assert err.count("\n") == 1
    shutil.rmtree(folder)


@pytest.mark.parametrize("task", ["docstrings", "instructions"])
def test_the_original_setting_runs_on_checkpoints_in_the_hubs_format(
    command: Command, tmp_path: Path, task: str
) -> None:
    """Freshly drawn networks stand for the published ones, which cannot be had everywhere."""
    tokenizer = train_tokenizer(["def function(argument): return the argument\n"] * 9, 300)
    known = tokenizer.get_vocab()
    for name, width in (("teacher", 16), ("student", 8)):
        network = Architecture(width=width, layers=1, heads=2, context=512).network(
            len(tokenizer), known[END], known[PAD]
        )
        network.save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
    code, _, err = command(
        "run", "method=distillation/distillm", f"task=distillation/{task}", "scale=paper",
        f"task.teacher.start={tmp_path / 'teacher'}", f"task.student.start={tmp_path / 'student'}",
        "task.teacher.recipe.steps=2", "task.student.recipe.steps=2", "task.recipe.steps=2", "task.recipe.batch_size=4",
        "task.validate_every=1", "task.validation=4", "task.test=4", "task.draws=1",
        "task.limits.response=16", "n_jobs=0",
    )  # fmt: skip
    if code == 2 and "is not here: set BAKEOFF_DATA" in err:
        pytest.skip(err)
    assert code == 0, err
    assert "seed 0: rouge_l" in err


def test_a_model_that_is_nowhere_is_named(command: Command) -> None:
    code, _, err = command(
        "run", "method=calibration/uncalibrated", "task=calibration/docstring_topics", "task.model=./nowhere"
    )
    assert code == 0, "a cell that does not apply here is skipped, and says why"
    assert "skipped" in err
    assert "the model './nowhere' is no folder here and the hub did not give it" in err
