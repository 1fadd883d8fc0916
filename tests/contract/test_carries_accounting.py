"""The contract carries accounting: `evaluate` counts what the solution really stores.

Awkward paper: EasyQuant, data-free quantisation that keeps outliers in full. Papers count sizes each in its own way;
here no method reports one. A solution is `Compressed(network, stored)`: every tensor of the network is stored in a
codec of the task, the task decodes them, counts their bits, and refuses whatever is over the limit or not named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from methods.base import Method
from methods.reference.trivial import Trivial
from results.record import Record, Status
from tasks.base import Board, Direction, Invalid, Metric, Problem, Run, Task, read_only

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Plain:
    """Every number in 16 bits."""

    values: Matrix

    def decode(self) -> Matrix:
        return self.values.astype(np.float16).astype(np.float64)

    def bits(self) -> int:
        return 16 * self.values.size


@dataclass(frozen=True)
class Grid:
    """Whole numbers of a few bits times one scale a row."""

    codes: NDArray[np.int64]  # (rows, columns)
    width: int
    scales: Matrix  # (rows, 1)

    def decode(self) -> Matrix:
        top = 2 ** (self.width - 1) - 1
        decoded: Matrix = np.clip(self.codes, -top, top).astype(np.float64) * self.scales.astype(np.float16).astype(
            np.float64
        )
        return decoded

    def bits(self) -> int:
        return self.width * self.codes.size + 16 * self.scales.size


@dataclass(frozen=True)
class Sparse:
    """The numbers that are not zero, in 16 bits, and their places."""

    values: Matrix

    def decode(self) -> Matrix:
        return self.values.astype(np.float16).astype(np.float64)

    def bits(self) -> int:
        kept = int(np.count_nonzero(self.values))
        return 16 * kept + min(self.values.size, kept * int(np.ceil(np.log2(self.values.size))))


@dataclass(frozen=True)
class Sum:
    """The sum of parts."""

    parts: tuple[Stored, ...]

    def decode(self) -> Matrix:
        total: Matrix = np.sum([part.decode() for part in self.parts], axis=0)
        return total

    def bits(self) -> int:
        return sum(part.bits() for part in self.parts)


Stored = Plain | Grid | Sparse | Sum


@dataclass(frozen=True)
class Network:
    """tanh between matrices, by name. Calling it without some tensor is an error: it owns no numbers of its own."""

    layers: tuple[str, ...]
    tensors: Mapping[str, Matrix] = field(default_factory=dict)  # fresh copies; what counts is what is stored

    def __call__(self, inputs: Matrix) -> Matrix:
        for name in self.layers[:-1]:
            inputs = np.tanh(inputs @ self.tensors[name])
        return inputs @ self.tensors[self.layers[-1]]


@dataclass(frozen=True)
class Compressed:
    network: Network
    stored: Mapping[str, Stored]


@dataclass(frozen=True, kw_only=True)
class PostTraining(Problem):
    """Trained weights, and how many bits may be left of them. There is no data."""

    network: Network
    bits_limit: int


BOARD = Board(
    PostTraining,
    "Compressed(network, stored): every tensor of the network in a codec of the task",
    (
        Metric("kept", "%", Direction.HIGHER, "share of the dense network's lead over answering zero"),
        Metric("stored_bits", "bits per dense weight", Direction.LOWER, "counted from what is stored"),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Teacher(Task):
    """Agree with a dense two-layer network whose weights have a few outliers."""

    width: int
    bits_limit: int

    def problem(self, seed: int) -> PostTraining:
        return PostTraining(network=self._dense(seed), bits_limit=self.bits_limit)

    def evaluate(self, solution: Compressed, seed: int, run: Run) -> dict[str, float]:
        dense = self._dense(seed)
        weights = sum(tensor.size for tensor in dense.tensors.values())
        network, bits = self._decoded(solution)
        if bits > self.bits_limit:
            raise Invalid(f"{bits} bits are stored, {self.bits_limit} are allowed")
        inputs = run.rng.normal(size=(256, self.width))
        wanted = dense(inputs)
        kept = 1 - np.mean((network(inputs) - wanted) ** 2) / np.mean(wanted**2)
        return {"kept": 100 * float(kept), "stored_bits": bits / weights}

    def trivial(self, seed: int) -> Compressed:
        network = self._dense(seed)
        return Compressed(network, {name: Sparse(0 * tensor) for name, tensor in network.tensors.items()})

    def _dense(self, seed: int) -> Network:
        rng = self.stream(seed)
        tensors = {}
        for name in ("first", "second"):
            weights = rng.normal(size=(self.width, self.width)) / np.sqrt(self.width)
            tensors[name] = read_only(np.where(rng.random(weights.shape) < 0.01, 8 * weights, weights))
        return Network(("first", "second"), tensors)

    @staticmethod
    def _decoded(solution: Compressed) -> tuple[Network, int]:
        used, stored = set(solution.network.layers) | set(solution.network.tensors), solution.stored
        if used - set(stored):
            raise Invalid(f"not named in what is stored: {', '.join(sorted(used - set(stored)))}")
        for name, held in stored.items():
            for part in held.parts if type(held) is Sum else (held,):
                if type(part) not in (Plain, Grid, Sparse):
                    raise Invalid(f"{name} is stored as {type(part).__name__}, which is no codec of this task")
        decoded = {name: held.decode() for name, held in stored.items()}
        return Network(solution.network.layers, decoded), sum(held.bits() for held in stored.values())


@dataclass(frozen=True, kw_only=True)
class EasyQuant(Method):
    """Outliers beyond `sigmas` stay in full; the rest is rounded on a scale a row that is refined in turn.

    The scale and the whole numbers k are improved alternately: k = round(w / s), then s = <w, k> / <k, k>.
    """

    width: int
    sigmas: float
    rounds: int

    def solve(self, problem: PostTraining, run: Run) -> Compressed:
        stored = {name: self._store(tensor) for name, tensor in problem.network.tensors.items()}
        return Compressed(problem.network, stored)

    def _store(self, weights: Matrix) -> Stored:
        outlying = np.abs(weights - weights.mean(1, keepdims=True)) >= self.sigmas * weights.std(1, keepdims=True)
        rest, top = np.where(outlying, 0, weights), 2 ** (self.width - 1) - 1
        scales = np.abs(rest).max(1, keepdims=True) / top
        codes = np.round(rest / scales)
        for _ in range(self.rounds):
            scales = (rest * codes).sum(1, keepdims=True) / (codes**2).sum(1, keepdims=True)
            codes = np.clip(np.round(rest / scales), -top, top)
        grid = Grid(codes.astype(np.int64), self.width, scales)
        return Sum((grid, Sparse(np.where(outlying, weights, 0)))) if outlying.any() else grid


@dataclass(frozen=True, kw_only=True)
class Forgetful(Method):
    """Leaves a tensor out of what is stored, hoping that the network still holds it."""

    def solve(self, problem: PostTraining, run: Run) -> Compressed:
        return Compressed(problem.network, {"first": Sparse(np.zeros((32, 32)))})


@dataclass(frozen=True)
class Boast(Plain):
    """A codec of the method's own that says it needs nothing."""

    def bits(self) -> int:
        return 0


