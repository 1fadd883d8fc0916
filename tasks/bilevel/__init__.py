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
from tasks.bilevel.samplers import BOARD as SAMPLER_BOARD
from tasks.metering import Oracle

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.training import Recipe

Rows: TypeAlias = NDArray[np.int64] | None  # numbers of the examples of a minibatch; None for all

LOWER_VALUES = "lower_values"  # passes over the lower examples; so are all units of `UNITS` but the last four
LOWER_GRADIENTS = "lower_gradients"
SECOND_ORDER = "second_order_products"
UPPER_VALUES = "upper_values"
UPPER_GRADIENTS = "upper_gradients"
FIT_PASSES = "fit_passes"
CONSTRAINTS = "constraints"
CONSTRAINT_PULLBACKS = "constraint_pullbacks"
JOINT_PROJECTIONS = "joint_projections"
BACKUPS = "bellman_backups"  # of games; units from here on are asked for by games alone
EVALUATIONS = "policy_evaluations"
PULLBACKS = "game_pullbacks"
SPACE_TIME_SOLVES = "space_time_solves"  # only in `EquilibriumBilevel`, whose price lists name it too
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
GAME_UNITS = (*UNITS[:5], BACKUPS, EVALUATIONS, PULLBACKS)


ENCODER_UNITS = (LOWER_VALUES, LOWER_GRADIENTS, UPPER_VALUES, UPPER_GRADIENTS)  # of a `SharedEncoder`


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
        project_upper, project_lower: onto the simple sets of x and of y; free, unless the problem type says otherwise.
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
class ProgramBilevel(CoupledBilevel):
    """The lower problem is a convex quadratic program in y under A y + B x <= offset, and x are hyperparameters.

    Args:
        upper_matrix: B (k, n).
        lower_matrix: A (k, m).
        offset: (k,).
        second_order: (x, y, v, rows=None) -> (g_yy v, g_xy' v), sizes m and n, from one differentiation of <g_y, v>.
        solve_lower: x -> the y (m,) that solves the program, and the multipliers (k,); costs `warm_steps`.
        bounds: (n, 2), lowest and highest value; `project_upper` keeps to them.
        fit_and_validate: (x, steps) -> (f, y) after so many steps of the solver; costs its steps and one f.
        warm_steps: steps that a solution needs.
    """

    upper_matrix: Tensor
    lower_matrix: Tensor
    offset: Tensor
    second_order: Oracle[tuple[Tensor, Tensor]]
    solve_lower: Oracle[tuple[Tensor, Tensor]]
    bounds: Tensor
    fit_and_validate: Oracle[tuple[float, Tensor]]
    warm_steps: int


@dataclass(frozen=True, kw_only=True)
class Bilevel(CoupledBilevel):
    """Nothing couples x and y but g: k = 0, and the joint projection is that of the two simple sets."""


