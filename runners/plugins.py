"""Packages of others that bring methods, tasks and configs of their own.

A package `theirs` is a plugin where its distribution has an entry point of the group `bakeoff.plugins` with that value,
where `BAKEOFF_PLUGINS` names it, or where a command looks into it (`hydra.searchpath=[pkg://theirs.configs]`). Its YAML
files lie in `theirs/configs` and may name classes of it; nothing else is ever imported because a config says so.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from runners.errors import one_line

GROUP = "bakeoff.plugins"
OWN = ("methods", "tasks")  # the packages of this project that configs may name
VARIABLE = "BAKEOFF_PLUGINS"


@dataclass(frozen=True)
class Plugin:
    """A package of others.

    Args:
        name: of the package, dotted.
        origin: its distribution and version, or how it was named.
        folder: where its YAML files are.
        broken: why it cannot be used, if so.
    """

    name: str
    origin: str
    folder: Path = Path()
    broken: str | None = None


def plugins() -> tuple[Plugin, ...]:
    """All of them, sorted by name, those that cannot be used too."""
    return _plugins(os.environ.get(VARIABLE, ""))


def also(names: Iterable[str]) -> None:
    """Count these packages among the plugins of this process and of those that it starts."""
    before = [word for word in os.environ.get(VARIABLE, "").split(",") if word]
    if together := list(dict.fromkeys([*before, *names])):
        os.environ[VARIABLE] = ",".join(together)


def names() -> list[str]:
    """The packages that configs may name, our own first."""
    return [*OWN, *(plugin.name for plugin in plugins() if plugin.broken is None)]


def owns(module: str) -> bool:
    """Whether a dotted name lies in one of the packages that configs may name."""
    return any(module == name or module.startswith(f"{name}.") for name in names())


def folders() -> tuple[Path, ...]:
    """Where the YAML files of plugins are."""
    return tuple(plugin.folder for plugin in plugins() if plugin.broken is None)


def versions() -> dict[str, str]:
    """What each plugin that can be used came with, for the provenance of an attempt."""
    return {plugin.name: plugin.origin for plugin in plugins() if plugin.broken is None}


@functools.cache
def _plugins(given: str) -> tuple[Plugin, ...]:
    named = {word.strip(): f"named by {VARIABLE}" for word in given.split(",") if word.strip()}
    return tuple(_looked_up(name, origin) for name, origin in sorted((named | _installed()).items()))


@functools.cache
def _installed() -> dict[str, str]:
    """Entry points: package and distribution."""
    found = {}
    for point in importlib.metadata.entry_points(group=GROUP):
        own = point.dist
        found[point.value] = f"{own.name} {own.version}" if own is not None else "installed"
    return found


def _looked_up(name: str, origin: str) -> Plugin:
    if not all(part.isidentifier() for part in name.split(".")):
        return Plugin(name, origin, broken=f"'{name}' is no name of a package")
    if name.partition(".")[0] in (*OWN, "configs", "results", "runners"):
        return Plugin(name, origin, broken=f"'{name}' is a package of bakeoff itself")
    try:
        spec = importlib.util.find_spec(name)  # imports only what the package lies in
    except Exception as error:  # noqa: BLE001 (code of others may break in any way)
        return Plugin(name, origin, broken=f"{name} cannot be looked up ({type(error).__name__}: {one_line(error)})")
    if spec is None or not spec.submodule_search_locations:
        return Plugin(name, origin, broken=f"there is no package {name}")
    for place in spec.submodule_search_locations:
        if (folder := Path(place) / "configs").is_dir():
            return Plugin(name, origin, folder)
    return Plugin(name, origin, broken=f"the package {name} has no folder configs")
