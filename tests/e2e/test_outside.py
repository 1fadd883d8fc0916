"""Plugins from outside the project: built as a wheel, installed, found, paired with ours, run; and broken ones."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EXAMPLE = Path(__file__).resolve().parents[1] / "example_plugin"
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages that holds the example, installed from its wheel."""
    top = tmp_path_factory.mktemp("outside")
    source, site = top / "source", top / "site"
    shutil.copytree(EXAMPLE, source)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
    alone = ["--no-deps", "--no-index"]
    subprocess.run([*pip, "wheel", *alone, "--no-build-isolation", "-w", str(top), str(source)], check=True)
    (wheel,) = top.glob("coin_tosses-0.3.0-*.whl")
    subprocess.run([*pip, "install", *alone, "--target", str(site), str(wheel)], check=True)
    return site


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `bakeoff` as a process of its own in an empty folder, with further folders of packages."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str, site: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        top = str(EXAMPLE.parents[1])
        path = os.pathsep.join([str(site), top] if site else [top])
        drop = ("BAKEOFF_STORE", "BAKEOFF_PLUGINS")
        environment = {key: value for key, value in os.environ.items() if key not in drop}
        environment |= {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", **variables}
        program = [sys.executable, "-P", "-m", "runners.cli", *words]
        return subprocess.run(program, capture_output=True, text=True, env=environment, timeout=300, check=False)

    return call


def rows(command: Command, *words: str, **more: Any) -> dict[str, dict[str, Any]]:
    said = command("list", *words, "format=json", **more)
    assert said.returncode == 0, said.stderr
    return {row["name"]: row for row in json.loads(said.stdout)}


def test_a_plugin_that_is_installed_is_listed_with_what_it_brings(command: Command, installed: Path) -> None:
    found = rows(command, site=installed)
    assert found["coin_tosses"]["title"] == "coin-tosses 0.3.0: 2 methods, 1 task"
    assert {"transfer_rates/laplace", "coins/frequency", "coins/biased", "transfer_rates/hard_mle"} <= set(found)
    assert not [name for name, row in found.items() if "broken" in row]
    assert "coin_tosses" not in rows(command)


def test_its_method_runs_beside_ours_in_workers_and_lands_on_the_board(command: Command, installed: Path) -> None:
    sweep = command(
        "run", "-m", "method=transfer_rates/laplace,transfer_rates/hard_mle", "task=transfer_rates/even",
        "seed=range(0,3)", "scale=tiny", "n_jobs=2", site=installed,
    )  # fmt: skip
    assert sweep.returncode == 0, sweep.stderr
    board = command("leaderboard", "format=json", site=installed)
    assert "transfer_rates/laplace" in board.stdout
    exported = command("export", "out=all.jsonl", "method=transfer_rates/laplace", site=installed)
    assert exported.returncode == 0
    record = json.loads(Path("all.jsonl").read_text().splitlines()[0])
    assert record["identity"]["method"]["_target_"] == "coin_tosses.methods.transfer_rates.laplace.Laplace"
    assert record["provenance"]["plugins"] == {"coin_tosses": "coin-tosses 0.3.0"}
    explained = command("explain", record["id"], "format=json", site=installed)
    assert json.loads(explained.stdout)["stale"] is False
    without = command("explain", record["id"], "format=json")
    assert "coin_tosses" in without.stdout


def test_its_own_arena_has_a_board_of_its_own(command: Command, installed: Path) -> None:
    sweep = command(
        "run", "-m", "method=glob([coins/*,reference/*])", "task=coins/biased", "seed=0,1", "n_jobs=0", site=installed
    )
    assert sweep.returncode == 0, sweep.stderr
    board = json.loads(command("leaderboard", "arena=coins", "format=json", site=installed).stdout)
    assert "coins/frequency" in json.dumps(board)
    assert command("report", "out=site", site=installed).returncode == 0
    assert "How probable is heads" in "".join(path.read_text() for path in Path("site").rglob("*.html"))


def test_its_plugins_keep_the_contract(command: Command, installed: Path) -> None:
    said = command("check", "method=coins/frequency", "task=coins/biased", site=installed)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "FAULT" not in said.stdout
    said = command("check", "method=transfer_rates/laplace", site=installed)
    assert said.returncode == 0, said.stdout + said.stderr


def test_a_search_path_makes_a_plugin_of_a_package_that_is_not_installed(command: Command) -> None:
    words = ("run", "method=transfer_rates/laplace", "task=transfer_rates/even", "scale=tiny", "n_jobs=1")
    assert command(*words, site=EXAMPLE).returncode == 2
    said = command(*words, "hydra.searchpath=[pkg://coin_tosses.configs]", site=EXAMPLE)
    assert said.returncode == 0, said.stderr
    assert rows(command, site=EXAMPLE, BAKEOFF_PLUGINS="coin_tosses")["coin_tosses"]["title"].startswith("named by")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("hydra.searchpath=[pkg://nowhere.configs]", "hydra.searchpath: there is no package nowhere"),
        ("hydra.searchpath=[file:///tmp]", "hydra.searchpath: 'file:///tmp' is not of the form pkg://package.configs"),
        ("hydra.searchpath=[pkg://os.configs]", "hydra.searchpath: there is no package os"),
        ("hydra.searchpath=[pkg://json.configs]", "hydra.searchpath: the package json has no folder configs"),
    ],
)
def test_a_search_path_that_leads_nowhere_is_refused_by_name(command: Command, words: str, sentence: str) -> None:
    said = command("run", "method=transfer_rates/hard_mle", "task=transfer_rates/even", words)
    assert (said.returncode, said.stderr) == (2, f"bakeoff: {sentence}\n")


