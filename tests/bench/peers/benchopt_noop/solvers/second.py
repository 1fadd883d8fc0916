from __future__ import annotations

from typing import Any, ClassVar

from benchopt import BaseSolver  # type: ignore[import-not-found]


class Solver(BaseSolver):  # type: ignore[misc]
    name = "second"
    parameters: ClassVar[dict[str, Any]] = {"number": [0]}

    def set_objective(self, mean: float) -> None:
        self.mean = mean

    def run(self, _: Any) -> None:
        self.answer = self.mean + self.number

    def get_result(self) -> dict[str, float]:
        return {"answer": self.answer}
