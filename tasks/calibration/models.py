"""A small language model that can be prompted, trained here on few-shot prompts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.base import Run
from tasks.calibration.asking import label_tokens
from tasks.calibration.corpora import Example, LabelledTexts
from tasks.calibration.prompts import Template
from tasks.language_models import Architecture, StoredModel, train_tokenizer
from tasks.training import Recipe, fit

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100  # a target that torch's cross-entropy leaves out


@dataclass(frozen=True, kw_only=True)
class FewShotTrained(StoredModel):
    """A small GPT-2 that is trained on few-shot prompts and on nothing else.

    A training prompt draws a template, shares of the classes from a symmetric Dirichlet distribution, and for every
    example a class from the shares and a text of that class. The loss is the cross-entropy of every label word in the
    prompt. As labels are repeated within a prompt more than chance would, what stands in the prompt tells something
    about the next label, and the model learns to go by it (Chan et al. 2022, arXiv 2205.05055, on burstiness). Asked
    about questions whose labels do *not* follow the demonstrations, it errs towards labels that are frequent in the
    prompt, as large models do (Zhao et al. 2021, arXiv 2102.09690). Nothing else biases it.

    Args:
        corpus: gives the texts; only its part for the model is used.
        templates: prompts are written in all of them.
        architecture: size of the network.
        vocabulary_size: entries of the tokenizer, which is trained on the same texts.
        examples: answered examples in a training prompt, at last.
        growth: share of the steps over which prompts grow from one example to `examples`. Learning long prompts from
            the start stalls for long (as Garg et al. 2022, arXiv 2208.01066, found for other in-context learners).
        concentration: of the Dirichlet distribution, the sum of its K equal parameters; the smaller, the more often a
            prompt repeats a label.
        shortened: share of the texts that are cut after a random number of words, none included, so that the model
            has met short and empty fields, as models trained on text of the web have.
        recipe: of the training.
    """

    corpus: LabelledTexts
    templates: tuple[Template, ...]
    architecture: Architecture
    vocabulary_size: int
    examples: int
    growth: float
    concentration: float
    shortened: float
    recipe: Recipe

    def sizes(self, step: int) -> tuple[int, int]:
        """Prompts in the batch of a step, and examples in each of them; their product hardly changes."""
        grown = (step + 1) / max(1.0, self.growth * self.recipe.steps)
        count = min(self.examples, 1 + int(self.examples * grown))
        return max(1, self.recipe.batch_size * self.examples // count), count

    def surroundings(self) -> dict[str, str]:
        """What decides about the texts besides the fields."""
        return self.corpus.surroundings()

    def build(self, seed: int, run: Run) -> None:
        """Train the tokenizer and the network; write both in the hub's format."""
        examples = self.corpus.pools().model
        words = {template.word(label) for template in self.templates for label in range(len(template.words))}
        texts = [template.closing(example.text, first=False) for template in self.templates for example in examples]
        openings = [template.instruction for template in self.templates]
        tokenizer = train_tokenizer(texts + openings, self.vocabulary_size, sorted(words))
        network = self.architecture.network(len(tokenizer), tokenizer.eos_token_id, tokenizer.pad_token_id)
        prompts = Prompts(tokenizer, self.templates, examples, self.architecture.context)

        def objective(batch: tuple[Tensor, Tensor]) -> Tensor:
            tokens, targets = (part.to(network.device) for part in batch)
            asked = targets != IGNORED  # only these positions need the large output layer
            # a prompt stands anywhere in the context, or every place would have to learn to read by itself
            free = self.architecture.context - tokens.shape[1]
            offsets = torch.from_numpy(run.rng.integers(free + 1, size=(len(tokens), 1)))
            positions = (torch.arange(tokens.shape[1]) + offsets).to(network.device)  # (B, L)
            states = network.base_model(tokens, position_ids=positions).last_hidden_state[asked]
            return torch.nn.functional.cross_entropy(network.get_output_embeddings()(states), targets[asked])

        def draw(step: int) -> tuple[Tensor, Tensor]:
            return prompts.batch(run.rng, *self.sizes(step), self.concentration, self.shortened)

        fit(run, network, self.recipe, draw, objective)
        network.save_pretrained(run.folder)
        tokenizer.save_pretrained(run.folder)


class Prompts:
    """Draws training prompts.

    Args:
        tokenizer: has every label word as one token.
        templates: one is drawn for each prompt.
        examples: the texts.
        context: tokens of the longest prompt; what does not fit is left out.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        templates: tuple[Template, ...],
        examples: tuple[Example, ...],
        context: int,
    ) -> None:
        self._tokenizer, self._templates, self._context = tokenizer, templates, context
        self._words = [label_tokens(tokenizer, template) for template in templates]
        classes = range(len(templates[0].words))
        self._texts = [[example.text for example in examples if example.label == label] for label in classes]

    def batch(
        self, rng: np.random.Generator, size: int, count: int, concentration: float, shortened: float
    ) -> tuple[Tensor, Tensor]:
        """A batch of `size` prompts with `count` examples each.

        Returns:
            Tokens (B, L), and targets (B, L): the label word after the position, or `IGNORED`.
        """
        templates = rng.integers(len(self._templates), size=size)
        shares = rng.dirichlet(np.full(len(self._texts), concentration / len(self._texts)), size=size)  # (B, K)
        labels = np.array([rng.choice(len(row), size=count, p=row) for row in shares])  # (B, count)
        closings = [
            self._closing(rng, template, label, first=place == 0, shortened=shortened)
            for template, row in zip(templates, labels, strict=True)
            for place, label in enumerate(row)
        ]
        pieces = self._tokenizer(closings, add_special_tokens=False)["input_ids"]
        prompts = [self._prompt(templates[b], labels[b], pieces[b * count : (b + 1) * count]) for b in range(size)]
        length = min(self._context, max(len(tokens) for tokens, _ in prompts))
        # the end token fills up: it stands behind everything that is asked, where causal attention cannot see it
        tokens = torch.full((size, length), int(self._tokenizer.eos_token_id))
        targets = torch.full((size, length), IGNORED)
        for row, (ids, places) in enumerate(prompts):
            kept = [place for place in places if place + 1 < length]
            tokens[row, : min(length, len(ids))] = torch.tensor(ids[:length])
            targets[row, kept] = torch.tensor([ids[place + 1] for place in kept], dtype=torch.long)
        return tokens, targets

    def _closing(self, rng: np.random.Generator, template: int, label: int, first: bool, shortened: float) -> str:
        text = self._texts[label][int(rng.integers(len(self._texts[label])))]
        if rng.random() < shortened:
            words = text.split()
            text = " ".join(words[: int(rng.integers(len(words)))])
        chosen = self._templates[template]
        return (chosen.opening([]) if first else "") + chosen.closing(text, first and not chosen.instruction)

    def _prompt(self, template: int, labels: NDArray[np.int64], pieces: list[list[int]]) -> tuple[list[int], list[int]]:
        """Tokens of a prompt, and the places of the tokens that stand before a label word."""
        ids: list[int] = []
        places = []
        for label, piece in zip(labels, pieces, strict=True):
            ids += [*piece, self._words[template][label]]
            places.append(len(ids) - 2)
        return ids, places
