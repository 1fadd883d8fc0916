"""The arena `coverage`: which training makes N sampled answers contain a right one?

A network answers questions from a closed set and is sampled N times; pass@N is the chance that a right answer is among
the N. Training by cross-entropy fits the chance of one sample. Where the data are few and noisy it grows too sure of
itself, and further samples bring nothing new. All laws here are known, so pass@N is computed and not sampled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tasks.base import Arena, Board, Direction, Metric, Problem
from tasks.metering import Oracle

if TYPE_CHECKING:
    from torch import Tensor, nn

    from tasks.training import Recipe

Inputs: TypeAlias = NDArray[np.float32]  # (n, d)
Laws: TypeAlias = NDArray[np.float64]  # (n, Y), rows on the simplex
Answerer: TypeAlias = Callable[[Inputs], Laws]  # (n, d) -> (n, Y)

SAMPLES = (1, 4, 16, 64, 256)  # every answer is measured at all of these


@dataclass(frozen=True, kw_only=True)
class AnswerTraining(Problem):
    """Examples of questions with one sampled answer each, a network to be trained on them, and how.

    Args:
        samples: N, how many answers may be drawn in the end.
        answers: Y, size of the closed set of answers.
        network: () -> a fresh network, inputs (B, d) -> logits (B, Y); the same weights each time.
        recipe: of the training.
        batches: (steps, B) int64, read-only: which examples each step sees. Epoch follows epoch.
        epoch_steps: steps an epoch.
        training: rows (B,) -> inputs (B, d) and labels (B,); costs B `examples`.
        validation: () -> inputs (m, d) and labels (m,) of further examples; costs m `validation_labels`.
    """

    samples: int
    answers: int
    network: Callable[[], nn.Module]
    recipe: Recipe
    batches: NDArray[np.int64]
    epoch_steps: int
    training: Oracle[tuple[Tensor, Tensor]]
    validation: Oracle[tuple[Tensor, Tensor]]


def _metrics() -> tuple[Metric, ...]:
    higher, lower = Direction.HIGHER, Direction.LOWER
    rows: list[Any] = [("pass_at_n", "share", higher, "chance that a right answer is among N samples, N of the task")]
    rows += [(f"pass_at_{count}", "share", higher, f"the same for {count} samples") for count in SAMPLES]
    rows += [
        ("confidence_wrong", "share", lower, "mean top probability where the top answer is not the likeliest"),
        ("nll", "nats", lower, "expected negative log-likelihood, probabilities not below 1e-12"),
    ]
    return tuple(Metric(*row) for row in rows)


ARENA = Arena(
    question="Which training makes N sampled answers contain a right one?",
    equal="the examples, their order, the network and its first weights, the recipe and the number of epochs",
    boards=(
        Board(
            problem=AnswerTraining,
            solution="a callable: inputs (n, d) -> laws of the answer (n, Y), each row answered by itself",
            metrics=_metrics(),
        ),
    ),
)
