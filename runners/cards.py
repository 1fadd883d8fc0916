"""What a YAML file says about itself, checked against a schema."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from runners.build import build
from runners.catalog import Entry
from runners.errors import CommandError
from runners.tuning import Domain, domain

ROLES = ("paper", "baseline", "ablation", "reference")
FIDELITIES = ("none", "code", "paper")
SCALES = ("tiny", "laptop", "paper")


@dataclass(frozen=True, kw_only=True)
class MethodCard:
    """Card of a method.

    Args:
        role: paper, baseline, ablation or reference.
        version: bumped when a number can change.
        fidelity: what independent numbers a test compares with: none, the authors' code, or the paper.
        title: one line for tables.
        paper: name of the paper's card, where the method is a paper's.
        source: where a baseline comes from.
        search: how each field is drawn in the tuned protocol, by dotted name; see `runners.tuning`.
    """

    role: str
    version: int
    fidelity: str
    title: str
    paper: str | None = None
    source: str | None = None
    search: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"role {self.role!r} is none of {', '.join(ROLES)}")
        if self.fidelity not in FIDELITIES:
            raise ValueError(f"fidelity {self.fidelity!r} is none of {', '.join(FIDELITIES)}")
        self.domains()  # refuses what is none

    def domains(self) -> dict[str, Domain]:
        """What is searched, by dotted name of the field."""
        return {name: domain(name, written) for name, written in self.search.items()}


@dataclass(frozen=True, kw_only=True)
class TaskCard:
    """Card of a task.

    Args:
        version: bumped when a number can change.
        rank: the metric that ranks.
        title: one line for tables.
        scales: values that each tier changes; `laptop` is the default tier.
        axes: fields that a trend may run along, with their values.
        data: data sets of the manifest that the task reads.
    """

    version: int
    rank: str
    title: str
    scales: dict[str, Any]
    axes: dict[str, Any] = field(default_factory=dict)
    data: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if set(self.scales) - set(SCALES) or "laptop" not in self.scales:
            raise ValueError(f"scales must be among {', '.join(SCALES)} and hold laptop, got {', '.join(self.scales)}")


def method_card(entry: Entry) -> MethodCard:
    """The card of a method's entry.

    Raises:
        CommandError: the card does not fit the schema.
    """
    return build(entry.card, MethodCard, f"{entry.name}: card")


def task_card(entry: Entry) -> TaskCard:
    """The card of a task's entry.

    Raises:
        CommandError: the card does not fit the schema.
    """
    return build(entry.card, TaskCard, f"{entry.name}: card")


def at_scale(card: TaskCard, name: str, scale: str) -> dict[str, Any]:
    """The values that a tier changes.

    Raises:
        CommandError: the task has no such tier.
    """
    if scale not in card.scales:
        raise CommandError(f"task {name} has no scale '{scale}'; it has {', '.join(card.scales)}")
    return dict(card.scales[scale] or {})
