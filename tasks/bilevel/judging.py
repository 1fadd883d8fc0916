"""How answers are judged: with the landscape itself, unmetered, and with lower problems that are really solved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import optimize
from torch import Tensor

from tasks.base import Diverged, Invalid
from tasks.bilevel import Solution
from tasks.bilevel.oracles import Landscape, Objective, gradient, second_order, value

ROUNDING = 1e-6  # how far an answer may lie outside the set of x


@dataclass(frozen=True)
class Scale:
    """What turns a hyper-objective into a regret.

    Args:
        start: Phi of the start.
        best: the least Phi that is known.
    """

    start: float
    best: float

    def regret(self, reached: float) -> float:
        """0 at the best, 1 at the start."""
        return (reached - self.best) / (self.start - self.best)


def checked(solution: Any, landscape: Landscape) -> Solution:
    """The solution, if it is one of this landscape.

    Raises:
        Invalid: wrong kind or size, or x outside its set.
        Diverged: x is not finite.
    """
    fitted = fitting(solution, landscape.upper_start, landscape.lower_start)
    upper = fitted.upper
    outside = (landscape.project_upper(upper) - upper).abs().max().item()
    if outside > ROUNDING * (1 + upper.abs().max().item()):
        raise Invalid(f"x is {outside:.2g} outside its set")
    return fitted


def fitting(solution: Any, upper_start: Tensor, lower_start: Tensor) -> Solution:
    """The solution, if its sizes are those of these starts.

    Raises:
        Invalid: wrong kind or size.
        Diverged: x is not finite.
    """
    if not isinstance(solution, Solution):
        raise Invalid(f"the answer must be a Solution, got {type(solution).__name__}")
    for name, vector, start in (("x", solution.upper, upper_start), ("y", solution.lower, lower_start)):
        if vector is not None and (not isinstance(vector, Tensor) or vector.shape != start.shape):
            raise Invalid(f"{name} must be a tensor of {len(start)} numbers")
    upper = solution.upper.detach().double()
    if not torch.isfinite(upper).all():
        raise Diverged("x is not finite")
    return Solution(upper, None if solution.lower is None else solution.lower.detach().double())


def infeasibility(landscape: Landscape, solution: Solution) -> float:
    """The largest violation of a constraint or of the set of y."""
    if solution.lower is None:
        return 0.0
    h = landscape.constraint(solution.upper, solution.lower)
    broken = h.abs() if landscape.equality else h.clamp(min=0)
    outside = (landscape.project_lower(solution.lower) - solution.lower).abs()
    return float(torch.cat([broken, outside]).max())


def minimised(objective: Objective, upper: Tensor, lower: Tensor, tolerance: float = 1e-8) -> Tensor:
    """The y that minimises a smooth, strongly convex objective: L-BFGS, then Newton's method.

    Args:
        objective: (x, y, rows) -> a scalar.
        upper: x.
        lower: where to begin.
        tolerance: norm of the gradient.

    Raises:
        Diverged: the tolerance was not reached.
    """

    def sloped(point: Any) -> tuple[float, Any]:
        here = torch.from_numpy(np.array(point))
        return value(objective, upper, here), gradient(objective, upper, here)[1].numpy()

    options = {"maxiter": 2000, "maxfun": 4000, "gtol": tolerance, "ftol": 0.0, "maxcor": 20}
    found = optimize.minimize(sloped, lower.numpy(), jac=True, method="L-BFGS-B", options=options)
    return polished(objective, upper, torch.from_numpy(np.array(found.x)), tolerance)


def polished(objective: Objective, upper: Tensor, here: Tensor, tolerance: float) -> Tensor:
    """The same from a point near by, with Newton's method alone, which stores no more than a few vectors.

    Raises:
        Diverged: the tolerance was not reached.
    """
    for _ in range(20):
        slope = gradient(objective, upper, here)[1]
        if slope.norm() <= tolerance:
            return here
        here = here - conjugate_gradients(objective, upper, here, slope, tolerance=1e-4)
    raise Diverged(f"the lower problem could not be solved to {tolerance:g} at this x")


def conjugate_gradients(
    objective: Objective, upper: Tensor, lower: Tensor, right: Tensor, tolerance: float = 1e-10
) -> Tensor:
    """u (m,) with g_yy u = right, to a relative tolerance."""
    solution, residual = torch.zeros_like(right), right.clone()
    direction, square = residual.clone(), float(residual @ residual)
    limit = tolerance**2 * square
    for _ in range(20 * len(right)):
        if square <= limit:
            break
        product = second_order(objective, upper, lower, direction)[0]
        step = square / float(direction @ product)
        solution, residual = solution + step * direction, residual - step * product
        square, before = float(residual @ residual), square
        direction = residual + square / before * direction
    return solution


def hyper_gradient(
    landscape: Landscape, objective: Objective, upper: Tensor, lower: Tensor, tolerance: float = 1e-10
) -> Tensor:
    """The exact gradient (n,) of objective(x, y*(x)) at x, where y = y*(x), by implicit differentiation."""
    own, through = gradient(objective, upper, lower)
    solved = conjugate_gradients(landscape.lower, upper, lower, through, tolerance)
    return own - second_order(landscape.lower, upper, lower, solved)[1]


def least(
    landscape: Landscape, objective: Objective, bounds: Tensor, starts: list[Tensor], steps: int
) -> tuple[Tensor, float]:
    """The best x found by L-BFGS with exact hyper-gradients, and the hyper-objective there.

    Args:
        landscape: whose lower problem is solved.
        objective: the upper objective.
        bounds: (n, 2).
        starts: where to begin, each (n,).
        steps: of L-BFGS from each start.
    """
    best: list[tuple[float, Tensor]] = []
    for start in starts:
        warm = [landscape.lower_start]

        def sloped(point: Any, warm: list[Tensor] = warm) -> tuple[float, Any]:
            x = torch.from_numpy(np.array(point))
            warm[0] = minimised(landscape.lower, x, warm[0], 1e-5)
            reached = value(objective, x, warm[0])
            best.append((reached, x))
            return reached, hyper_gradient(landscape, objective, x, warm[0], 1e-4).numpy()

        options = {"maxiter": steps, "maxfun": steps + 10}
        optimize.minimize(sloped, start.numpy(), jac=True, method="L-BFGS-B", bounds=bounds.tolist(), options=options)
    reached, point = min(best, key=lambda it: it[0])
    return point, reached


def relative(at: Tensor, start: Tensor) -> float:
    """Norm of a gradient as a share of that at the start."""
    return float(at.norm() / start.norm())
