"""Prompts with reference responses, split once and for all into training, validation and test."""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass

from tasks import standard_library

_SENTENCE = re.compile(r".+?(?<!\be\.g)(?<!\bi\.e)(?<!\betc)[.!?](?=\s+[^a-z]|$)")
_SHORTEST = 3  # words of a sentence that says something


@dataclass(frozen=True)
class Example:
    """A prompt and one reference response."""

    prompt: str
    response: str


@dataclass(frozen=True)
class Splits:
    """Sets of examples that share no prompt.

    Args:
        train, validation, test: from one source.
        second: a second test set, from another source; may be empty.
    """

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    test: tuple[Example, ...]
    second: tuple[Example, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PromptedTexts(ABC):
    """Where prompts and responses come from.

    Args:
        validation_share, test_share: of the prompts; the rest is for training.
    """

    validation_share: float
    test_share: float

    @abstractmethod
    def examples(self) -> tuple[Example, ...]:
        """The examples that are split by their prompts.

        Raises:
            NotApplicable: they cannot be had here.
        """

    def held_out(self) -> tuple[Example, ...]:
        """Examples that the source itself keeps for testing; they join those that the split gives."""
        return ()

    def second(self) -> tuple[Example, ...]:
        """A second test set, from another source than the first."""
        return ()

    def final_answer(self, response: str) -> str | None:
        """The part of a response that is right or wrong; None where the texts have no such part."""
        return None

    def check(self) -> None:
        """Say cheaply whether the texts can be had here.

        Raises:
            NotApplicable: they cannot.
        """
        self.examples()

    @abstractmethod
    def surroundings(self) -> dict[str, str]:
        """Facts outside the fields that change the texts."""

    def splits(self) -> Splits:
        """The examples in sets. A prompt's hash decides, so that all references of a prompt stay together."""
        held_out = self.held_out()
        kept = {example.prompt for example in held_out}
        rows: tuple[list[Example], ...] = ([], [], list(held_out))
        for example in self.examples():
            if example.prompt in kept:
                continue  # the source tests with it
            digest = hashlib.blake2b(example.prompt.encode(), digest_size=8).digest()
            share = int.from_bytes(digest, "big") / 2**64
            which = 2 if share < self.test_share else 1 if share < self.test_share + self.validation_share else 0
            rows[which].append(example)
        known = {example.prompt for part in rows for example in part}
        second = tuple(example for example in self.second() if example.prompt not in known)
        train, validation, test = map(tuple, rows)
        return Splits(train, validation, test, second)


@dataclass(frozen=True, kw_only=True)
class StandardLibraryDocstrings(PromptedTexts):
    """The functions of Python's standard library: signature in, first sentence of the docstring out.

    Args:
        longest_prompt, longest_response: characters; longer examples are left out, so that what is left does not depend
            on a vocabulary. None keeps all.
    """

    longest_prompt: int | None
    longest_response: int | None

    def examples(self) -> tuple[Example, ...]:
        """One example per distinct sentence."""
        found: dict[str, Example] = {}
        for entry in standard_library.functions():
            sentence = first_sentence(entry.summary)
            prompt = f"{entry.module}.{entry.signature}\n"
            short = len(prompt) <= (self.longest_prompt or len(prompt))
            if (
                short
                and len(sentence.split()) >= _SHORTEST
                and len(sentence) <= (self.longest_response or len(sentence))
            ):
                found.setdefault(sentence.casefold(), Example(prompt, sentence))
        return tuple(found.values())

    def surroundings(self) -> dict[str, str]:
        """Which standard library it is."""
        return standard_library.surroundings()


def first_sentence(paragraph: str) -> str:
    """The first sentence of a paragraph, or all of it where no sentence ends.

    >>> first_sentence("Open a file. Appending, e.g. to a log, is not allowed.")
    'Open a file.'
    """
    found = _SENTENCE.match(paragraph)
    return found.group() if found else paragraph
