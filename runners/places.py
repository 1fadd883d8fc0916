"""Where things are: the files of an attempt, and the folders in which plugin packages look for modules."""

from __future__ import annotations

import importlib
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path

from runners import plugins

PACKAGES = ("configs", "methods", "tasks")
PLUGINS = "plugins"
PRELOAD = "BAKEOFF_PRELOAD"  # what the process that workers are forked from imports


def roots() -> dict[str, list[str]]:
    """The folders of our own plugin packages in this process, and the names of the plugins of others."""
    own = {name: [str(place) for place in importlib.import_module(name).__path__] for name in PACKAGES}
    return own | {PLUGINS: plugins.names()[len(plugins.OWN) :]}


def extend(others: Mapping[str, list[str]]) -> None:
    """Look in these folders too, and count these plugins."""
    plugins.also(others.get(PLUGINS, ()))
    for name, folders in others.items():
        if name == PLUGINS:
            continue
        path = importlib.import_module(name).__path__
        for folder in folders:
            if folder not in list(path):
                path.append(folder)
    importlib.invalidate_caches()


def attempt_name(cell: str) -> str:
    """A new name for an attempt at a cell."""
    return f"{cell[:10]}-{uuid.uuid4().hex[:8]}"


def cell_folder(outputs: Path, task: str, method: str, seed: int) -> Path:
    """Where the attempts of a method on a task with a seed are, whatever their values."""
    return outputs / task / method / f"seed{seed}"


def record_file(outputs: Path, task: str, method: str, seed: int, attempt: str) -> Path:
    """Where the record of an attempt is."""
    return cell_folder(outputs, task, method, seed) / attempt / "record.json"


def scratch_folder(attempt: str) -> Path:
    """Where an attempt may leave files while it runs; made when they are asked for."""
    return Path(tempfile.gettempdir()) / f"bakeoff-{attempt}"


def checkpoint_file(outputs: Path, cell: str) -> Path:
    """Where a cell that was cut off keeps its state."""
    return outputs / "checkpoints" / f"{cell}.pt"
