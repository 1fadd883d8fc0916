"""The lines that keep the parts apart, held over the syntax trees.

Imports run one way: `tasks <- methods.parts <- methods.<arena> <- runners -> results`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
OURS = ("tasks", "methods", "runners", "results", "configs", "hydra_plugins", "tests")
MODULES = {
    ".".join(path.relative_to(TOP).with_suffix("").parts): path
    for package in ("tasks", "methods", "runners", "results", "hydra_plugins")
    for path in sorted((TOP / package).rglob("*.py"))
}
every_module = pytest.mark.parametrize("name", sorted(MODULES))


def tree_of(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text(encoding="utf-8"))


def imported(name: str) -> Iterator[str]:
    """Dotted names of our own modules that a module imports, wherever the import stands."""
    for node in ast.walk(tree_of(name)):
        found = []
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            full = [f"{node.module}.{alias.name}" for alias in node.names]
            found = [it if it in MODULES or f"{it}.__init__" in MODULES else node.module for it in full]
        yield from (it for it in found if it.partition(".")[0] in OURS)


def forbidden(importer: str, target: str) -> str | None:
    """Why a module must not import another; None if it may."""
    package, goal = importer.partition(".")[0], target.partition(".")[0]
    allowed = {
        "tasks": ("tasks",),
        "results": ("results",),
        "methods": ("tasks", "methods"),
        "runners": ("tasks", "methods", "runners", "results"),
        "hydra_plugins": ("runners", "results", "hydra_plugins"),
    }[package]
    if goal not in allowed:
        return f"{package} must not import {goal}"
    if package == "runners" and goal == "methods" and target not in ("methods", "methods.base"):
        return "the runner knows no method by name"
    if package == "runners" and target.count(".") > 1 and goal == "tasks":
        return "the runner knows no arena by name"
    if goal == "methods" and package == "methods" and target not in ("methods.base", "methods.parts"):
        arena, other = importer.split(".")[1], target.split(".")[1]
        if other == "parts":
            return None
        if arena == "parts":
            return "methods.parts must not import an arena"
        if other != arena or not target.split(".")[-1].startswith("_"):
            return "no method imports another method, only underscore parts of its own arena"
    if package == "tasks" and importer.count(".") == 1 and target.count(".") > 1:
        return "what all tasks share must not import an arena"
    return None


@every_module
def test_imports_run_one_way(name: str) -> None:
    wrong = [f"{name} imports {it}: {why}" for it in imported(name) if (why := forbidden(name, it))]
    assert wrong == []


@every_module
def test_imports_are_absolute(name: str) -> None:
    """The fingerprint of a plugin's code follows absolute imports."""
    relative = [node.lineno for node in ast.walk(tree_of(name)) if isinstance(node, ast.ImportFrom) and node.level]
    assert relative == []


@every_module
def test_nothing_is_swallowed(name: str) -> None:
    for node in ast.walk(tree_of(name)):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"{name}:{node.lineno} is a bare except"
            broad = isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")
            silent = all(isinstance(it, ast.Pass) or _is_ellipsis(it) for it in node.body)
            assert not (broad and silent), f"{name}:{node.lineno} swallows every error"


@every_module
def test_modules_keep_no_state(name: str) -> None:
    """No containers that code can change at module level, and no `global`."""
    for node in ast.walk(tree_of(name)):
        assert not isinstance(node, ast.Global), f"{name}:{node.lineno} changes a global"
    changed = _changed_names(tree_of(name))
    for node in tree_of(name).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, _CONTAINERS):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                assert isinstance(target, ast.Name)
                assert target.id not in changed, f"{name}:{node.lineno} {target.id} is changed later on"


@pytest.mark.parametrize("name", [name for name in MODULES if name.partition(".")[0] in ("runners", "results")])
def test_core_modules_are_short(name: str) -> None:
    assert len(MODULES[name].read_text(encoding="utf-8").splitlines()) <= 250


@pytest.mark.parametrize("name", [name for name in MODULES if name.partition(".")[0] == "methods"])
def test_methods_are_short_and_inherit_no_behaviour(name: str) -> None:
    """`super()` is only for torch's modules, which cannot do without."""
    assert len(MODULES[name].read_text(encoding="utf-8").splitlines()) <= 300
    for kind in [node for node in ast.walk(tree_of(name)) if isinstance(node, ast.ClassDef)]:
        if not any(ast.unparse(base).endswith("Module") for base in kind.bases):
            calls = [node for node in ast.walk(kind) if isinstance(node, ast.Name) and node.id == "super"]
            assert not calls, f"{name}:{kind.lineno} {kind.name} calls super()"


@pytest.mark.parametrize(
    "name", [name for name in MODULES if name.partition(".")[0] in ("methods", "tasks", "runners")]
)
def test_nothing_branches_on_the_name_of_a_method(name: str) -> None:
    known = {path.relative_to(TOP / "configs/method").with_suffix("").as_posix() for path in _yaml_files()}
    compared = [
        constant.value
        for node in ast.walk(tree_of(name))
        if isinstance(node, ast.Compare)
        for constant in ast.walk(node)
        if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
    ]
    assert set(compared) & known == set()


def _yaml_files() -> list[Path]:
    return sorted((TOP / "configs" / "method").rglob("*.yaml"))


_CONTAINERS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
_CHANGES = ("append", "extend", "insert", "add", "update", "setdefault", "pop", "clear", "remove", "discard")


def _is_ellipsis(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and node.value.value is ...


def _changed_names(tree: ast.Module) -> set[str]:
    """Names whose content some statement changes: `x[..] =`, `del x[..]`, `x += ..`, `x.append(..)`."""
    changed = set()
    for node in ast.walk(tree):
        place: ast.expr | None = None
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            place = node.value
        elif isinstance(node, ast.AugAssign):
            place = node.target
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGES:
            place = node.func.value
        if isinstance(place, ast.Name):
            changed.add(place.id)
    return changed


@pytest.mark.parametrize(
    ("importer", "target"),
    [
        ("tasks.base", "runners.build"),
        ("tasks.metering", "tasks.calibration.measures"),
        ("results.store", "tasks.base"),
        ("methods.one.left", "methods.one.right"),
        ("methods.one.left", "methods.two._part"),
        ("methods.parts.loop", "methods.one._part"),
        ("methods.one.left", "runners.build"),
        ("runners.attempt", "hydra_plugins.bakeoff"),
        ("runners.attempt", "methods.one.left"),
    ],
)
def test_the_rule_refuses_what_it_should(importer: str, target: str) -> None:
    assert forbidden(importer, target)


@pytest.mark.parametrize(
    ("importer", "target"),
    [
        ("methods.one.left", "methods.one._part"),
        ("methods.one.left", "methods.parts.loop"),
        ("methods.one.left", "methods.base"),
        ("methods.one.left", "tasks.two"),
        ("runners.attempt", "results.record"),
        ("tasks.one.task", "tasks.one.measures"),
    ],
)
def test_the_rule_allows_what_it_should(importer: str, target: str) -> None:
    assert forbidden(importer, target) is None
