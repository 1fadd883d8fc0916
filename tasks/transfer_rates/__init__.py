"""The arena `transfer_rates`: how fast does a student's error fall with the number of draws from a teacher?

A teacher is a table pi*(a | s) over S inputs and A labels. Inputs are drawn from rho, labels from the teacher, n draws
in all. Students learn the table from what they are told about the draws, on three levels, each of which tells more.

A problem holds R independent samples of n draws from one teacher, and a solution is a student for each of them, so that
what is measured is close to the expected error and has little noise. The order of draws means nothing, so samples come
as counts; what is told beside them depends on the input and the label alone, so it comes as a table too, with NaN where
nothing was drawn and nothing is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tasks.base import Arena, Board, Direction, Metric, Problem

Tables: TypeAlias = NDArray[np.float64]  # (R, S, A)


@dataclass(frozen=True, kw_only=True)
class HardLabelTransfer(Problem):
    """Only the drawn inputs and labels are known.

    Args:
        counts: (R, S, A), how often input s came with label a in sample r; read-only. Each sample has n draws.
    """

    counts: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class PartialLabelTransfer(HardLabelTransfer):
    """The teacher also says how probable the label was that it drew.

    Args:
        probability: (R, S, A), pi*(a | s) where counts are above zero, NaN elsewhere; read-only.
    """

    probability: Tables


@dataclass(frozen=True, kw_only=True)
class FullLabelTransfer(PartialLabelTransfer):
    """The teacher says the probabilities of all labels of each drawn input.

    Args:
        soft: (R, S, A), pi*(. | s) where s was drawn, rows of NaN elsewhere; read-only.
    """

    soft: Tables


ARENA = Arena(
    question="How fast does a student's error fall with n draws of labels, of their probabilities, of soft labels?",
    equal="the teacher, the inputs and labels that were drawn, and how many",
    boards=(
        Board(
            problem=HardLabelTransfer,
            solution="an array (R, S, A) whose rows are the student's label probabilities, one table for each sample",
            metrics=(
                Metric(
                    "total_variation",
                    "share",
                    Direction.LOWER,
                    "total variation distance to the teacher, mean over inputs as drawn, and over samples",
                ),
                Metric("seen_part", "share", Direction.LOWER, "what inputs contribute to it that were drawn"),
                Metric("unseen_part", "share", Direction.LOWER, "what inputs contribute to it that were not drawn"),
            ),
        ),
    ),
)
