"""Tasks whose solution is a network that reads strings, and how the returned pair is judged."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from tasks.base import Diverged, Invalid, Run
from tasks.bilevel import ENCODER_UNITS, SharedEncoder, Solution
from tasks.bilevel.judged import Judged
from tasks.bilevel.listener import Listener, Rated, pose
from tasks.bilevel.listeners import Encoder, connectionist
from tasks.bilevel.self_supervision import SelfSupervision
from tasks.bilevel.strings import BLANK, Numbers, Piece, Strings, composed, greedy, joined, token_error
from tasks.metering import PRICED
from tasks.training import Recipe


@dataclass(frozen=True)
class Supply:
    """Pieces of which strings are made, and which of them each part may use; each string is of one pool.

    Args:
        pieces: all of them.
        symbols: (pieces,) from 1.
        labelled, training, validation, test: pools of numbers of pieces. `training` holds what is in `labelled`.
    """

    pieces: Sequence[Piece]
    symbols: Numbers
    labelled: tuple[Numbers, ...]
    training: tuple[Numbers, ...]
    validation: tuple[Numbers, ...]
    test: tuple[Numbers, ...]


@dataclass(frozen=True, kw_only=True)
class Listening(Judged, ABC):
    """Strings of symbols, few of them labelled: f is CTC with a head on an encoder, g a loss of the encoder alone.

    Judged as returned, by the labels that are read greedily from test strings.

    Args:
        shortest, longest: symbols of a string.
        gap: most empty frames behind a symbol; how many is drawn evenly.
        labelled, unlabelled: strings of f and of g.
        validation: strings on which hyperparameters are chosen.
        test: strings of the judge.
        width, depth, stride: of the encoder, see `Encoder`.
        lower: g.
        recipe: optimiser of everybody; its number of steps is of no meaning.
        level: token error at which `work_to_level` is taken.
    """

    offers_scored: ClassVar[int] = 10  # each one reads all test strings
    shortest: int
    longest: int
    gap: int
    labelled: int
    unlabelled: int
    validation: int
    test: int
    width: int
    depth: int
    stride: int
    lower: SelfSupervision
    recipe: Recipe
    level: float

    def __post_init__(self) -> None:
        if set(self.prices) != set(ENCODER_UNITS):
            raise ValueError(f"prices must name {', '.join(ENCODER_UNITS)}; got {', '.join(self.prices)}")
        if not 1 <= self.shortest <= self.longest:
            raise ValueError(f"strings of {self.shortest} to {self.longest} symbols are none")
        if min(self.labelled, self.unlabelled, self.validation, self.test, self.width, self.depth, self.stride) < 1:
            raise ValueError("numbers of strings, width, depth and stride must be 1 or more")

    @abstractmethod
    def supply(self, seed: int) -> Supply:
        """What strings are made of."""

    def listener(self, supply: Supply, seed: int) -> Listener:
        """f and g."""
        encoder = Encoder(
            features=len(supply.pieces[0]),
            width=self.width,
            depth=self.depth,
            stride=self.stride,
            causal=self.lower.causal,
        )
        key = ("draws of g", self.name, self.version, seed)
        return Listener(encoder, self.lower, int(supply.symbols.max()), key)

    def strings(self, supply: Supply, seed: int, part: str) -> Strings:
        """The strings of a part: labelled, unlabelled, validation or test."""
        pools = supply.training if part == "unlabelled" else getattr(supply, part)
        rng = self.stream(seed, f"{part} strings")
        chosen = composed(rng, pools, getattr(self, part), (self.shortest, self.longest))
        gaps = [rng.integers(self.gap + 1, size=len(string)) for string in chosen]
        return joined(supply.pieces, supply.symbols, chosen, gaps)

    def starts(self, listener: Listener, seed: int) -> tuple[Tensor, Tensor]:
        """First weights of the head and of the encoder."""
        rng = self.stream(seed, "weights")
        return listener.head.start(rng), listener.body.start(rng)

    def problem(self, seed: int) -> SharedEncoder:
        """The problem of a seed."""
        supply = self.supply(seed)
        listener = self.listener(supply, seed)
        labelled, unlabelled = (self.strings(supply, seed, part) for part in ("labelled", "unlabelled"))
        key = ("order of rows", self.name, self.version, seed)
        rated = Rated(self.prices, self.budget, self.recipe, key)
        return pose(listener, labelled, unlabelled, self.starts(listener, seed), rated)

    def evaluate(self, solution: Solution, seed: int, run: Run) -> Mapping[str, float]:
        """What the returned pair reads, f and g, on test strings."""
        return self._score(solution, seed, "test")

    def validate(self, solution: Solution, seed: int, run: Run) -> Mapping[str, float]:
        """The same on validation strings."""
        return self._score(solution, seed, "validation")

    def _score(self, solution: Solution, seed: int, part: str) -> Mapping[str, float]:
        supply = self.supply(seed)
        listener = self.listener(supply, seed)
        x, y = checked(solution, listener)
        strings = self.strings(supply, seed, part)
        steps = listener.encoder.steps(strings.lengths)
        with torch.no_grad():
            chances = listener.chances(x, y, strings)
            return {
                "token_error": token_error(greedy(chances, steps), strings),
                "test_loss": float(connectionist(chances, steps, strings)),
                "lower_loss": float(listener.unsupervised(y, strings, None, 0)),
            }

    def score_curve(self, points: Sequence[Mapping[str, Any]]) -> Mapping[str, float]:
        """The work that the first offer had cost whose token error is at most the level; nothing if there is none."""
        for point in points:
            if point["metrics"].get("token_error", float("inf")) <= self.level:
                return {"work_to_level": point["cost"].get(PRICED, 0.0)}
        return {}

    def trivial(self, seed: int) -> Solution:
        """A head that reads nothing."""
        listener = self.listener(self.supply(seed), seed)
        silent = torch.zeros(listener.head.size)
        listener.head.views(silent)["head_shift"][BLANK] = 1.0
        return Solution(silent, self.starts(listener, seed)[1])


def checked(solution: Any, listener: Listener) -> tuple[Tensor, Tensor]:
    """x and y, if they are of this listener.

    Raises:
        Invalid: wrong kind or size, or one is missing.
        Diverged: an entry is not finite.
    """
    if not isinstance(solution, Solution):
        raise Invalid(f"the answer must be a Solution, got {type(solution).__name__}")
    for name, vector, size in (("x", solution.upper, listener.head.size), ("y", solution.lower, listener.body.size)):
        if not isinstance(vector, Tensor) or vector.shape != (size,):
            raise Invalid(f"{name} must be a tensor of {size} numbers")
        if not torch.isfinite(vector).all():
            raise Diverged(f"{name} is not finite")
    assert solution.lower is not None
    return solution.upper.detach().cpu(), solution.lower.detach().cpu()
