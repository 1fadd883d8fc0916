"""The arena `distillation`: which loss on which text turns a teacher language model into the best small one?

A student network, already fine-tuned on references, is trained further with the help of a larger teacher. A method
supplies a loss and decides which sequences to train on; all else is the same for all: the teacher, the start, the
prompts and their order, the recipe, and how text is sampled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.base import Arena, Board, Direction, Metric, Problem, read_only
from tasks.metering import Oracle

if TYPE_CHECKING:
    from torch import Tensor, nn

    from tasks.training import Recipe

TEACHER_TOKENS = "teacher_tokens"  # tokens that the teacher has read
PROMPT_TOKENS = "prompt_tokens"  # tokens of prompts that a student has read before it answered them
TEACHER_GENERATED_TOKENS = "teacher_generated_tokens"  # tokens drawn from the teacher
GENERATED_TOKENS = "generated_tokens"  # tokens drawn from a student
TRAINED_TOKENS = "trained_tokens"  # tokens that a student has read in training steps


@dataclass(frozen=True)
class TokenData:
    """Prompts, each followed by its response, as token ids.

    Args:
        tokens: (n, T) int64, read-only; what stands behind a sequence's length is padding.
        prompt_length: (n,) tokens of each prompt.
        length: (n,) tokens of each prompt and its response, the end token included.
    """

    tokens: NDArray[np.int64]
    prompt_length: NDArray[np.int64]
    length: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.length)

    def take(self, rows: NDArray[np.int64] | slice) -> TokenData:
        """Some of the sequences, cut after the longest of them."""
        length = self.length[rows]
        tokens = self.tokens[rows, : int(length.max(initial=0))]
        return TokenData(read_only(tokens), read_only(self.prompt_length[rows]), read_only(length))


@dataclass(frozen=True)
class Sampled:
    """Sequences whose responses were drawn from a model.

    Args:
        sequences: the given prompts with the drawn responses, n of them.
        log_probability: (n, S), of each drawn token under the student when it was drawn; 0 behind the end.
        teacher_log_probability: (n, S), the same under the teacher, where that took part in drawing.
    """

    sequences: TokenData
    log_probability: NDArray[np.float32]
    teacher_log_probability: NDArray[np.float32] | None = None


class Sample(Protocol):
    """Draws a response to each prompt, at temperature 1, until the end token or the task's longest response."""

    def __call__(
        self, model: nn.Module, prompts: TokenData, rng: np.random.Generator, *, teacher_share: float = 0.0
    ) -> Sampled:
        """Sample.

        Args:
            model: a causal language model, left in evaluation mode.
            prompts: n sequences of which only the prompts are read.
            rng: gives one uniform number for each sequence and place, whatever is drawn.
            teacher_share: a of the law (1 - a) q + a p from which tokens are drawn, of the model's law q and the
                teacher's p. Above 0 the teacher reads along, for `teacher_tokens`.

        Raises:
            BudgetSpent: the next token would cross a limit on `generated_tokens` or `teacher_tokens`.
        """


@dataclass(frozen=True, kw_only=True)
class LanguageDistillation(Problem):
    """A teacher, a student to start from, and prompts with reference responses.

    Args:
        vocabulary_size: V, of teacher and student.
        end: id of the token that ends a response. It also fills up behind sequences, so lengths count and never ids.
        train: in the order in which to train on it.
        validation: drives schedules. Test prompts are in neither.
        teacher: tokens (B, T) and a mask (B, T), true where a token is real -> logits (B, T, V) without gradient;
            costs one of `teacher_tokens` for each real token.
        student: () -> a fresh copy of the start, in evaluation mode: a causal language model of `transformers`.
        sample: draws responses from a student; costs one of `generated_tokens` for each token drawn.
        teacher_corpus: () -> the training prompts in the order of `train`, each with a response of the teacher. All
            its tokens are paid for as `teacher_generated_tokens` the first time, although they were drawn before.
        recipe: optimizer, schedule, number of steps and batch size, for every method.
        validate_every: steps between validations, the epoch of a schedule.
    """

    vocabulary_size: int
    end: int
    train: TokenData
    validation: TokenData
    teacher: Oracle[Tensor]
    student: Callable[[], nn.Module]
    sample: Sample
    teacher_corpus: Oracle[TokenData]
    recipe: Recipe
    validate_every: int


def _metrics() -> tuple[Metric, ...]:
    higher, lower = Direction.HIGHER, Direction.LOWER
    rows: tuple[Any, ...] = (
        ("rouge_l", "0 to 100", higher, "ROUGE-L F of sampled responses, stemmed, best over references, mean of draws"),
        ("answer_accuracy", "share", higher, "sampled responses whose final answer is that of the reference"),
        ("second_rouge_l", "0 to 100", higher, "ROUGE-L on a second test set, from another source"),
        ("second_answer_accuracy", "share", higher, "answer_accuracy on the second test set"),
        ("validation_cross_entropy", "nats per token", lower, "cross-entropy of the validation references"),
        ("kl_to_teacher", "nats per token", lower, "KL(teacher, student) along the test references"),
        ("kl_from_teacher", "nats per token", lower, "KL(student, teacher) along responses sampled from the student"),
        ("compute", "GFLOP", lower, "2 N per token read or generated, 6 N per token trained; validation left out"),
    )
    return tuple(Metric(*row) for row in rows)


ARENA = Arena(
    question="Which loss on which text turns a teacher language model into the best small one?",
    equal="the teacher, the fine-tuned start, the prompts and their order, optimizer, steps, and how text is sampled",
    boards=(
        Board(
            problem=LanguageDistillation,
            solution="a causal language model, token ids (B, T) -> .logits (B, T, V), no larger than the student",
            metrics=_metrics(),
        ),
    ),
)
