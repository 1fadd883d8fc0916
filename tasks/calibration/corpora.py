"""Labelled texts, split into a part for the model, a part for prompts and labels, and a part for questions."""

from __future__ import annotations

import functools
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tasks import data, standard_library
from tasks.base import NotApplicable


@dataclass(frozen=True)
class Example:
    """A text and its class, counted from 0."""

    text: str
    label: int


@dataclass(frozen=True)
class Pools:
    """Three sets of examples that share no text.

    Args:
        model: what a small model may be trained on.
        support: where demonstrations and labelled inputs come from.
        query: where unlabelled inputs and test questions come from.
    """

    model: tuple[Example, ...]
    support: tuple[Example, ...]
    query: tuple[Example, ...]


@dataclass(frozen=True, kw_only=True)
class LabelledTexts(ABC):
    """Where texts come from.

    Args:
        classes: names of the K classes, for tables and messages.
        longest: characters that a text may have; longer ones are cut after a word. None keeps them whole.
    """

    classes: tuple[str, ...]
    longest: int | None

    @abstractmethod
    def pools(self) -> Pools:
        """The texts.

        Raises:
            NotApplicable: they are not here.
        """

    @abstractmethod
    def check(self) -> None:
        """Say cheaply whether the texts can be read here.

        Raises:
            NotApplicable: they cannot.
        """

    @abstractmethod
    def surroundings(self) -> dict[str, str]:
        """What decides about the texts besides the fields."""

    def cut(self, text: str) -> str:
        """A text as it is shown: on one line and not too long."""
        line = " ".join(text.split())
        if self.longest is None or len(line) <= self.longest:
            return line
        return line[: self.longest + 1].rpartition(" ")[0] or line[: self.longest]


@dataclass(frozen=True, kw_only=True)
class StandardLibraryTopics(LabelledTexts):
    """Docstrings of the standard library; the class is the topic of the module that holds them.

    Every class gets as many texts as the smallest one has, so that questions are balanced.

    Args:
        modules: names of the modules of each topic, separated by blanks, in the order of `classes`.
        model_share, support_share: shares of the texts for the model and for prompts; the rest are questions.
    """

    modules: tuple[str, ...]
    model_share: float
    support_share: float

    def __post_init__(self) -> None:
        if len(self.modules) != len(self.classes):
            raise ValueError(f"{len(self.classes)} classes need as many lists of modules, got {len(self.modules)}")
        if not 0 < self.model_share + self.support_share < 1:
            raise ValueError("model_share and support_share must leave texts for questions")

    def pools(self) -> Pools:
        """Texts by topic, split by the hash of the text, so that a text keeps its part across Python versions."""
        topic = {module: label for label, names in enumerate(self.modules) for module in names.split()}
        by_topic: dict[int, set[str]] = {label: set() for label in range(len(self.classes))}
        owners: dict[str, set[int]] = {}
        for function in standard_library.functions():
            if function.module in topic:
                owners.setdefault(self.cut(function.summary), set()).add(topic[function.module])
        for text, labels in owners.items():
            if len(labels) == 1:  # a text that two topics share once it is cut has no right answer
                by_topic[min(labels)].add(text)
        size = min(len(texts) for texts in by_topic.values())
        parts: tuple[list[Example], ...] = ([], [], [])
        ends = (round(size * self.model_share), round(size * (self.model_share + self.support_share)), size)
        for label, texts in by_topic.items():
            for place, text in enumerate(sorted(texts, key=_hash)[:size]):
                parts[next(index for index, end in enumerate(ends) if place < end)].append(Example(text, label))
        return Pools(*(tuple(part) for part in parts))

    def check(self) -> None:
        """Say whether this interpreter carries its source."""
        present = {function.module for function in standard_library.functions()}
        for name, modules in zip(self.classes, self.modules, strict=True):
            if not present & set(modules.split()):
                raise NotApplicable(f"this Python has no source of the modules of the topic '{name}': {modules}")

    def surroundings(self) -> dict[str, str]:
        """The version of the standard library decides about the texts."""
        return standard_library.surroundings()


