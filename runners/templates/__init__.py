"""What `bakeoff new` writes for an arena of one's own: a whole one, small, that keeps the contract as it is."""

ARENA = '''\
"""The arena `{arena}`: what is asked, in a sentence.

TODO: replace the example, which asks for the mean of a normal law from a few draws, by your own question.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.base import Arena, Board, Direction, Metric, Problem


@dataclass(frozen=True, kw_only=True)
class {problem}(Problem):
    """All that a method may know.

    Args:
        draws: (n,) numbers from a normal law.
    """

    draws: NDArray[np.float64]


ARENA = Arena(
    question="TODO: what is asked of a method?",
    equal="TODO: what is equal for all: the draws",
    boards=(
        Board(
            problem={problem},
            solution="TODO: what solve returns: the mean of the law, a float",
            metrics=(Metric("error", "", Direction.LOWER, "TODO: distance to the mean"),),
        ),
    ),
)
'''

TASK = '''\
"""TODO: what this task poses, in a line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tasks.base import Run, Task, read_only
from {package} import {problem}


@dataclass(frozen=True, kw_only=True)
class {task}(Task):
    """TODO: where the data come from, and what is scored.

    Args:
        draws: how many numbers a method sees.
    """

    draws: int

    def __post_init__(self) -> None:
        if self.draws < 1:
            raise ValueError(f"draws must be at least 1, got {{self.draws}}")

    def mean(self, seed: int) -> float:
        """What nobody but the task knows."""
        return float(self.stream(seed, "mean").normal())

    def problem(self, seed: int) -> {problem}:
        """The problem of a seed: everything is drawn from `self.stream`."""
        return {problem}(draws=read_only(self.mean(seed) + self.stream(seed, "draws").normal(size=self.draws)))

    def evaluate(self, solution: float, seed: int, run: Run) -> Mapping[str, float]:
        """Distance to the mean."""
        return {{"error": abs(float(solution) - self.mean(seed))}}

    def trivial(self, seed: int) -> float:
        """The dumb answer: the floor of the board."""
        return 0.0

    def best(self, seed: int) -> float:
        """The best answer that is known: the ceiling. Leave this out where there is none."""
        return self.mean(seed)
'''

TASK_YAML = """\
_target_: {package}.{module}.{task}
draws: 20           # TODO: why this many
card:
  version: 1        # raise it whenever a number may change
  rank: error       # the metric that ranks
  title: 'TODO: one line for tables'
  scales:
    tiny: {{draws: 5}}
    laptop: {{}}
  axes:
    draws: [5, 20, 80]
"""

METHOD = '''\
"""TODO: what this method does, in a line."""

from __future__ import annotations

from dataclasses import dataclass

from methods.base import Method, Run
from {package} import {problem}


@dataclass(frozen=True, kw_only=True)
class {method}(Method):
    """TODO: the paper and its equation, and then the deviations, numbered.

    Args:
        guess: TODO: what it means, with its unit.
    """

    guess: float

    def solve(self, problem: {problem}, run: Run) -> float:
        """TODO: as it is, this is the dumb answer."""
        return self.guess
'''

METHOD_YAML = """\
_target_: {package}.{module}.{method}
guess: 0.0          # TODO: where this value comes from
card:
  role: baseline    # paper (then name it with paper:), baseline or ablation
  source: 'TODO: where it comes from'
  version: 1        # raise it whenever a number may change
  fidelity: none    # code or paper, once a test compares it with independent numbers
  title: 'TODO: one line for tables'
  search: {{guess: [-3.0, 3.0]}}
"""

PROJECT = """\
[build-system]
requires = ["setuptools>=68"]
build-backend = "setuptools.build_meta"

[project]
name = "{distribution}"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["bakeoff"]

[project.entry-points."bakeoff.plugins"]
{package} = "{package}"

[tool.setuptools.packages.find]
include = ["{package}*"]

[tool.setuptools.package-data]
"*" = ["*.yaml"]
"""

PACKAGE = '''\
"""TODO: what is in here. `bakeoff new method=arena/name` adds a method, `bakeoff new arena=name` a question."""
'''
