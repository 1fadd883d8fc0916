"""How methods stand over all tasks of one problem type: a pure function of boards.

Scores are normalised so that the task's legal dumb answer is 0 and its best known answer is 1. An attempt that failed,
ended invalid, diverged, or ran out of time or memory counts as 0, since everybody could have given the dumb answer;
attempts that were skipped, killed or interrupted do not count. A method that has no attempt that counts on one of the
tasks has no aggregate, and is listed with what it lacks.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from results import aggregates
from results.leaderboard import Leaderboard, Row
from results.stats import Interval, Sample

COUNTED = ("failed", "invalid", "diverged", "timeout", "memory")  # endings that score as the dumb answer
FEW = 3  # tasks below which Friedman's test takes the seeds of the tasks as its blocks
_THRESHOLDS = 61


@dataclass(frozen=True)
class Place:
    """One method over the tasks of a group.

    Args:
        method, key: its name, and the short name of its values.
        lacking: tasks on which nothing of it counts.
        iqm: interquartile mean of its normalised scores, with its stratified bootstrap interval.
        gap: optimality gap likewise; lower is better.
        mean_rank: over the blocks of Friedman's test.
        failures: attempts that count as the dumb answer.
        normalised: its scores by task, (n,) each.
    """

    method: str
    key: str
    lacking: tuple[str, ...]
    iqm: Interval | None
    gap: Interval | None
    mean_rank: float | None
    failures: int
    normalised: Mapping[str, Sample]


@dataclass(frozen=True)
class Standing:
    """The methods of one arena and problem type, at one scale, on one kind of hardware, in one protocol.

    Args:
        boards: the board of each task that counts: of several sets of task values the one with the most attempts.
        places: best first, those that lack a task last.
        top: what a normalised score of 1 is: the tasks' best answers, or where a task knows none, its best mean.
        blocks: how many blocks Friedman's test has, and what one is.
        friedman: the test over methods that lack nothing; None where it cannot be made.
        difference: of mean ranks, from which two methods are told apart (Nemenyi).
        cliques: groups of methods, by key, that are not told apart so.
        thresholds, profiles: of normalised scores, and by key the share of runs above each.
    """

    arena: str
    problem: str
    scale: str
    hardware: str
    protocol: str
    boards: tuple[Leaderboard, ...]
    places: tuple[Place, ...]
    top: str
    blocks: tuple[int, str]
    friedman: aggregates.Friedman | None
    difference: float | None
    cliques: tuple[tuple[str, ...], ...]
    thresholds: Sample
    profiles: Mapping[str, aggregates.Profile]


def standings(boards: Iterable[Leaderboard]) -> list[Standing]:
    """The standing of every group of boards that may be put together, in a stable order."""
    groups: defaultdict[tuple[str, ...], defaultdict[str, list[Leaderboard]]] = defaultdict(lambda: defaultdict(list))
    for board in boards:
        groups[board.arena, board.problem, board.scale, board.hardware, board.protocol][board.task].append(board)
    made = []
    for _, tasks in sorted(groups.items()):
        chosen = [max(many, key=_attempts) for _, many in sorted(tasks.items())]
        if ranked := [board for board in chosen if any(row.rank for row in board.rows)]:
            made.append(_standing(ranked))
    return made


def _attempts(board: Leaderboard) -> int:
    return sum(len(row.seeds) for row in board.rows)


def _standing(boards: Sequence[Leaderboard]) -> Standing:
    first = boards[0]
    rows: defaultdict[str, dict[str, Row]] = defaultdict(dict)
    for board in boards:
        for row in board.rows:
            if row.role != "reference":
                rows[row.key][board.task] = row
    scaled = {board.task: _scale(board) for board in boards}
    scores = {
        key: {task: values for task, row in own.items() if len(values := _normalised(row, scaled[task]))}
        for key, own in rows.items()
    }
    whole = sorted(key for key in scores if len(scores[key]) == len(boards))
    blocks, table = _blocks(boards, {key: rows[key] for key in whole})
    ranks = dict(zip(whole, aggregates.mean_ranks(table), strict=True)) if table.size else {}
    tested = len(whole) > 1 and len(table) > 1
    difference = aggregates.critical_difference(len(whole), len(table)) if tested else None
    groups = aggregates.cliques(np.array([ranks[key] for key in whole]), difference) if difference is not None else []
    places = [_place(key, rows[key], scores[key], [board.task for board in boards], ranks.get(key)) for key in rows]
    thresholds = _thresholds([scores[key] for key in whole])
    return Standing(
        arena=first.arena,
        problem=first.problem,
        scale=first.scale,
        hardware=first.hardware,
        protocol=first.protocol,
        boards=tuple(boards),
        places=tuple(sorted(places, key=_order)),
        top="the best mean of any row" if None in map(_best, boards) else "its best known answer",
        blocks=(len(table), blocks),
        friedman=aggregates.friedman(table) if tested else None,
        difference=difference,
        cliques=tuple(tuple(whole[index] for index in group) for group in groups),
        thresholds=thresholds,
        profiles={key: _profile(key, scores[key], thresholds) for key in whole},
    )


def _order(place: Place) -> tuple[bool, float, float, str]:
    iqm = place.iqm.value if place.iqm else 0.0
    return bool(place.lacking), -iqm, place.mean_rank or 0.0, place.method


def _reference(board: Leaderboard, name: str) -> float | None:
    found = [row for row in board.rows if row.name == f"reference/{name}" and row.seeds]
    return found[0].metrics[board.rank_metric].value if found else None


def _best(board: Leaderboard) -> float | None:
    return _reference(board, "best")


def _scale(board: Leaderboard) -> tuple[float, float] | None:
    """The scores that become 0 and 1; None where the dumb answer has not been scored, or nothing is above it."""
    low, high = _reference(board, "trivial"), _best(board)
    if low is None:
        return None
    means = [row.metrics[board.rank_metric].value for row in board.rows if row.rank is not None]
    top = high if high is not None else (max(means) if board.higher else min(means))
    return (low, top) if (top > low if board.higher else top < low) else None


def _normalised(row: Row, scale: tuple[float, float] | None) -> Sample:
    """The scores of a row (n,) that count; empty where the task has no scale."""
    if scale is None:
        return np.empty(0)
    low, top = scale
    good = [(row.scores[seed] - low) / (top - low) for seed in row.seeds]
    return np.array(good + [0.0] * _failures(row))


def _failures(row: Row) -> int:
    return sum(row.endings.get(ending, 0) for ending in COUNTED)


def _blocks(boards: Sequence[Leaderboard], rows: Mapping[str, Mapping[str, Row]]) -> tuple[str, Sample]:
    """What a block is, and the table (blocks, methods) of scores, higher better, for methods that lack nothing."""
    if not rows:
        return "task", np.empty((0, 0))
    table = []
    for board in boards:
        sign = 1.0 if board.higher else -1.0
        own = [row[board.task].scores for row in rows.values()]
        if len(boards) >= FEW:
            if all(own):
                table.append([sign * float(np.mean(list(scores.values()))) for scores in own])
        else:
            shared = sorted(set.intersection(*(set(scores) for scores in own)))
            table += [[sign * scores[seed] for scores in own] for seed in shared]
    name = "task" if len(boards) >= FEW else "seed of a task"
    return name, np.array(table) if table else np.empty((0, 0))


def _place(
    key: str, rows: Mapping[str, Row], scores: Mapping[str, Sample], tasks: Sequence[str], rank: float | None
) -> Place:
    lacking = tuple(task for task in tasks if task not in scores)
    iqm = gap = None
    if not lacking:
        iqm = aggregates.stratified_interval(scores, aggregates.interquartile_mean, rng=_stream(key))
        gap = aggregates.stratified_interval(scores, aggregates.optimality_gap, rng=_stream(key))
    return Place(
        method=max((row.method for row in rows.values()), key=lambda name: (len(name), name)),
        key=key,
        lacking=lacking,
        iqm=iqm,
        gap=gap,
        mean_rank=None if rank is None else float(rank),
        failures=sum(_failures(row) for row in rows.values()),
        normalised=scores,
    )


def _stream(key: str) -> np.random.Generator:
    """Draws keyed by the row, so that a table depends on nothing but its records."""
    return np.random.default_rng(zlib.crc32(key.encode("utf-8")))


def _thresholds(many: Sequence[Mapping[str, Sample]]) -> Sample:
    values = [task for scores in many for task in scores.values()]
    if not values:
        return np.empty(0)
    pooled = np.concatenate(values)
    return np.linspace(min(0.0, float(np.min(pooled))), max(1.0, float(np.max(pooled))), _THRESHOLDS)


def _profile(key: str, scores: Mapping[str, Sample], thresholds: Sample) -> aggregates.Profile:
    return aggregates.performance_profile(scores, thresholds, rng=_stream(key), resamples=500)
