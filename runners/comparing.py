"""The verb `compare`: two rows of the boards that both are on."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from results.comparison import Comparison, compare_rows
from results.leaderboard import Leaderboard, Row, leaderboards
from results.naming import spelled
from results.record import Record
from results.selection import flatten
from results.tables import title
from results.tables.comparisons import FORMATS, render
from results.tables.figure import ENDINGS, draw
from runners import catalog
from runners.errors import CommandError, one_line, suggestion
from runners.staleness import Judge
from runners.words import STORE, one_of, opened, split

DRAWN = 20  # comparisons that one figure holds


def compare(words: Sequence[str]) -> str:
    """Carry out the verb; gives the text to print.

    Raises:
        CommandError: the command cannot be carried out as given.
    """
    # a set of values, as in `calibration/linc [lr=0.1]`, is part of a name
    names = [word for word in words if "[" in word.partition("=")[0]]
    known = {"task": "", "scale": "", "metric": "", "format": "terminal", "out": "", **STORE}
    plain, values = split([word for word in words if word not in names], known)
    sides = [word for word in words if word in names or word in plain]
    if len(sides) != 2:
        raise CommandError("compare takes the names of two methods, such as calibration/linc calibration/contextual")
    form = one_of(values["format"], FORMATS, "format")
    ending = Path(values["out"]).suffix
    if values["out"] and ending not in ENDINGS:
        raise CommandError(f"out: '{values['out']}' ends in none of {', '.join(ENDINGS)}")
    with opened(values) as store:
        records = store.heads(**({"task": values["task"]} if values["task"] else {}))
        where = store.shown
    made = comparisons(_chosen(records, values, where), sides, values["metric"])
    if values["out"]:
        _write(Path(values["out"]), _figure(made, ending))
    return render(made, form)


def comparisons(records: Sequence[Record], sides: Sequence[str], metric: str = "") -> list[Comparison]:
    """The comparisons of two rows, one for each board that has both.

    Args:
        records: attempts; heads are enough.
        sides: two names of methods, with a set of values in brackets where a method has several.
        metric: what is compared; empty for the rank metric of each board.

    Raises:
        CommandError: no method has such a name, or several sets of values; no board has both; none has the metric.
    """
    boards, attempts = leaderboards(records, Judge()), {record.id: record for record in records}
    found = [{index: row for index, board in enumerate(boards) if (row := _row(board, name, attempts))}
             for name in sides]  # fmt: skip
    for name, own in zip(sides, found, strict=True):
        if not own:
            raise CommandError(_unknown(name, boards))
    both = sorted(found[0].keys() & found[1].keys())
    if not both:
        places = [", ".join(f"({title(boards[index])})" for index in sorted(own)[:4]) for own in found]
        raise CommandError(
            f"no board has both '{sides[0]}' and '{sides[1]}': the one is on {places[0]}, the other on {places[1]}"
        )
    if any(found[0][index] is found[1][index] for index in both):
        raise CommandError(f"'{sides[0]}' and '{sides[1]}' are the same row; a row is compared with another one")
    metrics = {name for index in both for name in boards[index].metric_info}
    if metric and metric not in metrics:
        close = suggestion(metric, metrics) or f"; it has {', '.join(sorted(metrics))}"
        raise CommandError(f"metric: there is no metric '{metric}'{close}")
    chosen = [(boards[index], found[0][index], found[1][index]) for index in both]
    return [
        compare_rows(board, left, right, attempts, metric or board.rank_metric)
        for board, left, right in chosen
        if not metric or metric in board.metric_info
    ]


def _chosen(records: Sequence[Record], values: Mapping[str, str], where: str) -> list[Record]:
    """The attempts at a scale.

    Raises:
        CommandError: there are none.
    """
    if not records:
        task = values["task"]
        known = catalog.names("task")
        if task and task not in known:
            raise CommandError(f"there is no task called '{task}'{suggestion(task, known)}")
        raise CommandError(f"the store has no attempts{f' for task={task}' if task else ''}: {where}")
    scales = sorted({record.scale for record in records})
    if values["scale"] and values["scale"] not in scales:
        raise CommandError(f"scale: there are no attempts at '{values['scale']}', only at {', '.join(scales)}")
    return [record for record in records if values["scale"] in ("", record.scale)]


def _row(board: Leaderboard, name: str, attempts: Mapping[str, Record]) -> Row | None:
    """The row of a board that a name means.

    Raises:
        CommandError: it may mean several.
    """
    exact = [row for row in board.rows if row.method == name]
    method, _, values = (part.strip() for part in name.partition("["))
    wanted = [part for part in values.removesuffix("]").split(", ") if part]
    rows = exact or [row for row in board.rows if row.name == method and _has(row, wanted, attempts)]
    if len(rows) > 1:
        several = ", ".join(f"'{row.method}'" for row in rows)
        raise CommandError(f"'{name}' has several sets of values on ({title(board)}); name one of {several}")
    return rows[0] if rows else None


def _has(row: Row, wanted: Sequence[str], attempts: Mapping[str, Record]) -> bool:
    record = attempts[[*row.attempts, *row.others][0]]
    values = {f"{key}={spelled(value)}" for key, value in flatten(record.identity["method"]).items()}
    return values.issuperset(part for part in wanted if part != f"key {row.key}")


def _unknown(name: str, boards: Sequence[Leaderboard]) -> str:
    """Why a name means no row."""
    method = name.partition("[")[0].strip()
    present = {row.name for board in boards for row in board.rows}
    if method in present:
        rows = sorted({row.method for board in boards for row in board.rows if row.name == method})
        return f"'{name}' has no such values; there are {', '.join(rows)}"
    if method in catalog.names("method"):
        return f"the store has no attempts of '{method}' there; it has {', '.join(sorted(present))}"
    return f"there is no method called '{method}'{suggestion(method, present)}"


def _figure(made: Sequence[Comparison], ending: str) -> bytes:
    drawn = [comparison for comparison in made if comparison.seeds]
    if not drawn:
        raise CommandError("out: there is nothing to draw, since no seed was scored for both")
    if len(drawn) > DRAWN:
        raise CommandError(f"out: {len(drawn)} comparisons are too many for a figure; narrow them with task= or scale=")
    return draw(drawn, ending)


def _write(path: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all."""
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise CommandError(f"out: {one_line(error)}") from error
