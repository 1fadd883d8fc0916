"""The pages above single methods and attempts: front page, arenas, tasks, failures, and how to read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from results.leaderboard import Leaderboard, Row
from results.record import Record, Status
from results.report import boards, commands, places
from results.report.boards import Cell, Heading
from results.report.facts import Block, Catalogue, Described
from results.report.groups import RULE
from results.tables import content, numbers

Page = tuple[str, dict[str, Any]]
_TASK_FACTS = ("version", "rank", "scales", "axes", "data")


def front(heads: Sequence[Record], made: Sequence[Leaderboard], catalogue: Catalogue) -> dict[str, Any]:
    """The front page: each arena in figures, and every board with who leads it."""
    words = ("board", "scale", "hardware", "ranked by", "in front", "its mean", "n", "rows", "not ok", "stale")
    numeric = ("its mean", "n", "rows", "not ok", "stale")
    hints = {"its mean": "of several in front, that of the best mean", "n": "seeds behind this mean"}
    return {
        "arenas": [_arena(name, heads, catalogue) for name in arena_names(made, catalogue)],
        "headings": [Heading(word, word in numeric, hints.get(word, "")) for word in words],
        "rows": [(_line(board), {"kind": "", "badges": []}) for board in made],
    }


def arena_names(made: Sequence[Leaderboard], catalogue: Catalogue) -> list[str]:
    """The arenas that have pages."""
    return sorted({board.arena for board in made} | set(catalogue.arenas))


def task_names(made: Sequence[Leaderboard], catalogue: Catalogue) -> list[str]:
    """The tasks that have pages."""
    return sorted({board.task for board in made} | set(catalogue.tasks))


def _arena(name: str, heads: Sequence[Record], catalogue: Catalogue) -> dict[str, Any]:
    own = [record for record in heads if record.arena == name]
    cards = {method: about for method, about in catalogue.methods.items() if method.partition("/")[0] == name}
    tasks = {task for task in catalogue.tasks if task.partition("/")[0] == name}
    run = {record.method for record in own if record.role != "reference"}
    done = {record.task for record in own}
    return {
        "name": name,
        "page": places.arena(name),
        "question": question(catalogue.arenas.get(name, ())),
        "methods": len(run | set(cards)),
        "run": len(run),
        "papers": len({about.card.get("paper") for about in cards.values()} - {None}),
        "tasks": len(done | tasks),
        "tasks_run": len(done),
        "attempts": len(own),
        "failed": sum(record.status is not Status.OK for record in own),
    }


def question(blocks: Sequence[Block]) -> str:
    """What an arena asks, from its docstring `The arena X: question`."""
    first = blocks[0].text if blocks else ""
    asked = first.partition(": ")[2]
    return asked[:1].upper() + asked[1:]


def _line(board: Leaderboard) -> list[Cell]:
    ranked = [row for row in board.rows if row.rank is not None]
    leading = content.first(board)
    link = boards.link(board)
    shown = ", ".join(row.method for row in leading[:3]) + (f" and {len(leading) - 3} more" if len(leading) > 3 else "")
    if len(leading) == len(ranked) > 1:
        shown = f"none told apart; best mean: {ranked[0].method}"
    mean = ranked[0].metrics[board.rank_metric] if ranked else None
    failed = sum(sum(row.endings.values()) for row in board.rows)
    stale = sum(bool(row.stale) for row in board.rows)
    count = len(ranked[0].seeds) if ranked else 0
    return [
        Cell(content.named(board), content.named(board), link),
        Cell(board.scale, board.scale),
        Cell(board.hardware, board.hardware),
        Cell(content.heading(board, board.rank_metric), board.rank_metric),
        Cell(shown or numbers.MISSING, shown, strong=len(leading) == 1 and content.won(board, leading[0])),
        boards.score(mean, link),
        Cell(str(count), count),
        Cell(str(len(board.rows)), len(board.rows)),
        Cell(str(failed), failed, "endings.html" if failed else ""),
        Cell(str(stale), stale, link if stale else ""),
    ]


def endings(heads: Sequence[Record], rows: Mapping[str, tuple[Leaderboard, Row]]) -> dict[str, Any]:
    """The attempts that count and did not end ok."""
    words = ("attempt", "arena", "task", "method", "seed", "ending", "phase", "reason")
    ended = [record for record in heads if record.status is not Status.OK and record.id in rows]
    bad = sorted(ended, key=lambda record: (record.task, record.method, record.seed, record.id))
    return {
        "headings": [Heading(word, numeric=word == "seed") for word in words],
        "rows": [
            (
                [
                    Cell(record.id, record.ended, places.attempt(record.id)),
                    Cell(record.arena, record.arena),
                    Cell(record.task, record.task, places.task(record.task)),
                    Cell(rows[record.id][1].method, rows[record.id][1].method, places.method(record.method)),
                    Cell(str(record.seed), record.seed),
                    Cell(record.status.value, record.status.value),
                    Cell(record.phase or numbers.MISSING, record.phase),
                    Cell(record.reason, record.reason),
                ],
                {"kind": "", "badges": []},
            )
            for record in bad
        ],
    }


def reading() -> dict[str, Any]:
    """How to read the pages."""
    standing = RULE.format(top="its best known answer or, without one, the best mean")
    return {"intervals": boards.INTERVALS, "standing": standing}


def arenas(
    made: Sequence[Leaderboard],
    views: Mapping[str, Mapping[str, Any]],
    standings: Sequence[Mapping[str, Any]],
    catalogue: Catalogue,
) -> Iterator[Page]:
    """The page of every arena."""
    run = Counter(row.name for board in made for row in board.rows)
    for name in arena_names(made, catalogue):
        own = [board for board in made if board.arena == name]
        done = {board.task for board in own}
        ran = {row.name for board in own for row in board.rows if row.role != "reference"}
        yield places.arena(name), {
            "name": name,
            "blocks": catalogue.arenas.get(name, ()),
            "groups": [view for view in standings if view["arena"] == name],
            "boards": [views[places.board(board)] for board in own if views[places.board(board)]["figures"]["scores"]],
            "tasks": [_named(task, places.task(task), catalogue.tasks.get(task), task in done)
                      for task in sorted(done | _of(name, catalogue.tasks))],
            "methods": [_named(method, places.method(method), catalogue.methods.get(method), run[method] > 0)
                        for method in sorted(ran | _of(name, catalogue.methods))],
        }  # fmt: skip


def _of(arena: str, names: Mapping[str, Described]) -> set[str]:
    return {name for name in names if name.partition("/")[0] == arena}


def _named(name: str, page: str, about: Described | None, run: bool) -> dict[str, Any]:
    return {"name": name, "page": page, "title": about.title if about else "", "run": run}


def tasks(made: Sequence[Leaderboard], views: Mapping[str, Mapping[str, Any]], catalogue: Catalogue) -> Iterator[Page]:
    """The page of every task."""
    known = arena_names(made, catalogue)
    for name in task_names(made, catalogue):
        own = [board for board in made if board.task == name]
        arena = own[0].arena if own else name.partition("/")[0]
        about = catalogue.tasks.get(name, Described(name, trouble="It is not in the catalogue here."))
        yield (
            places.task(name),
            {
                "name": name,
                "kind": "task",
                "arena": {"name": arena, "page": places.arena(arena) if arena in known else ""},
                "command": commands.task(name),
                "about": about,
                "title": about.title,
                "facts": [(key, boards.listed(about.card[key])) for key in _TASK_FACTS if about.card.get(key)],
                "boards": [dict(views[places.board(board)]) | {"link": ""} for board in own],
            },
        )