@dataclass(frozen=True, kw_only=True)
class Boastful(Method):
    """Stores everything in full in a codec that lies."""

    nested: bool

    def solve(self, problem: PostTraining, run: Run) -> Compressed:
        stored: dict[str, Stored] = {name: Boast(tensor) for name, tensor in problem.network.tensors.items()}
        return Compressed(problem.network, {name: Sum((it,)) for name, it in stored.items()} if self.nested else stored)


@dataclass(frozen=True, kw_only=True)
class Dense(Method):
    """Stores everything in 16 bits."""

    def solve(self, problem: PostTraining, run: Run) -> Compressed:
        return Compressed(problem.network, {name: Plain(tensor) for name, tensor in problem.network.tensors.items()})


TASK = Teacher(name="toy/teacher", version=1, width=32, bits_limit=5 * 2 * 32 * 32)
EASY = EasyQuant(width=4, sigmas=3.0, rounds=20)
ROUNDED = EasyQuant(width=4, sigmas=1e9, rounds=0)  # no outliers, no refinement: rounding to nearest


def test_keeping_outliers_keeps_more_of_the_network(execute: Callable[..., Record]) -> None:
    easy, rounded = execute(EASY, TASK, BOARD), execute(ROUNDED, TASK, BOARD)
    assert (easy.status, rounded.status) == (Status.OK, Status.OK)
    assert easy.metrics["kept"] > rounded.metrics["kept"] + 0.5


def test_outliers_are_paid_for_with_their_places(execute: Callable[..., Record]) -> None:
    rounded = execute(ROUNDED, TASK, BOARD).metrics["stored_bits"]
    assert rounded == 4 + 16 * 32 / 32**2  # four bits a weight, one scale a row
    weights = TASK.problem(0).network.tensors.values()
    outliers = sum(np.count_nonzero(np.abs(w - w.mean(1)[:, None]) >= 3 * w.std(1)[:, None]) for w in weights)
    easy = execute(EASY, TASK, BOARD).metrics["stored_bits"]
    assert outliers > 0
    assert easy == pytest.approx(rounded + outliers * (16 + 10) / (2 * 32**2))


def test_a_solution_over_the_limit_is_invalid(execute: Callable[..., Record]) -> None:
    record = execute(Dense(), TASK, BOARD)
    assert record.status is Status.INVALID
    assert record.reason == "32768 bits are stored, 10240 are allowed"
    assert record.metrics == {}


def test_a_tensor_that_is_not_named_is_refused(execute: Callable[..., Record]) -> None:
    record = execute(Forgetful(), TASK, BOARD)
    assert record.status is Status.INVALID
    assert record.reason == "not named in what is stored: second"


@pytest.mark.parametrize("nested", [False, True])
def test_a_codec_that_lies_is_refused(execute: Callable[..., Record], nested: bool) -> None:
    record = execute(Boastful(nested=nested), TASK, BOARD)
    assert record.status is Status.INVALID
    assert record.reason == "first is stored as Boast, which is no codec of this task"


def test_the_dumb_answer_stores_nothing_and_keeps_nothing(execute: Callable[..., Record]) -> None:
    record = execute(Trivial(), TASK, BOARD)
    assert record.metrics == {"kept": 0.0, "stored_bits": 0.0}


def test_a_limit_that_allows_everything_keeps_everything(execute: Callable[..., Record]) -> None:
    roomy = Teacher(name="toy/teacher", version=1, width=32, bits_limit=16 * 2 * 32 * 32)
    record = execute(Dense(), roomy, BOARD)
    assert record.metrics["stored_bits"] == 16
    assert record.metrics["kept"] == pytest.approx(100, abs=1e-3)
