"""Probability-based prompt selection: answer under the template that scores best without any label."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from methods.base import Method, NotApplicable, Run
from methods.calibration._maps import Calibration, Normalisation, Tokens, calibrated
from methods.calibration._scores import Score, of_rows, of_templates
from tasks.base import read_only
from tasks.calibration import Probabilities, PromptPool, Reading, Selection


class Use(enum.StrEnum):
    """What calibrated probabilities are used for; X, A, P and PA in the paper."""

    NONE = "none"
    ANSWERS = "answers"
    SCORES = "scores"
    BOTH = "both"


@dataclass(frozen=True, kw_only=True)
class PromptSelection(Method):
    """Prompt selection by probabilities (Yang et al., TACL 2024, arXiv 2305.14877, tables 1 and 4, equation 1).

    A score of every template is computed from label probabilities of unlabelled inputs (`_scores.Score` has the
    formulas), and the template with the largest score answers. Scores that end in L are computed for each row, which
    then chooses for itself. The mutual information of Sorensen et al. 2022 is GE_M + MDL_M of first-token
    probabilities; the paper's best one is MI_AGL: all tokens, GE of one-hot answers, one choice a row. Probabilities
    may be calibrated (`_maps.Calibration`) for the scores, for the answers, or for both.

    Deviations from the paper and the authors' code:

    1. Scores, and the mean of calibration by marginalisation, are taken over unlabelled inputs; there, over the inputs
       that are evaluated. A row's own entropy, which the scores with L need, is that of the row that is asked.
    2. `tokens` is about scores only. All rows answer with the probability of all tokens; there, with that of the
       tokens that the extraction asked for.
    3. Smaller perplexity is better, as in the paper; the code's summary takes the largest of every task-wise score.
    4. Priors are not taken below `floor`.

    Args:
        score: what templates are judged by.
        tokens: of an answer, whose probability the scores see.
        calibration: of probabilities.
        use: what calibrated probabilities are used for.
        normalisation: of calibrated probabilities, which changes scores and not answers.
        floor: least entry of a prior.
        confident: whether only templates in the more confident of two clusters are looked at (Liao et al. 2022).
    """

    score: Score
    tokens: Tokens
    calibration: Calibration
    use: Use
    normalisation: Normalisation
    floor: float
    confident: bool

    def __post_init__(self) -> None:
        if (self.calibration is Calibration.NONE) != (self.use is Use.NONE):
            raise ValueError(f"calibration {self.calibration} and use {self.use} do not go together")

    def solve(self, problem: PromptPool, run: Run) -> Selection:
        """Score the templates on the unlabelled inputs."""
        scored = self._map(problem, self.tokens, self.use in (Use.SCORES, Use.BOTH))
        answered = self._map(problem, Tokens.ALL, self.use in (Use.ANSWERS, Use.BOTH))
        rows = scored(problem.reading)  # (T, m, K)
        kept = confident(rows) if self.confident else np.full(len(rows), True)
        if self.score.reads:
            common = -_perplexity(problem.reading).mean(axis=1)
        elif self.confident:
            common = np.full(len(rows), -np.inf)
            common[kept] = of_templates(self.score, rows[kept])  # the pool of the Z scores is what is kept
        else:
            common = of_templates(self.score, rows)
        common = np.where(kept, common, -np.inf)
        if not self.score.per_row:
            best = int(common.argmax())
            scores = None if self.confident else read_only(common)
            return Selection(calibrate=answered, choose=lambda asked: _always(best, asked), scores=scores)
        if self.score.reads:
            return Selection(calibrate=answered, choose=lambda asked: _least(asked, kept), scores=None)
        return Selection(calibrate=answered, choose=lambda asked: _each(common, scored(asked)), scores=None)

    def _map(self, problem: PromptPool, tokens: Tokens, wanted: bool) -> Callable[[Reading], Probabilities]:
        kind = self.calibration if wanted else Calibration.NONE
        return calibrated(problem, kind, tokens, self.normalisation, self.floor)


def confident(rows: Probabilities) -> NDArray[np.bool_]:
    """(T,), the templates in the more confident of two clusters; all of them where they are equally confident.

    Confidence is the gap between the two largest probabilities, summed over rows (T, n, K).
    """
    top = np.sort(rows, axis=-1)
    gaps = (top[..., -1] - top[..., -2]).sum(axis=-1, keepdims=True)  # (T, 1)
    if len(np.unique(gaps)) < 2:
        return np.full(len(rows), True)
    clusters = KMeans(n_clusters=2, random_state=42, n_init=1).fit(gaps)  # the state and count of the authors' code
    chosen: NDArray[np.bool_] = clusters.labels_ == clusters.cluster_centers_.argmax()
    return chosen


def _perplexity(reading: Reading) -> NDArray[np.float64]:
    if reading.perplexity is None:
        raise NotApplicable("the model of this pool gives texts no probability, so prompts have no perplexity")
    return reading.perplexity


def _always(template: int, asked: Reading) -> NDArray[np.int64]:
    return np.full(asked.scores.shape[1], template)


def _least(asked: Reading, kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    chosen: NDArray[np.int64] = np.where(kept[:, None], _perplexity(asked), np.inf).argmin(axis=0)
    return chosen


def _each(common: NDArray[np.float64], rows: Probabilities) -> NDArray[np.int64]:
    chosen: NDArray[np.int64] = of_rows(common, rows).argmax(axis=0)
    return chosen
