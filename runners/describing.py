"""Facts about methods and tasks for the pages of a report, read from the catalogue; imports no plugin."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from results.report.facts import Block, Catalogue, Described, Setting
from runners import catalog
from runners.arenas import package_of
from runners.docstrings import of_class, of_module
from runners.errors import CommandError


def catalogue() -> Catalogue:
    """Everything that the catalogue holds."""
    methods = {entry.name: _described(entry) for entry in catalog.entries("method")}
    tasks = {entry.name: _described(entry) for entry in catalog.entries("task")}
    arenas = sorted({name.partition("/")[0] for name in tasks})
    return Catalogue(
        methods=methods,
        tasks=tasks,
        arenas={arena: _about(arena) for arena in arenas},
        version=importlib.metadata.version("bakeoff"),
        hardware={entry.name: entry.values for entry in catalog.entries("hardware") if not entry.broken},
    )


def _about(arena: str) -> tuple[Block, ...]:
    try:
        return of_module(package_of(arena))
    except CommandError:  # tasks of an arena that its plugin does not state
        return ()


def _described(entry: catalog.Entry) -> Described:
    if entry.broken:
        return Described(entry.name, trouble=entry.broken)
    text = entry.path.read_text(encoding="utf-8")
    return Described(
        name=entry.name,
        card=entry.card,
        target=entry.target,
        blocks=of_class(entry.target),
        parts={target: found for target in dict.fromkeys(_targets(entry.values)) if (found := of_class(target))},
        settings=tuple(_settings(text, dict(_meanings(entry.values, "")))),
    )


def _targets(values: Any, top: bool = True) -> Iterator[str]:
    """Dotted names of the parts that are nested in some values."""
    if isinstance(values, Mapping):
        if not top and "_target_" in values:
            yield str(values["_target_"])
        for value in values.values():
            yield from _targets(value, top=False)
    elif isinstance(values, list):
        for value in values:
            yield from _targets(value, top=False)


def _meanings(values: Mapping[str, Any], above: str) -> Iterator[tuple[str, str]]:
    """What the docstrings of a class and of its parts say of their fields, by dotted name."""
    for block in of_class(str(values.get("_target_", ""))):
        if block.kind == "fields" and block.heading == "Args":
            yield from ((f"{above}{name}", meaning) for names, meaning in block.items for name in names.split(", "))
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _meanings(value, f"{above}{key}.")


def _settings(text: str, meanings: Mapping[str, str]) -> Iterator[Setting]:
    """The values of a YAML file with the comments beside them; the card is left out."""
    lines = text.splitlines()
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        return
    for key, node in root.value:
        if key.value not in ("_target_", "card"):
            yield from _leaves(key.value, key, node, lines, meanings)


def _leaves(
    name: str, key: yaml.Node, node: yaml.Node, lines: list[str], meanings: Mapping[str, str]
) -> Iterator[Setting]:
    if isinstance(node, yaml.MappingNode) and not node.flow_style:
        for inner, value in node.value:
            yield from _leaves(f"{name}.{inner.value}", inner, value, lines, meanings)
        return
    block = isinstance(node, yaml.SequenceNode) and not node.flow_style
    end = key.end_mark if block else node.end_mark
    rest = lines[end.line][end.column :] if end.line < len(lines) else ""
    source = rest.partition("#")[2].strip() if block or rest.strip().startswith("#") else ""
    value = "\n".join(lines)[_offset(lines, node.start_mark) : _offset(lines, node.end_mark)].strip()
    yield Setting(name, value, source, meanings.get(name, ""))


def _offset(lines: list[str], mark: yaml.Mark) -> int:
    return sum(len(line) + 1 for line in lines[: mark.line]) + mark.column
