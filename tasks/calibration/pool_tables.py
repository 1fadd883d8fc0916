"""Everything that a model says under all templates that a pool may be drawn from: asked once, read in every seed."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks.base import NotApplicable, Run, read_only
from tasks.calibration import CONTENT_FREE, Labels, Reading
from tasks.calibration.corpora import Example, LabelledTexts
from tasks.calibration.encoders import Encoder
from tasks.calibration.pool_models import TemplateTrained, Verbalizer
from tasks.calibration.token_reading import TokenReader
from tasks.preparation import Preparation


@dataclass(frozen=True)
class PoolTable:
    """What a model said about N texts and the inputs that say nothing under all C templates.

    Args:
        templates: one line a template, to be read.
        reading: (C, N); the first `questions` texts may be asked, the others are for validation.
        content_free: (C, 3).
        labels: (N,).
        questions: number of texts that may be asked.
    """

    templates: tuple[str, ...]
    reading: Reading
    content_free: Reading
    labels: Labels
    questions: int


@dataclass(frozen=True, kw_only=True)
class PoolTables(Preparation):
    """The table of one corpus and one model, the same for all seeds.

    Args:
        corpus: where texts come from: questions from its part for questions, validation from its part for prompts.
        validation: texts for validation.
    """

    corpus: LabelledTexts
    validation: int

    @abstractmethod
    def ask(self, texts: Sequence[str], run: Run) -> tuple[list[str], Reading]:
        """All templates in words, and the reading (C, n) of n texts under them."""

    def surroundings(self) -> dict[str, str]:
        """What decides about the texts besides the fields."""
        return self.corpus.surroundings()

    def build(self, seed: int, run: Run) -> None:
        """Ask about every text under every template and write what was said."""
        questions, checks = self.texts()
        examples = [*questions, *checks]
        templates, reading = self.ask([*CONTENT_FREE, *(example.text for example in examples)], run)
        arrays = {"scores": reading.scores, "first_scores": reading.first_scores, "perplexity": reading.perplexity}
        kept: dict[str, Any] = {name: array.astype(np.float32) for name, array in arrays.items() if array is not None}
        labels = np.array([example.label for example in examples], dtype=np.int64)
        words = np.array(templates, dtype=np.str_)
        kept |= {"labels": labels, "templates": words, "questions": np.array(len(questions))}
        np.savez(run.folder / "table.npz", allow_pickle=False, **kept)

    def load(self, folder: Path) -> PoolTable:
        """The table."""
        with np.load(folder / "table.npz") as content:
            arrays = {name: content[name] for name in content.files}
        whole = Reading(
            scores=arrays["scores"].astype(np.float64),
            first_scores=arrays["first_scores"].astype(np.float64) if "first_scores" in arrays else None,
            perplexity=arrays["perplexity"].astype(np.float64) if "perplexity" in arrays else None,
        )
        free, count = len(CONTENT_FREE), whole.scores.shape[1]
        return PoolTable(
            templates=tuple(str(line) for line in arrays["templates"]),
            reading=whole.take(np.arange(free, count)),
            content_free=whole.take(np.arange(free)),
            labels=read_only(arrays["labels"]),
            questions=int(arrays["questions"]),
        )

    def texts(self) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
        """Questions, and the texts for validation: those of the part for prompts whose hash is smallest.

        Raises:
            NotApplicable: the corpus has too few for validation.
        """
        pools = self.corpus.pools()
        if self.validation > len(pools.support):
            raise NotApplicable(
                f"{self.validation} texts for validation are wanted, but {len(pools.support)} are there"
            )
        ordered = sorted(pools.support, key=lambda example: hashlib.sha256(example.text.encode()).digest())
        return pools.query, tuple(ordered[: self.validation])


@dataclass(frozen=True, kw_only=True)
class EncoderTables(PoolTables):
    """A sentence encoder as a zero-shot classifier: the score of a label is the cosine of the text and the template
    filled with the label's word, divided by a temperature. A template is a frame with a verbalizer.

    Args:
        encoder: gives vectors to texts.
        frames: sentences with `{}` where the word goes.
        verbalizers: words for the classes.
        temperature: divides cosines; 0.05 is that of the encoder's own training.
    """

    encoder: Encoder
    frames: tuple[str, ...]
    verbalizers: tuple[Verbalizer, ...]
    temperature: float

    def ask(self, texts: Sequence[str], run: Run) -> tuple[list[str], Reading]:
        """Every frame with every verbalizer; an encoder has no tokens to answer with and no perplexity."""
        pairs = [(frame, verbalizer.words) for frame in self.frames for verbalizer in self.verbalizers]
        filled = [frame.replace("{}", word) for frame, words in pairs for word in words]
        asked = self.encoder.vectors(texts, run)  # (n, d)
        labels = self.encoder.vectors(filled, run).reshape(len(pairs), -1, asked.shape[1])  # (C, K, d)
        scores = np.einsum("nd,ckd->cnk", asked, labels) / self.temperature
        run.ledger.spend("forward_passes", len(texts) + len(filled))
        lines = [frame.replace("{}", "/".join(words)) for frame, words in pairs]
        return lines, Reading(scores=scores, first_scores=None, perplexity=None)


@dataclass(frozen=True, kw_only=True)
class TokenTables(PoolTables):
    """A small language model that reads and answers by tokens. A template is a phrasing with a verbalizer.

    Args:
        model: trained on some of the templates, see there.
    """

    model: TemplateTrained

    def ask(self, texts: Sequence[str], run: Run) -> tuple[list[str], Reading]:
        """Every template of the model, met in training or not."""
        network, tokenizer = self.model.network(), self.model.tokenizer()
        run.fabric.to_device(network)
        reader = TokenReader(network, tokenizer)
        templates = self.model.templates()
        parts = []
        for count, template in enumerate(templates):
            parts.append(reader.read(template, texts))
            run.ledger.spend("forward_passes", len(texts))
            run.progress(count + 1, len(templates))
        scores, first, perplexity = (np.stack(values) for values in zip(*parts, strict=True))
        lines = [" | ".join((it.instruction, it.query, it.answer, "/".join(it.words))) for it in templates]
        return lines, Reading(scores=scores, first_scores=first, perplexity=perplexity)
