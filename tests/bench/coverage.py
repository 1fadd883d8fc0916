"""How often intervals hold the truth, and how often one method under several names is told apart from itself.

Prints the tables of `docs/statistics.md`; `make bench-coverage` runs it in about two minutes on one core.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from scipy import special

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # as a script this file sees only its own folder

from results.aggregates import interquartile_mean, mean_of_tasks, stratified_interval
from results.stats import (
    Sample,
    bootstrap_bounds,
    paired_moments,
    paired_p_values,
    t_quantile,
)

Draw = Callable[[np.random.Generator, tuple[int, ...]], Sample]
Bounds = tuple[Sample, Sample]


def successes(episodes: int, chance: float) -> Draw:
    return lambda rng, shape: rng.binomial(episodes, chance, shape) / episodes


# name: how scores are drawn, and their mean
SCORES: dict[str, tuple[Draw, float]] = {
    "normal": (lambda rng, shape: rng.normal(size=shape), 0.0),
    "Beta(5, 2)": (lambda rng, shape: rng.beta(5, 2, shape), 5 / 7),
    "Beta(0.5, 0.5)": (lambda rng, shape: rng.beta(0.5, 0.5, shape), 0.5),
    "accuracy 0.9, 200 items": (successes(200, 0.9), 0.9),
    "success 0.8, 10 episodes": (successes(10, 0.8), 0.8),
    "lognormal, sigma 0.5": (lambda rng, shape: rng.lognormal(0, 0.5, shape), float(np.exp(0.125))),
    "exponential": (lambda rng, shape: rng.exponential(size=shape), 1.0),
    "lognormal, sigma 1": (lambda rng, shape: rng.lognormal(0, 1, shape), float(np.exp(0.5))),
}
ALIKE: dict[str, Draw] = {
    **{name: draw for name, (draw, _) in SCORES.items()},
    "Student t, 2 df": lambda rng, shape: rng.standard_t(2, shape),
    "success 0.5, 1 episode": successes(1, 0.5),
    "success 0.5, 2 episodes": successes(2, 0.5),
    "success 0.5, 5 episodes": successes(5, 0.5),
    "accuracy 0.8, 20 items": successes(20, 0.8),
    "Beta(0.1, 0.1)": lambda rng, shape: rng.beta(0.1, 0.1, shape),
}
COUNTS = 3, 5, 10, 30
KINDS = "t", "percentile", "BCa", "expanded BCa", "bootstrap t"


def intervals(samples: Sample, resamples: int, rng: np.random.Generator) -> dict[str, Bounds]:
    """All kinds of 95 % intervals of the means of samples (m, n), each bound (m,). The samples share their resamples,
    which leaves each interval what it is alone."""
    n = samples.shape[-1]
    value = samples.mean(axis=-1)
    away = samples - value[:, None]
    scale = samples.std(axis=-1, ddof=1) / n**0.5
    chosen = rng.multinomial(n, np.full(n, 1 / n), size=resamples).T / n  # (n, resamples)
    shifts = away @ chosen  # (m, resamples)
    without = value[:, None] - away / (n - 1)  # (m, n), the means without one seed each
    half = t_quantile(0.975, n - 1) * scale
    # Hesterberg 2015: percentiles moved out as far as t lies beyond the normal, and by n - 1 against n
    wider = 1 - 2 * float(special.ndtr(-((n / (n - 1)) ** 0.5) * t_quantile(0.975, n - 1)))
    result = {
        "t": (value - half, value + half),
        "percentile": bootstrap_bounds(value[:, None] + shifts, value, None),
        "BCa": bootstrap_bounds(value[:, None] + shifts, value, without),
        "expanded BCa": bootstrap_bounds(value[:, None] + shifts, value, without, wider),
    }
    spread = np.sqrt(np.maximum(away**2 @ chosen - shifts**2, 0) / (n - 1))
    usual = spread > 1e-6 * scale[:, None]  # a resample of one seed n times over has no t
    ratio = np.sort(np.where(usual, shifts / np.where(usual, spread, 1.0), np.inf), axis=-1)  # those come last
    last = np.maximum(usual.sum(axis=-1) - 1, 0)
    places = np.rint(np.outer(last, [0.025, 0.975])).astype(int)  # (m, 2)
    low, high = np.where(usual.any(axis=-1), np.take_along_axis(ratio, places, axis=-1).T, 0.0)
    return {**result, "bootstrap t": (value - high * scale, value - low * scale)}


def coverage(draw: Draw, truth: float, n: int, samples: int, resamples: int = 1000, seed: int = 0) -> dict[str, float]:
    """Share of samples of n seeds whose interval holds the true mean, by kind of interval."""
    rng = np.random.default_rng([seed, n])
    held = dict.fromkeys(KINDS, 0)
    chunk = 500  # a new set of resamples for each
    for _ in range(samples // chunk):
        bounds = intervals(draw(rng, (chunk, n)), resamples, rng)
        for kind, (low, high) in bounds.items():
            held[kind] += int(np.sum((low - 1e-12 <= truth) & (truth <= high + 1e-12)))
    return {kind: count / (samples // chunk * chunk) for kind, count in held.items()}


def false_alarms(draw: Draw, n: int, methods: int, boards: int, seed: int = 0) -> float:
    """Share of boards of identical methods on which `ranks` tells any two apart: Holm's first step decides that."""
    rng = np.random.default_rng([seed, n, methods])
    left, right = np.triu_indices(methods, 1)
    alarms, chunk = 0, max(1, 1_000_000 // (len(left) * n))
    for start in range(0, boards, chunk):
        values = draw(rng, (min(chunk, boards - start), methods, n))
        differences = values[:, left] - values[:, right]
        p_values = paired_p_values(*paired_moments(differences, np.ones(differences.shape, bool)))
        alarms += int(np.sum(p_values.min(axis=-1) * len(left) < 0.05))
    return alarms / boards


def aggregate_coverage(draw: Draw, tasks: int, n: int, samples: int, resamples: int = 400) -> tuple[float, float]:
    """Share of stratified intervals of the mean of tasks and of the interquartile mean that hold what 20,000 seeds a
    task give; tasks differ in place and spread."""
    rng = np.random.default_rng([tasks, n])
    places, spreads = np.linspace(0, 2, tasks)[:, None], np.linspace(0.3, 1, tasks)[:, None]

    def scores(count: int) -> dict[str, Sample]:
        values = places + spreads * draw(rng, (tasks, count))
        return {f"{task:03}": values[task] for task in range(tasks)}

    population = list(scores(20_000).values())
    held = []
    for statistic in (mean_of_tasks, interquartile_mean):
        truth, hits = float(statistic(population)), 0
        for _ in range(samples):
            interval = stratified_interval(scores(n), statistic, resamples=resamples, rng=rng)
            assert interval.low is not None
            assert interval.high is not None
            hits += interval.low <= truth <= interval.high
        held.append(hits / samples)
    return held[0], held[1]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def slashed(shares: Iterable[float]) -> str:
    return " / ".join(f"{100 * share:.1f}" for share in shares)


def main() -> None:
    start = time.perf_counter()
    rows = []
    for name, (draw, truth) in SCORES.items():
        found = [coverage(draw, truth, n, 10_000) for n in COUNTS]
        rows.append([name, *(slashed(one[kind] for one in found) for kind in KINDS)])
    print("Coverage of nominal 95 % intervals of a mean at n = 3 / 5 / 10 / 30, in % of 10,000 samples:\n")
    print(table(["scores", *KINDS], rows))
    counts, boards = (2, 3, 4, 5, 7, 10), {5: 10_000, 10: 6000, 30: 2000}
    rows = [
        [
            name,
            *(slashed([false_alarms(draw, n, 2, 40_000)]) for n in counts),
            *(slashed(false_alarms(draw, n, *board) for board in boards.items()) for n in (3, 5, 10)),
        ]
        for name, draw in ALIKE.items()
    ]
    print("Any two of k identical methods told apart, in % of 40,000 boards (k = 2), and for k = 5 / 10 / 30 in % of")
    print("10,000 / 6,000 / 2,000 boards:\n")
    print(table(["scores", *(f"k = 2, n = {n}" for n in counts), *(f"boards, n = {n}" for n in (3, 5, 10))], rows))
    rows = []
    for name in ("normal", "Beta(0.5, 0.5)", "exponential"):
        for tasks in (5, 20):
            pairs = [aggregate_coverage(SCORES[name][0], tasks, n, 1000) for n in (2, 3, 5, 10)]
            rows.append([name, str(tasks), *(slashed(pair) for pair in pairs)])
    print("Coverage of stratified 95 % intervals, mean of tasks / interquartile mean, in %, 1,000 samples each:\n")
    print(table(["scores", "tasks", *(f"n = {n}" for n in (2, 3, 5, 10))], rows))
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
