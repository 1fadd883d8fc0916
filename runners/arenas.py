"""Where the constant `ARENA` of an arena is: in our own packages, or in a plugin's."""

from __future__ import annotations

import importlib
import importlib.util

from runners import plugins
from runners.errors import CommandError, one_line
from tasks.base import Arena


def package_of(arena: str) -> str:
    """The package that states an arena: `tasks.<arena>`, or `<plugin>.tasks.<arena>` where a plugin brings it.

    Raises:
        CommandError: there is none.
    """
    places = [f"tasks.{arena}", *(f"{one}.tasks.{arena}" for one in plugins.names() if one not in plugins.OWN)]
    for place in places:
        if _there(place):
            return place
    raise CommandError(f"there is no arena called '{arena}'")


def arena_of(name: str) -> Arena:
    """The arena of that name.

    Raises:
        CommandError: there is none, or its package cannot be imported or states none.
    """
    package = package_of(name)
    try:
        stated = vars(importlib.import_module(package)).get("ARENA")
    except Exception as error:  # a plugin may break in any way
        raise CommandError(f"{package} cannot be imported ({type(error).__name__}: {one_line(error)})") from error
    if not isinstance(stated, Arena):
        raise CommandError(f"{package} states no ARENA")
    return stated


def _there(place: str) -> bool:
    try:
        return importlib.util.find_spec(place) is not None
    except Exception:  # noqa: BLE001 (there is no such package, or code of others breaks)
        return False
