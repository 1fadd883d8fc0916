"""Boards for programs: JSON and CSV, one row a method."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from results.leaderboard import Leaderboard, Row
from results.tables.content import apart, clean, left_out, won
from results.tables.numbers import portable


def as_json(boards: Sequence[Leaderboard]) -> str:
    """All rows of all boards as `{"rows": [..]}`; each says which board it is of."""
    rows = [_flat(board, row) for board in boards for row in board.rows]
    return json.dumps({"rows": rows}, indent=1, allow_nan=False)


def as_csv(boards: Sequence[Leaderboard]) -> str:
    """All rows of all boards; nested values in dotted columns, those of one value side by side."""
    rows = [_flat(board, row) for board in boards for row in board.rows]
    columns: dict[str, None] = {}
    for name in rows[0] if rows else ():
        spread: dict[str, None] = {}
        for row in rows:
            spread |= dict.fromkeys(_spread({name: row[name]}))
        # a value that some rows lack has no column of its own where others spread it
        columns |= dict.fromkeys(column for column in spread if column != name or len(spread) == 1)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(columns), lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(_spread(row) for row in rows)
    return stream.getvalue().rstrip("\n")


def _flat(board: Leaderboard, row: Row) -> dict[str, Any]:
    own = {name: value for name, value in asdict(row).items() if name not in ("to_best", "ended")}
    gap = asdict(row.to_best[0]) | {"p_value": row.to_best[1]} if row.to_best is not None else None
    about = {"arena": board.arena, "problem": board.problem, "task": board.task, "task_variant": board.variant,
             "scale": board.scale, "hardware": board.hardware, "protocol": board.protocol,
             "task_version": board.version, "board": board.key, "rank_metric": board.rank_metric,
             "direction": board.metric_info[board.rank_metric]["direction"],
             "prices": board.prices, "priced": board.priced, "machine": board.machine,
             "rebuilt": list(board.rebuilt), "left_out": " ".join(left_out(board))}  # fmt: skip
    own["scores"] = {str(seed): row.scores[seed] for seed in sorted(row.scores)}
    own |= {"n": len(row.seeds), "to_best": gap, "apart": row.method in apart(board), "won": won(board, row)}
    flat: dict[str, Any] = portable(about | own)
    return flat


def _spread(row: dict[str, Any]) -> dict[str, Any]:
    """Nested values as dotted columns, lists as text."""
    result: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            result |= {f"{name}.{key}": inner for key, inner in _spread(value).items()}
        elif isinstance(value, list):
            result[name] = clean(("; " if name == "reasons" else " ").join(str(item) for item in value))
        else:
            result[name] = clean(value) if isinstance(value, str) else value
    return result
