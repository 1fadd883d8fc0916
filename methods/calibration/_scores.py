"""Scores of templates, computed from label probabilities alone (Yang et al. 2024, arXiv 2305.14877, tables 1 and 4).

P (T, n, K) are label probabilities, H is the entropy, and O the one-hot rows of P's arg max. Larger is better.
"""

from __future__ import annotations

import enum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tasks.calibration import Probabilities

Scores: TypeAlias = NDArray[np.float64]

TINY = 1e-7  # added to a probability before its logarithm, as in the authors' code


class Score(enum.StrEnum):
    """What a template is judged by; a trailing L means that every row chooses for itself."""

    GE_M = "ge_m"  # H(mean_x P)
    GE = "ge"  # H(mean_x O)
    LE = "le"  # mean_x H(P)
    MDL_M = "mdl_m"  # -mean_x H(P)
    MDL = "mdl"  # each row: -H(P_x)
    MI = "mi"  # GE_M + MDL_M
    MI_G = "mi_g"  # GE + MDL_M
    MI_L = "mi_l"  # each row: GE_M - H(P_x)
    MI_GL = "mi_gl"  # each row: GE - H(P_x)
    PPL = "ppl"  # minus the mean perplexity of the filled template
    PPL_L = "ppl_l"  # each row: minus the perplexity
    ZLP = "zlp"  # agreement with the arg max of mean_t log P
    ZPM = "zpm"  # agreement with the arg max of mean_t P
    ZMV = "zmv"  # agreement with the majority of the templates

    @property
    def per_row(self) -> bool:
        """Whether every row chooses its own template."""
        return self in (Score.MDL, Score.MI_L, Score.MI_GL, Score.PPL_L)

    @property
    def reads(self) -> bool:
        """Whether it needs the perplexity of the filled templates."""
        return self in (Score.PPL, Score.PPL_L)


def of_templates(score: Score, probabilities: Probabilities) -> Scores:
    """(T,) from P (T, n, K), for scores that do not read texts.

    For scores per row: the part that is the same for all rows of a template, to which `of_rows` adds the rest.
    """
    if score is Score.MDL:
        return np.zeros(len(probabilities))
    if score in (Score.ZLP, Score.ZPM, Score.ZMV):
        return _agreement(score, probabilities)
    local: Scores = entropy(probabilities).mean(axis=1)
    if score in (Score.LE, Score.MDL_M):
        return local if score is Score.LE else np.negative(local)
    hard = score in (Score.GE, Score.MI_G, Score.MI_GL)
    spread = entropy((one_hot(probabilities) if hard else probabilities).mean(axis=1))
    scores: Scores = spread - local if score in (Score.MI, Score.MI_G) else spread
    return scores


def of_rows(common: Scores, probabilities: Probabilities) -> Scores:
    """(T, n), the score of each template for each row: the common part (T,) less the entropy of the row."""
    rows: Scores = common[:, None] - entropy(probabilities)
    return rows


def entropy(rows: Probabilities) -> Scores:
    """Over the last axis, in nats."""
    values: Scores = -(rows * np.log(rows + TINY)).sum(axis=-1)
    return values


def one_hot(rows: Probabilities) -> Probabilities:
    """1 at the largest entry of each row, the first of equal ones, 0 elsewhere."""
    hard: Probabilities = np.eye(rows.shape[-1])[rows.argmax(axis=-1)]
    return hard


def _agreement(score: Score, probabilities: Probabilities) -> Scores:
    """Share of rows that answer as the pool does; a tie of votes goes to the first label."""
    if score is Score.ZLP:
        pooled = np.log(probabilities + TINY).mean(axis=0)
    elif score is Score.ZPM:
        pooled = probabilities.mean(axis=0)
    else:
        pooled = one_hot(probabilities).sum(axis=0)
    shares: Scores = (probabilities.argmax(axis=-1) == pooled.argmax(axis=-1)).mean(axis=1)
    return shares
