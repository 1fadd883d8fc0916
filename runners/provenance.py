"""Where a number came from: commit, packages, machine, and fingerprints of the code that made it."""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import importlib.util
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from runners import plugins
from runners.errors import one_line
from runners.hardware import cores
from tasks.metering import fingerprint

_PACKAGES = (
    "bakeoff",
    "numpy",
    "scipy",
    "scikit-learn",
    "torch",
    "transformers",
    "tokenizers",
    "lightning-fabric",
    "hydra-core",
    "omegaconf",
    "rouge-score",
)


@functools.cache
def environment() -> dict[str, Any]:
    """Commit, interpreter, packages and machine. The same for all attempts of a process."""
    return {
        "code": _commit(),
        "python": platform.python_version(),
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
        **({"plugins": brought} if (brought := plugins.versions()) else {}),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": cores(),
    }


def device() -> dict[str, str]:
    """The accelerator that this process works on, if it has begun to; nothing is started to find out."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return {}
    return {"device": str(torch.cuda.get_device_name())}


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> dict[str, Any]:
    top = Path(__file__).resolve().parent.parent
    if not (top / ".git").exists():
        return {"commit": None, "dirty": None}
    try:
        commit = _git(top, "rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_git(top, "status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.SubprocessError):  # no git on this machine, or a checkout without commits
        return {"commit": None, "dirty": None}


def _git(top: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(top), *words], capture_output=True, text=True, timeout=20, check=True)
    return done.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def code_fingerprint(plugin: Any) -> str:
    """Hash of a plugin's source and of every plugin module that it imports, directly or not.

    Comments, layout and docstrings do not count: only what can change a number does.

    Args:
        plugin: a class, or a record, whose nested records count too.
    """
    return _reachable(_modules(plugin))


def recorded_fingerprint(identity: Any) -> str:
    """The fingerprint that `code_fingerprint` would give now for the record that an identity tells of.

    Args:
        identity: what `tasks.preparation.identity` made of a method or a task.

    Raises:
        LookupError: some of its code is gone or cannot be read; the sentence says which and why.
    """
    modules = list(_named_modules(identity))
    for name in modules:
        try:
            there = importlib.util.find_spec(name) is not None
        except ModuleNotFoundError:  # not even its package
            there = False
        if not there:
            raise LookupError(f"there is no module {name} any more")
    try:
        return _reachable(modules)
    except Exception as error:  # a plugin may be broken in any way
        raise LookupError(f"its code cannot be read ({type(error).__name__}: {one_line(error)})") from error


def _named_modules(value: Any) -> Iterator[str]:
    """Modules of the classes that an identity names, where `_modules` finds the records themselves."""
    if isinstance(value, Mapping) and "_target_" in value:
        yield str(value["_target_"]).rpartition(".")[0]
        for part in value.values():
            yield from _named_modules(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _named_modules(part)


def _reachable(modules: Iterable[str]) -> str:
    """Hash of modules and of every plugin module that they import, directly or not."""
    seen: dict[str, str] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in seen or not plugins.owns(name):
            continue
        seen[name], imported = _module_code(name)
        waiting += imported
    return fingerprint(seen)


def _modules(plugin: Any) -> Iterator[str]:
    """Modules of a class, or of a record and the records in its fields."""
    if isinstance(plugin, type):
        yield plugin.__module__
    elif is_dataclass(plugin):
        yield type(plugin).__module__
        for item in fields(plugin):
            yield from _modules(getattr(plugin, item.name))
    elif isinstance(plugin, list | tuple):
        for value in plugin:
            yield from _modules(value)


@functools.cache
def _module_code(name: str) -> tuple[str, list[str]]:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return "", []
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    imported: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imported.append(node.module)
            imported += [full for alias in node.names if _is_module(full := f"{node.module}.{alias.name}")]
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node, clean=False
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return fingerprint(ast.dump(tree)), imported


def _is_module(name: str) -> bool:
    if not plugins.owns(name):
        return False
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its parent is a module, not a package
        return False
