"""Prompt selection, CBM, contextual calibration and PMI against the authors' code, score by score.

The numbers come from `soheeyang/unified-prompt-selection` at 9e03f7debbef4cdcf65e7d8381a95fd3fe165bc1, in float64: the
functions of `method/methods.py`, `get_calibrated_prob_and_predscore` of `method/calibration.py` and
`get_prompt_filter_indices` of `method/prompt_filter.py` on `SCORES`, `FREE` and `PERPLEXITY` below, with probabilities
from `get_normalized_probs_from_logprob(SCORES, "mean")`. Scores with L are the templates that rows choose.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from methods.base import NotApplicable, Run
from methods.calibration._maps import Calibration, Normalisation, Tokens
from methods.calibration._scores import Score
from methods.calibration.cbm import CalibrationByMarginalisation
from methods.calibration.pmi import PointwiseMutualInformation
from methods.calibration.prompt_selection import PromptSelection, Use, confident
from tasks.calibration import PromptPool, Reading, Selection
from tasks.metering import Ledger, Oracle

T, X, K = 5, 7, 3
ROW = (3, 2)  # of the template and the input whose calibrated probabilities are written down


def fixed(shape: tuple[int, ...], shift: float) -> NDArray[np.float64]:
    """Numbers in [0, 1) that are the same everywhere."""
    index = np.arange(1, np.prod(shape) + 1, dtype=float).reshape(shape)
    return (index * 0.6180339887498949 + shift) % 1.0


SCORES = -4 * fixed((T, X, K), 0.1) ** 2 - np.arange(T)[:, None, None] * fixed((T, 1, K), 0.3)
FREE = -3 * fixed((T, 3, K), 0.7) - 1
PERPLEXITY = 1 + 20 * fixed((T, X), 0.2)

AUTHORS: dict[tuple[str, str], dict[str, Any]] = {
    ("none", "softmax"): {
        "ge_m": [1.08969, 1.053548, 0.993546, 0.986661, 0.853827],
        "ge": [1.078992, 0.682908, 0.598269, 0.682908, 0.410116],
        "le": [0.744955, 0.736186, 0.707334, 0.66905, 0.618565],
        "mdl_m": [-0.744955, -0.736186, -0.707334, -0.66905, -0.618565],
        "mi": [0.344736, 0.317363, 0.286212, 0.31761, 0.235262],
        "mi_g": [0.334037, -0.053278, -0.109065, 0.013858, -0.208449],
        "zlp": [0.714286, 0.428571, 0.714286, 0.857143, 0.571429],
        "zpm": [0.714286, 0.428571, 0.714286, 0.857143, 0.571429],
        "zmv": [0.857143, 0.571429, 0.857143, 0.714286, 0.428571],
        "mdl": [3, 3, 4, 4, 4, 1, 1],
        "mi_l": [3, 3, 4, 4, 4, 1, 1],
        "mi_gl": [0, 0, 0, 0, 0, 0, 0],
        "answers": ["1110022", "1112222", "1110011", "1100011", "0000020"],
        "row": [0.761874, 0.08667, 0.151456],
        "kept": [3, 4],
    },
    ("cbm", "softmax"): {
        "ge_m": [1.098342, 1.097751, 1.097768, 1.095955, 1.098119],
        "ge": [1.078992, 1.078992, 1.078992, 1.078992, 1.004242],
        "le": [0.812148, 0.843954, 0.8441, 0.86968, 0.82751],
        "mdl_m": [-0.812148, -0.843954, -0.8441, -0.86968, -0.82751],
        "mi": [0.286194, 0.253797, 0.253668, 0.226275, 0.27061],
        "mi_g": [0.266844, 0.235038, 0.234892, 0.209312, 0.176733],
        "zlp": [0.857143, 0.857143, 0.857143, 1.0, 0.857143],
        "zpm": [0.857143, 0.857143, 0.857143, 1.0, 0.857143],
        "zmv": [1.0, 1.0, 1.0, 0.857143, 0.714286],
        "mdl": [1, 3, 3, 2, 2, 4, 4],
        "mi_l": [1, 3, 3, 2, 2, 4, 4],
        "mi_gl": [1, 3, 3, 2, 2, 4, 4],
        "answers": ["1110022", "1110022", "1110022", "1100022", "1100021"],
        "row": [0.740623, 0.078631, 0.180746],
        "kept": [0, 1, 2],
    },
    ("cbm", "mean"): {
        "ge_m": [1.097824, 1.096525, 1.088898, 1.089978, 1.089396],
        "ge": [1.078992, 1.078992, 1.078992, 1.078992, 1.004242],
        "le": [0.753854, 0.773315, 0.782931, 0.761213, 0.778852],
        "mdl_m": [-0.753854, -0.773315, -0.782931, -0.761213, -0.778852],
        "mi": [0.34397, 0.32321, 0.305967, 0.328765, 0.310543],
        "mi_g": [0.325138, 0.305677, 0.296061, 0.317779, 0.22539],
        "zlp": [0.857143, 0.857143, 0.857143, 1.0, 0.857143],
        "zpm": [0.857143, 0.857143, 0.857143, 1.0, 0.857143],
        "zmv": [1.0, 1.0, 1.0, 0.857143, 0.714286],
        "mdl": [3, 3, 4, 0, 0, 4, 1],
        "mi_l": [3, 3, 4, 0, 0, 4, 1],
        "mi_gl": [3, 3, 3, 0, 0, 1, 1],
        "answers": ["1110022", "1110022", "1110022", "1100022", "1100021"],
        "row": [0.67495, 0.045774, 0.279277],
        "kept": [0, 1, 2],
    },
    ("contextual", "softmax"): {
        "ge_m": [0.873458, 1.087899, 1.021087, 0.884788, 0.838146],
        "ge": [0.9557, 1.078992, 0.9557, 0.682908, 0.410116],
        "le": [0.536166, 0.814692, 0.801575, 0.583897, 0.614982],
        "mdl_m": [-0.536166, -0.814692, -0.801575, -0.583897, -0.614982],
        "mi": [0.337292, 0.273206, 0.219512, 0.300891, 0.223163],
        "mi_g": [0.419534, 0.2643, 0.154125, 0.099011, -0.204866],
        "zlp": [0.857143, 0.714286, 1.0, 0.714286, 0.428571],
        "zpm": [0.857143, 0.714286, 1.0, 0.714286, 0.428571],
        "zmv": [0.714286, 0.857143, 0.857143, 0.857143, 0.571429],
        "mdl": [0, 0, 0, 1, 4, 4, 3],
        "mi_l": [0, 0, 0, 1, 1, 4, 3],
        "mi_gl": [0, 0, 0, 1, 1, 1, 1],
        "answers": ["1110221", "1100022", "1110021", "1100011", "0000020"],
        "row": [0.736123, 0.131203, 0.132674],
        "kept": [3, 4],
    },
    ("contextual", "mean"): {
        "ge_m": [0.92753, 1.091441, 1.008341, 0.914256, 0.844412],
        "ge": [0.9557, 1.078992, 0.9557, 0.682908, 0.410116],
        "le": [0.641363, 0.774727, 0.721915, 0.620246, 0.647882],
        "mdl_m": [-0.641363, -0.774727, -0.721915, -0.620246, -0.647882],
        "mi": [0.286167, 0.316715, 0.286426, 0.29401, 0.19653],
        "mi_g": [0.314337, 0.304265, 0.233785, 0.062662, -0.237766],
        "zlp": [0.714286, 0.857143, 0.857143, 0.857143, 0.571429],
        "zpm": [0.857143, 0.714286, 1.0, 0.714286, 0.428571],
        "zmv": [0.714286, 0.857143, 0.857143, 0.857143, 0.571429],
        "mdl": [0, 0, 0, 4, 4, 4, 3],
        "mi_l": [0, 0, 0, 1, 1, 1, 1],
        "mi_gl": [0, 0, 0, 1, 1, 1, 1],
        "answers": ["1110221", "1100022", "1110021", "1100011", "0000020"],
        "row": [0.737118, 0.129476, 0.133406],
        "kept": [3, 4],
    },
    ("pmi", "softmax"): {
        "ge_m": [0.882772, 0.648301, 0.471981, 0.761459, 1.011687],
        "ge": [0.9557, 0.598269, 0.410116, 0.682908, 0.410116],
        "le": [0.341685, 0.260838, 0.266144, 0.141476, 0.905806],
        "mdl_m": [-0.341685, -0.260838, -0.266144, -0.141476, -0.905806],
        "mi": [0.541087, 0.387463, 0.205837, 0.619983, 0.105882],
        "mi_g": [0.614015, 0.337431, 0.143972, 0.541432, -0.495689],
        "zlp": [0.857143, 0.714286, 0.571429, 0.428571, 0.142857],
        "zpm": [0.857143, 0.428571, 0.714286, 0.714286, 0.428571],
        "zmv": [0.714286, 0.428571, 0.571429, 0.857143, 0.571429],
        "mdl": [2, 0, 0, 1, 1, 1, 1],
        "mi_l": [0, 0, 0, 3, 3, 1, 0],
        "mi_gl": [0, 0, 0, 3, 3, 1, 0],
        "answers": ["1110221", "1122222", "1110111", "1100011", "0000020"],
        "row": [0.984818, 0.007896, 0.007286],
        "kept": [0, 1, 2, 3],
    },
    ("pmi", "mean"): {
        "ge_m": [0.92753, 0.928497, 0.70642, 0.829594, 0.779204],
        "ge": [0.9557, 0.598269, 0.410116, 0.682908, 0.410116],
        "le": [0.641363, 0.703457, 0.528537, 0.502614, 0.59841],
        "mdl_m": [-0.641363, -0.703457, -0.528537, -0.502614, -0.59841],
        "mi": [0.286167, 0.225041, 0.177883, 0.32698, 0.180794],
        "mi_g": [0.314337, -0.105187, -0.118421, 0.180294, -0.188294],
        "zlp": [0.714286, 0.428571, 0.571429, 0.857143, 0.571429],
        "zpm": [0.857143, 0.428571, 0.714286, 0.714286, 0.428571],
        "zmv": [0.714286, 0.428571, 0.571429, 0.857143, 0.571429],
        "mdl": [2, 2, 3, 3, 3, 1, 1],
        "mi_l": [0, 0, 3, 3, 3, 1, 1],
        "mi_gl": [0, 0, 0, 3, 3, 1, 1],
        "answers": ["1110221", "1122222", "1110111", "1100011", "0000020"],
        "row": [0.946733, 0.034242, 0.019025],
        "kept": [2, 3],
    },
}
AUTHORS_PERPLEXITY = ([11.585576, 12.396049, 10.349379, 11.159852, 11.970324], [4, 2, 3, 2, 3, 4, 2])
PER_TEMPLATE = ("ge_m", "ge", "le", "mdl_m", "mi", "mi_g", "zlp", "zpm", "zmv")
every_map = pytest.mark.parametrize(("calibration", "normalisation"), list(AUTHORS))


def read(scores: NDArray[np.float64], perplexity: NDArray[np.float64] | None) -> Reading:
    return Reading(scores=scores, first_scores=None, perplexity=perplexity)


def problem(perplexity: NDArray[np.float64] | None = PERPLEXITY, first: bool = False) -> PromptPool:
    """The pool of the authors' numbers; with `first`, those scores belong to first tokens and all tokens say less."""
    ledger = Ledger()

    def reading(scores: NDArray[np.float64], perplexity: NDArray[np.float64] | None) -> Reading:
        return Reading(scores=0 * scores, first_scores=scores, perplexity=None) if first else read(scores, perplexity)

    free, empty = reading(FREE, None), reading(FREE[:, 1:2], None)
    asked = reading(SCORES, perplexity)
    return PromptPool(
        ledger=ledger,
        classes=("a", "b", "c"),
        unlabelled=asked.probabilities,
        content_free=Oracle(ledger, "forward_passes", lambda: free.probabilities, price=3 * T),
        reading=asked,
        content_free_reading=Oracle(ledger, "forward_passes", lambda: free, price=3 * T),
        empty_reading=Oracle(ledger, "forward_passes", lambda: empty, price=T),
    )


