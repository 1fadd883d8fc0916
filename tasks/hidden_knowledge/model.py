"""A small model trained on the facts, and what it says and thinks of candidate answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from tasks.base import Run, read_only
from tasks.hidden_knowledge.facts import CHECK, END, NO, YES, Facts, World, checked, opening, told
from tasks.metering import random_stream
from tasks.preparation import Preparation
from tasks.reader import Reader, Shape, causal
from tasks.training import Recipe, fit

IGNORED = -100  # a target that torch's cross-entropy leaves out


@dataclass(frozen=True)
class Answers:
    """What the model says about the questions of a seed: those about subjects that were never verified.

    Args:
        subjects: (q,) of each question.
        candidates: q tuples of m names.
        right: (q, m) bool.
        likelihood: (q, m) log-probability of the name and its end.
        tokens: (q, m) how many these are.
        verify: (q, m) probability of YES against NO.
        hidden: (q, m, layers + 1, width) float32.
        said: (q,) probability that a sample is right.
    """

    subjects: NDArray[np.int64]
    candidates: tuple[tuple[tuple[int, ...], ...], ...]
    right: NDArray[np.bool_]
    likelihood: NDArray[np.float64]
    tokens: NDArray[np.int64]
    verify: NDArray[np.float64]
    hidden: NDArray[np.float32]
    said: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class FactModel(Preparation):
    """For each seed a world and a model trained to tell its facts and, for some subjects, to judge claims.

    Half of each batch tells facts, by their frequency; the loss counts the tokens of the name. The other half judges
    claims. The candidates of a question are both names of the right object and the wrong names that the model finds
    likeliest, as samples of it would bring them up.

    Args:
        facts: the world.
        shape: of the model.
        recipe: of the training.
        candidates: m.
    """

    per_seed: ClassVar[bool] = True

    facts: Facts
    shape: Shape
    recipe: Recipe
    candidates: int

    def __post_init__(self) -> None:
        if not 3 <= self.candidates <= 2 * self.facts.objects:
            raise ValueError(f"candidates must be between 3 and {2 * self.facts.objects}, got {self.candidates}")
        if self.shape.context < 9:
            raise ValueError("a text has up to 9 tokens: the context must not be shorter")

    def world(self, seed: int) -> World:
        """The world of a seed."""
        return self.facts.world(random_stream("hidden_knowledge world", seed))

    def build(self, seed: int, run: Run) -> None:
        """Train the model, ask it, and write what it answers."""
        world = self.world(seed)
        reader = Reader(self.shape, self.facts.vocabulary)

        def objective(batch: tuple[Tensor, ...]) -> Tensor:
            tokens, targets = (run.fabric.to_device(part) for part in batch)
            logits = reader(tokens, *(run.fabric.to_device(it) for it in _reading(tokens)))
            return cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED)

        fit(run, reader, self.recipe, lambda step: self.batch(world, run.rng), objective)
        np.savez(run.folder / "answers.npz", allow_pickle=False, **self._ask(reader.cpu(), world, run))

    def batch(self, world: World, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Tokens and targets (B, T), padded behind."""
        texts = [(told if row % 2 else checked)(self.facts, world, rng) for row in range(self.recipe.batch_size)]
        length = max(len(text) for text, _ in texts) - 1
        tokens = torch.full((len(texts), length), END)
        targets = torch.full((len(texts), length), IGNORED)
        for row, (text, start) in enumerate(texts):
            tokens[row, : len(text) - 1] = torch.tensor(text[:-1])
            targets[row, start - 1 : len(text) - 1] = torch.tensor(text[start:])
        return tokens, targets

    def load(self, folder: Path) -> Answers:
        """What the model says, read-only."""
        with np.load(folder / "answers.npz") as content:
            arrays = {name: read_only(content[name]) for name in content.files}
        names = arrays.pop("names")  # (q, m, 3), padded by END
        kept = tuple(tuple(tuple(int(it) for it in name if it != END) for name in row) for row in names)
        return Answers(candidates=kept, **arrays)

    @torch.no_grad()
    def _ask(self, reader: Reader, world: World, run: Run) -> dict[str, NDArray[Any]]:
        facts, rng = self.facts, run.rng
        asked = np.flatnonzero(~world.verified)
        rows: dict[str, list[Any]] = {
            name: [] for name in ("names", "right", "likelihood", "tokens", "verify", "hidden", "said")
        }
        for subject in asked:
            relation = int(subject) // facts.subjects
            objects = np.repeat(np.arange(facts.objects), 2)
            mine = world.names[relation * facts.objects : (relation + 1) * facts.objects]
            names = [name for both in mine for name in both]
            likelihoods = _likelihoods(reader, opening(facts, int(subject)), names)
            right = objects == world.objects[subject]
            rest = np.argsort(np.where(right, np.inf, -likelihoods), kind="stable")[: self.candidates - 2]
            chosen = rng.permutation(np.concatenate([np.flatnonzero(right), rest]))
            some = [names[place] for place in chosen]
            verify, hidden = _judged(reader, opening(facts, int(subject)), some)
            rows["names"].append([[*name, END, END][:3] for name in some])
            rows["right"].append(right[chosen])
            rows["likelihood"].append(likelihoods[chosen])
            rows["tokens"].append([len(name) + 1 for name in some])
            rows["verify"].append(verify)
            rows["hidden"].append(hidden)
            rows["said"].append(np.exp(likelihoods[right]).sum())
        return {"subjects": asked} | {name: np.array(values) for name, values in rows.items()}


def _reading(tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Positions (B, T) and attention (B, T, T) of ordinary reading."""
    return torch.arange(tokens.shape[1]).expand(tokens.shape), causal(*tokens.shape)


def _likelihoods(reader: Reader, start: Sequence[int], names: Sequence[tuple[int, ...]]) -> NDArray[np.float64]:
    """log P(name, end | question) for each name."""
    tokens = torch.tensor([[*start, *name, END, END][: len(start) + 4] for name in names])
    law = reader(tokens, *_reading(tokens)).double().log_softmax(dim=-1)
    each = law[:, :-1].gather(2, tokens[:, 1:, None])[..., 0]  # (n, T - 1)
    ends = torch.tensor([len(start) + len(name) for name in names])
    places = torch.arange(1, tokens.shape[1])
    counted = (places >= len(start)) & (places <= ends[:, None])
    total: NDArray[np.float64] = (each * counted).sum(dim=1).numpy()
    return total


def _judged(
    reader: Reader, start: Sequence[int], names: Sequence[tuple[int, ...]]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """P(YES) against NO (n,), and the states at CHECK (n, layers + 1, width)."""
    tokens = torch.tensor([[*start, *name, CHECK, CHECK][: len(start) + 4] for name in names])
    ends = torch.tensor([len(start) + len(name) for name in names])
    rows = torch.arange(len(names))
    states = torch.stack([it[rows, ends] for it in reader.states(tokens, *_reading(tokens))], dim=1)
    logits = (reader.norm(states[:, -1]) @ reader.tokens.weight.T).double()
    return torch.sigmoid(logits[:, YES] - logits[:, NO]).numpy(), states.numpy()
