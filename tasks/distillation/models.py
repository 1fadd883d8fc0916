"""Teachers and students: a vocabulary, fresh networks, and networks fine-tuned on references."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tasks.base import Run, read_only
from tasks.distillation import TokenData
from tasks.distillation.corpora import PromptedTexts
from tasks.distillation.encoding import Limits, encoded
from tasks.distillation.measures import TokenBatch, batch_of, pieces, response_logits
from tasks.distillation.sampling import Sampler
from tasks.language_models import Architecture, LanguageModel, StoredModel, load_tokenizer, train_tokenizer
from tasks.preparation import Preparation
from tasks.training import Recipe, fit

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

DRAWN_AT_ONCE = 256  # sequences
FILE = "responses.npz"


@dataclass(frozen=True, kw_only=True)
class Vocabulary(Preparation):
    """A byte-level vocabulary, trained on the training examples.

    Args:
        corpus: the examples.
        size: entries.
    """

    corpus: PromptedTexts
    size: int

    def surroundings(self) -> dict[str, str]:
        """What decides about the texts besides the fields."""
        return self.corpus.surroundings()

    def build(self, seed: int, run: Run) -> None:
        """Train the tokenizer; write it in the hub's format."""
        texts = [example.prompt + example.response for example in self.corpus.splits().train]
        train_tokenizer(texts, self.size).save_pretrained(run.folder)

    def load(self, folder: Path) -> PreTrainedTokenizerBase:
        """The tokenizer, shared."""
        return load_tokenizer(str(folder))


@dataclass(frozen=True, kw_only=True)
class Fresh(StoredModel):
    """A network of the GPT-2 architecture with fresh weights.

    Args:
        vocabulary: its tokenizer.
        architecture: its size.
    """

    vocabulary: Vocabulary
    architecture: Architecture

    def build(self, seed: int, run: Run) -> None:
        """Draw the weights from torch's global generator, which the runner has seeded; write them and the tokenizer."""
        tokenizer = self.vocabulary.artefact(seed)
        end, pad = tokenizer.convert_tokens_to_ids([tokenizer.eos_token, tokenizer.pad_token])
        self.architecture.network(len(tokenizer), end, pad).save_pretrained(run.folder)
        tokenizer.save_pretrained(run.folder)


@dataclass(frozen=True, kw_only=True)
class FineTuned(StoredModel):
    """A network fine-tuned on the references of the training prompts.

    Args:
        start: the network before, fresh or from the hub.
        corpus: the examples.
        limits: longer examples are left out.
        recipe: of the training; the loss is the cross-entropy of the response tokens.
    """

    start: LanguageModel
    corpus: PromptedTexts
    limits: Limits
    recipe: Recipe

    def surroundings(self) -> dict[str, str]:
        """What decides about the texts besides the fields."""
        return self.corpus.surroundings()

    def build(self, seed: int, run: Run) -> None:
        """Train; write the network and the tokenizer in the hub's format."""
        network, tokenizer = self.start.network(), self.start.tokenizer()
        data, _ = encoded(self.corpus.splits().train, tokenizer, self.limits)
        size, needed = self.recipe.batch_size, self.recipe.steps * self.recipe.batch_size
        passes = [run.rng.permutation(len(data)) for _ in range(-(-needed // len(data)))]
        order = np.concatenate([np.empty(0, np.int64), *passes])

        def draw(step: int) -> TokenBatch:
            return batch_of(data.take(order[step * size : (step + 1) * size]), network.device)

        def objective(batch: TokenBatch) -> Tensor:
            return cross_entropy(response_logits(network(batch.tokens).logits, batch), batch.targets)

        fit(run, network, self.recipe, draw, objective)
        network.save_pretrained(run.folder)
        tokenizer.save_pretrained(run.folder)


@dataclass(frozen=True, kw_only=True)
class TeacherCorpus(Preparation):
    """One response of the teacher to each training prompt, drawn at temperature 1.

    Args:
        teacher: the language model.
        corpus: the examples.
        limits: longer examples are left out, and responses end there.
    """

    teacher: LanguageModel
    corpus: PromptedTexts
    limits: Limits

    def surroundings(self) -> dict[str, str]:
        """What decides about the texts besides the fields."""
        return self.corpus.surroundings()

    def build(self, seed: int, run: Run) -> None:
        """Draw the responses; write all sequences."""
        network, tokenizer = cast("nn.Module", self.teacher.network()).to(run.fabric.device), self.teacher.tokenizer()
        data, _ = encoded(self.corpus.splits().train, tokenizer, self.limits)
        end = int(tokenizer.eos_token_id)
        sample = Sampler(self.limits.response, end)
        drawn = [sample(network, piece, run.rng).sequences for piece in pieces(data, DRAWN_AT_ONCE)]
        width = self.limits.prompt + self.limits.response
        gaps = [((0, 0), (0, width - part.tokens.shape[1])) for part in drawn]
        tokens = [np.pad(part.tokens, gap, constant_values=end) for part, gap in zip(drawn, gaps, strict=True)]
        length = np.concatenate([part.length for part in drawn])
        np.savez(run.folder / FILE, tokens=np.concatenate(tokens), prompt_length=data.prompt_length, length=length)

    def load(self, folder: Path) -> TokenData:
        """The sequences, in the order of the training examples."""
        with np.load(folder / FILE) as kept:
            return TokenData(*(read_only(kept[name]) for name in ("tokens", "prompt_length", "length")))
