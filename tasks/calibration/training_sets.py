"""Classes of texts, from many data sets, on which a model learns to be prompted."""

from __future__ import annotations

import csv
import functools
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from tasks import data
from tasks.base import NotApplicable

Classes = dict[str, tuple[str, ...]]  # texts by the name of their class
Rows = Iterator[tuple[str, str]]  # name of a class, and a text

FEWEST = 8  # texts that a class must have
BEGINNING = 50  # letters by which texts are compared; tasks show more of a text
OPENINGS, MOST = 40, 400  # classes of texts by their first word, and texts in each at most
ORIGIN = 3000  # texts that stand for a set at most, where the class is the set

FILES = {  # files of the manifest that a set is read from; where a set has several parts, those for training
    "sst2": ("sst2", ("stsa.binary.train.gz",)),
    "clinc150": ("clinc150", ("data_small.json.gz",)),
    "banking77": ("banking77", ("train.csv.gz",)),
    "dbpedia": ("dbpedia_subset", ("classes.txt", "train.jsonl", "dev.jsonl")),
    "restaurants": ("e2e_nlg", ("devset.csv.gz",)),
    "word_problems": ("svamp", ("SVAMP.json.gz",)),
    "instructions": ("dolly3k", ("dolly_3k.json.gz",)),
    "trials": ("clinicaltrials_registry", ("clinical_trials.csv.gz",)),
}

HELD_OUT = {  # parts of sets on which tasks ask questions, with the encoding of each file
    "sst2": (("stsa.binary.dev", "utf-8"), ("stsa.binary.test", "utf-8")),
    "trec": (("train.txt.gz", "latin-1"), ("validation.txt", "latin-1"), ("test.txt", "latin-1")),
    "subj": (("train.jsonl.gz", "utf-8"), ("val.jsonl.gz", "utf-8"), ("test.jsonl.gz", "utf-8")),
}


def _sst2() -> Rows:
    names = {"0": "negative bad terrible", "1": "positive good great"}
    for line in data.lines(*_file("sst2")):
        key, _, text = line.partition(" ")
        yield names[key], text


def _clinc150() -> Rows:
    content = json.loads(data.text(*_file("clinc150")))
    return ((name.replace("_", " "), text) for text, name in content["train"])


def _banking77() -> Rows:
    for row in _table("banking77"):
        yield re.sub(r"[_?]", " ", row["category"]), row["text"]


def _dbpedia() -> Rows:
    name, (classes, *files) = FILES["dbpedia"]
    names = [re.sub(r"(?<=[a-z])(?=[A-Z])", " ", line) for line in data.lines(name, classes)]
    for file in files:
        for row in data.json_lines(name, file):
            yield names[int(row["label"]) - 1], row["sentence"]


def _restaurants() -> Rows:
    """Each text has a class for every attribute that it speaks of: its kind of food, its part of the town, .."""
    for row in _table("restaurants"):
        for attribute, value in re.findall(r"(\w+)\[([^\]]*)\]", row["mr"]):
            if attribute not in ("name", "near"):
                yield f"{attribute}: {value}", row["ref"]


def _word_problems() -> Rows:
    for row in json.loads(data.text(*_file("word_problems"))):
        yield row["Type"], row["Question"]


def _instructions() -> Rows:
    for row in json.loads(data.text(*_file("instructions"))):
        yield row["category"].replace("_", " "), row["instruction"]


def _trials() -> Rows:
    for row in _table("trials"):
        yield row["condition"], row["brief_title"]