def method(score: str, calibration: str = "none", normalisation: str = "softmax", **changes: Any) -> PromptSelection:
    values: dict[str, Any] = {
        "score": Score(score),
        "tokens": Tokens.ALL,
        "calibration": Calibration(calibration),
        "use": Use.NONE if calibration == "none" else Use.BOTH,
        "normalisation": Normalisation(normalisation),
        "floor": 1e-12,
        "confident": False,
    }
    return PromptSelection(**values | changes)


def solved(score: str, *words: str, **changes: Any) -> Selection:
    return method(score, *words, **changes).solve(problem(), cast("Run", None))


@every_map
@pytest.mark.parametrize("score", PER_TEMPLATE)
def test_scores_of_templates_are_the_authors(score: str, calibration: str, normalisation: str) -> None:
    selection = solved(score, calibration, normalisation)
    expected = AUTHORS[calibration, normalisation][score]
    assert selection.scores is not None
    np.testing.assert_allclose(selection.scores, expected, atol=2e-6)
    assert (selection.choose(read(SCORES, None)) == int(np.argmax(selection.scores))).all()


@every_map
@pytest.mark.parametrize("score", ["mdl", "mi_l", "mi_gl"])
def test_rows_choose_the_authors_templates(score: str, calibration: str, normalisation: str) -> None:
    selection = solved(score, calibration, normalisation)
    assert selection.scores is None
    assert selection.choose(read(SCORES, None)).tolist() == AUTHORS[calibration, normalisation][score]


