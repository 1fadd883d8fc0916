"""Real texts under pools of templates that are drawn anew in every seed."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.base import NotApplicable, read_only
from tasks.calibration import AllTokenPool, PromptPool, Reading
from tasks.calibration.corpora import LabelledTexts
from tasks.calibration.encoders import Encoder
from tasks.calibration.pool_models import TemplateTrained, Verbalizer
from tasks.calibration.pool_tables import EncoderTables, PoolTable, PoolTables, TokenTables
from tasks.calibration.pools import PoolDraw, PoolTask, frozen, information
from tasks.preparation import Preparation


@dataclass(frozen=True, kw_only=True)
class TextPool(PoolTask):
    """A seed draws templates, unlabelled inputs and questions from one table, which all seeds share.

    Args:
        corpus: where texts come from.
        templates: T, drawn from all that the model was asked under.
        unlabelled, test: inputs.
        validation: texts of the validation set, which is the same in all seeds.
    """

    corpus: LabelledTexts
    templates: int
    unlabelled: int
    test: int
    validation: int

    def __post_init__(self) -> None:
        if min(self.templates, self.unlabelled, self.test, self.validation) < 1:
            raise ValueError("templates, unlabelled, test and validation must be 1 or more")

    @property
    @abstractmethod
    def table(self) -> PoolTables:
        """What the model says under all templates."""

    def preparations(self) -> dict[str, Preparation]:
        """The table, which is built from the model."""
        return {"table": self.table}

    def check(self) -> None:
        """Say whether the texts can be had here."""
        self.corpus.check()

    def draw(self, seed: int) -> PoolDraw:
        """Everything that belongs to a seed. Draws are nested: fewer of anything are the first of more.

        Raises:
            NotApplicable: the table has fewer templates or texts than are wanted.
        """
        table: PoolTable = self.table.artefact(seed)
        for name, wanted, there in (
            ("templates", self.templates, len(table.templates)),
            ("unlabelled inputs and questions", self.unlabelled + self.test, table.questions),
        ):
            if wanted > there:
                raise NotApplicable(f"{wanted} {name} are wanted, but there are {there}")
        chosen = self.stream(seed, "templates").permutation(len(table.templates))[: self.templates]
        texts = self.stream(seed, "texts").permutation(table.questions)
        test, unlabelled = texts[: self.test], texts[len(texts) - self.unlabelled :][::-1]
        checks = np.arange(table.questions, len(table.labels))
        reading = _under(table.reading, chosen)
        return PoolDraw(
            unlabelled=frozen(reading.take(unlabelled)),
            content_free=_under(table.content_free, chosen),
            test=frozen(reading.take(test)),
            test_labels=read_only(table.labels[test]),
            validation=frozen(reading.take(checks)),
            validation_labels=read_only(table.labels[checks]),
        )


@dataclass(frozen=True, kw_only=True)
class EncoderPool(TextPool):
    """A pretrained sentence encoder classifies texts by the sentences that it finds nearest.

    Args:
        encoder, frames, verbalizers, temperature: see `EncoderTables`.
    """

    encoder: Encoder
    frames: tuple[str, ...]
    verbalizers: tuple[Verbalizer, ...]
    temperature: float

    @property
    def table(self) -> EncoderTables:
        """What the encoder says under all templates."""
        return EncoderTables(
            version=1,
            corpus=self.corpus,
            validation=self.validation,
            encoder=self.encoder,
            frames=self.frames,
            verbalizers=self.verbalizers,
            temperature=self.temperature,
        )

    def check(self) -> None:
        """Say whether the texts and the encoder can be had here."""
        self.corpus.check()
        self.encoder.check()

    def problem(self, seed: int) -> PromptPool:
        """The problem of a seed."""
        return PromptPool(**information(self.corpus.classes, self.draw(seed)))


@dataclass(frozen=True, kw_only=True)
class TokenPool(TextPool):
    """A small language model classifies texts by the probability of answers, token by token.

    Args:
        model: was trained on some of the templates.
    """

    model: TemplateTrained

    @property
    def table(self) -> TokenTables:
        """What the model says under all templates."""
        return TokenTables(version=1, corpus=self.corpus, validation=self.validation, model=self.model)

    def problem(self, seed: int) -> AllTokenPool:
        """The problem of a seed."""
        return AllTokenPool(**information(self.corpus.classes, self.draw(seed)))


def _under(reading: Reading, templates: NDArray[np.int64]) -> Reading:
    """The reading under some of its templates."""
    first, perplexity = reading.first_scores, reading.perplexity
    return frozen(
        Reading(
            scores=reading.scores[templates],
            first_scores=None if first is None else first[templates],
            perplexity=None if perplexity is None else perplexity[templates],
        )
    )
