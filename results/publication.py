"""Published results: the attempts behind an arena's boards, `published/<arena>.jsonl`, and the boards as a page,
`leaderboards/<arena>.md`. Both are committed.

The page is computed from the attempts alone, so that whoever doubts it can compute it again. What depends on the code
of today, such as stale marks, is not in it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from results.leaderboard import Leaderboard, leaderboards
from results.record import Record, RecordError, from_json, write_text
from results.tables import render
from results.tables.content import named

FOLDER = Path(__file__).parent  # where the project keeps what it publishes
# what a reader may want to know
_SETTINGS = ("overrides", "profile", "threads", "workers", "alone", "launcher", "tuning")
_PLACE = re.compile(
    r"/[^\s\"':,]*/(?:site-packages/|dist-packages/|(?=python3\.\d+/|(?:methods|tasks|runners|results)/))"
)


def attempts_file(folder: Path, arena: str) -> Path:
    """Where the attempts of an arena are."""
    return folder / "published" / f"{arena}.jsonl"


def boards_file(folder: Path, arena: str) -> Path:
    """Where the boards of an arena are."""
    return folder / "leaderboards" / f"{arena}.md"


def arenas(folder: Path) -> list[str]:
    """The arenas of which anything is published, be it only half."""
    found = [*folder.glob("published/*.jsonl"), *folder.glob("leaderboards/*.md")]
    return sorted({path.stem for path in found})


def publishable(records: Sequence[Record]) -> list[Record]:
    """The attempts that stand on boards, in an order that new attempts change little, without what only matters on the
    machine where they ran (folders, the tracker)."""
    shown = {name for board in leaderboards(records) for row in board.rows for name in (*row.attempts, *row.others)}
    chosen = [record for record in records if record.id in shown]
    return [_public(record) for record in sorted(chosen, key=_order)]


def _order(record: Record) -> tuple[str, str, str, int, str]:
    return record.task, record.scale, record.method, record.seed, record.id


def _public(record: Record) -> Record:
    return replace(
        record,
        settings={key: value for key, value in record.settings.items() if key in _SETTINGS},
        traceback=_PLACE.sub("", record.traceback),
        reason=_PLACE.sub("", record.reason),
    )


def lines(records: Iterable[Record]) -> str:
    """Attempts as JSON Lines."""
    return "".join(f"{record.to_json()}\n" for record in records)


def read(folder: Path, arena: str) -> list[Record]:
    """The published attempts of an arena.

    Raises:
        OSError: the file is not there or cannot be read.
        RecordError: a line is no record, or one of another arena.
    """
    path = attempts_file(folder, arena)
    records = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        record = from_json(line, f"{path}, line {number}")
        if record.arena != arena:
            raise RecordError(f"{path}, line {number}: an attempt of the arena '{record.arena}'")
        records.append(record)
    return records


def page(arena: str, records: Sequence[Record]) -> str:
    """The boards of an arena as Markdown, with where they came from."""
    digest = hashlib.sha256(lines(records).encode("utf-8")).hexdigest()
    boards = leaderboards(records)
    head = [
        f"# Leaderboards of the arena {arena}",
        "",
        f"Computed from the {len(records)} attempts in [published/{arena}.jsonl](../published/{arena}.jsonl) "
        f"(SHA-256 {digest[:16]}), {_origin(records)}. "
        f"`make publish ARENA={arena}` runs them and writes this page; `bakeoff report --check` computes it again.",
        "",
        *(f"- [{named(board)}](#{_anchor(board, number)}), {board.scale}" for number, board in enumerate(boards)),
        "",
    ]
    sections = [
        f'<a id="{_anchor(board, number)}"></a>\n\n{render([board], "md")}' for number, board in enumerate(boards)
    ]
    return "\n".join(head) + "\n" + "\n\n".join(sections) + "\n"


def _anchor(board: Leaderboard, number: int) -> str:
    return f"board-{number + 1}-" + re.sub(r"[^a-z0-9]+", "-", board.task.lower())


def _origin(records: Sequence[Record]) -> str:
    """When the attempts were made and by which code, in words."""
    days = sorted({record.ended[:10] for record in records})
    code = sorted({_commit(record.provenance) for record in records})
    pythons = sorted({str(record.provenance.get("python", "unknown")) for record in records})
    span = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return f"made {span} at commit {', '.join(code)} with Python {', '.join(pythons)}"


def _commit(provenance: Mapping[str, Any]) -> str:
    code = provenance.get("code", {})
    return str(code.get("commit") or "unknown")[:10] + (" with changes" if code.get("dirty") else "")


def write(folder: Path, arena: str, records: Sequence[Record]) -> None:
    """Write attempts and boards of an arena.

    Raises:
        OSError: a file cannot be written.
    """
    write_text(attempts_file(folder, arena), lines(records))
    write_text(boards_file(folder, arena), page(arena, records))


def faults(folder: Path, arena: str) -> list[str]:
    """What is wrong with the published results of an arena, one sentence each; none if the boards are what the attempts
    say."""
    source, board = attempts_file(folder, arena), boards_file(folder, arena)
    missing = [f"{path}: is not there" for path in (source, board) if not path.is_file()]
    if missing:
        return missing
    try:
        records = read(folder, arena)
    except RecordError as error:
        return [str(error)]
    found = []
    if lines(records) != lines(publishable(records)):
        found.append(f"{source}: is not what publishing these attempts gives")
    wanted, given = page(arena, records).splitlines(), board.read_text("utf-8").splitlines()
    if wanted != given:
        number = next((n for n, pair in enumerate(zip(wanted, given, strict=False)) if pair[0] != pair[1]), None)
        place = min(len(wanted), len(given)) if number is None else number
        found.append(f"{board}, line {place + 1}: is not what the attempts in {source.name} say")
    return found
