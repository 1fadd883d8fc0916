"""The documentation: it builds, its links lead somewhere, its commands work, its schema is that of records."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from results.record import Record
from results.store import Store

TOP = Path(__file__).resolve().parents[2]
PAGES = [TOP / "README.md", TOP / "CONTRIBUTING.md", *sorted((TOP / "docs").glob("*.md"))]
TUTORIAL = TOP / "docs/plugins.md"
Bakeoff = Callable[..., Any]


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(TOP / "mkdocs.yml"), "-d", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "plugins/index.html").is_file()
    assert "fonts.googleapis" not in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


# --- records ---


def test_the_schema_names_every_field_and_fits_every_published_record(bakeoff: Bakeoff) -> None:
    schema = json.loads((TOP / "docs/record.schema.json").read_text())
    assert set(schema["properties"]) == {item.name for item in fields(Record)}
    check = jsonschema.Draft202012Validator(schema)
    bakeoff("run", "-m", "method=glob(urns/*,urns/stopped)", "task=urns/draws", "n_jobs=0")
    bakeoff("export", "out=all.jsonl")
    files = [Path("all.jsonl"), *sorted((TOP / "results/published").glob("*.jsonl"))]
    for file in files:
        with file.open(encoding="utf-8") as lines:
            for number, line in zip(range(40), lines, strict=False):
                faults = [f"{list(fault.path)}: {fault.message[:200]}" for fault in check.iter_errors(json.loads(line))]
                assert faults == [], f"{file.name}, line {number + 1}"
    wrong = json.loads(Path("all.jsonl").read_text().splitlines()[0]) | {"status": "fine"}
    assert not check.is_valid(wrong)


# --- commands ---


def commands(page: Path) -> Iterator[str]:
    """Every command line of `bakeoff` in the blocks of a page, comments left out, continued lines joined."""
    for block in re.findall(r"```(?:console|text)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            text = re.sub(r"^\$ ", "", line).split("  #")[0].split("   #")[0].strip()
            if text.startswith("bakeoff "):
                yield text


# one page for each line, and one of those that would plan the same sweep
LINES = {re.sub(r"( n_jobs=| plan=| hardware\.| hydra).*", "", line): (page.name, line)
         for page in reversed(PAGES) if page != TUTORIAL for line in commands(page)}  # fmt: skip
KNOWN = sorted(LINES.values())


@pytest.fixture(scope="module")
def something(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which something was run."""
    folder = tmp_path_factory.mktemp("docs")
    words = ["run", "-m", "method=calibration/linc,calibration/contextual", "task=calibration/docstring_topics"]
    program = [sys.executable, "-P", "-m", "runners.cli", *words, "seed=0,1,2", "scale=tiny", "n_jobs=0"]
    subprocess.run(program, cwd=folder, env=os.environ | {"PYTHONPATH": str(TOP)}, check=True, capture_output=True)
    return folder


@pytest.mark.xdist_group("quick")
@pytest.mark.parametrize(("page", "line"), KNOWN)
def test_every_command_is_understood(something: Path, page: str, line: str, tmp_path: Path) -> None:
    """Sweeps are planned and not run; everything else is carried out, on a store with a few attempts."""
    shutil.copytree(something / "outputs", tmp_path / "outputs")
    store = Store(f"{tmp_path}/outputs/store.sqlite")
    names = [record.id for record in store.records()]
    store.close()
    words = shlex.split(line)[1:]
    words = [re.sub(r"^[0-9a-f]{4}$", lambda _: names.pop(), word) for word in words]
    if words[0] == "run":
        words += ["plan=true"] if "plan=true" not in words else []
        words = [word for word in words if not word.startswith("store=")]
        if "-m" not in words:
            words = [words[0], "-m", *words[1:]]
        if any("cuda" in word for word in words):
            words = [word.replace("cuda", "cpu") for word in words if not word.startswith("hydra.launcher.gpus")]
    if words[0] == "prepare":
        words = ["prepare", "task=coverage/overlapping_clusters"]
    if words[0] in ("verify", "publish"):
        words = [words[0], "arena=calibration", f"folder={tmp_path}", *(["rows=1"] if words[0] == "verify" else [])]
        (tmp_path / "published").mkdir()
    if words[0] == "import":
        words = ["import", "outputs"]
    program = [sys.executable, "-P", "-m", "runners.cli", *words]
    environment = {key: value for key, value in os.environ.items() if key != "BAKEOFF_STORE"}
    done = subprocess.run(
        program, cwd=tmp_path, env=environment | {"PYTHONPATH": str(TOP)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 or (words[0] in ("verify", "doctor", "report") and "Traceback" not in done.stderr), (
        done.stdout + done.stderr
    )


# --- from an empty folder to a row ---


def steps() -> Iterator[tuple[str, str, str]]:
    """The blocks of the tutorial in order: kind, title and text."""
    text = TUTORIAL.read_text(encoding="utf-8")
    yield from re.findall(r'```(\w+)(?: title="([^"]*)")?\n(.*?)```', text, re.DOTALL)


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment of its own, with bakeoff and pip on its path, in which packages can be installed."""
    place = tmp_path / "venv"
    venv.create(place, with_pip=False, symlinks=True)
    python = place / "bin/python"
    site = next(place.glob("lib/python*/site-packages"))
    ours = [path for path in sys.path if path.endswith("site-packages")]
    (site / "bakeoff_here.pth").write_text("\n".join([str(TOP), *ours]) + "\n")
    shims = {
        "bakeoff": f'exec {python} -P -m runners.cli "$@"',
        "pip": f'exec {sys.executable} -m pip --python {python} --disable-pip-version-check -q "$@" '
        "--no-deps --no-build-isolation --no-index",
    }
    for name, line in shims.items():
        (place / "bin" / name).write_text(f"#!/bin/sh\n{line}\n")
        (place / "bin" / name).chmod(0o755)
    drop = ("BAKEOFF_STORE", "BAKEOFF_PLUGINS", "PYTHONPATH")
    return {key: value for key, value in os.environ.items() if key not in drop} | {
        "PATH": f"{place / 'bin'}:{os.environ['PATH']}",
        "COLUMNS": "200",
    }


def test_the_tutorial_leads_from_an_empty_folder_to_a_row_in_thirty_commands(
    tmp_path: Path, home: dict[str, str]
) -> None:
    (tmp_path / "empty").mkdir()
    folder, root, count, said = tmp_path / "empty", tmp_path / "empty/my-paper", 0, ""
    for kind, title, body in steps():
        if title:
            (root / title).write_text(body)
            continue
        if kind != "console":
            continue
        for line in body.splitlines():
            command = line.removeprefix("$ ")
            if command.startswith("cd "):
                folder /= command.removeprefix("cd ")
                continue
            done = subprocess.run(
                command, shell=True, cwd=folder, env=home, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
            said += done.stdout
            count += 1
    assert count <= 30
    assert "transfer_rates/add_one" in said
    assert "riddles/guess" in said
    board = subprocess.run(
        ["bakeoff", "leaderboard", "task=transfer_rates/even", "format=json"],
        cwd=folder, env=home, capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows = [row for row in json.loads(board.stdout)["rows"] if row["method"] == "transfer_rates/add_one"]
    assert 3 in [row["n"] for row in rows]
