"""Distillation of a language model that answers prompts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tasks.base import Diverged, NotApplicable, Run, Task
from tasks.distillation import (
    GENERATED_TOKENS,
    PROMPT_TOKENS,
    TEACHER_GENERATED_TOKENS,
    TEACHER_TOKENS,
    TRAINED_TOKENS,
    LanguageDistillation,
    TokenData,
)
from tasks.distillation.corpora import Example, PromptedTexts
from tasks.distillation.encoding import Encoded, Limits, encoded_splits
from tasks.distillation.measures import cross_entropy, divergence, pieces, rouge_l
from tasks.distillation.models import TeacherCorpus
from tasks.distillation.rules import check_solution, size, vocabulary_of
from tasks.distillation.sampling import Sampler
from tasks.language_models import LanguageModel
from tasks.metering import Ledger, Oracle
from tasks.training import Recipe

SAMPLED_AT_ONCE = 256  # sequences


@dataclass(frozen=True, kw_only=True)
class PromptedDistillation(Task):
    """A teacher and a student, both fine-tuned on the training examples, answer prompts.

    The split of the examples is the task's; a seed draws the training order, which validation and test prompts are
    used, and the noise of sampling.

    Args:
        teacher, student: the language models; a plain string names a folder or a model on the hub.
        corpus: the examples.
        limits: longer examples are left out, and sampled responses end there.
        teacher_corpus: the teacher's responses to the training prompts.
        recipe: with which every method trains.
        validate_every: steps between validations.
        validation: examples with which methods validate.
        test: prompts that are answered for the score.
        draws: responses to each of them.
    """

    teacher: LanguageModel
    student: LanguageModel
    corpus: PromptedTexts
    limits: Limits
    teacher_corpus: TeacherCorpus
    recipe: Recipe
    validate_every: int
    validation: int
    test: int
    draws: int

    def __post_init__(self) -> None:
        if min(self.validate_every, self.validation, self.test, self.draws) < 1:
            raise ValueError("validate_every, validation, test and draws must be at least 1")

    def check(self) -> None:
        """Say whether the examples can be had here."""
        self.corpus.check()

    def problem(self, seed: int) -> LanguageDistillation:
        """The problem of a seed."""
        ledger, teacher = Ledger(), cast("nn.Module", self.teacher.network())
        vocabulary = vocabulary_of(teacher)
        if vocabulary_of(self.student.network()) != vocabulary:
            raise NotApplicable(f"the student's vocabulary has not the {vocabulary} tokens of the teacher's")
        data, end = self._data(), self._end()
        order = self.stream(seed, "order").permutation(len(data.train))

        def read(tokens: Tensor, real: Tensor) -> Tensor:
            return _logits(teacher.to(tokens.device), tokens)

        def taught() -> TokenData:
            drawn: TokenData = self.teacher_corpus.artefact(seed)
            return drawn.take(order)

        def unpaid(count: Callable[[TokenData], NDArray[np.int64]]) -> Callable[[], int]:
            """The price of the teacher's responses, nothing where an attempt that goes on has paid before."""
            return lambda: 0 if ledger.total(TEACHER_GENERATED_TOKENS) else int(count(taught()).sum())

        responses = Oracle(
            ledger, TEACHER_GENERATED_TOKENS, taught, price=unpaid(lambda data: data.length - data.prompt_length)
        )

        return LanguageDistillation(
            ledger=ledger,
            vocabulary_size=vocabulary,
            end=end,
            train=data.train.take(order),
            validation=self._validation(seed),
            teacher=Oracle(ledger, TEACHER_TOKENS, read, price=lambda tokens, real: int(real.sum())),
            student=self.student.network,
            sample=Sampler(self.limits.response, end, ledger, teacher),
            teacher_corpus=Oracle(ledger, TEACHER_TOKENS, responses, price=unpaid(lambda data: data.prompt_length)),
            recipe=self.recipe,
            validate_every=self.validate_every,
        )

    def evaluate(self, solution: nn.Module, seed: int, run: Run) -> Mapping[str, float]:
        """ROUGE-L of sampled responses, cross-entropy, and the distance to the teacher both ways.

        Raises:
            Invalid: no language model over this vocabulary, or larger than the student; only the teacher itself may be.
            Diverged: its logits are not finite.
        """
        device = run.fabric.device
        teacher, student = cast("nn.Module", self.teacher.network()), self.student.network()
        check_solution(solution, teacher, student)
        solution, teacher = solution.to(device).eval(), teacher.to(device)
        metrics = self._cross_entropy(solution, seed, device)
        data = self._data()
        prompts, references = self._questions(data.test, data.test_examples, self.stream(seed, "test"))
        metrics["kl_to_teacher"] = divergence(teacher, solution, pieces(prompts), device)
        texts, drawn = self._answers(solution, prompts, run)
        metrics |= self._quality(texts, references)
        if data.second_examples:
            rng = self.stream(seed, "second test")
            others, known = self._questions(data.second, data.second_examples, rng)
            quality = self._quality(self._answers(solution, others, run)[0], known)
            metrics |= {f"second_{name}": value for name, value in quality.items()}
        metrics["kl_from_teacher"] = divergence(solution, teacher, drawn, device)
        metrics["compute"] = _compute(size(teacher), size(student), run.ledger)
        return metrics

    def validate(self, solution: nn.Module, seed: int, run: Run) -> Mapping[str, float]:
        """ROUGE-L of as many responses to prompts of the validation split, sampled in the same way; cross-entropy.

        Raises:
            Invalid, Diverged: as for `evaluate`.
        """
        device = run.fabric.device
        check_solution(solution, cast("nn.Module", self.teacher.network()), self.student.network())
        solution = solution.to(device).eval()
        metrics, data = self._cross_entropy(solution, seed, device), self._data()
        rng = self.stream(seed, "validation prompts")
        prompts, references = self._questions(data.validation, data.validation_examples, rng)
        texts, _ = self._answers(solution, prompts, run)
        return metrics | self._quality(texts, references)

    def score_offer(self, solution: nn.Module, seed: int, run: Run) -> Mapping[str, float]:
        """Cross-entropy of the validation references alone."""
        device = run.fabric.device
        return self._cross_entropy(solution.to(device).eval(), seed, device)

    def trivial(self, seed: int) -> nn.Module:
        """The student untouched."""
        return self.student.network()

    def best(self, seed: int) -> nn.Module:
        """The teacher."""
        return self.teacher.network()

    def _cross_entropy(self, solution: nn.Module, seed: int, device: torch.device) -> dict[str, float]:
        value = cross_entropy(solution, pieces(self._validation(seed)), device)
        if not math.isfinite(value):
            raise Diverged(f"the cross-entropy of the validation references is {value}")
        return {"validation_cross_entropy": value}

    def _quality(self, texts: Sequence[str], references: Sequence[tuple[str, ...]]) -> dict[str, float]:
        """ROUGE-L of all draws, one behind the other, and the share of right answers where there are such."""
        known = [*references] * self.draws
        quality = {"rouge_l": rouge_l(texts, known)}
        wanted = [{self.corpus.final_answer(text) for text in row} for row in known]
        if any(row != {None} for row in wanted):
            given = [self.corpus.final_answer(text) for text in texts]
            quality["answer_accuracy"] = float(np.mean([one in row for one, row in zip(given, wanted, strict=True)]))
        return quality

    def _data(self) -> Encoded:
        return encoded_splits(self.corpus, self.limits, self.teacher.place())

    def _validation(self, seed: int) -> TokenData:
        rows = self.stream(seed, "validation").permutation(len(self._data().validation))
        return self._data().validation.take(rows[: self.validation])

    def _questions(
        self, data: TokenData, examples: Sequence[Example], rng: np.random.Generator
    ) -> tuple[TokenData, list[tuple[str, ...]]]:
        """Some prompts of a split, each with its first reference as response, and all references of each."""
        rows: dict[str, list[int]] = {}
        for row, example in enumerate(examples):
            rows.setdefault(example.prompt, []).append(row)
        groups = list(rows.values())
        chosen = [groups[index] for index in rng.permutation(len(groups))[: self.test]]
        references = [tuple(examples[row].response for row in group) for group in chosen]
        return data.take(np.array([group[0] for group in chosen])), references

    def _answers(self, solution: nn.Module, prompts: TokenData, run: Run) -> tuple[list[str], list[TokenData]]:
        """The texts of all draws, one draw behind the other, and the sequences of the first."""
        sample = Sampler(self.limits.response, self._end())
        first, texts = [], []
        for draw in range(self.draws):
            for piece in pieces(prompts, SAMPLED_AT_ONCE):
                drawn = sample(solution, piece, run.rng).sequences
                spans = zip(drawn.tokens, drawn.prompt_length, drawn.length, strict=True)
                responses = [row[start:stop] for row, start, stop in spans]
                texts += self.teacher.tokenizer().batch_decode(responses, skip_special_tokens=True)
                first += [drawn] if draw == 0 else []
        return texts, first

    def _end(self) -> int:
        return int(self.teacher.tokenizer().eos_token_id)


def _compute(teacher: int, student: int, ledger: Ledger) -> float:
    """GFLOP of `solve`, from the sizes of both networks in parameters."""
    read = 2 * teacher * (ledger.total(TEACHER_TOKENS) + ledger.total(TEACHER_GENERATED_TOKENS))
    own = 2 * (ledger.total(PROMPT_TOKENS) + ledger.total(GENERATED_TOKENS)) + 6 * ledger.total(TRAINED_TOKENS)
    return (read + student * own) / 1e9


@torch.no_grad()
def _logits(network: nn.Module, tokens: Tensor) -> Tensor:
    logits: Tensor = network(tokens).logits
    return logits
