"""The mirror in Weights & Biases, with the real library writing offline."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

Bakeoff = Callable[..., Any]  # the fixture: words in, what was said out

pytestmark = pytest.mark.filterwarnings("ignore")  # the library's own warnings are not ours to mend


BLOCK = 32768  # the file is a log of blocks as in LevelDB: 7 bytes of header before each piece of a record


def pieces(content: bytes) -> Iterator[bytes]:
    """The records of an offline file, put together from their pieces."""
    place, whole = 7, b""
    while place + 7 <= len(content):
        if BLOCK - place % BLOCK < 7:
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", content[place : place + 7])
        whole += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last piece
            yield whole
            whole = b""


def read_back(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]:
    """Config, history and summary of an offline file."""
    from wandb.proto import wandb_internal_pb2

    config: dict[str, Any] = {}
    history: list[dict[str, Any]] = []
    summary: dict[str, Any] = {}
    for piece in pieces(path.read_bytes()):
        record = wandb_internal_pb2.Record()  # type: ignore[attr-defined]  # made at import
        record.ParseFromString(piece)
        config |= values([*record.run.config.update, *record.config.update])
        if record.HasField("history"):
            history.append(values(record.history.item))
        summary |= values(record.summary.update)
    return config, history, summary


def values(items: Iterable[Any]) -> dict[str, Any]:
    """Key and value of each item."""
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def test_an_attempt_is_mirrored_offline(bakeoff: Bakeoff, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    said = bakeoff("run", "method=urns/mean", "task=urns/draws", "tracker=wandb")
    assert said.code == 0, said.err
    (path,) = Path("outputs").rglob("*.wandb")
    config, history, summary = read_back(path)
    assert config["method"]["name"] == "urns/mean"
    assert [row["value step"] for row in history if "value" in row] == list(range(10))
    assert summary["status"] == "ok"
    assert summary["error"] > 0
    assert summary["solve draws"] == 10


def test_an_unknown_tracker_is_refused(bakeoff: Bakeoff) -> None:
    said = bakeoff("run", "method=urns/mean", "task=urns/draws", "tracker=paper")
    assert (said.code, said.err) == (2, "bakeoff: tracker: 'paper' is none of wandb\n")


def test_a_dead_network_fails_no_cell_and_is_not_waited_for_twice(
    bakeoff: Bakeoff, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    said = bakeoff("run", "-m", "method=urns/mean", "task=urns/draws", "seed=0,1", "tracker=wandb")
    assert said.code == 0, said.err
    assert said.err.count("was not mirrored to wandb") == 1
    assert "from here on wandb is written offline" in said.err
    found = [read_back(path) for path in Path("outputs").rglob("*.wandb")]
    assert sum(summary.get("status") == "ok" for _, _, summary in found) >= 2
