"""What there is to run: the YAML files under `configs/`, read without importing any plugin.

The file system is the registry: `configs/method/calibration/linc.yaml` is the method `calibration/linc`.
"""

from __future__ import annotations

import fnmatch
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from runners import plugins
from runners.errors import CommandError, one_line, suggestion

KINDS = ("method", "task", "hardware", "experiment")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is ten times as fast; wheels carry it


@dataclass(frozen=True)
class Entry:
    """One YAML file of the catalogue.

    Args:
        kind: method, task, hardware or experiment.
        name: path below `configs/<kind>/`, without the ending.
        path: the file.
        values: what the file says, without the card.
        card: what the file says about itself.
        broken: why the file cannot be used, if so.
    """

    kind: str
    name: str
    path: Path
    values: dict[str, Any] = field(default_factory=dict)
    card: dict[str, Any] = field(default_factory=dict)
    broken: str | None = None

    @property
    def arena(self) -> str:
        """The first part of the name."""
        return self.name.partition("/")[0]

    @property
    def target(self) -> str:
        """Dotted name of the class that the file configures."""
        return str(self.values.get("_target_", ""))


def config_roots() -> tuple[Path, ...]:
    """The folders whose YAML files form the catalogue, first found wins."""
    spec = importlib.util.find_spec("configs")
    if spec is None or not spec.submodule_search_locations:
        raise CommandError("the package 'configs' is not installed beside bakeoff")
    return (*(Path(place) for place in spec.submodule_search_locations), *plugins.folders())


def read_entry(kind: str, name: str, path: Path) -> Entry:
    """Read one file; a file that cannot be read becomes an entry that says why."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 (a safe loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        return Entry(kind, name, path, broken=f"{path.name}: {one_line(error)}")
    if not isinstance(content, dict):
        return Entry(kind, name, path, broken=f"{path.name}: expected a mapping at the top")
    card = content.pop("card", {})
    if not isinstance(card, dict):
        return Entry(kind, name, path, values=content, broken=f"{path.name}: the card must be a mapping")
    return Entry(kind, name, path, values=content, card=card)


def entries(kind: str, pattern: str = "*", roots: Sequence[Path] | None = None) -> list[Entry]:
    """All entries of one kind whose name matches a shell pattern (`*` also crosses `/`), sorted by name."""
    found: dict[str, Path] = {}
    for root in config_roots() if roots is None else roots:
        base = root / kind
        for path in sorted(base.rglob("*.yaml")):
            name = path.relative_to(base).with_suffix("").as_posix()
            if fnmatch.fnmatchcase(name, pattern) and not any(part.startswith("_") for part in name.split("/")):
                found.setdefault(name, path)
    return [read_entry(kind, name, found[name]) for name in sorted(found)]


def names(kind: str, roots: Sequence[Path] | None = None) -> list[str]:
    """All names of one kind, without reading the files."""
    found = set()
    for root in config_roots() if roots is None else roots:
        base = root / kind
        found |= {path.relative_to(base).with_suffix("").as_posix() for path in base.rglob("*.yaml")}
    return sorted(name for name in found if not any(part.startswith("_") for part in name.split("/")))


def find(kind: str, name: str, roots: Sequence[Path] | None = None) -> Entry:
    """The entry of that name.

    Raises:
        CommandError: there is none, or its file cannot be used.
    """
    places = config_roots() if roots is None else roots
    proper = not Path(name).is_absolute() and not any(part.startswith(("_", "..")) for part in Path(name).parts)
    for root in places:
        path = root / kind / f"{name}.yaml"
        if proper and path.is_file():
            entry = read_entry(kind, name, path)
            if entry.broken:
                raise CommandError(f"{kind} {name} is broken: {entry.broken}")
            return entry
    raise CommandError(f"there is no {kind} called '{name}'{suggestion(name, names(kind, places))}")
