"""Which method can attempt which task: decided by problem types alone.

A method can attempt a task if the task's problem type satisfies the type that `solve` is annotated with: it is that
type or extends it. `A | B` means either. An annotation class with several bases and no fields of its own means all
of its bases.
"""

from __future__ import annotations

import inspect
import types
import typing
from typing import Any

from methods.base import Method, Reference
from runners.errors import CommandError
from tasks.base import Problem, Task


def satisfies(posed: type[Problem], needed: Any) -> bool:
    """Whether a problem of type `posed` gives all that `needed` asks for."""
    if typing.get_origin(needed) in (typing.Union, types.UnionType):
        return any(satisfies(posed, option) for option in typing.get_args(needed))
    if issubclass(posed, needed):
        return True
    bases = [base for base in needed.__bases__ if issubclass(base, Problem)]
    means_all_bases = len(bases) > 1 and not inspect.get_annotations(needed)
    return means_all_bases and all(satisfies(posed, base) for base in bases)


def needed_type(kind: type[Method] | type[Reference]) -> Any:
    """The annotation of `solve`'s first argument. A reference row answers every task."""
    if issubclass(kind, Reference):
        return Problem
    return _annotation(kind, "solve", "problem")


def posed_type(kind: type[Task]) -> type[Problem]:
    """The annotation of what `problem` returns."""
    hint = _annotation(kind, "problem", "return")
    if not isinstance(hint, type):
        raise CommandError(f"{kind.__name__}.problem: a task poses one problem type, not {type_name(hint)}")
    return hint


def _annotation(kind: type[Any], function: str, name: str) -> Any:
    try:
        hint = typing.get_type_hints(getattr(kind, function)).get(name)
    except NameError as error:
        raise CommandError(f"{kind.__name__}.{function}: its annotations cannot be read: {error}") from error
    options = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    if not all(isinstance(option, type) and issubclass(option, Problem) for option in options):
        raise CommandError(f"{kind.__name__}.{function}: '{name}' must be annotated with a problem type, not {hint}")
    return hint


def type_name(hint: Any) -> str:
    """Name of a problem type, or of a union of them."""
    return " or ".join(option.__name__ for option in typing.get_args(hint) or (hint,))


def refusal(method: tuple[str, type[Any]], task: tuple[str, type[Task]]) -> str | None:
    """Why a method cannot attempt a task, as a sentence; None if it can. Both come as (name, class)."""
    needed, posed = needed_type(method[1]), posed_type(task[1])
    if satisfies(posed, needed):
        return None
    return f"{method[0]} needs {type_name(needed)}, but {task[0]} poses {posed.__name__}"
