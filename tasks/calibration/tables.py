"""Tables of label probabilities: the model is asked once for each seed, and every method reads the same numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from tasks.base import NotApplicable, Run, read_only
from tasks.calibration import CONTENT_FREE, RANDOM_TEXTS, Labels, Probabilities
from tasks.calibration.asking import Prompted
from tasks.calibration.corpora import Example, LabelledTexts
from tasks.calibration.prompts import Template
from tasks.language_models import LanguageModel
from tasks.metering import random_stream
from tasks.preparation import Preparation


@dataclass(frozen=True)
class Table:
    """What the model said under T prompts; every array is read-only.

    Args:
        content_free: (T, 3, K).
        labelled, labels: (T, n, K) and (n,).
        unlabelled: (T, m, K).
        test, test_labels: (T, q, K) and (q,).
    """

    content_free: Probabilities
    labelled: Probabilities
    labels: Labels
    unlabelled: Probabilities
    test: Probabilities
    test_labels: Labels


@dataclass(frozen=True, kw_only=True)
class Tables(Preparation):
    """The table of each seed.

    A seed draws the demonstrations, their orders, and which inputs are labelled, unlabelled and tested. Draws are
    nested: fewer of anything are the first of more.

    Args:
        model: who is asked.
        corpus: where texts come from.
        templates: prompts are templates times orders.
        shots: demonstrations in a prompt, drawn uniformly, not balanced over classes.
        orders: orders of the demonstrations.
        labelled, unlabelled, test: number of inputs.
    """

    per_seed: ClassVar[bool] = True

    model: LanguageModel
    corpus: LabelledTexts
    templates: tuple[Template, ...]
    shots: int
    orders: int
    labelled: int
    unlabelled: int
    test: int

    def surroundings(self) -> dict[str, str]:
        """What decides about the texts besides the fields."""
        return self.corpus.surroundings()

    @property
    def words(self) -> WordTables:
        """What the model says to random words, for each seed."""
        return WordTables(version=1, tables=self)

    def parts(self) -> dict[str, Preparation]:
        """The model, and the table of random words, which is built beside this one.

        It is no field, and no preparation of a task, so that the keys of tables and the names of cells are what they
        were before it was there. What changes the random words is therefore a new version of the methods that ask for
        them.
        """
        return Preparation.parts(self) | {"words": self.words}

    def build(self, seed: int, run: Run) -> None:
        """Ask the model and write the table, and the openings of the prompts for a reader."""
        demonstrations, labelled, unlabelled, test = self._draw(seed)
        texts = [*CONTENT_FREE, *(example.text for example in [*labelled, *unlabelled, *test])]
        prompts = self._prompts(seed, demonstrations, run)
        rows = _asked(prompts, texts, run)
        ends = np.cumsum([len(CONTENT_FREE), len(labelled), len(unlabelled)])
        free, known, unknown, asked = np.split(rows, ends, axis=1)
        tables = {"content_free": free, "labelled": known, "unlabelled": unknown, "test": asked}
        labels = {"labels": _labels(labelled), "test_labels": _labels(test)}
        np.savez(run.folder / "table.npz", allow_pickle=False, **tables, **labels)
        openings = [prompt.template.opening(prompt.demonstrations) for prompt in prompts]
        (run.folder / "openings.json").write_text(json.dumps(openings, indent=1), encoding="utf-8")

    def load(self, folder: Path) -> Table:
        """The table."""
        with np.load(folder / "table.npz") as content:
            return Table(**{name: read_only(content[name]) for name in content.files})

    def ask_validation(self, seed: int, run: Run) -> tuple[Probabilities, Labels]:
        """What the model says to further labelled inputs under the same prompts: as many as `labelled`, or all that are
        left where there are fewer.

        Returns:
            (T, n, K) and labels (n,).

        Raises:
            NotApplicable: none are left.
        """
        demonstrations, labelled, _, _ = self._draw(seed)
        taken = {example.text for example in (*demonstrations, *labelled)}
        drawn = _shuffled(self.corpus.pools().support, seed, "validation")
        chosen = [example for example in drawn if example.text not in taken][: self.labelled]
        if not chosen:
            raise NotApplicable("demonstrations and labelled inputs leave no text of the corpus for validation")
        rows = _asked(self._prompts(seed, demonstrations, run), [example.text for example in chosen], run)
        return rows, _labels(chosen)

    def ask_words(self, seed: int, run: Run) -> Probabilities:
        """What the model says to random words under the same prompts.

        Args:
            seed: of the task.
            run: gives the device.

        Returns:
            (T, 20, K).
        """
        demonstrations, _, unlabelled, _ = self._draw(seed)
        texts = random_texts([example.text for example in unlabelled], random_stream("calibration words", seed))
        return _asked(self._prompts(seed, demonstrations, run), texts, run)

    def _prompts(self, seed: int, demonstrations: Sequence[Example], run: Run) -> list[Prompted]:
        """The model behind each of the T prompts of a seed."""
        network, tokenizer = self.model.network(), self.model.tokenizer()
        run.fabric.to_device(network)
        return [
            Prompted(network, tokenizer, template, tuple(demonstrations[place] for place in order))
            for template in self.templates
            for order in self._orders(seed)
        ]

    def _draw(self, seed: int) -> tuple[list[Example], ...]:
        """Demonstrations, labelled, unlabelled and test examples; no two of these share a text."""
        pools = self.corpus.pools()
        for name, wanted, pool in (
            ("demonstrations and labelled inputs", self.shots + self.labelled, pools.support),
            ("unlabelled inputs and questions", self.unlabelled + self.test, pools.query),
        ):
            if wanted > len(pool):
                raise NotApplicable(f"{wanted} {name} are wanted, but the corpus has {len(pool)}")
        support = _shuffled(pools.support, seed, "support")
        query = _shuffled(pools.query, seed, "query")
        # taken from both ends, so that the number of one does not move the draw of the other
        first, last = support[: self.labelled], support[len(support) - self.shots :]
        return last[::-1], first, query[len(query) - self.unlabelled :][::-1], query[: self.test]

    def _orders(self, seed: int) -> list[list[int]]:
        rng = random_stream("calibration prompts", seed, "orders")
        return [list(rng.permutation(self.shots)) for _ in range(self.orders)]


@dataclass(frozen=True, kw_only=True)
class WordTables(Preparation):
    """For each seed what the model says to random words of the domain.

    Args:
        tables: of the problem; only their fields are used.
    """

    per_seed: ClassVar[bool] = True

    tables: Tables

    def parts(self) -> dict[str, Preparation]:
        """The model. The tables themselves are not read, and they have this one as a part."""
        return Preparation.parts(self.tables)

    def build(self, seed: int, run: Run) -> None:
        """Ask the model and write its answers."""
        np.savez(run.folder / "words.npz", allow_pickle=False, rows=self.tables.ask_words(seed, run))

    def load(self, folder: Path) -> Probabilities:
        """(T, 20, K), read-only."""
        with np.load(folder / "words.npz") as content:
            return read_only(content["rows"])


@dataclass(frozen=True, kw_only=True)
class ValidationTables(Preparation):
    """For each seed what the model says to labelled inputs by which hyperparameters are chosen. They are in no other
    part of the seed's table.

    Args:
        tables: of the problem.
    """

    per_seed: ClassVar[bool] = True

    tables: Tables

    def build(self, seed: int, run: Run) -> None:
        """Ask the model and write its answers."""
        rows, labels = self.tables.ask_validation(seed, run)
        np.savez(run.folder / "validation.npz", allow_pickle=False, rows=rows, labels=labels)

    def load(self, folder: Path) -> tuple[Probabilities, Labels]:
        """(T, n, K) and labels (n,), read-only."""
        with np.load(folder / "validation.npz") as content:
            return read_only(content["rows"]), read_only(content["labels"])


def random_texts(corpus: Sequence[str], rng: np.random.Generator, count: int = RANDOM_TEXTS) -> list[str]:
    """Texts of random words of a domain, as in Fei et al. 2023 (arXiv 2305.19148, section 4): words that are drawn with
    replacement from all words of the corpus, in lower case, as many as its texts have on average, and a full stop.

    Args:
        corpus: texts of the domain.
        rng: draws.
        count: how many texts.
    """
    words = [text.lower().split() for text in corpus]
    everything = [word for text in words for word in text]
    length = max(1, len(everything) // len(corpus))
    return [" ".join([*(everything[i] for i in rng.integers(len(everything), size=length)), "."]) for _ in range(count)]


def _asked(prompts: Sequence[Prompted], texts: Sequence[str], run: Run) -> Probabilities:
    """(T, n, K) for n texts."""
    rows = []
    for count, prompt in enumerate(prompts):
        rows.append(prompt.probabilities(texts))
        run.ledger.spend("forward_passes", len(texts))
        run.progress(count + 1, len(prompts))
    return np.stack(rows)


def _shuffled(pool: Sequence[Example], seed: int, purpose: str) -> list[Example]:
    order = random_stream("calibration prompts", seed, purpose).permutation(len(pool))
    return [pool[place] for place in order]


def _labels(examples: Sequence[Example]) -> Labels:
    return np.array([example.label for example in examples], dtype=np.int64)
