"""Prompts with demonstrations, in the format of Zhao et al. 2021 that LinC keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.calibration.corpora import Example

BREAK = "\n\n"  # between demonstrations


@dataclass(frozen=True, kw_only=True)
class Template:
    """How a text is asked about.

        <instruction>

        <query><text>
        <answer><label word>

        <query><text>
        <answer>

    Args:
        instruction: first paragraph; may be empty.
        query: what stands before a text, its blank included.
        answer: what stands before a label word, without the blank, which belongs to the word's token.
        words: one word a class.
    """

    instruction: str
    query: str
    answer: str
    words: tuple[str, ...]

    def question(self, text: str) -> str:
        """A text with its query and answer words, up to where the label word follows."""
        return f"{self.query}{text}\n{self.answer}"

    def word(self, label: int) -> str:
        """The label word of a class with its leading blank."""
        return f" {self.words[label]}"

    def opening(self, demonstrations: Sequence[Example]) -> str:
        """Everything before the last question; empty where there is no instruction and no demonstration."""
        shown = [self.question(example.text) + self.word(example.label) for example in demonstrations]
        return BREAK.join(([self.instruction] if self.instruction else []) + shown)

    def closing(self, text: str, first: bool) -> str:
        """The last question, to be put after the opening.

        The paragraph break belongs to this part: byte-level vocabularies split before a break but not after it, so
        that the two parts have the same tokens apart as together.

        Args:
            text: what is asked about.
            first: whether the opening is empty.
        """
        return ("" if first else BREAK) + self.question(text)
