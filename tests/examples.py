"""Made-up attempts that several tests look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from results.leaderboard import leaderboards
from results.record import Record, Status
from results.report.facts import Block, Catalogue, Described, Setting
from results.report.site import Source

HOSTILE = "<script>alert('x')</script> \"q\" & a_b%c$d#{e}~^\\ \U0001f40d"


def record(method: str, seed: int, value: float | None, **changes: Any) -> Record:
    """An attempt of a made-up cell; `value` None means that it failed."""
    identity = {
        "method": {"name": method, "version": 1, "lr": 0.1},
        "task": {"name": "toys/hill", "size": 3},
        "hardware": {"accelerator": "cpu", "precision": "32-true"},
    }
    base = Record(
        id=f"{method}-{seed}",
        cell=f"{method}{seed}",
        identity=identity,
        settings={},
        arena="toys",
        task="toys/hill",
        method=method,
        problem="Hill",
        scale="laptop",
        hardware="cpu",
        protocol="paper values",
        seed=seed,
        method_version=1,
        task_version=1,
        role="paper",
        fidelity="code",
        status=Status.OK if value is not None else Status.FAILED,
        reason="" if value is not None else "RuntimeError: a | b",
        phase="" if value is not None else "solve",
        rank_metric="height",
        started="2026-01-01T00:00:00.000+00:00",
        ended="2026-01-01T00:00:01.000+00:00",
        metrics={"height": value, "slope": 2 * value} if value is not None else {},
        metric_info={
            "height": {"unit": "m", "direction": "higher"},
            "slope": {"unit": "", "direction": "none"},
            "unseen": {"unit": "", "direction": "lower"},
        },
        cost={"solve": {"steps": 10.0 * (seed + 1)}, "use": {}},
        seconds={"solve": 1.0, "evaluate": 0.5},
        peak_memory_mib=100.0 + seed,
    )
    return replace(base, **changes)


def attempts(hostile: str = "") -> list[Record]:
    """Two methods and a reference on two tasks, one failure, curves and offers."""
    made = []
    for task in ("toys/hill", "toys/dale"):
        for number, name in enumerate(("toys/a", f"toys/b{hostile}", "reference/trivial")):
            for seed in range(4):
                value = None if (number, seed) == (1, 3) else 1.0 + 3 * number * (number < 2) + 0.1 * seed * number
                it = record(name, seed, value, task=task, role="reference" if number == 2 else "paper")
                it = replace(
                    it,
                    id=f"{task}{hostile}-{name}-{seed}",
                    cell=f"{task}-{name}-{seed}",
                    identity=it.identity | {"task": {"name": task, "note": hostile}},
                    reason=it.reason + hostile,
                    traceback=f"Traceback: {hostile}" if value is None else "",
                    logs={f"loss{hostile}": [[step, step / 10, 1 / (1 + step)] for step in range(200)]},
                    curve=[
                        {"seconds": k, "cost": {"solve": {"steps": k}}, "metrics": {"height": k / 9}} for k in (1, 2)
                    ],
                )
                made.append(it)
    return made


def catalogue(hostile: str = "") -> Catalogue:
    about = Described(
        "toys/a",
        card={"title": f"a title {hostile}", "role": "paper", "paper": hostile, "fidelity": "code", "version": 1},
        target="methods.toys.a.A",
        blocks=(Block("text", f"What it is, `x`. {hostile}"), Block("formula", f"a = b {hostile}"),
                Block("items", items=(("1", f"a deviation {hostile}"),), heading="Deviations")),
        settings=(Setting("lr", "0.1", f"the paper {hostile}", "a rate"),),
    )  # fmt: skip
    task = Described("toys/hill", card={"title": "a hill", "rank": "height", "scales": {"laptop": {}}}, target="t.T")
    return Catalogue({"toys/a": about}, {"toys/hill": task}, {"toys": (Block("text", f"The arena: {hostile}"),)}, "0")


def source(records: Sequence[Record], facts: Catalogue | None = None) -> Source:
    return Source(records, lambda: iter(records), leaderboards(records), facts or catalogue())
