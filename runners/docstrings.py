"""Docstrings read from source files, without importing what they describe, and taken apart for a page."""

from __future__ import annotations

import ast
import functools
import importlib.util
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from results.report.facts import Block

_NUMBERED = re.compile(r"(\d+)\. +(.*)")
_FIELD = re.compile(r"((?:\w+)(?:, \w+)*): +(.*)")


@functools.cache
def _tree(module: str) -> ast.Module | None:
    """The syntax tree of a module of a plugin package; None where there is none."""
    try:
        spec = importlib.util.find_spec(module)
    except Exception:  # noqa: BLE001 (its package may break in any way)
        return None
    if spec is None or spec.origin is None:
        return None
    try:
        return ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError):
        return None


def source_of(module: str) -> str:
    """The source of a module; empty where there is none."""
    tree = _tree(module)
    spec = importlib.util.find_spec(module) if tree else None
    return Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""


def of_module(module: str) -> tuple[Block, ...]:
    """The docstring of a module, taken apart; empty where there is none."""
    tree = _tree(module)
    return blocks((ast.get_docstring(tree) if tree else None) or "")


def of_class(target: str) -> tuple[Block, ...]:
    """The docstring of a class by its dotted name, taken apart; empty where there is none."""
    module, _, name = target.rpartition(".")
    tree = _tree(module)
    found = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name] if tree else []
    return blocks((ast.get_docstring(found[0]) if found else None) or "")


def blocks(text: str) -> tuple[Block, ...]:
    """A docstring in pieces: prose, indented formulas, numbered lists, and the fields under `Args:`."""
    found: list[Block] = []
    heading = ""
    for part in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        heading = _take(part, heading, found)
    return tuple(found)


def _take(part: str, heading: str, found: list[Block]) -> str:
    """Adds what one paragraph holds to `found`; returns the heading of what may follow."""
    lines = part.splitlines()
    if not "".join(lines).strip():
        return heading
    first = lines[0]
    if first in ("Args:", "Raises:", "Returns:"):
        found.append(Block("fields", items=tuple(_fields(lines[1:])), heading=first.rstrip(":")))
        return ""
    inner = inspect.cleandoc("\n" + part)
    if re.fullmatch(r"\w[\w ]*:", first):
        if len(lines) == 1:
            return first.rstrip(":")
        heading, lines = first.rstrip(":"), lines[1:]
        inner = inspect.cleandoc("\n" + "\n".join(lines))
    if _NUMBERED.match(inner):
        found.append(Block("items", items=tuple(_numbered(inner.splitlines())), heading=heading))
    elif lines[0].startswith(" "):
        found.append(Block("formula", text=inner, heading=heading))
    else:
        words, _, last = " ".join(lines).rpartition(". ")
        if re.fullmatch(r"[A-Z]\w*:", last):  # prose that ends with the heading of the list below it
            found.append(Block("text", text=f"{words}.", heading=heading))
            return last.rstrip(":")
        found.append(Block("text", text=" ".join(lines), heading=heading))
    return ""


def _numbered(lines: list[str]) -> Iterator[tuple[str, str]]:
    number, words = "", [""]
    for line in lines:
        match = _NUMBERED.match(line)
        if match:
            if number:
                yield number, " ".join(words)
            number, words = match[1], [match[2]]
        else:
            words.append(line.strip())
    yield number, " ".join(words)


def _fields(lines: list[str]) -> Iterator[tuple[str, str]]:
    name, words = "", [""]
    for line in inspect.cleandoc("\n" + "\n".join(lines)).splitlines():
        match = None if line.startswith(" ") else _FIELD.match(line)
        if match:
            if name:
                yield name, " ".join(words)
            name, words = match[1], [match[2]]
        else:
            words.append(line.strip())
    if name:
        yield name, " ".join(words)
