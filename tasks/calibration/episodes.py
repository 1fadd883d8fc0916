"""Few-shot prompts over many sets of texts, to train a model on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.calibration.training_sets import Classes

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100  # a target that torch's cross-entropy leaves out
Tokens = NDArray[np.int64]

INSTRUCTIONS = ("", "", "classify the texts as", "choose one of", "the answer is one of", "possible labels:")
QUERIES = (
    "",
    "text:",
    "input:",
    "question:",
    "q:",
    "sentence:",
    "message:",
    "review:",
    "x:",
    "the text is",
    "example -",
)
ANSWERS = ("label:", "answer:", "a:", "type:", "answer type:", "topic:", "kind:", "output:", "class:", "=>", "it is")


@dataclass(frozen=True, kw_only=True)
class EpisodeStyle:
    """How training prompts are drawn.

    Args:
        classes: most classes in a prompt; the fewest are 2.
        concentration: sum of the K equal parameters of the Dirichlet distribution of class shares; the smaller, the
            more often a prompt repeats a label.
        named: share of the prompts whose label words come from the names of the classes; in the others they are drawn
            from the vocabulary, so that only the demonstrations tell what they mean.
        shortened: share of the texts that are cut after a random number of words, none included.
        longest: tokens of a text.
    """

    classes: int
    concentration: float
    named: float
    shortened: float
    longest: int

    def __post_init__(self) -> None:
        if self.classes < 2 or self.longest < 1 or not self.concentration > 0:
            raise ValueError(f"classes >= 2, longest >= 1 and concentration > 0 are needed, got {self}")


@dataclass(frozen=True)
class Family:
    """Classes that exclude each other, as tokens.

    Args:
        texts: for every class its texts.
        names: for every class the tokens of the words of its name.
    """

    texts: list[list[list[int]]]
    names: list[list[int]]


class Episodes:
    """Draws training prompts.

    Args:
        tokenizer: whose words are wordpieces: the tokens of a prompt are those of its parts.
        families: groups of classes, and how often each is drawn.
        words: tokens that may be label words.
        style: of the prompts.

    Raises:
        ValueError: there are fewer words than a prompt may have classes.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        families: list[tuple[Classes, float]],
        words: Tokens,
        style: EpisodeStyle,
    ) -> None:
        self._tokenizer, self._style, self._words = tokenizer, style, words
        if len(words) < style.classes:
            raise ValueError(f"{style.classes} label words are needed, but the vocabulary has {len(words)} whole words")
        usable = set(words.tolist())
        self._families = [self._family(classes, usable) for classes, _ in families]
        weights = np.array([weight for _, weight in families])
        self._shares = weights / weights.sum()
        self._instructions, self._queries, self._answers = map(self._ids, (INSTRUCTIONS, QUERIES, ANSWERS))

    def _ids(self, texts: tuple[str, ...]) -> list[list[int]]:
        return [list(ids) for ids in self._tokenizer(list(texts), add_special_tokens=False)["input_ids"]]

    def _family(self, classes: Classes, usable: set[int]) -> Family:
        names = [[token for token in ids if token in usable] for ids in self._ids(tuple(classes))]
        return Family([[ids[: self._style.longest] for ids in self._ids(texts)] for texts in classes.values()], names)

    def batch(self, rng: np.random.Generator, size: int, length: int) -> tuple[Tensor, Tensor]:
        """Prompts that are filled with examples up to their length.

        Returns:
            Tokens (B, L), and targets (B, L): the label word after the position, or `IGNORED`.
        """
        # the end token fills up: it stands behind everything that is asked, where causal attention cannot see it
        tokens = torch.full((size, length), int(self._tokenizer.eos_token_id))
        targets = torch.full((size, length), IGNORED)
        for row in range(size):
            ids, places = self.episode(rng, length)
            tokens[row, : len(ids)] = torch.tensor(ids)
            targets[row, places] = torch.tensor([ids[place + 1] for place in places], dtype=torch.long)
        return tokens, targets

    def episode(self, rng: np.random.Generator, length: int) -> tuple[list[int], list[int]]:
        """Tokens of a prompt, and the places before those label words that can be known.

        A drawn word that has not yet stood in the prompt cannot be known, and is no target.
        """
        family = self._families[int(rng.choice(len(self._families), p=self._shares))]
        count = int(rng.integers(2, min(self._style.classes, len(family.texts)) + 1))
        chosen = rng.permutation(len(family.texts))[:count]
        words, known = self._labels(rng, family, chosen)
        start = self._instructions[int(rng.integers(len(INSTRUCTIONS)))]
        query, answer = (part[int(rng.integers(len(part)))] for part in (self._queries, self._answers))
        ids: list[int] = []
        if start:
            ids, known = [*start, *(words[place] for place in rng.permutation(count))], set(words)
        shares = rng.dirichlet(np.full(count, self._style.concentration / count))
        places: list[int] = []
        while True:
            label = int(rng.choice(count, p=shares))
            piece = [*query, *self._text(rng, family.texts[chosen[label]]), *answer, words[label]]
            if len(ids) + len(piece) > length:
                return ids, places
            ids += piece
            if words[label] in known:
                places.append(len(ids) - 2)
            known = known | {words[label]}

    def _labels(self, rng: np.random.Generator, family: Family, chosen: Tokens) -> tuple[list[int], set[int]]:
        """A label word for each class, and those of them that can be known from the start."""
        if rng.random() < self._style.named:
            options = [family.names[place] for place in chosen]
            own = [[token for token in ids if sum(token in other for other in options) == 1] for ids in options]
            if all(own):
                words = [ids[int(rng.integers(len(ids)))] for ids in own]
                return words, set(words)
        drawn: list[int] = rng.choice(self._words, size=len(chosen), replace=False).tolist()
        return drawn, set()

    def _text(self, rng: np.random.Generator, texts: list[list[int]]) -> list[int]:
        ids = texts[int(rng.integers(len(texts)))]
        if rng.random() < self._style.shortened:
            return ids[: int(rng.integers(len(ids) + 1))]
        return ids
