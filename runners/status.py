"""Sweeps that run, here or on another machine, and how the last ones ended. Read from the store, from any terminal."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from results.leases import Leases, SweepState
from results.store import Store

_READ, _OVER = 100, 5  # newest sweeps that are looked at, and those of them that are over and shown in text


def report(store: Store, form: str) -> str:
    """What runs and what ran, newest first, as text or JSON.

    Args:
        store: whose sweeps.
        form: text or json.

    Raises:
        StoreError: the store cannot be read.
    """
    now = time.time()
    sweeps = Leases(store).sweeps(_READ)
    if form == "json":
        return json.dumps([_content(sweep, now) for sweep in sweeps], indent=1)
    alive = [sweep for sweep in sweeps if sweep.alive]
    over = [sweep for sweep in sweeps if not sweep.alive]
    lines = [line for sweep in alive for line in _running(sweep, now)] or [f"nothing is running: {store.shown}"]
    lines += [_ended(sweep, now) for sweep in over[:_OVER]]
    return "\n".join(lines)


def _content(sweep: SweepState, now: float) -> dict[str, Any]:
    """A sweep for programs; times are UTC, ISO 8601."""
    expected = _expected(sweep, now)
    return {
        "id": sweep.id,
        "command": sweep.command,
        "host": sweep.host,
        "pid": sweep.pid,
        "alive": sweep.alive,
        "started": _utc(sweep.started),
        "ended": None if sweep.ended is None else _utc(sweep.ended),
        "total": sweep.total,
        "done": _count(sweep, "done"),
        "failed": _count(sweep, "bad"),
        "running": _cells(sweep) if sweep.alive else [],
        "left": _left(sweep),
        "expected_end": None if expected is None else _utc(expected),
    }


def _running(sweep: SweepState, now: float) -> list[str]:
    head = f"{sweep.command}  ({sweep.host}, process {sweep.pid}, started {_span(now - sweep.started)} ago)"
    counts = [f"{_count(sweep, 'done')} of {sweep.total} done", f"{_count(sweep, 'bad')} failed"]
    elsewhere = _count(sweep, "elsewhere")
    counts += [f"{elsewhere} run elsewhere"] if elsewhere else []
    expected = _expected(sweep, now)
    counts += [f"{_left(sweep)} left"]
    if expected is not None:
        counts.append(f"expected end {_clock(expected, now)}, in {_span(expected - now)}")
    return [head, f"  {', '.join(counts)}", *(f"  {_cell(cell)}" for cell in _cells(sweep))]


def _cell(cell: Mapping[str, Any]) -> str:
    share, seconds = cell.get("share"), cell.get("seconds")
    words = [str(cell.get("phase") or "starting")]
    words += [f"{share:.0%}"] if isinstance(share, int | float) else []
    words += [_span(seconds)] if isinstance(seconds, int | float) else []
    return f"{cell.get('cell', '?')}: {', '.join(words)}"


def _ended(sweep: SweepState, now: float) -> str:
    """One line about a sweep that is over."""
    left, bad = _left(sweep), _count(sweep, "bad")
    if sweep.ended is None:
        how = f"died with {left} of {sweep.total} left, last seen {_span(now - sweep.heartbeat)} ago"
    elif left:
        how = f"stopped with {left} of {sweep.total} left, {_span(now - sweep.ended)} ago"
    else:
        how = f"all {sweep.total} done, {_span(now - sweep.ended)} ago"
    return f"{sweep.command}  ({sweep.host}): {how}{f', {bad} failed' if bad else ''}"


def _cells(sweep: SweepState) -> Sequence[Mapping[str, Any]]:
    running = sweep.progress.get("running")
    return running if isinstance(running, list) else []


def _count(sweep: SweepState, key: str) -> int:
    return int(sweep.progress.get(key) or 0)


def _left(sweep: SweepState) -> int:
    return max(0, sweep.total - _count(sweep, "done"))


def _expected(sweep: SweepState, now: float) -> float | None:
    """When the last cell will have ended, if the rest take as long as those before."""
    rate = sweep.progress.get("rate")
    return now + _left(sweep) * float(rate) if sweep.alive and rate is not None else None


def _utc(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")


def _clock(seconds: float, now: float) -> str:
    """The time of day, here, with the date where that is another."""
    then, today = (datetime.datetime.fromtimestamp(moment).astimezone() for moment in (seconds, now))
    return then.strftime("%H:%M" if then.date() == today.date() else "%Y-%m-%d %H:%M")


def _span(seconds: float) -> str:
    """A duration in its two largest units: 12 s, 3 min 5 s, 2 h 10 min, 4 d 3 h."""
    whole = max(0, round(seconds))
    for large, small, size, part in (("d", "h", 86400, 3600), ("h", "min", 3600, 60), ("min", "s", 60, 1)):
        if whole >= size:
            return f"{whole // size} {large} {whole % size // part} {small}"
    return f"{whole} s"
