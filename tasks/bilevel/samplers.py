"""Problems whose lower level is a sampler: x steers it, and the law that it brings about is what counts.

    minimise  Phi(x) = E[-R] + l KL(law at x, law at the start)   over x

There is no y: particles are all that a method has of the law. These types are siblings of the others of the arena,
with a price list and a board of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from tasks.base import Board, Direction, Metric, Problem
from tasks.metering import Oracle

if TYPE_CHECKING:
    from torch import Tensor

Times: TypeAlias = "Tensor | None"  # (K,) int64, the number of the step that each row is about to take

DRIFTS = "drifts"  # of N particles, one step; so are the others
DRIFT_PULLBACKS = "drift_pullbacks"
POTENTIAL_VALUES = "potential_values"
POTENTIAL_GRADIENTS = "potential_gradients"
REWARDS = "rewards"
REWARD_GRADIENTS = "reward_gradients"
DENOISING_UNITS = (DRIFTS, DRIFT_PULLBACKS, REWARDS, REWARD_GRADIENTS)
LANGEVIN_UNITS = (*DENOISING_UNITS, POTENTIAL_VALUES, POTENTIAL_GRADIENTS)
DEPTH = "depth"  # calls, one after the other; no part of the budget, so without a price


@dataclass(frozen=True, kw_only=True)
class SamplerBilevel(Problem):
    """A sampler P <- P + size drift(x, P, k) + spread noise, whose last particles are worth something.

    x is (n,), particles are (K, d) for any K, all of one precision and without gradients. Work is counted in steps of
    the N particles that everybody starts with: K rows cost K / N of one. Every call adds 1 to the unit `depth`, however
    many rows it has, and rows may be at different steps: what could run at once belongs into one call.

    Args:
        upper_start: x0, where everybody starts.
        upper_radius: how far from the start an answer may be thought to lie, the length in which steps in x are given.
        project_upper: onto the set of x; free.
        particles_start: (N, d); where everybody's first particles are.
        weight: l, of the divergence from the law at the start.
        drift: (x, P, times) -> (K, d).
        drift_pullback: (x, P, times, w (K, d), u (K,) or None) -> the gradients in x (n,) and in P (K, d) of
            sum_k w_k drift_k + u_k penalty_k, where the penalty is what a step costs; with None no step costs anything.
        loss: (x, P) -> (K,), what the last particles cost, such that E loss, with x held in it, has the gradient of
            Phi where steps cost nothing; up to a constant.
        loss_gradient: (x, P) -> (K, d), its gradient in P.
    """

    upper_start: Tensor
    upper_radius: float
    project_upper: Callable[[Tensor], Tensor]
    particles_start: Tensor
    weight: float
    drift: Oracle[Tensor]
    drift_pullback: Oracle[tuple[Tensor, Tensor]]
    loss: Oracle[Tensor]
    loss_gradient: Oracle[Tensor]


@dataclass(frozen=True, kw_only=True)
class LangevinBilevel(SamplerBilevel):
    """The law is exp(-V(., x)) / Z(x), to which Langevin steps of any size a tend: drift = -V_P, spread = sqrt(2 a).

    Times are None, and no step costs anything: loss = -R + l (V(., x0) - V(., x)). Particles start from the law of
    x0, or standard normal.

    Args:
        potential_gradient_upper: (x, P) -> V_x (K, n).
    """

    potential_gradient_upper: Oracle[Tensor]


@dataclass(frozen=True, kw_only=True)
class DenoisingBilevel(SamplerBilevel):
    """The law is that after T steps of size 1 from standard normal particles, and x are the weights of the denoiser.

    The divergence is that of the paths: each step costs l |drift(x, P, k) - drift(x0, P, k)|^2 / (2 spread_k^2), and
    loss = -R.

    Args:
        horizon: T.
        spreads: (T,), of the noise of each step.
        penalty: (x, P, times) -> (K,), the divergence of each row's next step from that of the start, without l.
    """

    horizon: int
    spreads: Tensor
    penalty: Oracle[Tensor]


def check_prices(prices: Mapping[str, float], units: tuple[str, ...]) -> None:
    """Refuse a price list that leaves something out, since that would then be free.

    Raises:
        ValueError: a price is missing, or belongs to nothing.
    """
    if set(prices) != set(units):
        raise ValueError(f"prices must name {', '.join(units)}; got {', '.join(prices)}")


def _metrics() -> tuple[Metric, ...]:
    lower, higher = Direction.LOWER, Direction.HIGHER
    rows = (
        ("regret", "share", lower, "objective above the best one that is known, as a share of what the start is above"),
        ("work_to_tolerance", "steps", lower, "priced work until an offer had a regret of at most 0.05, if one had"),
        ("depth_to_tolerance", "calls", lower, "calls one after the other until then"),
        ("reward", "", higher, "mean reward under the law of the answer"),
        ("divergence", "nats", lower, "KL of the law of the answer, or of its paths, from that of the start"),
        ("stationarity", "share", lower, "norm of the exact gradient, as a share of that at the start"),
    )
    return tuple(Metric(*row) for row in rows)


BOARD = Board(problem=SamplerBilevel, solution="x, as `Solution`; there is no y", metrics=_metrics())
