"""The page of a method: what it is, where it stands, and every attempt behind its numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from results.leaderboard import Leaderboard, Row
from results.record import Record
from results.report import boards, numbers, places
from results.report.boards import Cell, Heading
from results.report.facts import Catalogue, Described

_STANDING = ("board", "scale", "hardware", "rank", "of", "score", "to best", "n", "not ok")


def pages(
    heads: Sequence[Record], made: Sequence[Leaderboard], catalogue: Catalogue
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The page of every method that has run or is in the catalogue."""
    records = {record.id: record for record in heads}
    rows: defaultdict[str, list[tuple[Leaderboard, Row]]] = defaultdict(list)
    for board in made:
        for row in board.rows:
            rows[row.name].append((board, row))
    for name in sorted(set(rows) | set(catalogue.methods)):
        about = catalogue.methods.get(name, Described(name, trouble="It is not in the catalogue here."))
        arena = name.partition("/")[0]
        yield (
            places.method(name),
            {
                "name": name,
                "kind": "method",
                "about": about,
                "arena": {"name": arena, "page": places.arena(arena) if arena in catalogue.arenas else "index.html"},
                "title": about.title,
                "facts": _facts(about),
                "standing_headings": [Heading(word, numeric=word not in _STANDING[:3]) for word in _STANDING],
                "standings": [(_standing(board, row), {"kind": "", "badges": []}) for board, row in rows[name]],
                "command": _command(name, rows[name], catalogue),
                "evidence": [_evidence(board, row, records) for board, row in rows[name]],
            },
        )


def _facts(about: Described) -> list[tuple[str, str]]:
    card = about.card
    found = [(key, str(card[key])) for key in ("role", "paper", "source", "version") if card.get(key) is not None]
    meaning = {"code": "compared with the authors' code", "paper": "compared with the paper's numbers",
               "none": "compared with nothing independent"}  # fmt: skip
    if "fidelity" in card:
        found.append(("fidelity", meaning.get(str(card["fidelity"]), str(card["fidelity"]))))
    if card.get("search"):
        found.append(("tuned over", boards.listed(card["search"])))
    if about.target:
        found.append(("code", about.target))
    return found


def _standing(board: Leaderboard, row: Row) -> list[Cell]:
    link = f"{places.task(board.task)}#{places.board(board)}"
    ranked = sum(other.rank is not None for other in board.rows)
    score = row.metrics.get(board.rank_metric)
    label = boards.title(board) + (row.method[len(row.name) :] if row.method != row.name else "")
    return [
        Cell(label, label, link),
        Cell(board.scale, board.scale),
        Cell(board.hardware, board.hardware),
        Cell(numbers.number(row.rank), row.rank, strong=boards.leads(board, row)),
        Cell(str(ranked), ranked),
        Cell(numbers.interval(score), score.value if score else None, places.evidence(places.board(board), row)),
        Cell(*_gap(row)),
        Cell(str(len(row.seeds)), len(row.seeds)),
        Cell(str(len(row.others)), len(row.others)),
    ]


def _gap(row: Row) -> tuple[str, float | None]:
    gap = row.to_best[0] if row.to_best else None
    return numbers.interval(gap, signed=True), gap.value if gap else None


def _command(name: str, rows: Sequence[tuple[Leaderboard, Row]], catalogue: Catalogue) -> str:
    arena = name.partition("/")[0]
    near = {task for task in catalogue.tasks if task.partition("/")[0] == arena}
    own = sorted({board.task for board, _ in rows} or near)
    return f"bakeoff run -m method={name} task={','.join(own) or '..'} 'seed=range(0,5)'"


def _evidence(board: Leaderboard, row: Row, records: Mapping[str, Record]) -> dict[str, Any]:
    metrics = boards.metrics(board)
    units = boards.units(board)
    heads = [Heading("attempt", numeric=False), Heading("seed"), Heading("ending", numeric=False)]
    heads += [Heading(boards.heading(board, name)) for name in metrics]
    heads += [Heading(numbers.words(unit)) for unit in units]
    heads += [Heading("solve s"), Heading("MiB"), Heading("reason", numeric=False)]
    found = [records[name] for name in (*row.attempts, *row.others)]
    return {
        "id": f"{places.board(board)}-{row.key}",
        "title": boards.title(board) + (row.method[len(row.name) :] if row.method != row.name else ""),
        "method": row.method,
        "about": boards.about(board),
        "link": f"{places.task(board.task)}#{places.board(board)}",
        "stale": row.stale,
        "headings": heads,
        "rows": [(_attempt(record, metrics, units), {"kind": "", "badges": []}) for record in found],
    }


def _attempt(record: Record, metrics: Sequence[str], units: Sequence[str]) -> list[Cell]:
    found = [
        Cell(record.id, record.ended, places.attempt(record.id)),
        Cell(str(record.seed), record.seed),
        Cell(record.status.value, record.status.value),
    ]
    for name in metrics:
        value = record.metrics.get(name)
        found.append(Cell(numbers.MISSING if value is None else f"{value:.5g}", value))
    for unit in units:
        spent = sum(account.get(unit, 0.0) for account in record.cost.values())
        found.append(Cell(numbers.number(spent), spent))
    clock, memory = record.seconds.get("solve"), record.peak_memory_mib
    found += [Cell(numbers.seconds(clock), clock), Cell(numbers.number(memory and round(memory)), memory)]
    return [*found, Cell(record.reason, record.reason)]