@dataclass(frozen=True, kw_only=True)
class SecondOrderBilevel(Bilevel):
    """Products with second derivatives of g can be had.

    Args:
        second_order: (x, y, v, rows=None) -> (g_yy v, g_xy' v), sizes m and n, from one differentiation of <g_y, v>.
        tangent: v -> v without the directions that the set of y forbids; linear, and as free as `project_lower`.
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
class EquilibriumBilevel(SecondOrderBilevel):
    """An inverse mean-field game: x is an unknown field of the running cost, y the density and the flux of the crowd.

    y holds the density (steps, cells) at times 1/steps to 1 and then the flux (steps, cells - 1) through the inner
    faces, flat, row by row. Its set is {y: A y = c}, the continuity equation. Projections onto the set
    (`project_lower`, `project_joint`) and onto its directions (`tangent`) solve a Poisson equation in space and time,
    which costs more than a gradient: all three are oracles here, booked as `space_time_solves`.

    Args:
        steps: of time.
        cells: of space; also n.
        observed: (m,), the density and the flux that f compares y with. Noisy, and then A y = c does not hold.
    """

    steps: int
    cells: int
    observed: Tensor


@dataclass(frozen=True, kw_only=True)
class SingleStep(SecondOrderBilevel):
    """One step in x, from a y that solves the lower problem: what is judged is the direction alone.

    `outer_steps` is 1, and x has no set, so that a step down a hyper-gradient keeps its direction.
    """


@dataclass(frozen=True, kw_only=True)
class SharedEncoder(Problem):
    """Two losses of one encoder: f(x, y) of a head x on an encoder y, on few labelled rows, and g(y) on many others.

    g does not depend on x and has many minimisers, so that y is a product of the method and not an answer of the
    judge: what is judged is the pair as it is returned. That is another solution than a `Bilevel` asks for, and
    networks have none of the Lipschitz constants that it promises, so this problem type stands beside it.

    Vectors are flat, without gradients: x is (n,), y (m,). They start as float32; answers have the type of the vectors
    that are asked about. g is an expectation over masks or negatives, and `draw` numbers one of these. Amounts are
    counted in passes over all unlabelled rows: a minibatch of b rows, from either level, is b / `unlabelled` of one.

    Args:
        upper_start, lower_start: where everybody starts.
        labelled, unlabelled: rows of f and of g.
        upper_value: (x, y, rows=None) -> f as a float.
        upper_gradient: (x, y, rows=None) -> (f, f_x, f_y).
        lower_value: (y, rows=None, draw=0) -> g as a float.
        lower_gradient: (y, rows=None, draw=0) -> (g, g_y).
        upper_batch, lower_batch: number of a minibatch -> its rows; the same for all methods, pass after pass.
        recipe: optimiser, batch size and learning rate of everybody; how many steps is for the method to say.
    """

    upper_start: Tensor
    lower_start: Tensor
    labelled: int
    unlabelled: int
    upper_value: Oracle[float]
    upper_gradient: Oracle[tuple[float, Tensor, Tensor]]
    lower_value: Oracle[float]
    lower_gradient: Oracle[tuple[float, Tensor]]
    upper_batch: Callable[[int], NDArray[np.int64]]
    lower_batch: Callable[[int], NDArray[np.int64]]
    recipe: Recipe


@dataclass(frozen=True, kw_only=True)
class StackelbergGame(SecondOrderBilevel):
    """y are the logits (S, B) of a follower's policy in a decision problem with S states and B actions that x shapes.

    The follower wants V = E sum_t gamma^t (r_x(s_t, b_t) - temperature log pi(b_t | s_t)), and g is -V averaged over
    `start`. Logits of a state sum to 0, which makes the best answer unique. The tables r_x (S, B) and P_x (S, B, S) are
    seen through oracles alone.

    Args:
        states, actions: S and B.
        discount: gamma.
        temperature: of the entropy.
        start: (S,), how likely an episode begins where; above 0 everywhere.
        backup: (x, q (S, B)) -> r_x + gamma P_x V of the values V(s) = temperature logsumexp(q(s, .) / temperature).
        evaluate_policy: (x, y, start=None) -> the q (S, B) and values (S,) of the policy y, and the discounted visits
            (S,) that begin as `start` says, or another vector (S,), of any sign.
        pullback: (x, values (S,), weights (S, B)) -> the derivatives of sum_sb weights (r_x + gamma P_x values) in x
            (n,) and in the values (S,).
    """

    states: int
    actions: int
    discount: float
    temperature: float
    start: Tensor
    backup: Oracle[Tensor]
    evaluate_policy: Oracle[tuple[Tensor, Tensor, Tensor]]
    pullback: Oracle[tuple[Tensor, Tensor]]


@dataclass(frozen=True, kw_only=True)
class PreferenceGame(StackelbergGame):
    """x are parameters of a reward, f is how badly it foretells which of two segments of the policy y is preferred.

    Args:
        segment: actions in a segment.
    """

    segment: int


@dataclass(frozen=True, kw_only=True)
class ZeroSumGame(SecondOrderBilevel):
    """y are the logits of two players, (S, A) and then (S, B), of whom one wants V and the other -V; x shapes the game.

    V = E sum_t gamma^t (r_x(s_t, a_t, b_t) - temperature log pi_1(a_t | s_t) + temperature log pi_2(b_t | s_t)), from
    where episodes begin. g is the gap of Nikaido and Isoda, max over pi_1' of V(pi_1', pi_2) - min over pi_2' of
    V(pi_1, pi_2'): at least 0, and 0 at the one equilibrium.

    Args:
        states: S.
        actions: (A, B).
        discount: gamma.
        temperature: of the entropies.
        start: (S,).
        respond: (x, y, player, q) -> the soft Bellman backup of the q (S, A) or (S, B) of player 0 or 1, who wants V or
            -V, while the other plays y.
        value_gradient: (x, y) -> (V_x (n,), V_y (m,)).
    """

    states: int
    actions: tuple[int, int]
    discount: float
    temperature: float
    start: Tensor
    respond: Oracle[Tensor]
    value_gradient: Oracle[tuple[Tensor, Tensor]]


def _metrics(work: str = "gradients") -> tuple[Metric, ...]:
    lower = Direction.LOWER
    rows = (
        ("regret", "share", "hyper-objective above the best one, as a share of what the start is above it"),
        ("validation_regret", "share", "likewise of the upper objective that the method saw, where regret is on tests"),
        (
            "work_to_tolerance",
            work,
            "priced work until an offer had a regret of at most 0.05, if one had",
        ),
        ("overfitting", "nats", "loss of test rows above that of the upper rows that the method saw, both at its x"),
        ("lower_gap", "", "g at the returned y above its least value at the returned x"),
        ("infeasibility", "", "largest violation of a constraint by the returned pair"),
        ("stationarity", "share", "norm of the exact hyper-gradient, as a share of that at the start"),
    )
    return tuple(Metric(name, unit, lower, meaning) for name, unit, meaning in rows)


def _encoder_metrics() -> tuple[Metric, ...]:
    lower = Direction.LOWER
    rows = (
        (
            "token_error",
            "share",
            "edits from the labels that are read greedily to the right ones, by the number of these",
        ),
        ("test_loss", "nats per label", "f on test strings"),
        ("lower_loss", "", "g on test strings"),
        (
            "work_to_level",
            "gradients",
            "priced work until an offer had the token error that the task names, if one had",
        ),
    )
    return tuple(Metric(name, unit, lower, meaning) for name, unit, meaning in rows)


def _leaders() -> tuple[Metric, ...]:
    rows = (
        ("leader_value", "what the leader gets at its x once who answers has answered best: -Phi"),
        ("true_return", "true return of that answer where x is a learnt reward, from 0 (uniform) to 1 (best policy)"),
    )
    return tuple(Metric(name, "", Direction.HIGHER, meaning) for name, meaning in rows)


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
            problem=EquilibriumBilevel,
            solution="x, a value for each cell, and the y that goes with it or None, as `Solution`",
            metrics=(
                Metric(
                    "field_error",
                    "share",
                    Direction.LOWER,
                    "distance of x from the planted field, as a share of that field's norm, both without free constant",
                ),
                Metric(
                    "work_to_field",
                    "solves",
                    Direction.LOWER,
                    "priced work until an offer had a field error of at most 0.1, if one had",
                ),
                *_metrics("solves"),
            ),
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
        Board(
            problem=SharedEncoder,
            solution="the head x and the encoder y, both of them, as `Solution`",
            metrics=_encoder_metrics(),
        ),
        SAMPLER_BOARD,
        *(
            Board(
                problem=kind,
                solution="x, and the logits of who answers or None, as `Solution`",
                metrics=(*_metrics(), *_leaders()),
            )
            for kind in (StackelbergGame, ZeroSumGame)
        ),
    ),
)
