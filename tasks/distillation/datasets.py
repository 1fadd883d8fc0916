"""Prompts and responses from data sets of the manifest: descriptions of restaurants, instructions, word problems."""

from __future__ import annotations

import csv
import io
import json
import re
from abc import abstractmethod
from dataclasses import dataclass

from tasks import data
from tasks.distillation.corpora import Example, PromptedTexts

_EQUATION = re.compile(r"<<(.*?)>>")  # how GSM8K marks what a calculator would work out
_MARK = "####"  # stands before the final answer, as in GSM8K
_WHOLE = re.compile(r"(?<=\d)\.0(?!\d)")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@dataclass(frozen=True, kw_only=True)
class ManifestPrompts(PromptedTexts):
    """Texts of files that the manifest names."""

    @abstractmethod
    def files(self) -> tuple[tuple[str, str], ...]:
        """Data set and name of each file."""

    def check(self) -> None:
        """Say whether the files are here or may be downloaded."""
        for data_set, file in self.files():
            data.check(data_set, file)

    def surroundings(self) -> dict[str, str]:
        """Nothing: the manifest fixes the content of the files."""
        return {}


@dataclass(frozen=True, kw_only=True)
class Restaurants(ManifestPrompts):
    """E2E: a sentence about a restaurant from its attributes; several people have described each.

    The published training file is too large for the manifest: its validation file trains, and its test file tests.
    """

    def files(self) -> tuple[tuple[str, str], ...]:
        """The validation and the test file."""
        return ("e2e_nlg", "devset.csv.gz"), ("e2e_nlg", "testset_w_refs.csv.gz")

    def examples(self) -> tuple[Example, ...]:
        """The validation file."""
        return self._rows(*self.files()[0])

    def held_out(self) -> tuple[Example, ...]:
        """The test file."""
        return self._rows(*self.files()[1])

    def _rows(self, data_set: str, file: str) -> tuple[Example, ...]:
        rows = csv.DictReader(io.StringIO(data.text(data_set, file)))
        return tuple(Example(f"{row['mr']}\n", " ".join(row["ref"].split())) for row in rows)


@dataclass(frozen=True, kw_only=True)
class Instructions(ManifestPrompts):
    """Dolly, about 3,000 instructions with responses; Self-Instruct's 252 for users are asked besides.

    An instruction's input stands behind it on lines of its own.
    """

    def files(self) -> tuple[tuple[str, str], ...]:
        """The instructions, and those that are only asked."""
        return ("dolly3k", "dolly_3k.json.gz"), ("instruct_eval", "self_instruct_user_oriented_252.jsonl")

    def examples(self) -> tuple[Example, ...]:
        """Dolly."""
        rows = json.loads(data.text(*self.files()[0]))
        return tuple(_instructed(row["instruction"], row["input"], row["output"]) for row in rows)

    def second(self) -> tuple[Example, ...]:
        """Self-Instruct."""
        rows = data.json_lines(*self.files()[1])
        return tuple(
            _instructed(row["instruction"], item["input"], item["output"]) for row in rows for item in row["instances"]
        )


@dataclass(frozen=True, kw_only=True)
class WordProblems(ManifestPrompts):
    """Arithmetic word problems of SVAMP and GSM8K; the response is the chain of equations and then the answer.

    The reasoning in words is left out, since small models learn little from it. GSM8K's own test file is the second
    test set.
    """

    def files(self) -> tuple[tuple[str, str], ...]:
        """SVAMP, and the training and test file of GSM8K."""
        return ("svamp", "SVAMP.json.gz"), ("gsm8k", "train.jsonl.gz"), ("gsm8k", "test.jsonl.gz")

    def examples(self) -> tuple[Example, ...]:
        """SVAMP and the training file of GSM8K."""
        problems, train, _ = self.files()
        return (*(_varied(row) for row in json.loads(data.text(*problems))), *map(_graded, data.json_lines(*train)))

    def second(self) -> tuple[Example, ...]:
        """The test file of GSM8K."""
        return tuple(map(_graded, data.json_lines(*self.files()[2])))

    def final_answer(self, response: str) -> str | None:
        """The number behind the mark, an empty text where there is none."""
        found = _NUMBER.search(response.partition(_MARK)[2].replace(",", ""))
        return f"{float(found.group()):g}" if found else ""


def _instructed(instruction: str, given: str, response: str) -> Example:
    return Example("\n".join(part.strip() for part in (instruction, given) if part.strip()) + "\n", response.strip())


def _varied(row: dict[str, object]) -> Example:
    """A problem of SVAMP."""
    body = str(row["Body"]).strip().rstrip(".")
    equation = _WHOLE.sub("", str(row["Equation"])).replace(" ", "").removeprefix("(").removesuffix(")")
    answer = f"{float(str(row['Answer'])):g}"
    return Example(f"{body}. {str(row['Question']).strip()}\n", f"{equation}={answer} {_MARK} {answer}")


def _graded(row: dict[str, str]) -> Example:
    """A problem of GSM8K."""
    reasoning, _, answer = row["answer"].partition(_MARK)
    number = answer.strip().replace(",", "")
    return Example(f"{' '.join(row['question'].split())}\n", " ".join([*_EQUATION.findall(reasoning), _MARK, number]))
