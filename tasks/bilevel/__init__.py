"""The arena `bilevel`: how good an upper variable can be found when the lower one must solve a problem of its own?

    minimise f(x, y) over x and y,  where y minimises g(x, .) over a set that may depend on x

A method sees f and g only through metered oracles with one price list. What is judged is the hyper-objective at its x,
Phi(x) = f(x, y*(x)), with y* solved by the judge, never with the method's own y. Where y* is not unique, the least f
over all of them counts.

Restrictions stand at the root of the problem types, and a subclass promises more: a method that is blind to
constraints that couple x and y cannot enter a task that has them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tasks.base import Arena, Board, Direction, Metric, Problem
from tasks.metering import Oracle

if TYPE_CHECKING:
    from torch import Tensor

Rows: TypeAlias = NDArray[np.int64] | None  # numbers of the examples of a minibatch; None for all

LOWER_VALUES = "lower_values"  # passes over the lower examples; so are all units but the last four
LOWER_GRADIENTS = "lower_gradients"
SECOND_ORDER = "second_order_products"
UPPER_VALUES = "upper_values"
UPPER_GRADIENTS = "upper_gradients"
FIT_PASSES = "fit_passes"
CONSTRAINTS = "constraints"
CONSTRAINT_PULLBACKS = "constraint_pullbacks"
JOINT_PROJECTIONS = "joint_projections"
UNITS = (
    LOWER_VALUES,
    LOWER_GRADIENTS,
    SECOND_ORDER,
    UPPER_VALUES,
    UPPER_GRADIENTS,
    FIT_PASSES,
    CONSTRAINTS,
    CONSTRAINT_PULLBACKS,
    JOINT_PROJECTIONS,
)


@dataclass(frozen=True)
class Solution:
    """An answer, which may be offered as often as wanted.

    Args:
        upper: x (n,), which is judged.
        lower: y (m,), or None; how far it is from solving the lower problem is shown.
    """

    upper: Tensor
    lower: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class CoupledBilevel(Problem):
    """A bilevel problem whose lower constraints may hold both variables: the root, which all others restrict.

    Vectors are flat, float64, without gradients; x is (n,), y is (m,). Amounts are counted in passes over all lower
    examples: a minibatch of b rows is b / `lower_examples` of one, whichever level it is drawn from. Where the
    gradients are noisy, a row is the number of a noise vector, so that two points can be asked under the same noise.

    Args:
        upper_start, lower_start: where everybody starts.
        upper_radius: how far from the start an answer may be thought to lie, the length in which steps in x are given.
        lower_smoothness: x -> Lipschitz constant of g_y(x, .) in y; free.
        upper_smoothness: x -> Lipschitz constant of f_y(x, .) in y; free.
        project_upper, project_lower: onto the simple sets of x and of y; free.
        lower_examples, upper_examples: rows of a full pass.
        lower_rows, upper_rows: rows are drawn from 0 to this.
        lower_value, upper_value: (x, y, rows=None) -> g or f as a float.
        lower_gradient, upper_gradient: (x, y, rows=None) -> (g_x, g_y) or (f_x, f_y).
        constraints: k, the number of constraints.
        equality: whether h(x, y) = 0 is meant, or else h(x, y) <= 0. The rows of h have gradients of norm 1.
        constraint: (x, y) -> h (k,).
        constraint_pullback: (x, y, w) -> (h_x' w, h_y' w).
        project_joint: (x, y) -> the nearest (x, y) that meets the constraints and lies in both simple sets.
        outer_steps: a method that moves x step by step may not move it more often; None where only the budget ends it.
    """

    upper_start: Tensor
    lower_start: Tensor
    upper_radius: float
    lower_smoothness: Callable[[Tensor], float]
    upper_smoothness: Callable[[Tensor], float]
    project_upper: Callable[[Tensor], Tensor]
    project_lower: Callable[[Tensor], Tensor]
    lower_examples: int
    upper_examples: int
    lower_rows: int
    upper_rows: int
    lower_value: Oracle[float]
    lower_gradient: Oracle[tuple[Tensor, Tensor]]
    upper_value: Oracle[float]
    upper_gradient: Oracle[tuple[Tensor, Tensor]]
    constraints: int
    equality: bool
    constraint: Oracle[Tensor]
    constraint_pullback: Oracle[tuple[Tensor, Tensor]]
    project_joint: Oracle[tuple[Tensor, Tensor]]
    outer_steps: int | None


@dataclass(frozen=True, kw_only=True)
class LinearBilevel(CoupledBilevel):
    """The constraints are A y + B x = offset, all of them known.

    Args:
        upper_matrix: B (k, n).
        lower_matrix: A (k, m).
        offset: (k,).
        second_order: (x, y, v, rows=None) -> (g_yy v, g_xy' v), sizes m and n, from one differentiation of <g_y, v>.
    """

    upper_matrix: Tensor
    lower_matrix: Tensor
    offset: Tensor
    second_order: Oracle[tuple[Tensor, Tensor]]


@dataclass(frozen=True, kw_only=True)
class Bilevel(CoupledBilevel):
    """Nothing couples x and y but g: k = 0, and the joint projection is that of the two simple sets."""


@dataclass(frozen=True, kw_only=True)
class SecondOrderBilevel(Bilevel):
    """Products with second derivatives of g can be had.

    Args:
        second_order: (x, y, v, rows=None) -> (g_yy v, g_xy' v), sizes m and n, from one differentiation of <g_y, v>.
        tangent: v -> v without the directions that the set of y forbids; free, and linear.
    """

    second_order: Oracle[tuple[Tensor, Tensor]]
    tangent: Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class HyperparameterBilevel(SecondOrderBilevel):
    """x are hyperparameters of a model y: bounds are known, and a fit from scratch can be had as one answer.

    Args:
        bounds: (n, 2), lowest and highest value; `project_upper` keeps to them.
        fit_and_validate: (x, steps) -> (f, y) after so many steps from `lower_start`; costs its steps and one f.
        warm_steps: steps that such a fit needs.
    """

    bounds: Tensor
    fit_and_validate: Oracle[tuple[float, Tensor]]
    warm_steps: int


@dataclass(frozen=True, kw_only=True)
class SingleStep(SecondOrderBilevel):
    """One step in x, from a y that solves the lower problem: what is judged is the direction alone.

    `outer_steps` is 1, and x has no set, so that a step down a hyper-gradient keeps its direction.
    """


def _metrics() -> tuple[Metric, ...]:
    lower = Direction.LOWER
    rows = (
        ("regret", "share", "hyper-objective above the best one, as a share of what the start is above it"),
        ("validation_regret", "share", "likewise of the upper objective that the method saw, where regret is on tests"),
        (
            "work_to_tolerance",
            "gradients",
            "priced work until an offer had a regret of at most 0.05, if one had",
        ),
        ("overfitting", "nats", "loss of test rows above that of the upper rows that the method saw, both at its x"),
        ("lower_gap", "", "g at the returned y above its least value at the returned x"),
        ("infeasibility", "", "largest violation of a constraint by the returned pair"),
        ("stationarity", "share", "norm of the exact hyper-gradient, as a share of that at the start"),
    )
    return tuple(Metric(name, unit, lower, meaning) for name, unit, meaning in rows)


ARENA = Arena(
    question="How good an upper variable is found when the lower one must solve a problem, for the same derivatives?",
    equal="the oracles and their prices, the budget of work, the start, and the judge, who solves the lower problem",
    boards=(
        Board(
            problem=CoupledBilevel,
            solution="x, and the y that goes with it or None, as `Solution`",
            metrics=_metrics(),
        ),
        Board(
            problem=SingleStep,
            solution="x after one plain step down the hyper-gradient, as `Solution`",
            metrics=(
                Metric(
                    "gradient_cosine",
                    "",
                    Direction.HIGHER,
                    "cosine between the step taken and the exact hyper-gradient",
                ),
            ),
        ),
    ),
)
