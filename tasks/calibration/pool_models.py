"""A small language model that has met some templates often, some rarely and some never."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.base import Run
from tasks.calibration.corpora import LabelledTexts
from tasks.calibration.prompts import Template
from tasks.calibration.token_reading import label_words
from tasks.language_models import Architecture, StoredModel, train_tokenizer
from tasks.metering import random_stream
from tasks.training import Recipe, fit

IGNORED = -100  # a target that torch's cross-entropy leaves out


@dataclass(frozen=True, kw_only=True)
class Phrasing:
    """How a text is asked about, without the label words; see `Template`."""

    instruction: str
    query: str
    answer: str


@dataclass(frozen=True, kw_only=True)
class Verbalizer:
    """How the classes are called.

    Args:
        words: one word or phrase a class.
    """

    words: tuple[str, ...]


@dataclass(frozen=True)
class Habits:
    """How often each of C templates was met in training, and how its labels were.

    Args:
        shares: (C,), of the training prompts; 0 for a template that was never met.
        noise: (C,), chance that a label is not that of its text but drawn from the class shares.
        classes: (C, K), class shares.
    """

    shares: NDArray[np.float64]
    noise: NDArray[np.float64]
    classes: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class TemplateTrained(StoredModel):
    """A small GPT-2 trained on answered questions, one a prompt, under a part of all templates.

    What makes templates unlike is how they were met, as in text of the web: some phrasings stand before right answers
    more often than others, labels are more frequent in some than in others, and some combinations of a phrasing with
    label words are new. The loss is the cross-entropy of the answers' tokens plus `text_weight` times that of the
    prompt's own tokens, so that prompts have a perplexity that means something.

    Args:
        corpus: gives the texts; only its part for the model is used.
        phrasings, verbalizers: a template is one of each.
        met: share of the templates that occur in training.
        decay: the i-th template met occurs in proportion to i ** -decay.
        noise: largest chance of a template's label to be drawn without regard to the text.
        skew: concentration of the Dirichlet distribution of a template's class shares, the sum of its K equal
            parameters; the smaller, the more unequal.
        architecture: size of the network.
        vocabulary_size: entries of the tokenizer, which is trained on the same texts and keeps first words whole.
        text_weight: weight of the prompt's own tokens in the loss.
        shortened: share of the texts that are cut after a random number of words, none included.
        recipe: of the training.
    """

    corpus: LabelledTexts
    phrasings: tuple[Phrasing, ...]
    verbalizers: tuple[Verbalizer, ...]
    met: float
    decay: float
    noise: float
    skew: float
    architecture: Architecture
    vocabulary_size: int
    text_weight: float
    shortened: float
    recipe: Recipe

    def __post_init__(self) -> None:
        classes = len(self.corpus.classes)
        if not self.phrasings or any(len(it.words) != classes for it in self.verbalizers) or not self.verbalizers:
            raise ValueError(f"at least one phrasing and one verbalizer are needed, and {classes} words in each")
        if not (0 < self.met <= 1 and 0 <= self.noise <= 1 and 0 <= self.shortened <= 1 and self.skew > 0):
            raise ValueError("met, noise and shortened are shares, met above 0, and skew must be above 0")

    def surroundings(self) -> dict[str, str]:
        """What decides about the texts besides the fields."""
        return self.corpus.surroundings()

    def templates(self) -> list[Template]:
        """All of them, phrasing by phrasing."""
        return [
            Template(instruction=it.instruction, query=it.query, answer=it.answer, words=verbalizer.words)
            for it in self.phrasings
            for verbalizer in self.verbalizers
        ]

    def habits(self) -> Habits:
        """Drawn once; the same whatever the other fields are."""
        count, classes = len(self.phrasings) * len(self.verbalizers), len(self.corpus.classes)
        rng = random_stream("calibration pool habits", count, classes)
        places = rng.permutation(count)[: max(1, round(self.met * count))]
        shares = np.zeros(count)
        shares[places] = np.arange(1, len(places) + 1) ** -self.decay
        noise = self.noise * rng.uniform(size=count)
        return Habits(shares / shares.sum(), noise, rng.dirichlet(np.full(classes, self.skew / classes), size=count))

    def build(self, seed: int, run: Run) -> None:
        """Train the tokenizer and the network; write both in the hub's format."""
        templates = self.templates()
        examples = self.corpus.pools().model
        written = {template.closing(example.text, first=True) for template in templates[:1] for example in examples}
        parts = [f"{it.instruction}\n\n{it.query}\n{it.answer}" for it in self.phrasings]
        words = [template.word(label) for template in templates for label in range(len(template.words))]
        firsts = {" " + word.split()[0] for word in words}
        tokenizer = train_tokenizer(
            [*sorted(written), *parts, *sorted(set(words))], self.vocabulary_size, sorted(firsts)
        )
        network = self.architecture.network(len(tokenizer), tokenizer.eos_token_id, tokenizer.pad_token_id)
        answers = [label_words(tokenizer, template) for template in templates]
        texts = [[e.text for e in examples if e.label == label] for label in range(len(self.corpus.classes))]
        habits, end = self.habits(), int(tokenizer.eos_token_id)

        def draw(step: int) -> tuple[Tensor, Tensor, Tensor]:
            chosen = run.rng.choice(len(templates), size=self.recipe.batch_size, p=habits.shares)
            prompts, labels = [], []
            for place in chosen:
                label = int(run.rng.choice(len(texts), p=habits.classes[place]))
                prompts.append(self._prompt(run.rng, templates[place], texts[label]))
                noisy = run.rng.random() < habits.noise[place]
                labels.append(int(run.rng.choice(len(texts), p=habits.classes[place])) if noisy else label)
            ids = tokenizer(prompts, add_special_tokens=False)["input_ids"]
            return padded(
                [[end, *row] for row in ids], [answers[p][k] for p, k in zip(chosen, labels, strict=True)], end
            )

        def objective(batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
            tokens, asked, read = (part.to(network.device) for part in batch)
            logits = network(tokens).logits.flatten(0, 1)
            loss = torch.nn.functional.cross_entropy
            return loss(logits, asked.flatten()) + self.text_weight * loss(logits, read.flatten())

        fit(run, network, self.recipe, draw, objective)
        network.save_pretrained(run.folder)
        tokenizer.save_pretrained(run.folder)

    def _prompt(self, rng: np.random.Generator, template: Template, texts: list[str]) -> str:
        text = texts[int(rng.integers(len(texts)))]
        if rng.random() < self.shortened:
            words = text.split()
            text = " ".join(words[: int(rng.integers(len(words)))])
        opening = template.opening(())
        return opening + template.closing(text, first=not opening)


def padded(prompts: list[list[int]], answers: list[list[int]], fill: int) -> tuple[Tensor, Tensor, Tensor]:
    """A batch of prompts (B, L) with their answers, and two sets of targets (B, L).

    Returns:
        Tokens; targets that are tokens of the answers; targets that are tokens of the prompts. The others are
        `IGNORED`. What fills up stands behind everything, where causal attention cannot see it.
    """
    length = max(len(prompt) + len(answer) for prompt, answer in zip(prompts, answers, strict=True))
    tokens = torch.full((len(prompts), length), fill)
    asked, read = torch.full((2, len(prompts), length), IGNORED)
    for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        tokens[row, : len(prompt) + len(answer)] = torch.tensor(prompt + answer)
        read[row, : len(prompt) - 1] = torch.tensor(prompt[1:])
        asked[row, len(prompt) - 1 : len(prompt) + len(answer) - 1] = torch.tensor(answer)
    return tokens, asked, read
