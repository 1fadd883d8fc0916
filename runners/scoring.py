"""Scores of what a method offered on its way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from results.record import finite
from runners.errors import one_line
from runners.pair import Pair
from runners.run import AttemptRun, Offer
from tasks.base import Board
from tasks.metering import USE, Ledger, random_stream


def declared(board: Board, scores: Mapping[str, float]) -> dict[str, float]:
    """Scores as they are.

    Raises:
        ValueError: the board declares no such metric.
    """
    unknown = set(scores) - {metric.name for metric in board.metrics}
    if unknown:
        raise ValueError(f"the board declares no metric called {', '.join(sorted(unknown))}")
    return dict(scores)


def score_offers(
    pair: Pair, seed: int, ledger: Ledger, offers: Sequence[Offer], scratch: Path
) -> Iterator[dict[str, Any]]:
    """Points of the anytime curve; an early offer that cannot be scored says why and does not undo the answer.

    Args:
        pair: whose task scores.
        seed: of the cell.
        ledger: of the attempt, whose `solve` account stays as it is.
        offers: oldest first.
        scratch: where files may be put.
    """
    key = (pair.task.name, pair.task.version, seed)
    for index, offer in enumerate(offers):
        run = AttemptRun(random_stream("use", *key), Ledger(), pair.hardware, scratch / f"offer{index}")
        point: dict[str, Any] = {"seconds": offer.seconds, "cost": offer.cost, "metrics": {}}
        try:
            with run.ledger.booking(USE), ledger.booking("offers"):
                point["metrics"] = finite(dict(pair.task.score_offer(offer.solution, seed, run)))[0]
        except Exception as error:  # noqa: BLE001 (the point says why it has no metrics)
            point["reason"] = f"{type(error).__name__}: {one_line(error)}"
        yield point
