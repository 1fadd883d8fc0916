"""The tuned protocol: trials on tuning seeds, the choice among them, and the pairs that are then scored.

What the store has is not run again, so that a sweep that was stopped goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from methods.base import Reference
from results.protocols import TUNING
from results.record import Record, Status
from results.store import Store
from runners.budget import Budget
from runners.errors import CommandError
from runners.pair import Pair, board_of
from runners.planning import Plan
from runners.searched import at, domains, with_values
from runners.session import open_cells
from runners.tpe import FIRST, suggested
from runners.tuning import Domain, Key, Outcome, Value, best
from tasks.base import Direction

Found = dict[str, Record]  # by cell the attempt that counts


@dataclass
class Search:
    """The trials of one pair.

    Args:
        pair: with the values of its YAML, or of the command where nothing is searched.
        seeds: to be scored.
        budget: what every method is allowed.
        domains: what is searched, by dotted name of the field.
        higher: whether the rank metric is better when it is higher.
        values: of each trial so far, by field.
        trials: the same as pairs.
    """

    pair: Pair
    seeds: Sequence[int]
    budget: Budget
    domains: dict[str, Domain]
    higher: bool
    values: list[dict[str, Value]] = field(default_factory=list)
    trials: list[Pair] = field(default_factory=list)

    @property
    def wanted(self) -> int:
        """Trials that it takes: all of the budget, one where nothing is searched, none for the task's own answers."""
        if isinstance(self.pair.method, Reference):
            return 0
        return self.budget.trials if self.domains else 1

    @property
    def label(self) -> str:
        """The pair in words."""
        return f"{self.pair.choice.method} on {self.pair.choice.task}"

    def names(self) -> list[dict[int, str]]:
        """The cells of each trial, by tuning seed."""
        return [trial.cells(self.budget.tuning_seeds) for trial in self.trials]

    def outcomes(self, found: Found) -> list[Outcome] | None:
        """How the trials went; None if one has not ended."""
        cells = [list(names.values()) for names in self.names()]
        if any(name not in found for names in cells for name in names):
            return None
        return [Outcome(number, tuple(_score(found[name]) for name in names)) for number, names in enumerate(cells)]

    def advance(self, found: Found) -> list[Pair]:
        """Add the trials that can be named now; returns these.

        Raises:
            CommandError: the method refuses values that its card lets be drawn.
        """
        before = len(self.trials)
        while len(self.trials) < self.wanted and (values := self._next(found)) is not None:
            self.values.append(values)
            self.trials.append(self._trial(len(self.trials), values))
        return self.trials[before:]

    def _next(self, found: Found) -> dict[str, Value] | None:
        number = len(self.trials)
        start = {name: at(self.pair.choice.values["method"], name) for name in self.domains}
        key = Key(self.pair.choice.method, self.pair.method_card.version, self.pair.choice.task)
        if self.budget.sampler == "random" or number < FIRST:
            return start | key.draw(self.domains, number)
        outcomes = self.outcomes(found)
        if outcomes is None:
            return None
        history = [(values, outcome.mean) for values, outcome in zip(self.values, outcomes, strict=True)]
        return suggested(key, self.domains, history, higher=self.higher)

    def _trial(self, number: int, values: dict[str, Value]) -> Pair:
        try:
            pair = with_values(self.pair, values)
        except CommandError as error:
            drawn = ", ".join(f"{name}={value}" for name, value in values.items())
            raise CommandError(f"{self.pair.choice.method}: its card lets {drawn} be drawn, but {error}") from error
        said = self.pair.overrides + self.budget.words
        return replace(pair, protocol=TUNING, tuning={"trial": number, "values": values}, overrides=said)

    def scored(self, found: Found) -> tuple[Pair | None, str]:
        """The pair that is scored, or None; with what was chosen, or why nothing was, in a sentence."""
        said = self.pair.overrides + self.budget.words
        pair = replace(self.pair, protocol=self.budget.protocol, overrides=said)
        if not self.wanted:
            return pair, ""
        outcomes = self.outcomes(found)
        if outcomes is None or len(outcomes) < self.wanted:
            return None, f"left out {self.label}: not all of its trials have ended; the same command goes on from here"
        records = [found[name] for name in dict.fromkeys(name for names in self.names() for name in names.values())]
        bad = [record for record in records if record.status is not Status.OK]
        chosen = best(outcomes, higher=self.higher)
        if chosen is None:
            return None, f"left out {self.label}: {self._hopeless(bad)}"
        values = self.values[chosen.trial]
        pair = replace(with_values(pair, values), tuning=_told(self.budget, chosen, values, records))
        return pair, self._chosen(chosen, len(bad)) if self.domains else ""

    def _hopeless(self, bad: Sequence[Record]) -> str:
        which = f"none of its {self.wanted} trials ended" if self.wanted > 1 else "its one trial did not end"
        seeds = " on every tuning seed" if self.budget.seeds > 1 else ""
        last = max(bad, key=lambda record: (record.ended, record.id))
        return f"{which} ok{seeds}; the last ended as {last.status.value}: {last.reason}"

    def _chosen(self, chosen: Outcome, bad: int) -> str:
        values = ", ".join(f"{name}={value}" for name, value in self.values[chosen.trial].items())
        score = f"{self.pair.task_card.rank} {chosen.mean:.4g} in validation"
        also = f"; {bad} of its attempts did not end ok" if bad else ""
        return f"{self.label}: trial {chosen.trial} of {self.wanted} is chosen, {values} ({score}{also})"


