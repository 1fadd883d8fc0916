"""Data sets: found, checked, or missed with a sentence. Nothing here touches a network."""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path

import pytest

from tasks import data
from tasks.base import NotApplicable
from tasks.data import DataCorrupt, DataFile, DataMissing, DataSet

PLAIN = b'{"text": "one"}\n\n{"text": "two"}\r\n'
PACKED = gzip.compress(PLAIN, mtime=0)
FILES = {
    "plain.jsonl": DataFile("toy", "plain.jsonl", "someone/somewhere@abc", hashlib.sha256(PLAIN).hexdigest(), "a b"),
    "packed.jsonl.gz": DataFile(
        "toy",
        "packed.jsonl.gz",
        "someone/somewhere@abc",
        hashlib.sha256(PACKED).hexdigest(),
        "packed.jsonl",
        original=hashlib.sha256(PLAIN).hexdigest(),
    ),
    "made.tar": DataFile("toy", "made.tar", "someone/somewhere@abc", "0" * 64, made="images/*.png"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`BAKEOFF_DATA/toy`, in a world whose manifest knows only the toy set and whose cache is empty."""
    monkeypatch.setattr(data, "manifest", lambda: {"toy": DataSet("toy", "a toy", "none", FILES)})
    monkeypatch.setenv("BAKEOFF_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("BAKEOFF_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data" / "toy").mkdir(parents=True)
    return tmp_path / "data" / "toy"


def test_every_file_of_the_manifest_has_a_public_origin_at_a_commit() -> None:
    files = [file for entry in data.manifest().values() for file in entry.files.values()]
    assert len(data.manifest()) == 35
    assert len(files) == 169
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", file.origin) for file in files)
    assert all(re.fullmatch(r"[0-9a-f]{64}", value) for file in files for value in file.forms().values())
    assert all((file.path is None) != (file.made is None) for file in files)
    assert all(entry.licence and entry.title for entry in data.manifest().values())


def test_a_url_names_repository_commit_and_path() -> None:
    file = data.data_file("sst2", "stsa.binary.train.gz")
    commit = "e04d8643be91c2cce63f33e07760ff75d5aa3ad0"
    prefix = "https://raw.githubusercontent.com/tonyzhaozh/few-shot-learning"
    assert file.url == f"{prefix}/{commit}/data/sst2/stsa.binary.train"
    assert FILES["plain.jsonl"].url == "https://raw.githubusercontent.com/someone/somewhere/abc/a%20b"


def test_a_file_is_found_under_bakeoff_data_first(folder: Path, tmp_path: Path) -> None:
    cached = tmp_path / "cache" / "data" / "toy" / "plain.jsonl"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(PLAIN)
    assert data.fetch("toy", "plain.jsonl") == cached
    (folder / "plain.jsonl").write_bytes(PLAIN)
    assert data.fetch("toy", "plain.jsonl") == folder / "plain.jsonl"


@pytest.mark.parametrize(("name", "content"), [("packed.jsonl.gz", PACKED), ("packed.jsonl", PLAIN)])
def test_a_compressed_file_and_its_original_read_alike(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    assert data.lines("toy", "packed.jsonl.gz") == ['{"text": "one"}', '{"text": "two"}']
    assert list(data.json_lines("toy", "packed.jsonl.gz")) == [{"text": "one"}, {"text": "two"}]


def test_a_corrupt_file_is_named_with_both_hashes(folder: Path) -> None:
    (folder / "plain.jsonl").write_bytes(b"something else")
    actual = hashlib.sha256(b"something else").hexdigest()
    wanted = hashlib.sha256(PLAIN).hexdigest()
    with pytest.raises(DataCorrupt) as caught:
        data.fetch("toy", "plain.jsonl")
    path = folder / "plain.jsonl"
    assert str(caught.value) == (f"the data file {path} is corrupt: its sha256 is {actual}, the manifest says {wanted}")


def test_a_missing_file_says_how_to_get_it(folder: Path) -> None:
    with pytest.raises(DataMissing) as caught:
        data.fetch("toy", "plain.jsonl")
    assert isinstance(caught.value, NotApplicable)
    assert str(caught.value) == (
        "the data set 'toy' is not here: set BAKEOFF_DATA to a folder that holds toy/plain.jsonl, or let it be "
        "downloaded from https://raw.githubusercontent.com/someone/somewhere/abc/a%20b: downloads are switched off by "
        "BAKEOFF_OFFLINE"
    )


def test_a_file_made_from_several_cannot_be_downloaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BAKEOFF_OFFLINE")
    with pytest.raises(DataMissing, match=r"made from images/\*\.png of someone/somewhere@abc"):
        data.fetch("toy", "made.tar")


def test_a_failed_download_is_a_missing_file_with_the_cause(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def retrieve(url: str, known_hash: str, name: str, place: Path, downloader: object) -> str:
        asked.append((url, known_hash, name, place))
        raise OSError("no route to the host\nand more")

    monkeypatch.delenv("BAKEOFF_OFFLINE")
    monkeypatch.setattr("pooch.retrieve", retrieve)
    with pytest.raises(DataMissing, match=r"packed\.jsonl: OSError: no route to the host$"):
        data.fetch("toy", "packed.jsonl.gz")
    place = folder.parents[1] / "cache" / "data" / "toy"
    known = f"sha256:{hashlib.sha256(PLAIN).hexdigest()}"
    assert asked == [(FILES["packed.jsonl.gz"].url, known, "packed.jsonl", place)]


def test_a_download_is_checked_and_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def retrieve(url: str, known_hash: str, name: str, place: Path, downloader: object) -> str:
        place.mkdir(parents=True)
        (place / name).write_bytes(PLAIN)
        return str(place / name)

    monkeypatch.delenv("BAKEOFF_OFFLINE")
    monkeypatch.setattr("pooch.retrieve", retrieve)
    assert len(data.lines("toy", "packed.jsonl.gz")) == 2
    monkeypatch.setenv("BAKEOFF_OFFLINE", "1")
    assert len(data.lines("toy", "packed.jsonl.gz")) == 2


def test_check_looks_at_what_is_here_and_downloads_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataMissing):
        data.check("toy", "plain.jsonl")
    monkeypatch.delenv("BAKEOFF_OFFLINE")
    data.check("toy", "plain.jsonl")  # it could be downloaded
    with pytest.raises(DataMissing):
        data.check("toy", "made.tar")
    for name in FILES:
        (folder / name).write_bytes(b"something else")
    with pytest.raises(DataCorrupt, match=r"made\.tar is corrupt"):
        data.check("toy", "made.tar")


def test_a_file_that_the_manifest_lacks_is_a_mistake(folder: Path) -> None:
    with pytest.raises(LookupError, match="the manifest has no toy/none"):
        data.fetch("toy", "none")
    with pytest.raises(LookupError, match="the manifest has no none/plain"):
        data.fetch("none", "plain")
