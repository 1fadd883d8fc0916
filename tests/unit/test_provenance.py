"""Where a number came from."""

from __future__ import annotations

import importlib
import json
import platform
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runners import provenance
from runners.provenance import code_fingerprint, environment

Write = Callable[[str, str], Path]

PLAIN = (
    "from dataclasses import dataclass\n\n@dataclass(frozen=True)\nclass Toy:\n    def solve(self):\n        return 1\n"
)


@pytest.fixture
def print_of(plugins: Write) -> Callable[..., str]:
    """Fingerprint of `methods.toys.toy.Toy` for a source, and for the sources of what it may import."""
    provenance._module_code.cache_clear()

    def compute(source: str, **others: str) -> str:
        for name, text in (
            {"methods/toys/toy": source} | {key.replace("__", "/"): it for key, it in others.items()}
        ).items():
            plugins(f"{name}.py", text)
        importlib.invalidate_caches()
        provenance._module_code.cache_clear()
        return code_fingerprint(type("Toy", (), {"__module__": "methods.toys.toy"}))

    return compute


@pytest.mark.parametrize(
    "source",
    [
        PLAIN + "# a comment\n",
        PLAIN.replace("return 1", "return (\n            1  # one\n        )"),
        '"""About the module."""\n' + PLAIN,
        PLAIN.replace("    def", '    """About the class."""\n\n    def'),
        PLAIN.replace("        return", '        """About the method."""\n        return'),
        PLAIN + "\n\n",
    ],
)
def test_comments_layout_and_docstrings_do_not_count(print_of: Callable[..., str], source: str) -> None:
    assert source != PLAIN
    assert print_of(source) == print_of(PLAIN)


@pytest.mark.parametrize(
    "source",
    [
        PLAIN.replace("return 1", "return 2"),
        PLAIN.replace("return 1", 'return "text"'),
        PLAIN.replace("return 1", "return 1.0"),
        PLAIN.replace("solve", "answer"),
        PLAIN + "NUMBER = 1\n",
        PLAIN.replace("return 1", "'no docstring' + ''\n        return 1"),
    ],
)
def test_what_can_change_a_number_counts(print_of: Callable[..., str], source: str) -> None:
    assert print_of(source) != print_of(PLAIN)


def test_a_function_that_is_only_a_docstring_can_be_read(print_of: Callable[..., str]) -> None:
    assert print_of('def empty():\n    """Nothing."""\n') == print_of("def empty():\n    pass\n")


@pytest.mark.parametrize(
    "line",
    [
        "from methods.toys._part import value\n",
        "from methods.toys import _part\n",
        "import methods.toys._part\n",
        "def late():\n    import methods.toys._part\n",
    ],
)
def test_what_a_plugin_imports_counts_however_it_is_imported(print_of: Callable[..., str], line: str) -> None:
    one = print_of(line + PLAIN, methods__toys___part="value = 1\n")
    other = print_of(line + PLAIN, methods__toys___part="value = 2\n")
    commented = print_of(line + PLAIN, methods__toys___part="value = 1  # one\n")
    assert one != other
    assert one == commented


def test_imports_are_followed_all_the_way_and_round_in_circles(print_of: Callable[..., str]) -> None:
    def chain(value: int) -> str:
        return print_of(
            "import tasks.toys.first\n" + PLAIN,
            tasks__toys__first="import tasks.toys.second\n",
            tasks__toys__second=f"import tasks.toys.first\nvalue = {value}\n",
        )

    assert chain(1) != chain(2)
    assert chain(1) == chain(1)


def test_the_runner_and_libraries_do_not_count(print_of: Callable[..., str]) -> None:
    assert code_fingerprint(type(Path())) == code_fingerprint(int)
    assert print_of("import numpy\n" + PLAIN) != print_of(PLAIN)  # the import itself is code


def test_a_module_that_is_gone_counts_as_nothing(print_of: Callable[..., str]) -> None:
    assert print_of("import methods.toys.gone\n" + PLAIN) != print_of(PLAIN)


def test_the_environment_says_what_a_reader_needs() -> None:
    facts = environment()
    assert facts["python"] == platform.python_version()
    assert {"numpy", "hydra-core", "omegaconf"} <= set(facts["packages"])
    assert facts["cores"] >= 1
    assert facts["processor"]
    json.dumps(facts)


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    done = subprocess.run(["git", *identity, "-C", str(folder), *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of its own in which provenance believes to be."""
    (tmp_path / "runners").mkdir()
    (tmp_path / "runners" / "provenance.py").write_text("a\n")
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "runners" / "provenance.py"))
    return tmp_path


def test_the_commit_is_named_and_changes_are_seen(checkout: Path) -> None:
    git(checkout, "init", "-q")
    git(checkout, "add", ".")
    git(checkout, "commit", "-qm", "first")
    assert provenance._commit() == {"commit": git(checkout, "rev-parse", "HEAD"), "dirty": False}
    (checkout / "notes.txt").write_text("not tracked")
    assert provenance._commit()["dirty"] is False
    (checkout / "runners" / "provenance.py").write_text("b\n")
    assert provenance._commit()["dirty"] is True


@pytest.mark.parametrize("kind", ["no repository", "no commit", "no git"])
def test_without_a_commit_there_is_none(checkout: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    if kind != "no repository":
        git(checkout, "init", "-q")
    if kind == "no git":
        monkeypatch.setenv("PATH", str(checkout))
    assert provenance._commit() == {"commit": None, "dirty": None}


def test_a_machine_without_processor_facts_still_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda self, encoding: "cpu family : 6")
    assert provenance._processor() == platform.machine()

    def refuse(self: Path, encoding: str) -> Any:
        raise FileNotFoundError(self)

    monkeypatch.setattr(Path, "read_text", refuse)
    monkeypatch.setattr(platform, "processor", lambda: "a processor")
    assert provenance._processor() == "a processor"


def test_a_package_that_is_not_there_has_no_version() -> None:
    assert provenance._version("no-such-package-here") is None


def test_parts_that_only_a_yaml_names_are_in_the_fingerprint_of_a_record(plugins: Write) -> None:
    part = (
        "from dataclasses import dataclass\nfrom methods.toys._penalty import Penalty\n\n"
        "@dataclass(frozen=True)\nclass Ridge(Penalty):\n    def value(self):\n        return NUMBER\n"
    )
    plugins("methods/toys/_penalty.py", "class Penalty:\n    pass\n")
    plugins("methods/toys/_ridge.py", part.replace("NUMBER", "1"))
    plugins(
        "methods/toys/fit.py",
        "from dataclasses import dataclass\nfrom methods.toys._penalty import Penalty\n\n"
        "@dataclass(frozen=True)\nclass Fit:\n    penalties: tuple[Penalty, ...]\n",
    )
    fit, ridge = (importlib.import_module(f"methods.toys.{name}") for name in ("fit", "_ridge"))
    record = fit.Fit(penalties=(ridge.Ridge(),))
    provenance._module_code.cache_clear()
    before = code_fingerprint(record)
    plugins("methods/toys/_ridge.py", part.replace("NUMBER", "2"))
    provenance._module_code.cache_clear()
    assert code_fingerprint(record) != before
