"""Samples from a table over finitely many inputs and labels, and the total variation distance to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.base import Invalid, Run, Task, read_only
from tasks.transfer_rates import FullLabelTransfer, Tables
from tasks.transfer_rates.teachers import Array, Family, least_draws, teacher

ROUNDING = 1e-9  # how far the sum of a row may be from 1


@dataclass(frozen=True, kw_only=True)
class TransferTable(Task):
    """R samples of n draws from one teacher of a family.

    Which inputs are drawn does not depend on the number of labels, so that points along that axis share them.

    Args:
        family: of teachers.
        inputs: S.
        labels: A.
        draws: n.
        repeats: R, samples in a problem, over which the error is averaged.
    """

    family: Family
    inputs: int
    labels: int
    draws: int
    repeats: int

    def __post_init__(self) -> None:
        if min(self.inputs, self.draws, self.repeats) < 1 or self.labels < 2:
            raise ValueError(f"{self.name}: inputs, draws and repeats must be at least 1, and labels at least 2")
        if self.family is Family.RARE_LABEL and self.labels < 3:
            raise ValueError(f"{self.name}: rare labels need at least 3 labels, got {self.labels}")
        if self.family is Family.RARE_INPUT and self.labels % 2:
            raise ValueError(f"{self.name}: teachers on half of the labels need an even number, got {self.labels}")
        least = least_draws(self.family, self.inputs, self.labels)
        if self.draws <= least:
            raise ValueError(f"{self.name}: with these inputs and labels it takes more than {least} draws")

    def truth(self, seed: int) -> tuple[Array, Array]:
        """rho (S,) and pi* (S, A)."""
        return teacher(self.family, self.inputs, self.labels, self.draws, self.stream(seed, "teacher"))

    def problem(self, seed: int) -> FullLabelTransfer:
        """The samples of a seed, with all that the teacher can tell about them."""
        pi = self.truth(seed)[1]
        counts = self._counts(seed)
        return FullLabelTransfer(
            counts=read_only(counts),
            probability=read_only(np.where(counts > 0, pi, np.nan)),
            soft=read_only(np.where(counts.sum(axis=2, keepdims=True) > 0, pi, np.nan)),
        )

    def evaluate(self, solution: Tables, seed: int, run: Run) -> Mapping[str, float]:
        """Against the teacher, which is known."""
        rho, pi = self.truth(seed)
        tables = checked(solution, (self.repeats, self.inputs, self.labels))
        parts = rho * np.abs(tables - pi).sum(axis=2) / 2  # (R, S)
        seen = self._counts(seed).sum(axis=2) > 0
        return {
            "total_variation": float(parts.sum(axis=1).mean()),
            "seen_part": float((parts * seen).sum(axis=1).mean()),
            "unseen_part": float((parts * ~seen).sum(axis=1).mean()),
        }

    def trivial(self, seed: int) -> Tables:
        """All labels alike."""
        return np.full((self.repeats, self.inputs, self.labels), 1 / self.labels)

    def best(self, seed: int) -> Tables:
        """The teacher."""
        return np.tile(self.truth(seed)[1], (self.repeats, 1, 1))

    def _counts(self, seed: int) -> NDArray[np.int64]:
        """(R, S, A): first how often each input is drawn, then its labels."""
        rho, pi = self.truth(seed)
        visits = self.stream(seed, "inputs").multinomial(self.draws, rho, size=self.repeats)  # (R, S)
        counts: NDArray[np.int64] = self.stream(seed, "labels").multinomial(visits, pi)
        return counts


def checked(solution: Tables, shape: tuple[int, int, int]) -> Tables:
    """The solution, if its rows are distributions.

    Raises:
        Invalid: they are not.
    """
    tables = np.asarray(solution, dtype=np.float64)
    if tables.shape != shape:
        raise Invalid(f"the students are an array {tables.shape}, and not {shape}")
    if not np.isfinite(tables).all() or (tables < 0).any():
        raise Invalid("a student has probabilities that are negative or not finite")
    if np.abs(tables.sum(axis=2) - 1).max() > ROUNDING:
        raise Invalid("the label probabilities of a student do not sum to 1")
    return tables