def _told(budget: Budget, chosen: Outcome, values: dict[str, Value], records: Sequence[Record]) -> dict[str, Any]:
    """What a record says about how its values were found."""
    cost: dict[str, float] = {}
    for record in records:
        for units in record.cost.values():
            for unit, amount in units.items():
                cost[unit] = cost.get(unit, 0.0) + amount
    return {
        "trial": chosen.trial,
        "values": values,
        "score": chosen.mean,
        "trials": budget.trials,
        "sampler": budget.sampler,
        "seeds": list(budget.tuning_seeds),
        "attempts": [record.id for record in records],
        "cost": dict(sorted(cost.items())),
        "seconds": sum(record.seconds.get(phase, 0.0) for record in records for phase in ("solve", "evaluate")),
    }


def searches(work: Plan, budget: Budget) -> list[Search]:
    """What has to be tried for a plan.

    Raises:
        CommandError: naming a field whose domain does not fit the method, or that the command sets itself.
    """
    return [Search(pair, seeds, budget, domains(pair), _higher(pair)) for pair, seeds in work.pairs]


def without_search(all_of: Iterable[Search]) -> Iterator[str]:
    """A sentence about the methods of which nothing is searched, if there are any."""
    names = sorted({search.pair.choice.method for search in all_of if search.wanted and not search.domains})
    if names:
        yield f"one trial with the values of the YAML, since its card has no search: {', '.join(names)}"


def run_trials(all_of: Sequence[Search], store: Store, go: Callable[[Plan], object], *, force: bool) -> Found:
    """Run the trials that the store has not, in as many rounds as the sampler takes; what counts of them.

    Args:
        all_of: get their trials here.
        store: where attempts are.
        go: runs a plan.
        force: whether trials that did not end ok are run again.

    Raises:
        StoreError: the store cannot be read.
    """
    found: Found = {}
    seen: set[str] = set()  # trials with the same values are one
    while any(fresh := [search.advance(found) for search in all_of]):
        work = Plan()
        for search, trials in zip(all_of, fresh, strict=True):
            for trial in trials:
                names = trial.cells(search.budget.tuning_seeds)
                if not seen.issuperset(names.values()):
                    work.pairs.append((trial, list(names)))
                seen.update(names.values())
        if open_cells(store, work.pairs, force=force):
            go(work)
        found = counting(store.heads_of(sorted(seen)))
    return found


def counting(records: Iterable[Record]) -> Found:
    """For each cell the newest attempt that ended ok, or else the newest that was not interrupted."""
    ended = [record for record in records if record.status is not Status.INTERRUPTED]
    return {
        record.cell: record
        for record in sorted(ended, key=lambda record: (record.status is Status.OK, record.ended, record.id))
    }


def _higher(pair: Pair) -> bool:
    directions = {metric.name: metric.direction for metric in board_of(pair).metrics}
    return directions[pair.task_card.rank] is Direction.HIGHER


def _score(record: Record) -> float | None:
    return record.metrics.get(record.rank_metric) if record.status is Status.OK else None
