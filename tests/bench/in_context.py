"""How well a prompted model answers by the number of shots, and which way it errs.

    python -m tests.bench.in_context calibration/held_out_trec calibration/held_out_subj calibration/seen_sst2

Further arguments such as `steps=400` change the recipe of the model, which is built where it is not cached. Columns:
mean accuracy, share of the most frequent class, standard deviation of accuracy over orders of the same demonstrations,
share of answers that are the demonstrations' most frequent label, that label's share of the true answers, and accuracy
where label words are drawn at random. Seeds 100 to 103, 4 orders, every template of the task, 100 questions.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from runners import catalog
from runners.hardware import Hardware
from runners.pair import Choice, resolve
from runners.preparing import ensure
from runners.run import Nobody
from tasks.calibration import Probabilities
from tasks.calibration.asking import Prompted
from tasks.calibration.corpora import Example
from tasks.calibration.prompted import PromptedClassification
from tasks.calibration.prompts import Template
from tasks.calibration.wordpieces import whole_words
from tasks.preparation import Preparation

CPU = Hardware(
    accelerator="cpu",
    devices=1,
    precision="32-true",
    threads=2,
    deterministic=True,
    time_limit=None,
    memory_limit=None,
    device_memory_limit=None,
)
SEEDS, ORDERS, QUESTIONS, SHOTS = range(100, 104), 4, 100, (0, 1, 4, 8)


def task_of(name: str, steps: int | None) -> PromptedClassification:
    entries = {"method": catalog.find("method", "calibration/uncalibrated"), "task": catalog.find("task", name)}
    values: dict[str, Any] = {kind: {**it.values, "card": it.card} for kind, it in entries.items()}
    values["hardware"] = catalog.find("hardware", "cpu").values | {"threads": 2}
    task: Any = resolve(Choice("calibration/uncalibrated", name, "cpu", "laptop", values)).task
    if steps is not None:
        task = replace(task, model=replace(task.model, recipe=replace(task.model.recipe, steps=steps)))
    return cast("PromptedClassification", task)


def row(task: PromptedClassification, shots: int) -> list[float]:
    pools, accuracies, spreads, shares, truths, drawn = task.corpus.pools(), [], [], [], [], []
    network, tokenizer = task.model.network(), task.model.tokenizer()

    def asked(template: Template, shown: Sequence[Example], texts: list[str]) -> Probabilities:
        return Prompted(network, tokenizer, template, tuple(shown)).probabilities(texts)

    words = tokenizer.convert_ids_to_tokens(whole_words(cast("Any", tokenizer)))
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        shown = [pools.support[place] for place in rng.permutation(len(pools.support))[:shots]]
        asking = [pools.query[place] for place in rng.permutation(len(pools.query))[:QUESTIONS]]
        texts, labels = [example.text for example in asking], np.array([example.label for example in asking])
        for template in task.templates:
            own = []
            for _ in range(ORDERS if shots > 1 else 1):
                order = [shown[place] for place in rng.permutation(shots)]
                answers = asked(template, order, texts).argmax(axis=-1)
                own.append(float((answers == labels).mean()))
                if shots:
                    often = int(np.bincount([example.label for example in order]).argmax())
                    shares.append(float((answers == often).mean()))
                    truths.append(float((labels == often).mean()))
            accuracies += own
            spreads.append(float(np.std(own)))
            other = replace(template, words=tuple(rng.choice(words, size=len(template.words), replace=False)))
            drawn.append(float((asked(other, shown, texts).argmax(axis=-1) == labels).mean()))
    columns = (accuracies, spreads, shares or [np.nan], truths or [np.nan], drawn)
    first, *rest = (float(np.mean(column)) for column in columns)
    largest = np.bincount([example.label for example in pools.query]).max() / len(pools.query)
    return [first, float(largest), *rest]


def main(arguments: list[str]) -> None:
    steps = [int(argument.removeprefix("steps=")) for argument in arguments if argument.startswith("steps=")]
    print("task | shots | accuracy | majority | sd over orders | follows the prompt | should | random words")
    for name in (argument for argument in arguments if "=" not in argument):
        task = task_of(name, steps[0] if steps else None)
        if isinstance(task.model, Preparation):
            ensure(task.model, 0, CPU, Nobody())
        for shots in SHOTS:
            print(name, "|", shots, "|", " | ".join(f"{value:.3f}" for value in row(task, shots)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
