"""How often claims come out reproduced, or contradicted, where nothing is so, and where something is.

Prints the tables of `docs/claims.md`; `make bench-claims` runs it in about two minutes on one idle core.
"""

from __future__ import annotations

import functools
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # as a script this file sees only its own folder

from results.claims.cells import Cells, Setting
from results.claims.findings import Claim, Verdict
from results.claims.grammar import parse
from results.claims.readings import Found
from results.claims.relations import Pattern, Place
from results.claims.verdicts import find
from results.record import Record
from results.stats import Sample
from tests.examples import record

Draw = Callable[[np.random.Generator, tuple[int, ...]], Sample]  # scores with a mean of 0 and a deviation of about 1
Numbers = Callable[[str, Place, str], Sample]  # method, task and metric: one number a seed
Make = Callable[[np.random.Generator, Draw, int], Numbers]  # scores and seeds: the numbers of one made-up store

POINTS = (1, 2, 4, 8)  # of the axis
HERE = Setting("laptop", "paper values", '{"accelerator": "cpu", "precision": "32-true"}')
SCORES: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "lognormal, sigma 0.5": lambda rng, shape: (rng.lognormal(0, 0.5, shape) - np.exp(0.125)) / 0.6039,
    "accuracy 0.8, 300 rows": lambda rng, shape: (rng.binomial(300, 0.8, shape) / 300 - 0.8) / 0.0231,
    "success 0.8, 10 episodes": lambda rng, shape: (rng.binomial(10, 0.8, shape) / 10 - 0.8) / 0.1265,
}
ROUND = "success 0.8, 10 episodes"  # scores with many ties


class _Store:
    """Stands for `results.claims.cells.Cells`, without the time that records take."""

    def __init__(self, numbers: Numbers, seeds: int, methods: Sequence[str]) -> None:
        self._numbers, self._methods = numbers, list(methods)
        self._attempts = _attempts(seeds)

    def settings(self, _places: Iterable[Place], _scale: str) -> list[Setting]:
        return [HERE]

    def find(self, patterns: Sequence[Pattern], place: Place, _setting: Setting, metric: str) -> list[Found]:
        numbers = [self._numbers(one.method, one.place or place, one.metric or metric) for one in patterns]
        return [Found(dict(enumerate(values.tolist())), self._attempts, ()) for values in numbers]

    def methods(self, _globs: Sequence[str], _place: Place, _setting: Setting) -> tuple[list[str], list[Record]]:
        return self._methods, []


@functools.cache
def _attempts(seeds: int) -> dict[int, Record]:
    return {seed: record("toys/a", seed, 0.0) for seed in range(seeds)}


@dataclass(frozen=True)
class Case:
    """A claim and a world.

    Args:
        claim: as a card writes it.
        make: the world.
        methods: of claims over methods.
    """

    claim: str
    make: Make
    methods: tuple[str, ...] = ()


def shifted(shifts: Mapping[str, float], scales: Mapping[str, float] | None = None, base: float = 0.0) -> Make:
    """Methods that differ by constants; every task and every point of an axis has scores of its own."""

    def make(rng: np.random.Generator, draw: Draw, seeds: int) -> Numbers:
        return lambda method, _place, _metric: (
            base + shifts.get(method, 0.0) + (scales or {}).get(method, 1.0) * draw(rng, (seeds,))
        )

    return make


def multiplied(factor: float) -> Make:
    """`toys/a` is so many times what the others are, in law; all are above zero."""

    def make(rng: np.random.Generator, draw: Draw, seeds: int) -> Numbers:
        return lambda method, _place, _metric: (factor if method == "toys/a" else 1.0) * (10 + draw(rng, (seeds,)))

    return make


def along(values: Sequence[float]) -> Make:
    """Means along the axis."""

    def make(rng: np.random.Generator, draw: Draw, seeds: int) -> Numbers:
        return lambda _method, place, _metric: values[POINTS.index(dict(place.values)["size"])] + draw(rng, (seeds,))

    return make


def following(one: str) -> Make:
    """A method that rises along the axis by three deviations a point, and others that do not."""

    def make(rng: np.random.Generator, draw: Draw, seeds: int) -> Numbers:
        return lambda method, place, _metric: (
            3.0 * POINTS.index(dict(place.values)["size"]) * (method == one) + draw(rng, (seeds,))
        )

    return make


def power_law(exponent: float) -> Make:
    """A power law along the axis, with factors of noise."""

    def make(rng: np.random.Generator, draw: Draw, seeds: int) -> Numbers:
        return lambda _method, place, _metric: (
            dict(place.values)["size"] ** exponent * np.exp(0.1 * draw(rng, (seeds,)))
        )

    return make


def agreeing(chance: float) -> Make:
    """Two metrics that order the methods alike in so many seeds, and have nothing to do with each other in the rest:
    their mean rank correlation is that chance."""

    def make(rng: np.random.Generator, draw: Draw, seeds: int) -> Numbers:
        alike = rng.random(seeds) < chance
        seen: dict[tuple[str, str], Sample] = {}

        def numbers(method: str, _place: Place, metric: str) -> Sample:
            for one in ("x", "y"):
                seen.setdefault((method, one), draw(rng, (seeds,)))
            own = seen[method, metric]
            return np.where(alike, seen[method, "x"], own)

        return numbers

    return make


