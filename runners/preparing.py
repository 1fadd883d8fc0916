"""Making preparations: once, complete or not at all, off every clock."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from filelock import FileLock

from results.record import write_text
from runners.hardware import Hardware, seed_everything
from runners.provenance import code_fingerprint, environment
from runners.run import AttemptRun, Watcher
from tasks.metering import Ledger, random_stream
from tasks.preparation import MARK, Preparation, identity


def ensure(preparation: Preparation, seed: int, hardware: Hardware, watcher: Watcher) -> dict[str, Any]:
    """Make the artefact that serves a task seed, and whatever it is built from, unless it is there already.

    Returns:
        What a record says about it: class, key, digest of its files, its own seconds and cost.
    """
    for part in preparation.parts().values():
        ensure(part, preparation.replicate(seed), hardware, watcher)
    folder = preparation.folder(seed)
    if not preparation.is_built(seed):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not preparation.is_built(seed):
                _build(preparation, seed, hardware, watcher, folder)
    content = json.loads((folder / MARK).read_text(encoding="utf-8"))
    return {name: content[name] for name in ("class", "key", "digest", "seconds", "cost")}


def _build(preparation: Preparation, seed: int, hardware: Hardware, watcher: Watcher, folder: Path) -> None:
    key = preparation.key(seed)
    watcher.phase(f"prepare {type(preparation).__name__}")
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".building-"))
    try:
        run = AttemptRun(random_stream("preparation", key), Ledger(), hardware, scratch, watcher)
        seed_everything(random_stream("preparation globals", key))
        preparation.build(preparation.replicate(seed), run)
        content = {
            "class": type(preparation).__name__,
            "key": key,
            "seed": preparation.replicate(seed),
            "digest": _digest(scratch),
            "seconds": run.clock.seconds(),
            "cost": run.ledger.totals(),
            "logs": run.logs,
            "identity": identity(preparation),
            "code": code_fingerprint(preparation),
            "environment": environment(),
        }
        write_text(scratch / MARK, json.dumps(content, indent=1, sort_keys=True))
        if folder.exists():  # left by a build that was cut off before its mark
            shutil.rmtree(folder)
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _digest(folder: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(folder).as_posix()}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