READERS: dict[str, Callable[[], Rows]] = {
    "sst2": _sst2,
    "clinc150": _clinc150,
    "banking77": _banking77,
    "dbpedia": _dbpedia,
    "restaurants": _restaurants,
    "word_problems": _word_problems,
    "instructions": _instructions,
    "trials": _trials,
}


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """One of the sets, and how often it is drawn.

    Args:
        name: one of `FILES`.
        weight: in proportion to which a prompt is drawn from the set.
    """

    name: str
    weight: float

    def __post_init__(self) -> None:
        if self.name not in READERS:
            raise ValueError(f"there is no training set '{self.name}', only {', '.join(READERS)}")
        if not self.weight > 0:
            raise ValueError(f"the weight of the training set '{self.name}' must be above 0, got {self.weight}")

    def check(self) -> None:
        """Say whether the files are here or may be downloaded.

        Raises:
            NotApplicable: they are not.
        """
        name, files = FILES[self.name]
        for file in files:
            data.check(name, file)

    def families(self, without: frozenset[str]) -> list[Classes]:
        """Groups of classes that exclude each other; the classes of a prompt come from one group.

        Args:
            without: texts that are left out, as `normal` gives them.

        Raises:
            NotApplicable: nothing is left.
        """
        families: dict[str, dict[str, list[str]]] = {}
        for name, text in READERS[self.name]():
            family, _, value = name.rpartition(":")
            if normal(text) not in without:
                families.setdefault(family, {}).setdefault(value.strip(), []).append(text)
        groups = [large(classes.items()) for classes in families.values()]
        groups = [group for group in groups if len(group) > 1]
        if not groups:
            raise NotApplicable(f"the training set '{self.name}' has no two classes of {FEWEST} texts")
        return groups


def large(classes: Iterable[tuple[str, Iterable[str]]]) -> Classes:
    """The classes that have enough texts, each text once."""
    unique = {name: tuple(dict.fromkeys(texts)) for name, texts in classes}
    return {name: texts for name, texts in unique.items() if len(texts) >= FEWEST}


def normal(text: str) -> str:
    """A text as it is compared with others: how its letters and digits begin, in lower case.

    Half of Subj are sentences of the reviews that SST-2 has, some of them longer or shorter there.
    """
    return re.sub(r"[\W_]+", " ", text.lower()).strip()[:BEGINNING]


def by_opening(groups: Iterable[list[Classes]]) -> Classes:
    """Texts of all classes by their first word, for the words that most texts begin with.

    Texts of classes that a reader gives for several attributes are counted once.
    """
    found: dict[str, dict[str, None]] = {}
    for text in _texts(family for group in groups for family in group):
        first = text.split()[0].lower()
        if first.isascii() and first.isalpha():
            found.setdefault(first, {})[text] = None
    often = sorted(found, key=lambda word: (-len(found[word]), word))[:OPENINGS]
    return large((word, list(found[word])[:MOST]) for word in often)


def origins(sets: Mapping[str, list[Classes]]) -> Classes:
    """Texts by the set that they come from."""
    return large((name.replace("_", " "), list(_texts(families))[:ORIGIN]) for name, families in sets.items())


def check_held_out(names: Iterable[str]) -> None:
    """Refuse names that are not in `HELD_OUT`.

    Raises:
        ValueError: one is not.
    """
    for name in names:
        if name not in HELD_OUT:
            raise ValueError(f"there are no held-out texts of '{name}', only of {', '.join(HELD_OUT)}")


@functools.lru_cache(maxsize=2)
def held_out_texts(names: tuple[str, ...]) -> frozenset[str]:
    """All texts of the held-out parts of these sets, as `normal` gives them.

    Raises:
        NotApplicable: they are not here.
    """
    return frozenset(normal(text) for name in names for text in _held_out(name))


def _held_out(name: str) -> Iterator[str]:
    for file, encoding in HELD_OUT[name]:
        if ".jsonl" in file:
            yield from (row["text"] for row in data.json_lines(name, file))
        else:  # a line begins with its class
            yield from (line.partition(" ")[2] for line in data.lines(name, file, encoding))


def _texts(families: Iterable[Classes]) -> dict[str, None]:
    """Every text once, in order."""
    return dict.fromkeys(text for classes in families for texts in classes.values() for text in texts)


def _file(name: str) -> tuple[str, str]:
    data_set, files = FILES[name]
    return data_set, files[0]


def _table(name: str) -> Iterator[dict[str, str]]:
    return csv.DictReader(io.StringIO(data.text(*_file(name))))