@dataclass(frozen=True, kw_only=True)
class ManifestTexts(LabelledTexts):
    """A data set of the manifest with a training, a validation and a test file.

    Args:
        data_set: its name in the manifest.
        train, validation, test: names of its files.
        encoding: of the files.
        json: True for objects with `text` and `label` on every line, False for lines `label text`, where what follows
            a colon in the label (a finer class) is left out.
        keys: how the classes are written in the files, in the order of `classes`.
        model_share: share of the training file for the model; demonstrations and labelled inputs come from the rest
            and from the validation file.
    """

    data_set: str
    train: str
    validation: str
    test: str
    encoding: str
    json: bool
    keys: tuple[str, ...]
    model_share: float

    def pools(self) -> Pools:
        """The texts of the three files; the training file is split by the hash of the text."""
        train = self._examples(self.train)
        model = [example for example in train if _hash(example.text) < self.model_share]
        support = self._examples(self.validation) + [e for e in train if _hash(e.text) >= self.model_share]
        query = self._examples(self.test)
        asked = {example.text for example in query}
        kept = [example for example in support if example.text not in asked]
        seen = asked | {example.text for example in kept}
        return Pools(tuple(e for e in model if e.text not in seen), tuple(_unique(kept)), tuple(query))

    def check(self) -> None:
        """Say whether the files are here or may be downloaded."""
        for file in (self.train, self.validation, self.test):
            data.check(self.data_set, file)

    def surroundings(self) -> dict[str, str]:
        """Nothing: the manifest fixes the content of the files."""
        return {}

    def _examples(self, file: str) -> list[Example]:
        labels = {key: label for label, key in enumerate(self.keys)}
        return list(_unique(Example(self.cut(text), labels[key]) for key, text in self._rows(file)))

    def _rows(self, file: str) -> Iterator[tuple[str, str]]:
        """Label and text of each line."""
        if self.json:
            for content in data.json_lines(self.data_set, file):
                yield str(content["label"]), str(content["text"])
        else:
            for line in data.lines(self.data_set, file, self.encoding):
                key, _, text = line.partition(" ")
                yield key.partition(":")[0], text


@dataclass(frozen=True, kw_only=True)
class SkewedQueries(LabelledTexts):
    """The texts of another source with the classes of the questions shifted: one class is favoured.

    The part for the model and the part for prompts and labels stay as they are, so that labels tell nothing of the
    shift. Of the questions as many are left out as it takes, by the hash of the text; the shares of the other classes
    among themselves stay what they are.

    Args:
        texts: the source; `classes` and `longest` are those of it.
        favoured: name of the class.
        share: of that class among the questions.
    """

    texts: LabelledTexts
    favoured: str
    share: float

    def __post_init__(self) -> None:
        if self.classes != self.texts.classes or self.longest != self.texts.longest:
            raise ValueError("classes and longest must be those of the texts")
        if self.favoured not in self.classes:
            raise ValueError(f"favoured must be one of the classes {', '.join(self.classes)}, got '{self.favoured}'")
        if not 0 < self.share < 1:
            raise ValueError(f"share must lie between 0 and 1, got {self.share}")

    def pools(self) -> Pools:
        """The texts, fewer of them among the questions."""
        pools, label = self.texts.pools(), self.classes.index(self.favoured)
        groups: dict[int, list[Example]] = {}
        for example in pools.query:
            groups.setdefault(example.label, []).append(example)
        size = min(
            len(groups[label]) / self.share, (len(pools.query) - len(groups[label])) / (1 - self.share)
        )  # of the largest set of questions with these shares
        others = len(pools.query) - len(groups[label])
        kept: set[Example] = set()
        for own, group in groups.items():
            part = size * self.share if own == label else size * (1 - self.share) * len(group) / others
            kept |= set(sorted(group, key=lambda example: _hash(example.text))[: round(part)])
        return Pools(pools.model, pools.support, tuple(example for example in pools.query if example in kept))

    def check(self) -> None:
        """Say whether the source can be read here."""
        self.texts.check()

    def surroundings(self) -> dict[str, str]:
        """Those of the source."""
        return self.texts.surroundings()


def _unique(examples: Iterable[Example]) -> Iterable[Example]:
    """The first example of each text."""
    return {example.text: example for example in reversed(list(examples))}.values()


@functools.cache
def _hash(text: str) -> float:
    """A number in [0, 1) that only depends on the text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
