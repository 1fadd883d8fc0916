"""What a model says of candidates, and how right and wrong ones are told apart from labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from tasks.hidden_knowledge import KnowledgeQuestions, Question, Scores

Features = Callable[[Question], NDArray[np.float64]]  # question -> (m, features)

SMALLEST = 1e-12  # of a probability in a logarithm


def external(problem: KnowledgeQuestions, question: Question) -> NDArray[np.float64]:
    """log P(a | q), the same for each token, and the log-odds of P(True): (m, 3)."""
    total, tokens = problem.likelihood(question)
    true = np.clip(problem.verify(question), SMALLEST, 1 - SMALLEST)
    return np.stack([total, total / tokens, np.log(true) - np.log1p(-true)], axis=1)


def fitted(
    features: Sequence[NDArray[np.float64]], right: Sequence[NDArray[np.bool_]], strengths: Sequence[float], folds: int
) -> Pipeline:
    """Logistic regression on standardised features, right and wrong candidates weighing alike.

    Args:
        features: of each question (m, F).
        right: of each question (m,).
        strengths: values of C (inverse ridge), of which cross-validation over questions chooses by knowledge.
        folds: of the cross-validation.
    """
    groups = np.repeat(np.arange(len(features)), [len(rows) for rows in features])
    rows, labels = np.concatenate(features), np.concatenate(right)
    reached = []
    for strength in strengths if len(strengths) > 1 else ():
        shares = []
        for learn, test in GroupKFold(folds).split(rows, labels, groups):
            score = _model(strength).fit(rows[learn], labels[learn]).decision_function(rows[test])
            shares += [
                knowledge(score[groups[test] == it], labels[test][groups[test] == it]) for it in set(groups[test])
            ]
        reached.append(np.mean(shares))
    chosen = strengths[int(np.argmax(reached))] if reached else strengths[0]
    return _model(chosen).fit(rows, labels)


def knowledge(scores: Scores, right: NDArray[np.bool_]) -> float:
    """Share of pairs of a right and a wrong candidate in the right order."""
    return float((scores[right][:, None] > scores[~right][None, :]).mean())


def _model(strength: float) -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, class_weight="balanced", max_iter=1000))
