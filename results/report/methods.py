"""The page of a method: what it is, where it stands, and every attempt behind its numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from results.leaderboard import Leaderboard, Row
from results.record import Record
from results.report import boards, commands, places
from results.report.boards import Cell, Heading
from results.report.facts import Catalogue, Described
from results.report.overview import arena_names
from results.tables import content, numbers

_STANDING = ("board", "scale", "hardware", "rank", "of", "score", "to best", "n", "not ok")


def names(made: Sequence[Leaderboard], catalogue: Catalogue) -> list[str]:
    """The methods that have pages: those that stand on a board or are in the catalogue."""
    return sorted({row.name for board in made for row in board.rows} | set(catalogue.methods))


def pages(
    heads: Sequence[Record], made: Sequence[Leaderboard], catalogue: Catalogue
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The page of every method that has run or is in the catalogue."""
    records = {record.id: record for record in heads}
    rows: defaultdict[str, list[tuple[Leaderboard, Row]]] = defaultdict(list)
    for board in made:
        for row in board.rows:
            rows[row.name].append((board, row))
    arenas = arena_names(made, catalogue)
    for name in names(made, catalogue):
        about = catalogue.methods.get(name, Described(name, trouble="It is not in the catalogue here."))
        arena = name.partition("/")[0]
        yield (
            places.method(name),
            {
                "name": name,
                "kind": "method",
                "about": about,
                "arena": {"name": arena, "page": places.arena(arena) if arena in arenas else ""},
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
    ranked = sum(other.rank is not None for other in board.rows)
    label = _labelled(board, row)
    return [
        Cell(label, label, boards.link(board)),
        Cell(board.scale, board.scale),
        Cell(board.hardware, board.hardware),
        Cell(numbers.number(row.rank), row.rank, strong=content.won(board, row)),
        Cell(str(ranked), ranked),
        boards.score(row.metrics.get(board.rank_metric), places.evidence(places.board(board), row)),
        boards.score(row.to_best[0] if row.to_best else None, signed=True),
        Cell(str(len(row.seeds)), len(row.seeds)),
        Cell(str(len(row.others)), len(row.others)),
    ]


def _labelled(board: Leaderboard, row: Row) -> str:
    """A board, and which values of a method that has several."""
    return content.named(board) + row.method.removeprefix(row.name)


def _command(name: str, rows: Sequence[tuple[Leaderboard, Row]], catalogue: Catalogue) -> str:
    arena = name.partition("/")[0]
    near = {task for task in catalogue.tasks if task.partition("/")[0] == arena}
    own = sorted({board.task for board, _ in rows} or near)
    return commands.method(name, own)


def _evidence(board: Leaderboard, row: Row, records: Mapping[str, Record]) -> dict[str, Any]:
    metrics = content.metrics(board)
    units = content.units(board)
    heads = [Heading("attempt", numeric=False), Heading("seed"), Heading("ending", numeric=False)]
    heads += [Heading(content.heading(board, name)) for name in metrics]
    heads += [Heading(content.words(unit)) for unit in units]
    heads += [Heading("solve s"), Heading("MiB"), Heading("reason", numeric=False)]
    found = [records[name] for name in (*row.attempts, *row.others)]
    return {
        "id": f"{places.board(board)}-{row.key}",
        "title": _labelled(board, row),
        "method": row.method,
        "about": boards.about(board),
        "link": boards.link(board),
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
        found.append(Cell(numbers.number(value), value))
    for unit in units:
        spent = sum(account.get(unit, 0.0) for account in record.cost.values())
        found.append(Cell(numbers.number(spent), spent))
    clock, memory = record.seconds.get("solve"), record.peak_memory_mib
    found += [Cell(numbers.seconds(clock), clock), Cell(numbers.number(memory and round(memory)), memory)]
    return [*found, Cell(record.reason, record.reason)]