BREAKS = {
    "while it is imported": "raise RuntimeError('no such luck')\n",
    "by leaving": "raise SystemExit(3)\n",
    "in its syntax": "def solve(:\n",
    "for a missing class": "x = 1\n",
    "for a missing package": "import no_such_package\n",
}


@pytest.mark.parametrize("how", BREAKS)
def test_a_method_that_breaks_is_listed_as_broken_and_left_out_of_sweeps(
    command: Command, tmp_path: Path, how: str
) -> None:
    site = tmp_path / "site"
    shutil.copytree(EXAMPLE, site)
    (site / "coin_tosses/methods/coins/frequency.py").write_text(BREAKS[how])
    found = rows(command, site=site, BAKEOFF_PLUGINS="coin_tosses")
    assert found["coins/frequency"]["broken"]
    assert "broken" not in found["transfer_rates/laplace"]
    sweep = command(
        "run", "-m", "method=glob([coins/*,reference/*])", "task=coins/biased", "n_jobs=0",
        site=site, BAKEOFF_PLUGINS="coin_tosses",
    )  # fmt: skip
    assert sweep.returncode == 0, sweep.stderr
    assert "left out 1: " in sweep.stderr
    assert "Traceback" not in sweep.stderr
    alone = command("run", "method=coins/frequency", "task=coins/biased", site=site, BAKEOFF_PLUGINS="coin_tosses")
    assert alone.returncode == 2
    assert alone.stderr.count("\n") == 1
    seen = command("doctor", site=site, BAKEOFF_PLUGINS="coin_tosses")
    assert seen.returncode == 1
    assert "FAULT  method coins/frequency" in seen.stdout


@pytest.mark.parametrize("name", ["nowhere", "tasks", "not-a-name", "json"])
def test_a_plugin_that_cannot_be_is_listed_as_broken_and_all_else_works(command: Command, name: str) -> None:
    found = rows(command, BAKEOFF_PLUGINS=name)
    assert found[name]["broken"]
    assert "calibration/linc" in found
    board = command("leaderboard", BAKEOFF_PLUGINS=name)
    assert board.returncode == 0


def test_a_name_that_is_taken_is_said_to_be(command: Command, tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(EXAMPLE, site)
    folder = site / "coin_tosses/configs/method/transfer_rates"
    (folder / "laplace.yaml").rename(folder / "hard_mle.yaml")
    found = rows(command, site=site, BAKEOFF_PLUGINS="coin_tosses")
    assert found["coin_tosses"]["broken"] == "it brings method transfer_rates/hard_mle, which there is already"
    info = command("info", "transfer_rates/hard_mle", "format=json", site=site, BAKEOFF_PLUGINS="coin_tosses")
    assert "methods.transfer_rates.hard_mle" in info.stdout


def test_new_writes_a_plugin_whose_blanks_keep_the_contract(command: Command, tmp_path: Path) -> None:
    def new(*words: str) -> None:
        said = command("new", *words, site=tmp_path / "my-paper", BAKEOFF_PLUGINS="my_paper")
        assert said.returncode == 0, said.stderr

    assert command("new", "plugin=my-paper").returncode == 0
    os.chdir("my-paper")
    new("arena=riddles")
    new("method=riddles/bold")
    new("task=riddles/hard")
    new("method=transfer_rates/mine")
    new("task=transfer_rates/mine")
    for named in (
        ("method=riddles/guess", "task=riddles/example"),
        ("method=riddles/bold", "task=riddles/hard"),
        ("method=transfer_rates/mine", "task=transfer_rates/mine"),
    ):
        said = command("check", *named, site=tmp_path / "my-paper", BAKEOFF_PLUGINS="my_paper")
        assert said.returncode == 0, said.stdout + said.stderr
    again = command("new", "arena=riddles", site=tmp_path / "my-paper", BAKEOFF_PLUGINS="my_paper")
    assert again.returncode == 2
    assert "there is an arena riddles" in again.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "new takes one of method=arena/name, task=arena/name, arena=name, plugin=FOLDER"),
        (("arena=a", "method=b/c"), "new takes one of"),
        (("plugin=1st",), "plugin: '1st' cannot be the name of a Python module"),
        (("method=calibration/x",), "lies in no plugin; make one with `bakeoff new plugin=FOLDER` and go there"),
        (("colour=red",), "colour: this command has no such key"),
    ],
)
def test_what_cannot_be_written_is_refused_in_a_line(command: Command, words: tuple[str, ...], sentence: str) -> None:
    said = command("new", *words)
    assert said.returncode == 2
    assert sentence in said.stderr
    assert said.stderr.count("\n") == 1


def test_check_says_in_sentences_what_is_wrong(command: Command, tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(EXAMPLE, site)
    module = site / "coin_tosses/methods/coins/frequency.py"
    text = module.read_text().replace("    added: float\n", "    added: float = 0.0\n")
    module.write_text(text.replace("heads = sum", "import random\n        heads = random.random() + sum"))
    yaml = site / "coin_tosses/configs/method/coins/frequency.yaml"
    yaml.write_text(yaml.read_text().replace("  # none: the maximum of the likelihood", ""))
    said = command("check", "method=coins/frequency", site=site, BAKEOFF_PLUGINS="coin_tosses")
    assert said.returncode == 1
    assert "Frequency.added has a value in Python; values belong into the YAML" in said.stdout
    assert "added in line 2 of its YAML does not say where its value comes from" in said.stdout
    assert "Traceback" not in said.stdout + said.stderr
