"""How methods stand over all tasks of one problem type: a pure function of boards.

Scores are normalised so that the task's legal dumb answer is 0 and its best known answer is 1. An attempt that failed,
ended invalid, diverged, or ran out of time or memory counts as 0, since everybody could have given the dumb answer;
attempts that were skipped, killed or interrupted do not count. A method that has no attempt that counts on one of the
tasks has no aggregate, and is listed with what it lacks. A task that gives no such scale is in no aggregate.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from results import aggregates
from results.keyed import stream
from results.leaderboard import Leaderboard, Row
from results.stats import Interval, Sample

COUNTED = ("failed", "invalid", "diverged", "timeout", "memory")  # endings that score as the dumb answer
FEW = 3  # tasks below which Friedman's test takes the seeds of the tasks as its blocks
_THRESHOLDS = 61
_REACH = (-1.0, 2.0)  # normalised scores beyond which a profile would only show the worst run or the best


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
        without: why tasks are in no aggregate, by task.
        blocks: how many blocks Friedman's test has, and what one is.
        friedman: the test over methods that lack nothing; None where it cannot be made.
        difference: of mean ranks, from which two methods are told apart (Nemenyi).
        cliques: groups of methods, by key, that are not told apart so.
        thresholds, profiles: of normalised scores, and by key the share of runs above each.
        beyond: how many runs score below the first threshold or above the last.
    """

    arena: str
    problem: str
    scale: str
    hardware: str
    protocol: str
    boards: tuple[Leaderboard, ...]
    places: tuple[Place, ...]
    top: str
    without: Mapping[str, str]
    blocks: tuple[int, str]
    friedman: aggregates.Friedman | None
    difference: float | None
    cliques: tuple[tuple[str, ...], ...]
    thresholds: Sample
    profiles: Mapping[str, aggregates.Profile]
    beyond: int


def standings(boards: Iterable[Leaderboard]) -> list[Standing]:
    """The standing of every group of boards that may be put together, in a stable order."""
    groups: defaultdict[tuple[str, ...], defaultdict[str, list[Leaderboard]]] = defaultdict(lambda: defaultdict(list))
    for board in boards:
        groups[board.arena, board.problem, board.scale, board.hardware, board.protocol][board.task].append(board)
    made = []
    for _, tasks in sorted(groups.items()):
        chosen = [max(many, key=_weight) for _, many in sorted(tasks.items())]
        if ranked := [board for board in chosen if any(row.rank for row in board.rows)]:
            made.append(_standing(ranked))
    return made


def _weight(board: Leaderboard) -> tuple[int, int]:
    """Of several boards of a task the one that counts: of the newest version that with the most attempts."""
    return board.version, sum(len(row.seeds) for row in board.rows)


def _standing(boards: Sequence[Leaderboard]) -> Standing:
    first = boards[0]
    rows: defaultdict[str, dict[str, Row]] = defaultdict(dict)
    for board in boards:
        for row in board.rows:
            if row.role != "reference":
                rows[row.key][board.task] = row
    scaled = {board.task: _scale(board) for board in boards}
    tasks = {task: scale for task, scale in scaled.items() if not isinstance(scale, str)}
    scores = {
        key: {
            task: values for task, scale in tasks.items() if task in own and len(values := _counted(own[task], scale))
        }
        for key, own in rows.items()
    }
    whole = sorted(key for key in scores if tasks and len(scores[key]) == len(tasks))
    samples = {key: {task: np.array(list(values.values())) for task, values in own.items()}
               for key, own in scores.items()}  # fmt: skip
    block, table = _blocks([scores[key] for key in whole], sorted(tasks))
    ranks = dict(zip(whole, aggregates.mean_ranks(table), strict=True)) if table.size else {}
    tested = len(whole) > 1 and len(table) > 1
    difference = aggregates.critical_difference(len(whole), len(table)) if tested else None
    groups = aggregates.cliques(np.array([ranks[key] for key in whole]), difference) if difference is not None else []
    places = [_place(key, rows[key], samples[key], list(tasks), ranks.get(key)) for key in rows]
    pooled = [task for key in whole for task in samples[key].values()]
    thresholds = _thresholds(pooled)
    return Standing(
        arena=first.arena,
        problem=first.problem,
        scale=first.scale,
        hardware=first.hardware,
        protocol=first.protocol,
        boards=tuple(boards),
        places=tuple(sorted(places, key=_order)),
        top=_top([_best(board) is not None for board in boards if board.task in tasks]),
        without={task: scale for task, scale in scaled.items() if isinstance(scale, str)},
        blocks=(len(table), block),
        friedman=aggregates.friedman(table) if tested else None,
        difference=difference,
        cliques=tuple(tuple(whole[index] for index in group) for group in groups),
        thresholds=thresholds,
        profiles={key: _profile(key, samples[key], thresholds) for key in whole},
        beyond=sum(int(np.sum((task < thresholds[0]) | (task > thresholds[-1]))) for task in pooled),
    )


