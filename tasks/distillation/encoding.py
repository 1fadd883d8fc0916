"""Examples as token ids."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from tasks.base import read_only
from tasks.distillation import TokenData
from tasks.distillation.corpora import Example, PromptedTexts
from tasks.language_models import load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Examples with more tokens than this are left out.

    Args:
        prompt: tokens of a prompt.
        response: tokens of a response, its end token included.
    """

    prompt: int
    response: int


def encoded(
    examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, limits: Limits
) -> tuple[TokenData, tuple[Example, ...]]:
    """Examples as token ids, each with the end token behind it, and the examples that were not too long."""

    def ids(texts: list[str]) -> list[list[int]]:
        return cast("list[list[int]]", tokenizer(texts, add_special_tokens=False)["input_ids"]) if texts else []

    prompts, responses = ids([one.prompt for one in examples]), ids([one.response for one in examples])
    end = int(tokenizer.eos_token_id)
    rows = [
        (example, prompt, [*response, end])
        for example, prompt, response in zip(examples, prompts, responses, strict=True)
        if len(prompt) <= limits.prompt and len(response) < limits.response
    ]
    length = [len(prompt) + len(response) for _, prompt, response in rows]
    tokens = np.full((len(rows), max(length, default=0)), end, dtype=np.int64)
    for row, (_, prompt, response) in enumerate(rows):
        tokens[row, : length[row]] = prompt + response
    prompt_length = read_only([len(prompt) for _, prompt, _ in rows], np.int64)
    data = TokenData(read_only(tokens), prompt_length, read_only(length, np.int64))
    return data, tuple(example for example, _, _ in rows)


@dataclass(frozen=True)
class Encoded:
    """The sets of examples as token ids, and those for validation and testing as text too."""

    train: TokenData
    validation: TokenData
    validation_examples: tuple[Example, ...]
    test: TokenData
    test_examples: tuple[Example, ...]
    second: TokenData
    second_examples: tuple[Example, ...]


@functools.lru_cache(maxsize=2)
def encoded_splits(corpus: PromptedTexts, limits: Limits, place: str) -> Encoded:
    """The examples in the tokens of the model at a place."""
    splits, tokenizer = corpus.splits(), load_tokenizer(place)
    train, _ = encoded(splits.train, tokenizer, limits)
    validation, test, second = (
        encoded(part, tokenizer, limits) for part in (splits.validation, splits.test, splits.second)
    )
    return Encoded(train, *validation, *test, *second)
