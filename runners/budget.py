"""What `protocol=tuned` allows every method: how many trials, on how many tuning seeds, drawn by whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from results.protocols import PAPER_VALUES, tuned
from runners import tpe
from runners.errors import CommandError

TUNED = "tuned"  # as the command says it; a cell's protocol names the budget too
KEYS = ("trials", "tuning_seeds", "sampler")
SAMPLERS = ("random", "tpe")


@dataclass(frozen=True)
class Budget:
    """The same for every method.

    Args:
        trials: sets of values that a method may try on a task; the first is that of its YAML.
        seeds: tuning seeds on which each is tried.
        sampler: random or tpe.
    """

    trials: int
    seeds: int
    sampler: str

    @property
    def protocol(self) -> str:
        """The protocol of the scored cells."""
        return tuned(self.trials, self.seeds, self.sampler)

    @property
    def tuning_seeds(self) -> tuple[int, ...]:
        """-1, -2, ..: no user can name them, so they are never scored."""
        return tuple(range(-1, -self.seeds - 1, -1))

    @property
    def words(self) -> tuple[str, ...]:
        """As words of a command."""
        shared = (f"tuning_seeds={self.seeds}",) if self.seeds > 1 else ()
        drawn = (f"sampler={self.sampler}",) if self.sampler != SAMPLERS[0] else ()
        return (f"protocol={TUNED}", f"trials={self.trials}", *shared, *drawn)


def budget_of(values: Mapping[str, Sequence[str]], config: Mapping[str, Any]) -> Budget | None:
    """The budget of a sweep; None where it has the values of the YAML files.

    Args:
        values: the values of every key that the command or its experiment names, as override text.
        config: where they name none.

    Raises:
        CommandError: naming the key at fault, or the package that is missing.
    """
    chosen = {key: _only(key, values, config) for key in ("protocol", *KEYS)}
    if not _is_tuned(chosen["protocol"]):
        for key in KEYS:
            if key in values:
                raise CommandError(f"{key}: only protocol={TUNED} makes trials")
        return None
    if chosen["sampler"] not in SAMPLERS:
        raise CommandError(f"sampler: '{chosen['sampler']}' is none of {', '.join(SAMPLERS)}")
    if chosen["sampler"] == "tpe":
        tpe.check()
    return Budget(_number("trials", chosen, 2), _number("tuning_seeds", chosen, 1), str(chosen["sampler"]))


def refuse_one_cell(config: Mapping[str, Any], named: Sequence[str]) -> None:
    """Refuse what only a sweep can do.

    Args:
        config: of one cell.
        named: keys that the command names.

    Raises:
        CommandError: naming the key.
    """
    if _is_tuned(config["protocol"]):
        raise CommandError(f"protocol: {TUNED} values are chosen in a sweep; use `bakeoff run -m ..`, for one seed too")
    for key in KEYS:
        if key in named:
            raise CommandError(f"{key}: only protocol={TUNED} makes trials")


def _is_tuned(protocol: Any) -> bool:
    if protocol not in (PAPER_VALUES, TUNED):
        raise CommandError(f"protocol: '{protocol}' is none of '{PAPER_VALUES}', {TUNED}")
    return bool(protocol == TUNED)


def _only(key: str, values: Mapping[str, Sequence[str]], config: Mapping[str, Any]) -> Any:
    given = values.get(key)
    if given is None:
        return config[key]
    if len(given) > 1:
        raise CommandError(f"{key}: a sweep has one, got {', '.join(given)}")
    return yaml.safe_load(given[0])


def _number(key: str, chosen: Mapping[str, Any], least: int) -> int:
    number = chosen[key]
    if isinstance(number, bool) or not isinstance(number, int) or number < least:
        first = ", since the first is the YAML's" if key == "trials" else ""
        raise CommandError(f"{key}: expected a whole number of at least {least}{first}, got {number!r}")
    return number
