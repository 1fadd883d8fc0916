"""Data sets: one manifest, three places to look, and a sentence when a set is nowhere.

`manifest.yaml` beside this module names every file with its public origin at a commit, its sha256 and its licence. A
file is looked for under `BAKEOFF_DATA` (as `<set>/<file>`), then in the cache, and is then downloaded into the cache.
Its sha256 is checked wherever it was found. `BAKEOFF_OFFLINE=1` forbids downloads. None of the data is part of this
project.

A file `x.gz` may have been compressed after it left its origin. It is then also accepted, and is downloaded, as the
original `x`; the readers give the same text for both.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from tasks.base import NotApplicable
from tasks.preparation import cache_root

MANIFEST = Path(__file__).with_name("manifest.yaml")
SECONDS_TO_CONNECT = 10  # before a download is given up; there is no second try


class DataMissing(NotApplicable):
    """A data set is nowhere to be found; the message says how to get it."""


class DataCorrupt(Exception):
    """A data file is there, but its content is not what the manifest says."""


@dataclass(frozen=True)
class DataFile:
    """One file of the manifest.

    Args:
        data_set, name: `<data_set>/<name>` below a folder of data.
        origin: `repository@commit` on GitHub.
        sha256: of the file.
        path: of the original in its repository; None where the file was made from several.
        original: sha256 of the original, where the file is the original compressed.
        made: what the file was made from, where it was.
    """

    data_set: str
    name: str
    origin: str
    sha256: str
    path: str | None = None
    original: str | None = None
    made: str | None = None

    @property
    def url(self) -> str | None:
        """Where the original can be downloaded; None where it cannot in this form."""
        if self.path is None:
            return None
        return f"https://raw.githubusercontent.com/{self.origin.replace('@', '/')}/{quote(self.path)}"

    def forms(self) -> dict[str, str]:
        """Names below the set's folder under which the content may lie, with their sha256."""
        plain = {self.name.removesuffix(".gz"): self.original} if self.original else {}
        return {self.name: self.sha256} | plain

    def found(self) -> Path | None:
        """Where the file lies on this machine, its content not yet checked."""
        places = (Path(root) / self.data_set / name for root in _roots() for name in self.forms())
        return next((place for place in places if place.is_file()), None)


@dataclass(frozen=True)
class DataSet:
    """One set of the manifest, with its licence as far as the origin states it."""

    name: str
    title: str
    licence: str
    files: dict[str, DataFile] = field(default_factory=dict)


@functools.cache
def manifest() -> dict[str, DataSet]:
    """Every data set by name."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is ten times as fast; wheels carry it
    content: dict[str, Any] = yaml.load(MANIFEST.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 (a safe loader)
    sets = {}
    for name, entry in content.items():
        files = {file: DataFile(name, file, row.pop("from"), **row) for file, row in entry["files"].items()}
        sets[name] = DataSet(name, entry["title"], entry["licence"], files)
    return sets


def data_file(data_set: str, file: str) -> DataFile:
    """The manifest's entry of a file.

    Raises:
        LookupError: the manifest has no such file.
    """
    known = manifest().get(data_set)
    if known is None or file not in known.files:
        raise LookupError(f"the manifest has no {data_set}/{file}")
    return known.files[file]


def check(data_set: str, file: str) -> None:
    """Say whether a file is here and whole, or could be downloaded; nothing is downloaded.

    Raises:
        DataMissing: it is not here, and downloads are switched off or would not bring it.
        DataCorrupt: it is here, but its content is not what the manifest says.
    """
    entry = data_file(data_set, file)
    if entry.found() is not None:
        fetch(data_set, file)
    elif entry.url is None or offline():
        raise _missing(entry, _why_not(entry))


def fetch(data_set: str, file: str) -> Path:
    """A file of a set on this machine, checked against the manifest.

    Returns:
        Its path, which may be that of the uncompressed original (see the head of this module).

    Raises:
        DataMissing: it is not here and cannot be downloaded.
        DataCorrupt: its content is not what the manifest says.
    """
    entry = data_file(data_set, file)
    path = entry.found() or _download(entry)
    wanted = entry.forms()[path.name]
    actual = hashlib.sha256(path.read_bytes()).hexdigest()
    if actual != wanted:
        raise DataCorrupt(f"the data file {path} is corrupt: its sha256 is {actual}, the manifest says {wanted}")
    return path


def text(data_set: str, file: str, encoding: str = "utf-8") -> str:
    """The whole text of a file, uncompressed."""
    path = fetch(data_set, file)
    return (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode(encoding)


def lines(data_set: str, file: str, encoding: str = "utf-8") -> list[str]:
    """The lines of a file that are not blank, without their ends."""
    return [line.rstrip("\r") for line in text(data_set, file, encoding).split("\n") if line.strip()]


def json_lines(data_set: str, file: str) -> Iterator[dict[str, Any]]:
    """The objects of a file that holds one on each line."""
    return (json.loads(line) for line in lines(data_set, file))


def _roots() -> list[Path]:
    given = os.environ.get("BAKEOFF_DATA")
    return ([Path(given)] if given else []) + [cache_root() / "data"]


def offline() -> bool:
    """Whether `BAKEOFF_OFFLINE` forbids downloads."""
    return os.environ.get("BAKEOFF_OFFLINE", "") not in ("", "0")


def _download(entry: DataFile) -> Path:
    if entry.url is None or offline():
        raise _missing(entry, _why_not(entry))
    import pooch  # brings a web client with it, which only a download needs

    name, known = list(entry.forms().items())[-1]
    folder = cache_root() / "data" / entry.data_set
    downloader = pooch.HTTPDownloader(timeout=SECONDS_TO_CONNECT)
    try:
        return Path(pooch.retrieve(entry.url, f"sha256:{known}", name, folder, downloader=downloader))
    except (OSError, ValueError) as error:  # no network, no such page, or another content than the manifest says
        raise _missing(entry, f"{type(error).__name__}: {error}".splitlines()[0][:200]) from error


def _why_not(entry: DataFile) -> str:
    if entry.url is None:
        return f"it was made from {entry.made} of {entry.origin} and cannot be downloaded in this form"
    return "downloads are switched off by BAKEOFF_OFFLINE"


def _missing(entry: DataFile, cause: str) -> DataMissing:
    otherwise = f", or let it be downloaded from {entry.url}" if entry.url else ""
    return DataMissing(
        f"the data set '{entry.data_set}' is not here: set BAKEOFF_DATA to a folder that holds "
        f"{entry.data_set}/{entry.name}{otherwise}: {cause}"
    )
