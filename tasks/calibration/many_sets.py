"""A small language model that learns to be prompted on many sets of texts, so that it can be asked about others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tasks.base import Run
from tasks.calibration import wordpieces
from tasks.calibration.episodes import IGNORED, Episodes, EpisodeStyle
from tasks.calibration.first_weights import Parts, begin
from tasks.calibration.training_sets import Classes, TrainingSet, by_opening, check_held_out, held_out_texts, origins
from tasks.language_models import Architecture, StoredModel
from tasks.training import Recipe, fit

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SHORTEST = 0.5  # prompts of the first step, as a share of the longest
RIVALS = 256  # words of the vocabulary that compete with the label words of a step


@dataclass(frozen=True, kw_only=True)
class ManySetsTrained(StoredModel):
    """A small GPT-2 that is trained on few-shot prompts over several data sets and asked about others.

    In some of its prompts label words are drawn at random, so that only the demonstrations tell what they mean; in the
    others they come from the names of the classes, so that the meaning of words tells something, too (Wei et al. 2023,
    arXiv 2303.03846, on these two ways to learn in context; Min et al. 2022, arXiv 2110.15943, train on many sets). The
    shares of the classes are skewed in most prompts: where the model is not sure it follows what is frequent in the
    prompt, which is the bias that Zhao et al. 2021 (arXiv 2102.09690) found in large models.

    Its words are those of a pretrained encoder, with vectors reduced to `word_width` numbers and never changed, so that
    words that no training text has still mean something. Its first weights are those of `first_weights.begin`.

    Args:
        package: module that brings the encoder; null: a vocabulary is trained on the texts and its vectors are random.
        vocabulary_size: of the latter.
        word_width: numbers of a word's vector; `Parts` says how wide the network must then be.
        sets: what it is trained on.
        openings, origins: weights of two more groups of classes, like those of the sets: texts by their first word, and
            by the set that they come from; 0 for none.
        held_out: names of sets of which no text may be trained on, see `HELD_OUT`.
        style: of the training prompts.
        length: tokens of the longest training prompts; `recipe.batch_size` of these are one step.
        growth: share of the steps over which prompts grow to that length.
        architecture: size of the network.
        recipe: of the training.
    """

    package: str | None
    vocabulary_size: int
    word_width: int
    sets: tuple[TrainingSet, ...]
    openings: float
    origins: float
    held_out: tuple[str, ...]
    style: EpisodeStyle
    length: int
    growth: float
    architecture: Architecture
    recipe: Recipe

    def __post_init__(self) -> None:
        Parts(self.word_width).check(self.architecture)
        if not 0 < self.length <= self.architecture.context:
            raise ValueError(f"length must lie between 1 and the context {self.architecture.context}")
        if not self.sets or min(self.openings, self.origins) < 0:
            raise ValueError("at least one training set is needed, and weights of 0 or more")
        check_held_out(self.held_out)

    def check(self) -> None:
        """Say whether the package and the texts are here.

        Raises:
            NotApplicable: they are not.
        """
        if self.package is not None:
            wordpieces.check(self.package)
        for part in self.sets:
            part.check()

    def families(self) -> list[tuple[Classes, float]]:
        """Groups of classes that exclude each other, and how often each is drawn."""
        without = held_out_texts(self.held_out)
        groups = {part: part.families(without) for part in self.sets}
        families = [(group, part.weight / len(own)) for part, own in groups.items() for group in own]
        if self.openings:
            families.append((by_opening(groups.values()), self.openings))
        if self.origins:
            families.append((origins({part.name: own for part, own in groups.items()}), self.origins))
        return families

    def size(self, step: int) -> tuple[int, int]:
        """Prompts in the batch of a step, and their length; their product hardly changes."""
        grown = min(1.0, (step + 1) / max(1.0, self.growth * self.recipe.steps))
        length = round(self.length * (SHORTEST + (1 - SHORTEST) * grown))
        return max(1, self.recipe.batch_size * self.length // length), length

    def build(self, seed: int, run: Run) -> None:
        """Train the network; write it and its tokenizer in the hub's format."""
        self.check()
        families = self.families()
        tokenizer, vectors = self._vocabulary(families)
        words = torch.tensor(wordpieces.whole_words(tokenizer))
        episodes = Episodes(tokenizer, families, words.numpy(), self.style)
        network = self.architecture.network(len(tokenizer), tokenizer.eos_token_id, tokenizer.pad_token_id)
        begin(network, wordpieces.reduced(vectors, words, self.word_width))

        def objective(batch: tuple[Tensor, Tensor]) -> Tensor:
            tokens, targets = (part.to(network.device) for part in batch)
            asked = targets != IGNORED  # only these positions need the large output layer
            rivals = run.rng.choice(words.numpy(), size=min(RIVALS, len(words)), replace=False)
            candidates = torch.unique(torch.cat([targets[asked], torch.from_numpy(rivals).to(targets)]))
            states = network.base_model(tokens).last_hidden_state[asked]
            logits = states @ network.get_output_embeddings().weight[candidates].T
            return nn.functional.cross_entropy(logits, torch.searchsorted(candidates, targets[asked]))

        fit(run, network, self.recipe, lambda step: episodes.batch(run.rng, *self.size(step)), objective)
        network.save_pretrained(run.folder)
        tokenizer.save_pretrained(run.folder)

    def _vocabulary(self, families: list[tuple[Classes, float]]) -> tuple[PreTrainedTokenizerFast, Tensor]:
        if self.package is not None:
            return wordpieces.pretrained(self.package)
        texts = (text for classes, _ in families for group in classes.values() for text in group)
        return wordpieces.trained(texts, self.vocabulary_size, self.architecture.width)
