"""The methods over all tasks of one problem type, as an arena's page shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from results.report import boards, places
from results.report.boards import Cell, Heading
from results.selection import short
from results.standing import FEW, Place, Standing
from results.tables import content, numbers

RULE = (
    "Scores are normalised for each task: 0 is its legal dumb answer, 1 is {top}. An attempt that failed, ended "
    "invalid, diverged, or ran out of time or memory counts as 0; one that was skipped, killed or interrupted does "
    "not count. A method for which nothing counts on one of the tasks has no aggregate."
)


def name(standing: Standing) -> str:
    """The name of a standing, in links and for its files."""
    told = (standing.arena, standing.problem, standing.scale, standing.hardware, standing.protocol)
    return f"standing-{places.part(standing.problem.lower())}-{short(repr(told))}"


def chart(standing: Standing) -> dict[str, Any]:
    """What the performance profile is drawn from, as plain values."""
    found: dict[str, Any] = numbers.portable({
        "thresholds": standing.thresholds.tolist(),
        "rows": [
            {"method": place.method, "share": [float(f"{v:.4g}") for v in standing.profiles[place.key].value]}
            for place in standing.places
            if place.key in standing.profiles
        ],
        "absent": [place.method for place in standing.places if place.key not in standing.profiles],
    })  # fmt: skip
    return found


def view(standing: Standing, figures: Mapping[str, str]) -> dict[str, Any]:
    """What the template shows of a standing."""
    several = len(standing.boards) > 1
    heads = [Heading("method", numeric=False), Heading("IQM ↑", hint="interquartile mean of normalised scores")]
    heads += [Heading("optimality gap ↓", hint="how far runs stay below 1"), Heading("mean rank ↓")]
    heads += [Heading(f"{board.task.rpartition('/')[2]}: {content.heading(board, board.rank_metric)}", hint=board.task)
              for board in standing.boards]  # fmt: skip
    heads += [
        Heading("counted as 0", hint="attempts that failed, diverged or ran out"),
        Heading("lacks", numeric=False),
    ]
    return {
        "id": name(standing),
        "arena": standing.arena,
        "title": f"{standing.problem}: all methods, {'all tasks' if several else 'one task'}",
        "about": f"scale {standing.scale}, {standing.hardware}, {standing.protocol}",
        "tasks": [board.task for board in standing.boards],
        "headings": heads,
        "rows": [(_cells(standing, place), {"kind": "", "badges": []}) for place in standing.places],
        "note": f"{RULE.format(top=standing.top)} Each task counts alike; bold is rank 1 on the task's own board.",
        "figures": figures,
        "profiled": bool(figures["profile"]),
        "ranks_text": _ranks_text(standing),
        "ranks_alt": _ranks_alt(standing),
    }


def _cells(standing: Standing, place: Place) -> list[Cell]:
    rows = [next((row for row in board.rows if row.key == place.key), None) for board in standing.boards]
    known = next(row for row in rows if row is not None)
    found = [Cell(place.method, place.method, places.method(known.name))]
    found += [boards.score(place.iqm), boards.score(place.gap), Cell(numbers.number(place.mean_rank), place.mean_rank)]
    for board, row in zip(standing.boards, rows, strict=True):
        if row is None or not row.seeds:
            found.append(Cell(numbers.MISSING, None))
            continue
        mean = row.metrics[board.rank_metric]
        link = places.evidence(places.board(board), row)
        found.append(replace(boards.score(mean, link), hint=f"rank {row.rank}", strong=content.won(board, row)))
    found.append(Cell(str(place.failures), place.failures))
    return [*found, Cell(", ".join(place.lacking) or numbers.MISSING, ", ".join(place.lacking))]


def _ranks_text(standing: Standing) -> str:
    if standing.friedman is None or standing.difference is None:
        return ""
    count, block = standing.blocks
    few = f" With fewer than {FEW} tasks the seeds are the blocks, so this says nothing about other tasks." if (
        block != "task") else ""  # fmt: skip
    return (
        f"Mean ranks over {count} blocks (one {block} each). Friedman: χ² = {standing.friedman.chi_squared:.2f}, p = "
        f"{standing.friedman.p_value:.2g}. A bar joins methods that are less than the critical difference of "
        f"{standing.difference:.2f} apart (Nemenyi, 5 %).{few}"
    )


def _ranks_alt(standing: Standing) -> str:
    ranked: Sequence[Place] = sorted(
        (place for place in standing.places if place.mean_rank is not None), key=lambda place: place.mean_rank or 0.0
    )
    return "Mean ranks: " + ", ".join(f"{place.method} {place.mean_rank:.2f}" for place in ranked)