@every_map
def test_calibrated_answers_are_the_authors(calibration: str, normalisation: str) -> None:
    answers = solved("mi", calibration, normalisation).calibrate(read(SCORES, None))
    expected = AUTHORS[calibration, normalisation]
    assert ["".join(map(str, row)) for row in answers.argmax(axis=-1)] == expected["answers"]
    np.testing.assert_allclose(answers[ROW], expected["row"], atol=2e-6)


@every_map
def test_the_confident_cluster_is_the_authors(calibration: str, normalisation: str) -> None:
    rows = solved("mi", calibration, normalisation).calibrate(read(SCORES, None))
    assert np.flatnonzero(confident(rows)).tolist() == AUTHORS[calibration, normalisation]["kept"]


def test_only_confident_templates_are_chosen() -> None:
    kept = AUTHORS["none", "softmax"]["kept"]
    assert set(solved("mi_gl", confident=True).choose(read(SCORES, None)).tolist()) <= set(kept)
    (chosen,) = set(solved("mi", confident=True).choose(read(SCORES, None)).tolist())
    assert chosen == max(kept, key=lambda template: AUTHORS["none", "softmax"]["mi"][template])
    assert confident(np.full((3, 4, 2), 0.5)).all()


def test_perplexities_are_the_authors_and_smaller_is_better() -> None:
    means, rows = AUTHORS_PERPLEXITY
    selection = solved("ppl")
    assert selection.scores is not None
    np.testing.assert_allclose(-selection.scores, means, atol=2e-6)
    asked = read(SCORES, PERPLEXITY)
    assert set(selection.choose(asked).tolist()) == {int(np.argmin(means))}
    assert solved("ppl_l").choose(asked).tolist() == rows
    kept = AUTHORS["none", "softmax"]["kept"]
    assert set(solved("ppl_l", confident=True).choose(asked).tolist()) <= set(kept)
    for score in ("ppl", "ppl_l"):
        with pytest.raises(NotApplicable, match="prompts have no perplexity"):
            method(score).solve(problem(None), cast("Run", None))


