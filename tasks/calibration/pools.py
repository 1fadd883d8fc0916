"""Pools of templates: which one to answer with, and how answers are scored."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from tasks.base import Diverged, Invalid, Run, Task, read_only
from tasks.calibration import CONTENT_FREE, Calibrator, Labels, Probabilities, Reading, Selection, measures
from tasks.metering import Ledger, Oracle

TOLERANCE = 1e-6  # how far a row may be from the simplex
EMPTY = CONTENT_FREE.index("")
MEASURES = {
    "macro_f1": measures.macro_f1,
    "accuracy": measures.accuracy,
    "ece": measures.expected_calibration_error,
    "nll": measures.negative_log_likelihood,
    "brier": measures.brier,
}

Answerer: TypeAlias = Calibrator | Selection


@dataclass(frozen=True)
class PoolDraw:
    """What the model said in one seed.

    Args:
        unlabelled: reading (T, m).
        content_free: reading (T, 3) of the inputs `CONTENT_FREE`, the empty one in the middle.
        test, test_labels: reading (T, q), and (q,).
        validation, validation_labels: reading (T, v), and (v,).
    """

    unlabelled: Reading
    content_free: Reading
    test: Reading
    test_labels: Labels
    validation: Reading
    validation_labels: Labels


@dataclass(frozen=True, kw_only=True)
class PoolTask(Task):
    """Answers under one of T templates, or under all of them."""

    @abstractmethod
    def draw(self, seed: int) -> PoolDraw:
        """Everything that belongs to a seed."""

    def evaluate(self, solution: Answerer, seed: int, run: Run) -> Mapping[str, float]:
        """Measures of the answers to the test inputs, relative to the best templates by test labels.

        Raises:
            Invalid: wrong shape, rows off the simplex, a template that there is not, or a row whose answer depends on
                the rows beside it.
            Diverged: an answer is not a number.
        """
        drawn = self.draw(seed)
        return _scored(solution, drawn.test, drawn.test_labels, drawn.unlabelled, run)

    def validate(self, solution: Answerer, seed: int, run: Run) -> Mapping[str, float]:
        """The same measures over labelled inputs that are neither tested nor part of the problem.

        Raises:
            Invalid, Diverged: as for `evaluate`.
        """
        drawn = self.draw(seed)
        return _scored(solution, drawn.validation, drawn.validation_labels, drawn.unlabelled, run)

    def trivial(self, seed: int) -> Calibrator:
        """Shares of the uncalibrated answers to the unlabelled inputs, for every row: its arg max is the majority."""
        rows = self.draw(seed).unlabelled.probabilities
        counts = np.bincount(rows.argmax(axis=-1).ravel(), minlength=rows.shape[-1]) + 1.0  # no share is 0
        return Constant(read_only(counts / counts.sum()))

    def best(self, seed: int) -> Selection:
        """The template with the best macro F1 on the test labels, as the model answers: an oracle's choice."""
        drawn = self.draw(seed)
        scores = each_f1(drawn.test.probabilities, drawn.test_labels)
        return Selection(calibrate=_as_is, choose=Always(int(scores.argmax())), scores=read_only(scores))


@dataclass(frozen=True)
class Constant:
    """Gives the same row (K,) to every question, under one template for all."""

    row: Probabilities

    def __call__(self, probabilities: Probabilities) -> Probabilities:
        """(T, n, K) -> (T, n, K).

        Raises:
            Invalid: there is another number of classes.
        """
        if probabilities.shape[-1] != len(self.row):
            raise Invalid(f"an answer over {len(self.row)} classes was given where there are {probabilities.shape[-1]}")
        return np.broadcast_to(self.row, probabilities.shape)


@dataclass(frozen=True)
class Always:
    """Chooses one template for every row."""

    template: int

    def __call__(self, reading: Reading) -> NDArray[np.int64]:
        """Reading of n inputs -> (n,)."""
        return np.full(reading.scores.shape[1], self.template)


def frozen(reading: Reading) -> Reading:
    """A reading whose arrays cannot be written to."""
    first, perplexity = reading.first_scores, reading.perplexity
    return Reading(
        scores=read_only(reading.scores, np.float64),
        first_scores=None if first is None else read_only(first, np.float64),
        perplexity=None if perplexity is None else read_only(perplexity, np.float64),
    )


