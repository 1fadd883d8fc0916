"""Real text that needs nothing but Python: the functions and docstrings of the interpreter's own standard library."""

from __future__ import annotations

import ast
import functools
import hashlib
import platform
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from tasks.base import NotApplicable

_LEFT_OUT = frozenset(
    {"test", "tests", "site-packages", "dist-packages", "idlelib", "lib2to3", "turtledemo", "ensurepip"}
)


@dataclass(frozen=True)
class Function:
    """One documented function.

    Args:
        module: top-level module or package that defines it, such as `email`.
        signature: `name(argument, ...)`.
        summary: the first paragraph of its docstring on one line.
    """

    module: str
    signature: str
    summary: str


@functools.cache
def functions() -> tuple[Function, ...]:
    """Every documented function of the standard library, in a fixed order, one per distinct summary.

    Raises:
        NotApplicable: this interpreter carries no source of its library.
    """
    found: dict[str, Function] = {}
    for path, parts in _sources():
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):  # templates and samples in other encodings
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (text := ast.get_docstring(node)):
                summary = " ".join(text.strip().split("\n\n")[0].split())
                arguments = ", ".join(argument.arg for argument in node.args.args)
                if len(summary.split()) >= 3:
                    entry = Function(Path(parts[0]).stem.lstrip("_"), f"{node.name}({arguments})", summary)
                    found.setdefault(summary, entry)
    if not found:
        raise NotApplicable(f"Python {platform.python_version()} carries no source of its standard library here")
    return tuple(found.values())


def _sources() -> list[tuple[Path, tuple[str, ...]]]:
    """The files that are read, each with the parts of its path below the library's folder."""
    root = Path(sysconfig.get_paths()["stdlib"])
    files = [(path, path.relative_to(root).parts) for path in sorted(root.rglob("*.py"))]
    left_out = ("_sysconfigdata", "__pycache__", "config-")
    return [(path, parts) for path, parts in files if not (_LEFT_OUT & set(parts) or parts[0].startswith(left_out))]


@functools.cache
def digest() -> str:
    """Hash of the files. Interpreters differ in them, so it belongs into the key of whatever is built from them."""
    digest = hashlib.sha256()
    for path, parts in _sources():
        digest.update(f"{'/'.join(parts)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def surroundings() -> dict[str, str]:
    """What a preparation that reads this corpus says about its surroundings."""
    return {"standard library": digest()}
