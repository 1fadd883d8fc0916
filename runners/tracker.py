"""Weights & Biases as a mirror of attempts, when asked for with `tracker=wandb`. The store never needs it."""

from __future__ import annotations

import os
from pathlib import Path

from results.record import Record, Status
from runners.errors import CommandError, one_line

TRACKERS = ("wandb",)


def check(name: str | None) -> None:
    """Refuse a tracker that is not there.

    Raises:
        CommandError: naming it.
    """
    if name is not None and name not in TRACKERS:
        raise CommandError(f"tracker: '{name}' is none of {', '.join(TRACKERS)}")


def mode() -> str:
    """As `WANDB_MODE` says; else online where there is a key, and offline where there is none."""
    return os.environ.get("WANDB_MODE") or ("online" if os.environ.get("WANDB_API_KEY") else "offline")


def mirror(record: Record, folder: Path, mode: str) -> str | None:
    """Copy a record to Weights & Biases; a sentence if that did not work, which never fails the cell.

    Offline it writes files below `folder`, to be sent later with `wandb sync`.
    """
    import wandb  # slow, and most runs do without

    folder.mkdir(parents=True, exist_ok=True)
    try:
        run = wandb.init(
            project="bakeoff",
            id=record.id,
            name=f"{record.method} seed {record.seed}",
            group=record.task,
            job_type=record.method,
            config=record.identity | {"scale": record.scale, "settings": record.settings},
            dir=str(folder),
            mode=mode,  # type: ignore[arg-type]  # a word from the environment; wandb checks it
            settings=wandb.Settings(
                silent=True, console="off", disable_git=True, x_disable_stats=True, init_timeout=20
            ),
        )
        for name, points in record.logs.items():
            run.define_metric(name, step_metric=f"{name} step")
            for step, seconds, value in points:
                run.log({name: value, f"{name} step": step, f"{name} seconds": seconds})
        run.summary.update(record.metrics | {"status": record.status.value, "reason": record.reason})
        run.summary.update(
            {f"{account} {unit}": n for account, units in record.cost.items() for unit, n in units.items()}
        )
        run.finish(exit_code=0 if record.status is Status.OK else 1)
    except Exception as error:  # noqa: BLE001 (whatever a mirror does, the attempt stands)
        wandb.teardown()  # its service would refuse the same attempt a second time
        return f"attempt {record.id} was not mirrored to wandb: {one_line(error)}"
    return None