def related(noise: float) -> Make:
    """Two metrics of which one is the other with noise."""

    def make(rng: np.random.Generator, draw: Draw, seeds: int) -> Numbers:
        seen: dict[str, Sample] = {}

        def numbers(method: str, _place: Place, metric: str) -> Sample:
            own = seen.setdefault(method, draw(rng, (seeds,)))
            return own if metric == "x" else own + noise * draw(rng, (seeds,))

        return numbers

    return make


def chances(chance: float) -> Make:
    """Every attempt succeeds or fails."""

    def make(rng: np.random.Generator, _draw: Draw, seeds: int) -> Numbers:
        return lambda _method, _place, _metric: rng.binomial(1, chance, seeds).astype(float)

    return make


SIX = tuple(f"toys/{letter}" for letter in "abcdef")
TASKS = {1: "toys/hill", 4: "toys/hill, toys/dale, toys/cliff, toys/shore"}
FAR = {"toys/c": -9.0, "toys/d": -9.0}  # rivals that are plainly worse: with one that is as good, the hardest null
# a star: there is no difference at all, so that direction only is wrong too
NULL: dict[str, Case] = {
    "above, 1 rival": Case("toys/a above toys/b @ TASKS", shifted({})),
    "above, 2 rivals": Case("toys/a above toys/b, toys/c @ TASKS", shifted(FAR)),
    "above, 3 rivals": Case("toys/a above toys/b, toys/c, toys/d @ TASKS", shifted(FAR)),
    "above 3 equals": Case("toys/a above toys/b, toys/c, toys/d @ TASKS", shifted({})),
    "above by 1, true 1": Case("toys/a above toys/b by 1 @ TASKS", shifted({"toys/a": 1.0})),
    "above by 1, true 0 *": Case("toys/a above toys/b by 1 @ TASKS", shifted({})),
    "ratio>=1, true 1": Case("toys/a ratio>=1 toys/b @ TASKS", multiplied(1.0)),
    "ratio>=1.5, true 1.5": Case("toys/a ratio>=1.5 toys/b @ TASKS", multiplied(1.5)),
    "ratio>=1.5, true 1 *": Case("toys/a ratio>=1.5 toys/b @ TASKS", multiplied(1.0)),
    "equal<=2, true 2": Case("toys/a equal<=2 toys/b @ TASKS", shifted({"toys/a": 2.0})),
    "at least 0, true 0": Case("toys/a at least 0 @ TASKS", shifted({})),
    "at most 0, true 0": Case("toys/a at most 0 @ TASKS", shifted({})),
    "trend +, true 0": Case("trend(toys/a, size, +) @ TASKS", along((0.0, 0.0, 0.0, 0.0))),
    "trend of a gap +, true 0": Case("trend(toys/a - toys/b, size, +) @ TASKS", along((0.0, 1.0, 3.0, 9.0))),
    "trend flat<=3, true 3": Case("trend(toys/a, size, flat<=3) @ TASKS", along((0.0, 1.0, 2.0, 3.0))),
    "trend hump, top at both last": Case("trend(toys/a, size, hump) @ TASKS", along((0.0, 0.0, 3.0, 3.0))),
    "slope at the edge": Case("slope(toys/a, size, [-0.5, 0]) @ TASKS", power_law(-0.5)),
    "crossing, last on the level": Case("crossing(toys/a, size, 0) @ TASKS", along((-9.0, 0.0, 0.0, 0.0))),
    "closer, neither follows": Case("closer(toys/a, toys/b, size) @ TASKS", along((0.0, 0.0, 0.0, 0.0))),
    "rank>=0, true 0": Case("rank(x, y, >=0) over toys/* @ TASKS", agreeing(0.0), SIX),
    "rank>=0.5, true 0.5": Case("rank(x, y, >=0.5) over toys/* @ TASKS", agreeing(0.5), SIX),
    "curve, unrelated": Case("curve(x, y, quadratic over linear) over toys/* @ TASKS", agreeing(0.0), SIX),
}
SWAPPED: dict[str, Case] = {
    "sd below, alike": Case("toys/a|sd below toys/b|sd @ TASKS", shifted({"toys/a": 5.0})),
    "median above, alike": Case("toys/a|median above toys/b|median @ TASKS", shifted({})),
    "worst above, alike": Case("toys/a|worst above toys/b|worst @ TASKS", shifted({})),
}
BINARY: dict[str, Case] = {
    f"at least {chance}, true {chance}": Case(f"toys/a at least {chance} @ TASKS", chances(chance))
    for chance in (0.5, 0.9)
} | {"equal<=0.2 0.9, true 0.7": Case("toys/a equal<=0.2 0.9 @ TASKS", chances(0.7))}
POWER: dict[str, Case] = {
    "above, 1 rival, 2 sd": Case("toys/a above toys/b @ TASKS", shifted({"toys/a": 2.0})),
    "above, 3 rivals, 2 sd": Case("toys/a above toys/b, toys/c, toys/d @ TASKS", shifted({"toys/a": 2.0})),
    "below, 3 rivals, 2 sd": Case("toys/a below toys/b, toys/c, toys/d @ TASKS", shifted({"toys/a": -2.0})),
    "above by 1, true 3": Case("toys/a above toys/b by 1 @ TASKS", shifted({"toys/a": 3.0})),
    "ratio>=1.2, true 1.5": Case("toys/a ratio>=1.2 toys/b @ TASKS", multiplied(1.5)),
    "equal<=2, true 0": Case("toys/a equal<=2 toys/b @ TASKS", shifted({})),
    "trend +, true 3": Case("trend(toys/a, size, +) @ TASKS", along((0.0, 1.0, 2.0, 3.0))),
    "closer, only one follows": Case("closer(toys/a, toys/b, size) @ TASKS", following("toys/a")),
    "slope in the middle": Case("slope(toys/a, size, [-0.7, -0.3]) @ TASKS", power_law(-0.5)),
    "at least 0, true 2 sd": Case("toys/a at least 0 @ TASKS", shifted({"toys/a": 2.0})),
    "rank>=0, true 0.8": Case("rank(x, y, >=0) over toys/* @ TASKS", related(0.5), SIX),
}
POWER_SWAPPED = {
    "sd below, a fifth": Case("toys/a|sd below toys/b|sd @ TASKS", shifted({}, {"toys/b": 5.0})),
}


