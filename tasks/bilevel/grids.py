"""Walks on a grid: up, down, left, right, with the border as a wall."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))  # rows, columns


def reached_cells(side: int) -> Tensor:
    """Number of the cell (S, 4) that each move leads to from each of side^2 cells; a wall keeps one where one is."""
    here = np.stack(np.divmod(np.arange(side**2), side), axis=1)  # (S, 2)
    there = np.clip(here[:, None] + np.array(MOVES), 0, side - 1)  # (S, 4, 2)
    return torch.from_numpy(there[..., 0] * side + there[..., 1])


def walk(side: int, slip: float) -> Tensor:
    """Transitions (S, 4, S) of a walk whose move is drawn from all four with probability `slip`."""
    certain = torch.nn.functional.one_hot(reached_cells(side), side**2).double()
    return (1 - slip) * certain + slip * certain.mean(dim=1, keepdim=True)