def information(classes: tuple[str, ...], drawn: PoolDraw) -> dict[str, Any]:
    """The fields of the problem of a seed, with a fresh ledger."""
    free, ledger = drawn.content_free, Ledger()
    empty, count = free.take(np.array([EMPTY])), len(free.scores)
    probabilities = read_only(free.probabilities)
    return {
        "ledger": ledger,
        "classes": classes,
        "unlabelled": read_only(drawn.unlabelled.probabilities),
        "content_free": Oracle(ledger, "forward_passes", lambda: probabilities, price=count * len(CONTENT_FREE)),
        "reading": drawn.unlabelled,
        "content_free_reading": Oracle(ledger, "forward_passes", lambda: free, price=count * len(CONTENT_FREE)),
        "empty_reading": Oracle(ledger, "forward_passes", lambda: empty, price=count),
    }


def each_f1(answers: Probabilities, labels: Labels) -> NDArray[np.float64]:
    """(T,), macro F1 of answers (T, n, K) under each template."""
    return np.array([measures.macro_f1(rows, labels) for rows in answers])


def _as_is(reading: Reading) -> Probabilities:
    return reading.probabilities


def _scored(solution: Answerer, asked: Reading, labels: Labels, unlabelled: Reading, run: Run) -> dict[str, float]:
    """The metrics of a solution on a reading (T, n) with labels (n,), half of whose rows are asked twice."""
    answers, count = _answers(solution, asked), len(labels)
    some = np.sort(run.rng.permutation(count)[: (count + 1) // 2])
    if not np.allclose(_answers(solution, asked.take(some)), answers[:, some], rtol=0, atol=TOLERANCE):
        raise Invalid("the answer to a row depends on the rows beside it")
    result = {name: float(np.mean([measure(rows, labels) for rows in answers])) for name, measure in MEASURES.items()}
    own = asked.probabilities
    plain = each_f1(own, labels)
    # the prior of the oracle is that of the unlabelled inputs, which every method has, too
    calibrated = each_f1(own / unlabelled.probabilities.mean(axis=1, keepdims=True), labels)
    best = {"effectiveness": plain.max(), "effectiveness_calibrated": calibrated.max()}
    result |= {
        name: result["macro_f1"] / oracle for name, oracle in best.items() if oracle > 0
    }  # 0: none is ever right
    if len(answers) == len(plain) > 1:
        result["improved"] = float(np.mean(each_f1(answers, labels) > plain))
    if isinstance(solution, Selection) and solution.scores is not None:
        result |= _correlation(solution, asked, labels)
    return result


def _correlation(solution: Selection, asked: Reading, labels: Labels) -> dict[str, float]:
    """Rank correlation of the solution's scores with F1 over templates; nothing where either side is constant."""
    scores = np.asarray(solution.scores, dtype=np.float64)
    if scores.shape != (len(asked.scores),):
        raise Invalid(f"{len(asked.scores)} templates need as many scores; there are {scores.shape}")
    reached = each_f1(_checked(solution.calibrate(asked), asked.scores.shape), labels)
    if np.isnan(scores).any() or np.ptp(scores) == 0 or np.ptp(reached) == 0:
        return {}
    return {"score_correlation": float(spearmanr(scores, reached).statistic)}


def _answers(solution: Answerer, asked: Reading) -> Probabilities:
    """What a solution answers to a reading (T, n), checked: (T, n, K), or (1, n, K) where it selects."""
    templates, count, classes = asked.scores.shape
    if not isinstance(solution, Selection):
        if not callable(solution):
            raise Invalid(f"the solution must be callable or a Selection, got {type(solution).__name__}")
        return _checked(solution(read_only(asked.probabilities)), (templates, count, classes))
    every = _checked(solution.calibrate(asked), (templates, count, classes))
    if every.shape[0] != templates:
        raise Invalid(f"a Selection must calibrate under all {templates} templates")
    chosen = np.asarray(solution.choose(asked))
    if chosen.shape != (count,) or not np.issubdtype(chosen.dtype, np.integer):
        raise Invalid(f"{count} rows need as many whole numbers of templates; there are {chosen.shape} {chosen.dtype}")
    if chosen.min() < 0 or chosen.max() >= templates:
        raise Invalid(f"there are templates 0 to {templates - 1}, but {chosen.min()} to {chosen.max()} were chosen")
    return every[chosen, np.arange(count)][None]


def _checked(values: Probabilities, shape: tuple[int, ...]) -> Probabilities:
    """Answers of the right shape, finite and on the simplex."""
    answers = np.asarray(values, dtype=np.float64)
    if answers.shape not in (shape, (1, *shape[1:])):
        raise Invalid(f"answers to {shape} must have that shape, or 1 template; they have {answers.shape}")
    if np.isnan(answers).any():
        raise Diverged("an answer is not a number")
    if answers.min() < -TOLERANCE or np.abs(answers.sum(axis=-1) - 1).max() > TOLERANCE:
        raise Invalid("an answer is not a probability vector")
    return answers
