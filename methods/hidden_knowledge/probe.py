"""A probe of the states: what the model knows but need not say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from methods.base import Method, Run
from methods.hidden_knowledge._external import fitted, knowledge
from tasks.hidden_knowledge import OpenModelQuestions, Question, Scorer, Scores


@dataclass(frozen=True, kw_only=True)
class Probe(Method):
    """Logistic regression on the states behind a layer at the last token of the question whether a candidate is true
    (Gekhman et al., COLM 2025, arXiv 2503.15299), one for each relation, the layer chosen on development questions.

    Deviations from the paper:

    1. The labels come from the world, where the paper has a strong model judge the answers.
    2. Right and wrong candidates weigh alike in the fit, where the paper balances by drawing.
    3. C is chosen by cross-validation over training questions, by knowledge.

    It logs `layer` for each relation.

    Args:
        strengths: values of C to choose from.
        folds: of the cross-validation.
    """

    strengths: tuple[float, ...]
    folds: int

    def __post_init__(self) -> None:
        if not self.strengths or min(self.strengths) <= 0 or self.folds < 2:
            raise ValueError("at least one strength above 0 and 2 folds or more are needed")

    def solve(self, problem: OpenModelQuestions, run: Run) -> Scorer:
        """Fit a probe for each relation and layer, and keep the best layer, fitted to all labelled questions."""
        kept = []
        for relation in range(problem.relations):
            train, chosen_on = (
                [(problem.hidden(it).astype(float), problem.right(it)) for it in part if it.relation == relation]
                for part in (problem.train, problem.development)
            )
            found = []
            for layer in range(train[0][0].shape[1]):
                features, right = [states[:, layer] for states, _ in train], [labels for _, labels in train]
                model = fitted(features, right, self.strengths, min(self.folds, len(train)))
                shares = [knowledge(model.decision_function(it[:, layer]), labels) for it, labels in chosen_on]
                found.append((float(np.mean(shares)), layer))
            reached, layer = max(found, key=lambda it: it[0])
            features, right = [it[:, layer] for it, _ in (*train, *chosen_on)], [it for _, it in (*train, *chosen_on)]
            model = fitted(features, right, self.strengths, min(self.folds, len(features)))
            run.log("layer", layer, relation)
            run.log("development_knowledge", reached, relation)
            kept.append((layer, model))

        def score(question: Question) -> Scores:
            layer, model = kept[question.relation]
            scores: Scores = model.decision_function(problem.hidden(question)[:, layer].astype(float))
            return scores

        return score
