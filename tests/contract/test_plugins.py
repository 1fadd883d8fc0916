"""The contract over everything in the catalogue: a new plugin is tested by being there.

The checks are those of `bakeoff check`. Cells run at scale `tiny`, once for all tests, through the real attempt.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runners import catalog
from runners.cards import method_card
from runners.contract import methods, tasks
from runners.contract.bench import Bench
from tasks.base import NotApplicable, Problem, Task
from tasks.metering import Ledger

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("checkpoints"))


def _grouped(kind: str, *, references: bool = False) -> list[Any]:
    """Names of one kind; those of one arena go to one worker, which runs each of their cells once."""
    names = [name for name in catalog.names(kind) if references or not name.startswith("reference/")]
    return [pytest.param(name, marks=pytest.mark.xdist_group(name.partition("/")[0])) for name in names]


def _faults(check: methods.Check, name: str, bench: Bench) -> list[str]:
    """What a check says; skips the test where data or a package are absent."""
    try:
        return list(check(name, bench))
    except NotApplicable as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", _grouped("method", references=True))
@pytest.mark.parametrize("check", methods.STATED)
def test_a_method_says_what_it_is(check: str, name: str, bench: Bench) -> None:
    assert _faults(methods.STATED[check], name, bench) == []


@pytest.mark.parametrize("name", _grouped("method"))
@pytest.mark.parametrize("check", methods.RUN)
def test_a_method_can_be_run(check: str, name: str, bench: Bench) -> None:
    assert _faults(methods.RUN[check], name, bench) == []


@pytest.mark.parametrize("name", _grouped("task"))
@pytest.mark.parametrize("check", tasks.CHECKS)
def test_a_task_keeps_the_contract(check: str, name: str, bench: Bench) -> None:
    assert _faults(tasks.CHECKS[check], name, bench) == []


@pytest.mark.parametrize("name", _grouped("method", references=True))
def test_a_claim_of_fidelity_has_a_test(name: str, bench: Bench) -> None:
    card = method_card(catalog.find("method", name))
    short = name.rpartition("/")[2]
    if card.fidelity != "none":
        folder = TOP / "tests" / "fidelity"
        paper = card.paper
        files = sorted({*folder.rglob(f"test_{short}*.py"), *(folder.rglob(f"test_{paper}*.py") if paper else ())})
        assert files, f"no tests/fidelity/test_{short}*.py"
        text = "\n".join(path.read_text(encoding="utf-8") for path in files)
        assert "def test_" in text
        assert bench.method_class(name).__name__ in text or short in text.replace(f"test_{short}", "")


@pytest.mark.parametrize("name", _grouped("task"))
def test_a_task_without_validation_data_says_so(name: str, bench: Bench) -> None:
    kind = bench.task_class(name)
    if kind.validate is Task.validate and kind.check_validation is not Task.check_validation:
        pytest.fail(f"{kind.__name__} checks for validation data that it never has")


# --- the folders ---


def test_no_file_of_the_catalogue_is_broken() -> None:
    broken = [entry.broken for kind in catalog.KINDS for entry in catalog.entries(kind) if entry.broken]
    assert broken == []


def test_every_public_module_of_methods_has_a_yaml() -> None:
    targets = {entry.target.rpartition(".")[0] for entry in catalog.entries("method")}
    found = {
        ".".join(path.relative_to(TOP).with_suffix("").parts)
        for path in (TOP / "methods").glob("*/*.py")
        if not path.name.startswith("_") and path.parent.name != "parts"
    }
    assert found - targets == set()


def test_the_ledger_of_a_problem_is_its_own() -> None:
    assert Problem().ledger is not Problem().ledger
    assert isinstance(Problem().ledger, Ledger)
