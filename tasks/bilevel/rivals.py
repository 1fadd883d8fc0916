"""Two players of opposite interests with entropy bonuses: their equilibrium, and how far two policies are from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tasks.base import Diverged
from tasks.bilevel.games import PRECISION, Decision, Game, centred

NEWTON_STEPS = 60  # about eight are needed
HALVINGS = 30  # of a step of Newton's method


@dataclass(frozen=True, kw_only=True)
class Rivals(Game):
    """A game with two players who answer, as logits (S, A) and (S, B) in one vector; the first wants V, the second -V.

    Args:
        reward: x -> (S, A, B).
        transition: (S, A, B, S).
        discount: gamma.
        temperature: of both entropies.
    """

    reward: Callable[[Tensor], Tensor]
    transition: Tensor
    discount: float
    temperature: float

    @property
    def actions(self) -> tuple[int, int]:
        """(A, B)."""
        return self.transition.shape[1], self.transition.shape[2]

    @property
    def lower_start(self) -> Tensor:
        """Uniform policies."""
        return torch.zeros(len(self.start) * sum(self.actions), dtype=self.start.dtype)

    def logits(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """(S, A) and (S, B)."""
        states, (one, two) = len(self.start), self.actions
        return y[: states * one].reshape(states, one), y[states * one :].reshape(states, two)

    def facing(self, x: Tensor, y: Tensor, player: int) -> Decision:
        """What a player, 0 or 1, has to decide while the other plays y; the second one's reward is -V's."""
        other = torch.log_softmax(self.logits(y)[1 - player], dim=1)
        letters, sign = ("sb,sab->sa", 1) if player == 0 else ("sa,sab->sb", -1)
        seen = torch.einsum(letters, other.exp(), self.reward(x))
        own = self.temperature * (other.exp() * other).sum(dim=1, keepdim=True)
        moved = torch.einsum(f"{letters.split('->')[0]}t->{letters.split('->')[1]}t", other.exp(), self.transition)
        return Decision(sign * seen + own, moved, self.discount, self.temperature)

    def value(self, x: Tensor, y: Tensor) -> Tensor:
        """V where the game begins."""
        return self.start @ self.facing(x, y, 0).evaluated(torch.log_softmax(self.logits(y)[0], dim=1))

    def lower(self, x: Tensor, y: Tensor) -> Tensor:
        """The gap of Nikaido and Isoda: what both players could still gain, with two derivatives."""
        gains = []
        for player in (0, 1):
            given = self.facing(x, y, player)
            gains.append(self.start @ given.evaluated(given.policy(given.best())))
        return gains[0] + gains[1]

    def least(self, x: Tensor) -> float:
        """0."""
        return 0.0

    def improved(self, x: Tensor, y: Tensor) -> Tensor:
        """The logits (m,) of both players' soft policies for the q of the pair y: in equilibrium they are y itself."""
        better = []
        for player in (0, 1):
            given = self.facing(x, y, player)
            own = torch.log_softmax(self.logits(y)[player], dim=1)
            better.append(centred(given.ahead(given.evaluated(own)) / self.temperature).flatten())
        return torch.cat(better)

    def equilibrium(self, x: Tensor) -> Tensor:
        """The y (m,) that `improved` keeps, by Newton's method with steps halved until the residual falls.

        Raises:
            Diverged: it was not found.
        """
        x, y = x.detach(), self.lower_start
        off = self._residual(x, y)
        for _ in range(NEWTON_STEPS):
            if off.norm() <= PRECISION * len(y) * (1 + y.norm()):
                return y
            step = torch.linalg.solve(self._jacobian(x, y), off)
            for halving in range(HALVINGS):
                tried = y - 0.5**halving * step
                after = self._residual(x, tried)
                if after.norm() < off.norm():
                    break
            else:
                break
            y, off = tried, after
        if off.norm() <= 1e-8 * (1 + y.norm()):  # rounding ends the last steps
            return y
        raise Diverged("no equilibrium of the two players was found at this x")

    def answer(self, x: Tensor) -> Tensor:
        """The equilibrium, with its first derivative by one step of Newton's method that knows of x."""
        y = self.equilibrium(x)
        moved: Tensor = torch.linalg.solve(self._jacobian(x.detach(), y), self._residual(x, y))
        return y - moved

    def centre(self, y: Tensor) -> Tensor:
        """The nearest y whose logits sum to 0 in each state."""
        return torch.cat([centred(part).flatten() for part in self.logits(y)])

    def _residual(self, x: Tensor, y: Tensor) -> Tensor:
        return self.centre(y) - self.improved(x, y)

    def _jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Of y - improved(x, y), regular also along logits that only shift: there it is the identity."""
        turned: Tensor = torch.func.jacrev(lambda it: it - self.improved(x, it))(y)
        return turned
