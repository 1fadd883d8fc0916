"""What is measured of a law of answers, and the law that is best where the truth is known."""

from __future__ import annotations

import numpy as np

from tasks.coverage import SAMPLES, Laws

SMALLEST = 1e-12  # no probability counts as less in a logarithm


def coverage(law: Laws, samples: int) -> Laws:
    """1 - (1 - q)^N for every answer: the chance to be among N samples. (n, Y) -> (n, Y)."""
    with np.errstate(divide="ignore"):  # an answer that is certain has a logarithm of minus infinity
        missed: Laws = samples * np.log1p(-np.clip(law, 0.0, 1.0))
    return -np.expm1(missed)


def pass_at(law: Laws, truth: Laws, samples: int) -> float:
    """Expected coverage of the right answer when it is drawn from `truth` (n, Y)."""
    return float((truth * coverage(law, samples)).sum(axis=1).mean())


def measured(law: Laws, truth: Laws, samples: int) -> dict[str, float]:
    """Every metric of the board for laws (n, Y) where the right answers have the laws `truth` (n, Y).

    `confidence_wrong` is left out where every top answer is the likeliest.
    """
    scores = {"pass_at_n": pass_at(law, truth, samples)}
    scores |= {f"pass_at_{count}": pass_at(law, truth, count) for count in SAMPLES}
    wrong = law.argmax(axis=1) != truth.argmax(axis=1)
    if wrong.any():
        scores["confidence_wrong"] = float(law[wrong].max(axis=1).mean())
    scores["nll"] = float(-(truth * np.log(np.maximum(law, SMALLEST))).sum(axis=1).mean())
    return scores


def best_laws(truth: Laws, samples: int) -> Laws:
    """The laws with the highest pass@N for known laws of the right answer.

    Maximising sum_y P_y (1 - (1 - q_y)^N) on the simplex gives, with P sorted downward, q_i = 1 - c w_i on the first k
    answers, w_i = P_i^(-1 / (N - 1)), c = (k - 1) / sum_{j <= k} w_j, and k the largest for which q_k is not negative
    (the conditions of Karush, Kuhn and Tucker). For N = 1 it is the likeliest answer.

    Args:
        truth: (n, Y).
        samples: N.

    Returns:
        (n, Y).
    """
    order = np.argsort(-truth, axis=1, kind="stable")
    ranked = np.take_along_axis(truth, order, axis=1)
    if samples == 1:
        found = np.zeros_like(truth)
        found[:, 0] = 1.0
    else:
        logarithms = -np.log(np.maximum(ranked, np.finfo(float).tiny)) / (samples - 1)
        weights = np.exp(logarithms - logarithms[:, :1])  # a common factor cancels
        kept = np.arange(1, truth.shape[1] + 1)
        factors = (kept - 1) / np.cumsum(weights, axis=1)
        last = np.where((factors * weights <= 1) & (ranked > 0), kept, 1).max(axis=1)
        factor = np.take_along_axis(factors, last[:, None] - 1, axis=1)
        found = np.where(kept <= last[:, None], 1 - factor * weights, 0.0)
    laws = np.empty_like(truth)
    np.put_along_axis(laws, order, found, axis=1)
    return laws
