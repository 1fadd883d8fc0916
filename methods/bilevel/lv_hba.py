"""LV-HBA: a single loop without Hessians for lower problems whose constraints hold both variables."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from methods.base import Method, Run
from methods.bilevel._loop import finite, outer_rounds
from tasks.bilevel import CoupledBilevel, Solution


@dataclass(frozen=True, kw_only=True)
class LVHBA(Method):
    """LV-HBA (Yao, Yu, Zeng and Zhang, ICLR 2024, arXiv 2401.16164), by the proximal Lagrangian value function

        v(x, y, z) = min_t max_w g(x, t) + w'h(x, t) + norm(t - y)^2 / (2 g1) - norm(w - z)^2 / (2 g2),

    t in the set of y, w in [0, r]^k, or [-r, r]^k for equalities. In each round, with c_k = c (k + 1)^p:

        t <- P_Y(t - eta (g_y(x, t) + h_y'w + (t - y) / g1)),   w <- clip(w + eta (h(x, t) - (w - z) / g2))
        (x, y) <- P_C((x, y) - alpha (d_x, d_y)),   d_x = f_x / c_k + g_x(x, y) - g_x(x, t) - h_x(x, t)'w
                                                    d_y = f_y / c_k + g_y(x, y) - (y - t) / g1
        z <- clip(z + beta (w - z) / g2)

    P_C projects onto all that is feasible.

    Deviations:
        1. alpha, beta and eta are ours, found on the paper's first toy with the constraint normalised: with those of
           the authors' toy (c 0.025, alpha 0.008, eta 0.01, beta 0.02) 1 / c_k is so large that f drowns g, and x is a
           third of its norm away from the optimum after 20,000 rounds. With c = 10, g1 = g2 = 10 and a start of
           zeros x is within 4.7 % after 5,000 rounds; from a drawn start it is not. c and g1 = g2 are those of a grid
           (1 and 10 each) with the least geometric mean of regret on `coupled_plane` and `coupled_strong` at seeds 100
           and 101: 1 and 1, which are the authors' for their second toy.
        2. alpha and eta are in units of 1 / max(1, L), with L of g: in the paper's toys L = 1.
        3. The step in x is this method's own, not the arena's: x and y are projected together.

    Args:
        c, power: of c_k; the theory wants a power below 1/2.
        alpha, beta, eta: steps, see above.
        proximal: g1 and g2.
        clip: r.
    """

    c: float
    power: float
    alpha: float
    beta: float
    eta: float
    proximal: float
    clip: float

    def solve(self, problem: CoupledBilevel, run: Run) -> Solution:
        """Go round until the budget is spent."""
        x, y = problem.upper_start, problem.lower_start
        t, w = y, torch.zeros(problem.constraints, dtype=y.dtype)
        z = w
        run.offer(Solution(x, y))
        for round_ in outer_rounds(problem):
            scale = max(1.0, problem.lower_smoothness(x))
            alpha, eta, weight = self.alpha / scale, self.eta / scale, self.c * (round_ + 1) ** self.power
            slope = problem.lower_gradient(x, t)[1] + problem.constraint_pullback(x, t, w)[1]
            broken = problem.constraint(x, t)
            t = problem.project_lower(t - eta * (slope + (t - y) / self.proximal))
            w = self._clipped(problem, w + eta * (broken - (w - z) / self.proximal))
            f_x, f_y = problem.upper_gradient(x, y)
            g_x, g_y = problem.lower_gradient(x, y)
            value_x = problem.lower_gradient(x, t)[0] + problem.constraint_pullback(x, t, w)[0]
            d_x, d_y = f_x / weight + g_x - value_x, f_y / weight + g_y - (y - t) / self.proximal
            x, y = problem.project_joint(x - alpha * d_x, y - alpha * d_y)
            z = self._clipped(problem, z + self.beta * (w - z) / self.proximal)
            finite(x, y, t, w)
            run.offer(Solution(x, y))
        return Solution(x, y)

    def _clipped(self, problem: CoupledBilevel, multiplier: Tensor) -> Tensor:
        """Onto the multipliers that are allowed."""
        return multiplier.clamp(-self.clip if problem.equality else 0.0, self.clip)
