"""The verb `doctor`: what this machine has, what is missing, and what to do about it."""

from __future__ import annotations

import enum
import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from results.store import Store, StoreError
from runners import catalog, plugins
from runners.errors import CommandError, one_line
from runners.hardware import cores
from runners.listing import broken_entry
from runners.session import store_url
from runners.words import STORE, only_keys
from tasks import data
from tasks.preparation import cache_root

LEAST_SPACE = 2 * 2**30  # bytes that models and records of a board may need


class Level(enum.StrEnum):
    """How much something matters."""

    WELL = "ok"
    NOTE = "note"
    FAULT = "FAULT"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    subject: str
    sentence: str


def command(words: Sequence[str]) -> int:
    """`bakeoff doctor`; the exit code is 1 where something is at fault."""
    values = only_keys("doctor", words, STORE)
    faults = 0
    for look in LOOKS:
        for found in look(values):
            print(f"{found.level:5s}  {found.subject}: {found.sentence}", flush=True)  # noqa: T201 (a verb's answer)
            faults += found.level is Level.FAULT
    return 1 if faults else 0


def _machine(values: dict[str, str]) -> Iterator[Finding]:
    import psutil

    memory = psutil.virtual_memory().total / 2**30
    yield Finding(Level.WELL, "python", f"{platform.python_version()} on {platform.platform(terse=True)}")
    yield Finding(Level.WELL, "machine", f"{cores()} cores for this process, {memory:.0f} GiB of memory")


def _accelerators(values: dict[str, str]) -> Iterator[Finding]:
    if importlib.util.find_spec("torch") is None:
        yield Finding(Level.FAULT, "torch", "not installed; pip install -c constraints.txt bakeoff")
        return
    import torch

    if not torch.cuda.is_available():
        yield Finding(Level.NOTE, "torch", f"{torch.__version__}, no CUDA device; hardware=auto means cpu here")
        return
    for number in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(number)
        yield Finding(Level.WELL, "torch", f"{torch.__version__}, {facts.name}, {facts.total_memory / 2**30:.0f} GiB")


def _extras(values: dict[str, str]) -> Iterator[Finding]:
    wanted: dict[str, list[str]] = {}
    for line in importlib.metadata.requires("bakeoff") or ():
        named = re.search(r"extra == ['\"](\w+)['\"]", line)
        package = re.match(r"[\w.-]+", line)
        if named and package and package[0] != "bakeoff":
            wanted.setdefault(named[1], []).append(package[0])
    for extra, packages in sorted(wanted.items()):
        missing = [name for name in packages if not _installed(name)]
        if missing:
            what = f"{', '.join(missing)} not installed; pip install 'bakeoff[{extra}]'"
            yield Finding(Level.NOTE, f"extra {extra}", what)
        else:
            yield Finding(Level.WELL, f"extra {extra}", "installed")


def _installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _engines(values: dict[str, str]) -> Iterator[Finding]:
    if importlib.util.find_spec("hydra_plugins.hydra_submitit_launcher") is None:
        return
    if shutil.which("sbatch") is None:
        yield Finding(Level.NOTE, "slurm", "there is no sbatch here; hydra/launcher=submitit_slurm needs a login node")
    else:
        yield Finding(Level.WELL, "slurm", "sbatch is there")


def _data(values: dict[str, str]) -> Iterator[Finding]:
    if folder := os.environ.get("BAKEOFF_DATA"):
        there = Path(folder).is_dir()
        sentence = folder if there else f"there is no folder {folder}; mend BAKEOFF_DATA"
        yield Finding(Level.WELL if there else Level.FAULT, "BAKEOFF_DATA", sentence)
    for name, entry in data.manifest().items():
        missing = [file for file in entry.files.values() if file.found() is None]
        lost = [file.name for file in missing if file.url is None or data.offline()]
        if lost:
            how = "downloads are switched off" if data.offline() else "it cannot be downloaded in this form"
            yield Finding(Level.NOTE, f"data {name}", f"{', '.join(lost)} is not here, and {how}; set BAKEOFF_DATA")
        elif missing:
            yield Finding(Level.NOTE, f"data {name}", "not here yet; `bakeoff prepare` or the first run downloads it")
        else:
            yield Finding(Level.WELL, f"data {name}", f"{len(entry.files)} files")


def _folders(values: dict[str, str]) -> Iterator[Finding]:
    for subject, folder in (("cache", cache_root()), ("outputs", Path(values["outputs"]))):
        there = next((one for one in (folder, *folder.absolute().parents) if one.is_dir()), Path("/"))
        try:
            with tempfile.TemporaryFile(dir=there):
                free = shutil.disk_usage(there).free
        except OSError as error:
            yield Finding(Level.FAULT, subject, f"{folder} cannot be written ({one_line(error)}); name another folder")
            continue
        level = Level.NOTE if free < LEAST_SPACE else Level.WELL
        yield Finding(level, subject, f"{folder}, {free / 2**30:.0f} GiB free")
    if waiting := list((Path(values["outputs"]) / "waiting").glob("[!.]*")):
        yield Finding(Level.NOTE, "outputs", f"{len(waiting)} records wait for a store; the next command takes them in")


def _store(values: dict[str, str]) -> Iterator[Finding]:
    url = store_url(values["store"] or None, Path(values["outputs"]))
    if "://" not in url and not Path(url).exists():
        yield Finding(Level.WELL, "store", f"{url} is made by the first run")
        return
    try:
        store = Store(url)
    except StoreError as error:
        yield Finding(Level.FAULT, "store", one_line(error))
        return
    try:
        yield Finding(Level.WELL, "store", f"{store.shown}, attempts at {len(store.names('task'))} tasks")
    except StoreError as error:
        yield Finding(Level.FAULT, "store", one_line(error))
    finally:
        store.close()


def _catalogue(values: dict[str, str]) -> Iterator[Finding]:
    for plugin in plugins.plugins():
        level = Level.FAULT if plugin.broken else Level.WELL
        yield Finding(level, f"plugin {plugin.name}", plugin.broken or f"{plugin.origin}, {plugin.folder}")
    try:
        found = {kind: catalog.entries(kind) for kind in catalog.KINDS}
    except CommandError as error:
        yield Finding(Level.FAULT, "catalogue", one_line(error))
        return
    for kind, entries in found.items():
        for entry in entries:
            if broken := broken_entry(entry):
                yield Finding(Level.FAULT, f"{kind} {entry.name}", broken)
    counts = ", ".join(f"{len(entries)} of kind {kind}" for kind, entries in found.items())
    yield Finding(Level.WELL, "catalogue", f"{counts}; run by {Path(sys.executable).name}")


LOOKS: tuple[Callable[[dict[str, str]], Iterator[Finding]], ...] = (
    _machine,
    _accelerators,
    _extras,
    _engines,
    _catalogue,
    _data,
    _folders,
    _store,
)
