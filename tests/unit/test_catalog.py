"""The catalogue: files in, entries out, nothing imported."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runners import catalog
from runners.errors import CommandError, suggestion


@pytest.fixture
def roots(tmp_path: Path) -> tuple[Path, Path]:
    """Two roots; the first wins."""
    files = {
        "one/method/vision/fedpara.yaml": "_target_: methods.vision.fedpara.Fed\nlr: 0.1\ncard: {version: 3}\n",
        "one/method/vision/_shared.yaml": "lr: 1\n",
        "one/method/_draft/thing.yaml": "lr: 1\n",
        "one/method/text/linc.yaml": "_target_: methods.text.linc.LinC\n",
        "one/method/text/torn.yaml": "lr: [1\n",
        "one/method/text/listed.yaml": "- 1\n",
        "one/method/text/empty.yaml": "",
        "one/method/text/carded.yaml": "card: 3\nlr: 2\n",
        "two/method/text/linc.yaml": "lr: 9\n",
        "two/method/text/guest.yaml": "lr: 1\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "one/method/text/latin.yaml").write_bytes(b"title: \xff\xfe\n")
    return tmp_path / "one", tmp_path / "two"


def test_the_file_system_is_the_registry(roots: tuple[Path, Path]) -> None:
    expected = ["carded", "empty", "guest", "latin", "linc", "listed", "torn"]
    assert catalog.names("method", roots) == [*(f"text/{name}" for name in expected), "vision/fedpara"]
    assert [entry.name for entry in catalog.entries("method", roots=roots)] == catalog.names("method", roots)
    assert catalog.names("task", roots) == []


def test_an_entry_is_the_file_with_its_card_apart(roots: tuple[Path, Path]) -> None:
    entry = catalog.find("method", "vision/fedpara", roots)
    assert entry.values == {"_target_": "methods.vision.fedpara.Fed", "lr": 0.1}
    assert (entry.card, entry.arena) == ({"version": 3}, "vision")
    assert entry.target == "methods.vision.fedpara.Fed"
    assert "methods.vision" not in sys.modules


def test_a_file_without_card_or_target_has_plain_answers(roots: tuple[Path, Path]) -> None:
    entry = catalog.find("method", "text/guest", roots)
    assert (entry.target, entry.card) == ("", {})


def test_the_first_root_wins(roots: tuple[Path, Path]) -> None:
    assert catalog.find("method", "text/linc", roots).target == "methods.text.linc.LinC"
    assert catalog.find("method", "text/linc", roots[::-1]).values == {"lr": 9}
    assert catalog.entries("method", "*/linc", roots)[0].target == "methods.text.linc.LinC"


def test_a_pattern_chooses_by_shell_rules(roots: tuple[Path, Path]) -> None:
    assert [entry.name for entry in catalog.entries("method", "vision/*", roots)] == ["vision/fedpara"]
    assert [entry.name for entry in catalog.entries("method", "*l??c", roots)] == ["text/linc"]
    assert catalog.entries("method", "nothing*", roots) == []


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("text/torn", "torn.yaml: while parsing"),
        ("text/listed", "listed.yaml: expected a mapping at the top"),
        ("text/empty", "empty.yaml: expected a mapping at the top"),
        ("text/carded", "carded.yaml: the card must be a mapping"),
        ("text/latin", "latin.yaml: 'utf-8' codec"),
    ],
)
def test_a_broken_file_is_listed_with_a_reason_and_cannot_be_used(
    roots: tuple[Path, Path], name: str, why: str
) -> None:
    (entry,) = catalog.entries("method", name, roots)
    assert entry.broken
    assert entry.broken.startswith(why)
    with pytest.raises(CommandError, match=f"method {name} is broken: {entry.path.name}"):
        catalog.find("method", name, roots)


def test_a_name_that_is_not_there_gets_a_suggestion(roots: tuple[Path, Path]) -> None:
    with pytest.raises(
        CommandError, match=r"^there is no method called 'vision/fedpra'; did you mean vision/fedpara\?$"
    ):
        catalog.find("method", "vision/fedpra", roots)
    with pytest.raises(CommandError, match="did you mean vision/fedpara"):
        catalog.find("method", "fedpara", roots)
    with pytest.raises(CommandError, match=r"^there is no method called 'zzz'$"):
        catalog.find("method", "zzz", roots)


def test_a_name_cannot_climb_out_of_the_catalogue(roots: tuple[Path, Path]) -> None:
    with pytest.raises(CommandError, match="there is no method called"):
        catalog.find("method", "../../two/method/text/guest", roots)


def test_the_own_catalogue_holds_the_reference_rows(plugins: Callable[[str, str], Path]) -> None:
    plugins("configs/method/mine/own.yaml", "lr: 1\n")
    assert catalog.names("method") == ["mine/own"]


def test_the_installed_catalogue_is_found() -> None:
    assert {"reference/best", "reference/trivial"} <= set(catalog.names("method"))
    assert "cpu" in catalog.names("hardware")


def test_an_installation_without_configs_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CommandError, match="'configs' is not installed"):
        catalog.config_roots()


def test_suggestions_name_close_names_once() -> None:
    assert suggestion("linc", ["a/linc", "b/other"]) == "; did you mean a/linc?"
    assert suggestion("a/linc2", ["a/linc", "a/linc3"]).count("a/linc3") == 1
    assert suggestion("x", []) == ""


def test_private_names_and_paths_are_no_entries(roots: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "outside.yaml").write_text("a: 1\n")
    (roots[0] / "method" / "_private.yaml").write_text("a: 1\n")
    for name in (str(tmp_path / "outside"), "_private", "../method/text/guest"):
        with pytest.raises(CommandError, match="there is no method called"):
            catalog.find("method", name, roots)