@pytest.mark.parametrize("normalisation", list(Normalisation))
def test_cbm_without_selection_is_the_authors(normalisation: Normalisation) -> None:
    calibrate = CalibrationByMarginalisation(normalisation=normalisation, floor=1e-12).solve(
        problem(), cast("Run", None)
    )
    answers, expected = calibrate(read(SCORES, None).probabilities), AUTHORS["cbm", normalisation.value]
    assert ["".join(map(str, row)) for row in answers.argmax(axis=-1)] == expected["answers"]
    np.testing.assert_allclose(answers[ROW], expected["row"], atol=2e-6)


def test_pmi_without_selection_is_the_authors() -> None:
    posed = problem()
    answers = PointwiseMutualInformation().solve(posed, cast("Run", None))(read(SCORES, None).probabilities)
    np.testing.assert_allclose(answers[ROW], AUTHORS["pmi", "mean"]["row"], atol=2e-6)
    assert ["".join(map(str, row)) for row in answers.argmax(axis=-1)] == AUTHORS["pmi", "mean"]["answers"]
    assert posed.ledger.totals() == {"forward_passes": T}


def test_first_tokens_are_for_scores_and_all_tokens_for_answers() -> None:
    selection = method("mi", tokens=Tokens.FIRST).solve(problem(first=True), cast("Run", None))
    assert selection.scores is not None
    np.testing.assert_allclose(selection.scores, AUTHORS["none", "softmax"]["mi"], atol=2e-6)
    asked = Reading(scores=SCORES[:, :, ::-1].copy(), first_scores=SCORES, perplexity=None)
    np.testing.assert_allclose(selection.calibrate(asked), asked.probabilities)
    rows = method("mi_gl", tokens=Tokens.FIRST).solve(problem(first=True), cast("Run", None))
    assert rows.choose(asked).tolist() == AUTHORS["none", "softmax"]["mi_gl"]
    with pytest.raises(NotApplicable, match="an answer has no first token"):
        method("mi", tokens=Tokens.FIRST).solve(problem(), cast("Run", None))


@pytest.mark.parametrize(("use", "scored", "answered"), [("scores", True, False), ("answers", False, True)])
def test_calibration_is_used_for_what_is_asked(use: str, scored: bool, answered: bool) -> None:
    selection = solved("mi", "cbm", use=Use(use))
    kind = "cbm" if scored else "none"
    assert selection.scores is not None
    np.testing.assert_allclose(selection.scores, AUTHORS[kind, "softmax"]["mi"], atol=2e-6)
    row = AUTHORS["cbm" if answered else "none", "softmax"]["row"]
    np.testing.assert_allclose(selection.calibrate(read(SCORES, None))[ROW], row, atol=2e-6)


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(ValueError, match="calibration none and use both do not go together"):
        method("mi", use=Use.BOTH)
    with pytest.raises(ValueError, match="calibration cbm and use none do not go together"):
        method("mi", "cbm", use=Use.NONE)


@pytest.mark.parametrize(("calibration", "passes"), [("none", 0), ("cbm", 0), ("contextual", 3 * T), ("pmi", T)])
def test_passes_are_booked(calibration: str, passes: int) -> None:
    posed = problem()
    method("mi", calibration, use=Use.NONE if calibration == "none" else Use.ANSWERS).solve(posed, cast("Run", None))
    assert posed.ledger.total("forward_passes") == passes
