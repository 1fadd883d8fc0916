"""A benchmark for benchopt in which nothing takes any time, so that what is left is benchopt's own."""

from __future__ import annotations

from typing import Any

from benchopt import BaseObjective  # type: ignore[import-not-found]


class Objective(BaseObjective):  # type: ignore[misc]
    name = "noop"
    sampling_strategy = "run_once"

    def set_data(self, mean: float) -> None:
        self.mean = mean

    def get_objective(self) -> dict[str, Any]:
        return {"mean": self.mean}

    def evaluate_result(self, answer: float) -> dict[str, float]:
        return {"value": abs(answer - self.mean)}

    def get_one_result(self) -> dict[str, float]:
        return {"answer": 0.0}