def verdicts(case: Case, scores: str, seeds: int, runs: int, tasks: int = 1, seed: int = 0) -> Counter[Verdict]:
    """How often each verdict came out."""
    rng = np.random.default_rng([seed, seeds, tasks, *scores.encode(), *case.claim.encode()])
    text = case.claim.replace("TASKS", TASKS[tasks])
    claim = Claim("made", "up", "", parse(text), text, seeds=seeds)
    counts: Counter[Verdict] = Counter()
    with patch("results.claims.judging.needed", return_value=None):  # the seeds that it would take are half of the time
        for _ in range(runs):
            store = _Store(case.make(rng, SCORES[scores], seeds), seeds, case.methods)
            told = find(claim, cast("Cells", store), lambda _task, _axis: POINTS, _never)
            counts[told.verdict] += 1
    return counts


def _never(_record: Record, _name: str) -> bool | None:
    return None


def affirmed(counts: Counter[Verdict], name: str) -> float:
    """The share of claims that were affirmed: reproduced, or, of a world with no difference at all, direction only."""
    wrong = [Verdict.REPRODUCED] + ([Verdict.DIRECTION] if name.endswith("*") else [])
    return sum(counts[one] for one in wrong) / counts.total()


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def rates(cases: Mapping[str, Case], runs: int, tasks: int, scores: Iterable[str], seeds: Sequence[int]) -> list[Any]:
    """A row for each case: affirmed and contradicted, in %, by kind of scores and number of seeds."""
    rows = []
    for name, case in cases.items():
        cells = []
        for kind in scores:
            found = [verdicts(case, kind, n, runs, tasks) for n in seeds]
            right = " / ".join(f"{100 * affirmed(one, name):.1f}" for one in found)
            wrong = " / ".join(f"{100 * one[Verdict.CONTRADICTED] / one.total():.1f}" for one in found)
            cells.append(f"{right} ({wrong})")
        rows.append([name, *cells])
    return rows


def main() -> None:
    start = time.perf_counter()
    many = ("above, 1 rival", "above, 3 rivals", "equal<=2, true 2", "trend +, true 0", "rank>=0.5, true 0.5")
    print("Nothing is so, 1 task: affirmed (contradicted), in %, n = 3 / 5 / 10:\n")
    rows = rates(NULL, 300, 1, SCORES, (3, 5, 10)) + rates(SWAPPED, 150, 1, SCORES, (3, 5, 10))
    print(table(["claim", *SCORES], rows))
    print("The same with 4 tasks:\n")
    rows = rates({name: NULL[name] for name in many}, 300, 4, SCORES, (3, 5, 10))
    rows += rates({"sd below, alike": SWAPPED["sd below, alike"]}, 100, 4, SCORES, (3, 5, 10))
    print(table(["claim", *SCORES], rows))
    print("Nothing is so, of successes and failures, n = 3 / 5 / 10 / 30:\n")
    found = [rates(BINARY, 1000, tasks, ["normal"], (3, 5, 10, 30)) for tasks in TASKS]
    print(table(["claim", "1 task", "4 tasks"], [[*one, four[1]] for one, four in zip(*found, strict=True)]))
    print("Something is so, 1 task: reproduced (contradicted), in %, n = 3 / 5 / 10:\n")
    rows = rates(POWER, 200, 1, SCORES, (3, 5, 10)) + rates(POWER_SWAPPED, 100, 1, SCORES, (3, 5, 10))
    print(table(["claim", *SCORES], rows))
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
