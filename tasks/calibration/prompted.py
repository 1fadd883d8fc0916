"""Few-shot classification by a prompted language model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tasks.base import Diverged, Invalid, Run, Task, read_only
from tasks.calibration import Calibrator, Labels, Probabilities, PromptedProbabilities, measures
from tasks.calibration.corpora import LabelledTexts
from tasks.calibration.prompts import Template
from tasks.calibration.tables import Tables, ValidationTables
from tasks.language_models import LanguageModel
from tasks.metering import Ledger, Oracle
from tasks.preparation import Preparation

TOLERANCE = 1e-6  # how far a row may be from the simplex


@dataclass(frozen=True, kw_only=True)
class PromptedClassification(Task):
    """A frozen language model classifies texts under several templates and orders of its demonstrations.

    Args:
        model: the language model; a plain string names a folder or a model on the hub.
        corpus, templates, shots, orders, labelled, unlabelled, test: see `Tables`.
    """

    model: LanguageModel
    corpus: LabelledTexts
    templates: tuple[Template, ...]
    shots: int
    orders: int
    labelled: int
    unlabelled: int
    test: int

    def __post_init__(self) -> None:
        classes = len(self.corpus.classes)
        if not self.templates or any(len(template.words) != classes for template in self.templates):
            raise ValueError(f"at least one template is needed, and {classes} label words in each")
        if self.shots < 0 or min(self.orders, self.labelled, self.unlabelled, self.test) < 1:
            raise ValueError("shots must be 0 or more; orders, labelled, unlabelled and test 1 or more")

    @property
    def tables(self) -> Tables:
        """What the model says, for each seed."""
        return Tables(
            version=1,
            model=self.model,
            corpus=self.corpus,
            templates=self.templates,
            shots=self.shots,
            orders=self.orders,
            labelled=self.labelled,
            unlabelled=self.unlabelled,
            test=self.test,
        )

    def preparations(self) -> dict[str, Preparation]:
        """The tables, which are built from the model."""
        return {"tables": self.tables}

    @property
    def validation_tables(self) -> ValidationTables:
        """What the model says to the inputs by which hyperparameters are chosen, for each seed."""
        return ValidationTables(version=1, tables=self.tables)

    def validation_preparations(self) -> dict[str, Preparation]:
        """The model's answers to the validation inputs."""
        return {"validation_tables": self.validation_tables}

    def check(self) -> None:
        """Say whether the texts can be had here, and what the model is built from."""
        self.corpus.check()
        self.model.check()

    def problem(self, seed: int) -> PromptedProbabilities:
        """The problem of a seed."""
        table = self.tables.artefact(seed)
        prompts, count, _ = table.labelled.shape
        ledger = Ledger()
        passes = Oracle(ledger, "forward_passes", lambda: (table.labelled, table.labels), price=count * prompts)
        free = table.content_free
        return PromptedProbabilities(
            ledger=ledger,
            classes=self.corpus.classes,
            unlabelled=table.unlabelled,
            content_free=Oracle(ledger, "forward_passes", lambda: free, price=prompts * free.shape[1]),
            labelled=Oracle(ledger, "labels", passes, price=count),
        )

    def evaluate(self, solution: Calibrator, seed: int, run: Run) -> Mapping[str, float]:
        """Means over the prompts that the solution answers under.

        Raises:
            Invalid: wrong shape, rows off the simplex, or a row whose answer depends on the rows beside it.
            Diverged: an answer is not a number.
        """
        table = self.tables.artefact(seed)
        return _scored(solution, table.test, table.test_labels, run)

    def validate(self, solution: Calibrator, seed: int, run: Run) -> Mapping[str, float]:
        """The same means over labelled inputs that are neither tested nor part of the problem.

        Raises:
            Invalid, Diverged: as for `evaluate`.
        """
        questions, labels = self.validation_tables.artefact(seed)
        return _scored(solution, questions, labels, run)

    def trivial(self, seed: int) -> Calibrator:
        """Shares of the uncalibrated answers to the unlabelled inputs, for every row: its arg max is the majority."""
        unlabelled = self.tables.artefact(seed).unlabelled
        counts = np.bincount(unlabelled.argmax(axis=-1).ravel(), minlength=unlabelled.shape[-1]) + 1.0  # no share is 0
        return Constant(read_only(counts / counts.sum()))


@dataclass(frozen=True)
class Constant:
    """Gives the same row (K,) to every question under every prompt."""

    row: Probabilities

    def __call__(self, probabilities: Probabilities) -> Probabilities:
        """(T, n, K) -> (T, n, K)."""
        return np.broadcast_to(self.row, probabilities.shape)


def _scored(solution: Calibrator, questions: Probabilities, labels: Labels, run: Run) -> dict[str, float]:
    """The metrics of a solution on questions (T, n, K) with labels (n,), half of which are asked twice."""
    answers, count = _answers(solution, questions), questions.shape[1]
    some = np.sort(run.rng.permutation(count)[: (count + 1) // 2])
    if not np.allclose(_answers(solution, questions[:, some]), answers[:, some], rtol=0, atol=TOLERANCE):
        raise Invalid("the answer to a row depends on the rows beside it")
    return _metrics(answers, labels)


def _answers(solution: Calibrator, questions: Probabilities) -> Probabilities:
    """What a solution answers to (T, n, K), checked."""
    if not callable(solution):
        raise Invalid(f"the solution must be callable, got {type(solution).__name__}")
    answers = np.asarray(solution(read_only(questions)), dtype=np.float64)
    prompts, *rest = questions.shape
    if answers.shape not in ((prompts, *rest), (1, *rest)):
        raise Invalid(f"answers to {questions.shape} must have that shape, or 1 prompt; they have {answers.shape}")
    if np.isnan(answers).any():
        raise Diverged("an answer is not a number")
    if answers.min() < -TOLERANCE or np.abs(answers.sum(axis=-1) - 1).max() > TOLERANCE:
        raise Invalid("an answer is not a probability vector")
    return answers


def _metrics(answers: Probabilities, labels: Labels) -> dict[str, float]:
    functions = {
        "accuracy": measures.accuracy,
        "macro_f1": measures.macro_f1,
        "ece": measures.expected_calibration_error,
        "nll": measures.negative_log_likelihood,
        "brier": measures.brier,
    }
    values = {name: [function(rows, labels) for rows in answers] for name, function in functions.items()}
    result = {name: float(np.mean(value)) for name, value in values.items()}
    if len(answers) > 1:  # a selector has answered under one prompt only: nothing spreads
        result["accuracy_spread"] = float(np.std(values["accuracy"], ddof=1))
        result["accuracy_worst"] = float(np.min(values["accuracy"]))
    return result
