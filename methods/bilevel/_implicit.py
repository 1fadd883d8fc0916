"""Solving with the lower Hessian, and differentiating along lower steps.

By the implicit function theorem grad Phi = f_x - g_xy' u with g_yy u = f_y at y*(x). Every product with g_yy brings
the one with g_xy' along at no further price, so that g_xy' u is summed up on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

Products: TypeAlias = Callable[[Tensor], tuple[Tensor, Tensor]]  # v (m,) -> (g_yy v, g_xy' v), sizes m and n


def conjugate_gradients(
    products: Products, right: Tensor, start: Tensor | None, count: int, tolerance: float
) -> tuple[Tensor, Tensor]:
    """Solve g_yy u = right.

    Args:
        products: v -> (g_yy v, g_xy' v).
        right: (m,).
        start: u to begin with, which costs a product; None for 0, which also stands in for one that is no better.
        count: most iterations, a product each.
        tolerance: norm of the residual at which to stop, as a share of that of `right`.

    Returns:
        u (m,) and g_xy' u (n,).
    """
    if start is None:
        solution, residual, crossed = torch.zeros_like(right), right, None
    else:
        product, crossed = products(start)
        solution, residual = start, right - product
        if float(residual @ residual) > float(right @ right):  # it would begin farther away than 0 does
            solution, residual, crossed = torch.zeros_like(right), right, None
    direction, square = residual, float(residual @ residual)
    limit = tolerance**2 * float(right @ right)
    for _ in range(count):
        if square <= limit and crossed is not None:
            break
        product, cross = products(direction)
        curvature = float(direction @ product)
        step = square / curvature if curvature > 0 else 0.0
        crossed = step * cross if crossed is None else crossed + step * cross
        if not step:  # flat or curved downwards: no further step has a meaning
            break
        solution, residual = solution + step * direction, residual - step * product
        before, square = square, float(residual @ residual)
        direction = residual + square / before * direction
    assert crossed is not None, "at least one iteration"
    return solution, crossed


def least_squares(operator: Callable[[Tensor], Tensor], right: Tensor, count: int, tolerance: float) -> Tensor:
    """The shortest u that minimises norm(S u - right), for a symmetric S that may be singular.

    Conjugate gradients on the normal equations, two applications of S an iteration.

    Args:
        operator: v -> S v.
        right: (m,).
        count: most iterations.
        tolerance: norm of S (S u - right), as a share of that of S right, at which to stop.
    """
    solution, residual = torch.zeros_like(right), right
    slope = operator(residual)
    direction, square = slope, float(slope @ slope)
    limit = tolerance**2 * square
    for _ in range(count):
        if square <= limit or not square:
            break
        product = operator(direction)
        step = square / float(product @ product)
        solution, residual = solution + step * direction, residual - step * product
        slope = operator(residual)
        before, square = square, float(slope @ slope)
        direction = slope + square / before * direction
    return solution


def neumann(products: Products, right: Tensor, terms: int, step: float) -> tuple[Tensor, Tensor]:
    """K terms of g_yy^-1 = a sum_j (I - a g_yy)^j.

    Args:
        products: v -> (g_yy v, g_xy' v).
        right: (m,).
        terms: K; each costs a product.
        step: a, below 2 over the largest eigenvalue.

    Returns:
        u = a sum_j v_j (m,) and g_xy' u (n,), where v_0 = right and v_j+1 = v_j - a g_yy v_j.
    """
    term, total, crossed = right, torch.zeros_like(right), None
    for _ in range(terms):
        total = total + term
        product, cross = products(term)
        crossed = cross if crossed is None else crossed + cross
        term = term - step * product
    assert crossed is not None, "at least one term"
    return step * total, step * crossed


def unrolled(
    products: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], path: Sequence[Tensor], right: Tensor, step: float
) -> Tensor:
    """Reverse differentiation of y_t = y_t-1 - a g_y(x, y_t-1): the part of the gradient in x that goes through y_T.

    Args:
        products: (y, v) -> (g_yy v, g_xy' v) at y.
        path: the y_t from which the differentiated steps began, oldest first.
        right: f_y at y_T.
        step: a.

    Returns:
        - a sum_t g_xy(y_t-1)' v_t (n,), where v_T = right and v_t-1 = v_t - a g_yy(y_t-1) v_t.
    """
    adjoint, total = right, None
    for y in reversed(path):
        product, cross = products(y, adjoint)
        total = -step * cross if total is None else total - step * cross
        adjoint = adjoint - step * product
    assert total is not None, "at least one step"
    return total
