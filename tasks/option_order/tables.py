"""A table of keys and their values, questions about it, and a reader trained on such questions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import cross_entropy

from tasks.base import Run
from tasks.metering import random_stream
from tasks.option_order import Question
from tasks.preparation import Preparation
from tasks.reader import Reader, Shape, causal
from tasks.training import Recipe, fit

BEGIN, ASK, OPTION, ANSWER, FIRST = range(5)  # special tokens, and the first key
MODIFIERS = 5  # tokens that make options longer
LONGEST = 2  # modifiers of a value at most


@dataclass(frozen=True, kw_only=True)
class Table:
    """Which values belong to which key.

    A question names a key and shows options, one of which belongs to it: BEGIN key ASK, then OPTION value modifiers for
    each, then ANSWER. Modifiers belong to the value and make options unequally long.

    Args:
        belongs: (keys, values) bool.
        modifiers: of each value, none to two tokens.
    """

    belongs: NDArray[np.bool_]
    modifiers: tuple[tuple[int, ...], ...]

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return FIRST + sum(self.belongs.shape) + MODIFIERS

    def questions(
        self, rng: np.random.Generator, count: int, places: NDArray[np.float64]
    ) -> tuple[tuple[Question, ...], NDArray[np.int64]]:
        """Drawn questions, no two of one call dependent on each other, and the places (count,) of their answers.

        Args:
            rng: draws.
            count: how many.
            places: (K,) law of the answer's place among K options.
        """
        keys = rng.integers(len(self.belongs), size=count)
        mine = self.belongs[keys]  # (count, values)
        right = np.where(mine, rng.random(mine.shape), -1.0).argmax(axis=1)
        wrong = np.where(mine, 2.0, rng.random(mine.shape)).argsort(axis=1)[:, : len(places) - 1]
        answers = rng.choice(len(places), p=places, size=count).astype(np.int64)
        shown = [np.insert(others, place, it) for others, place, it in zip(wrong, answers, right, strict=True)]
        questions = tuple(
            Question((BEGIN, FIRST + int(key), ASK), tuple(self.option(int(value)) for value in values), (ANSWER,))
            for key, values in zip(keys, shown, strict=True)
        )
        return questions, answers

    def option(self, value: int) -> tuple[int, ...]:
        """The text of an option."""
        return (OPTION, FIRST + len(self.belongs) + value, *self.modifiers[value])


def law_of_places(options: int, decay: float) -> NDArray[np.float64]:
    """(K,): the answer's place i has a probability proportional to decay^i."""
    weights: NDArray[np.float64] = decay ** np.arange(options, dtype=float)
    law: NDArray[np.float64] = weights / weights.sum()
    return law


@dataclass(frozen=True)
class Trained:
    """A table and the reader that was trained on it."""

    table: Table
    reader: Reader


@dataclass(frozen=True, kw_only=True)
class TableReader(Preparation):
    """For each seed a table and a reader trained on questions about it, written in a natural order.

    In that order answers stand at the front more often than at the back, and the reader learns it. Texts begin anywhere
    in the context, as they do in what large models read, and have any of several numbers of options. No text is ever
    laid out other than one token behind the other.

    Args:
        keys, values: of the table.
        paired: values of each key.
        counts: numbers of options.
        decay: the answer's place i has a probability proportional to decay^i.
        shape: of the reader.
        recipe: of the training.
    """

    per_seed: ClassVar[bool] = True

    keys: int
    values: int
    paired: int
    counts: tuple[int, ...]
    decay: float
    shape: Shape
    recipe: Recipe

    def __post_init__(self) -> None:
        most = max(self.counts, default=0)
        if min(self.counts, default=0) < 2 or self.values - self.paired < most - 1 or self.paired < 1:
            raise ValueError("counts must be 2 or more, and a key must leave enough values that do not belong to it")
        if not 0 < self.decay <= 1:
            raise ValueError(f"decay must lie in (0, 1], got {self.decay}")
        if self.longest(most) > self.shape.context:
            raise ValueError(f"a question may have {self.longest(most)} tokens, the context {self.shape.context}")

    def longest(self, options: int) -> int:
        """Tokens of the longest question."""
        return 4 + options * (2 + LONGEST)

    def table(self, seed: int) -> Table:
        """The table of a seed."""
        rng = random_stream("option_order table", seed)
        belongs = np.zeros((self.keys, self.values), dtype=bool)
        for row in belongs:
            row[rng.choice(self.values, size=self.paired, replace=False)] = True
        first = FIRST + self.keys + self.values
        lengths = rng.integers(LONGEST + 1, size=self.values)
        modifiers = tuple(tuple(int(it) for it in first + rng.integers(MODIFIERS, size=length)) for length in lengths)
        return Table(belongs=belongs, modifiers=modifiers)

    def build(self, seed: int, run: Run) -> None:
        """Train; write the weights."""
        table = self.table(seed)
        reader = Reader(self.shape, table.vocabulary)

        def objective(batch: tuple[Tensor, ...]) -> Tensor:
            tokens, positions, attention, answers = (run.fabric.to_device(part) for part in batch)
            return cross_entropy(reader(tokens, positions, attention)[:, -1], answers)

        fit(run, reader, self.recipe, lambda step: self.batch(table, run.rng), objective)
        weights = {name: value.cpu().contiguous() for name, value in reader.state_dict().items()}
        save_file(weights, run.folder / "reader.safetensors")

    def batch(self, table: Table, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Tokens (B, T) with padding in front, positions (B, T), attention (B, T, T), first tokens of answers (B,)."""
        options = int(rng.choice(self.counts))
        questions, answers = table.questions(rng, self.recipe.batch_size, law_of_places(options, self.decay))
        texts = [[*it.prefix, *(token for text in it.options for token in text), *it.suffix] for it in questions]
        length = max(map(len, texts))
        starts = torch.tensor([length - len(text) for text in texts])[:, None]
        offsets = torch.tensor(rng.integers(self.shape.context - length + 1, size=(len(texts), 1)))
        places = torch.arange(length)
        real = places >= starts  # (B, T)
        tokens = torch.tensor([[BEGIN] * (length - len(text)) + text for text in texts])
        attention = causal(len(texts), length) & real[:, None] | torch.eye(length, dtype=torch.bool)
        heads = [it.options[place][1] for it, place in zip(questions, answers, strict=True)]
        return tokens, torch.where(real, offsets + places - starts, 0), attention, torch.tensor(heads)

    def load(self, folder: Path) -> dict[str, Tensor]:
        """The weights, fresh."""
        return load_file(folder / "reader.safetensors")

    def trained(self, seed: int) -> Trained:
        """The table of a seed and its reader, fresh."""
        table = self.table(seed)
        reader = Reader(self.shape, table.vocabulary)
        reader.load_state_dict(self.artefact(seed))
        return Trained(table, reader.eval())