def _top(known: Sequence[bool]) -> str:
    """What a normalised score of 1 is, from whether each task knows its best answer."""
    if all(known):
        return "its best known answer"
    return (
        "its best known answer or, without one, the best mean of any row" if any(known) else "the best mean of any row"
    )


def _order(place: Place) -> tuple[bool, float, float, str]:
    iqm = place.iqm.value if place.iqm else 0.0
    return bool(place.lacking), -iqm, place.mean_rank or 0.0, place.method


def _reference(board: Leaderboard, name: str) -> float | None:
    found = [row for row in board.rows if row.name == f"reference/{name}" and row.seeds]
    return found[0].metrics[board.rank_metric].value if found else None


def _best(board: Leaderboard) -> float | None:
    return _reference(board, "best")


def _scale(board: Leaderboard) -> tuple[float, float] | str:
    """The scores that become 0 and 1, or why there are none."""
    low, high = _reference(board, "trivial"), _best(board)
    if low is None:
        return "its dumb answer has not been scored"
    means = [row.metrics[board.rank_metric].value for row in board.rows if row.rank is not None]
    top = high if high is not None else (max(means) if board.higher else min(means))
    if top > low if board.higher else top < low:
        return low, top
    return (
        "nothing is better than its dumb answer" if high is None else "its best answer is no better than its dumb one"
    )


def _counted(row: Row, scale: tuple[float, float]) -> dict[int, float]:
    """The normalised scores of a row by seed, and 0 for each attempt that counts as the dumb answer."""
    low, top = scale
    good = {seed: (score - low) / (top - low) for seed, score in row.scores.items()}
    return good | {seed: 0.0 for seed, ending in row.ended.items() if ending in COUNTED}


def _failures(row: Row) -> int:
    return sum(row.endings.get(ending, 0) for ending in COUNTED)


def _blocks(many: Sequence[Mapping[str, Mapping[int, float]]], tasks: Sequence[str]) -> tuple[str, Sample]:
    """What a block is, and the table (blocks, methods) of normalised scores of methods that lack no task: their means
    on each task or, with few tasks, what they have on each seed that all of them have."""
    table: list[list[float]] = []
    for task in tasks if many else ():
        own = [scores[task] for scores in many]
        if len(tasks) >= FEW:
            table.append([float(np.mean(list(scores.values()))) for scores in own])
        else:
            table += [[scores[seed] for scores in own] for seed in sorted(set.intersection(*map(set, own)))]
    return "task" if len(tasks) >= FEW else "seed of a task", np.array(table) if table else np.empty((0, 0))


def _place(
    key: str, rows: Mapping[str, Row], scores: Mapping[str, Sample], tasks: Sequence[str], rank: float | None
) -> Place:
    lacking = tuple(task for task in tasks if task not in scores)
    iqm = gap = None
    if scores and not lacking:
        iqm = aggregates.stratified_interval(scores, aggregates.interquartile_mean, rng=stream(key))
        gap = aggregates.stratified_interval(scores, aggregates.optimality_gap, rng=stream(key))
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


def _thresholds(pooled: Sequence[Sample]) -> Sample:
    if not pooled:
        return np.empty(0)
    values = np.concatenate(pooled)
    low, high = max(_REACH[0], min(0.0, float(np.min(values)))), min(_REACH[1], max(1.0, float(np.max(values))))
    return np.linspace(low, high, _THRESHOLDS)


def _profile(key: str, scores: Mapping[str, Sample], thresholds: Sample) -> aggregates.Profile:
    return aggregates.performance_profile(scores, thresholds, rng=stream(key), resamples=500)
