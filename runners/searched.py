"""What `card.search` names, held against the values of a method, and a method with other values there."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from methods.base import Method
from results.selection import flatten
from runners import catalog
from runners.budget import TUNED
from runners.build import build
from runners.cards import at_scale
from runners.errors import CommandError
from runners.pair import Pair, plain_values
from runners.tuning import Domain, Span, Value


def with_values(pair: Pair, values: dict[str, Value]) -> Pair:
    """The pair with other values in some fields of its method, named by dotted keys that are there.

    Raises:
        CommandError: the method refuses them.
    """
    nodes = copy.deepcopy({kind: dict(node) for kind, node in pair.choice.values.items()})
    for name, value in values.items():
        above, _, last = name.rpartition(".")
        node = at(nodes["method"], above) if above else nodes["method"]
        node[last] = value
    choice = replace(pair.choice, values=nodes)
    tier = at_scale(pair.task_card, choice.task, choice.scale)
    plain = plain_values(choice, catalog.find("task", choice.task), tier)["method"]
    return replace(pair, choice=choice, method=cast(Method, build(plain, object, "method")))


def at(values: Any, name: str) -> Any:
    """What stands at a dotted key.

    Raises:
        LookupError: nothing does.
    """
    for step in name.split("."):
        if not isinstance(values, Mapping) or step not in values:
            raise LookupError(name)
        values = values[step]
    return values


def domains(pair: Pair) -> dict[str, Domain]:
    """What is searched of a method by dotted name, held against its values.

    Raises:
        CommandError: naming a field that is not there, that the command sets itself, or whose domain does not fit it.
    """
    name, found = pair.choice.method, pair.method_card.domains()
    written, given = catalog.find("method", name).values, pair.choice.values["method"]
    for key, domain in found.items():
        try:
            here = at(given, key)
        except LookupError as error:
            raise CommandError(f"{name}: card.search.{key}: the method has no such value") from error
        if flatten({key: here}) != flatten({key: at(written, key)}):
            raise CommandError(f"method.{key}: protocol={TUNED} searches it, so leave it out")
        if isinstance(domain, Span) and domain.whole and isinstance(here, float):
            raise CommandError(
                f"{name}: card.search.{key}: whole bounds draw whole numbers, but the value is {here}; "
                f"write {float(domain.low)} and {float(domain.high)}"
            )
    return found
