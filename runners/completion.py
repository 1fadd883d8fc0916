"""The verb `completion`: a script for bash, and the candidates that it asks for."""

from __future__ import annotations

from collections.abc import Sequence

from runners import catalog, usage
from runners.errors import CommandError

# bash splits words at = by itself and replaces what is behind it, so candidates are given without the key
SCRIPT = """\
_bakeoff() {
    local IFS=$'\\n'
    COMPREPLY=($(bakeoff completion "${COMP_LINE:0:COMP_POINT}" 2>/dev/null))
    [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
}
complete -F _bakeoff bakeoff"""

SCALES = ("tiny", "laptop", "paper")
KEYS = {
    "run": (
        "method",
        "task",
        "hardware",
        "experiment",
        "seed",
        "scale",
        "protocol",
        "trials",
        "n_jobs",
        "plan",
        "force",
    ),
    "prepare": ("task", "experiment", "hardware", "seed", "scale"),
    "check": ("method", "task"),
    "new": ("plugin", "arena", "method", "task"),
    "leaderboard": ("task", "arena", "format", "out"),
    "compare": ("task", "scale", "metric", "format", "out"),
    "claims": ("paper", "arena", "format", "run", "n_jobs"),
    "verify": ("arena", "rows", "seed"),
    "publish": ("arena", "folder"),
    "report": ("out", "task", "arena"),
}


def command(words: Sequence[str]) -> int:
    """`bakeoff completion`: the script; with the line that was typed so far, what may come next, one a line.

    Raises:
        CommandError: there is more than one line.
    """
    if len(words) > 1:
        raise CommandError("completion takes nothing, or the line that was typed so far")
    print("\n".join(candidates(words[0])) if words else SCRIPT)  # noqa: T201 (a verb's answer)
    return 0


def candidates(line: str) -> list[str]:
    """What may stand in place of the last word of a line."""
    words = line.split(" ")[1:] or [""]
    last = words[-1]
    if len(words) == 1:
        return [verb for verb in usage.VERBS if verb.startswith(last)]
    key, equals, begun = last.partition("=")
    if equals:
        return [value for value in _values(key) if value.startswith(begun)]
    found = [f"{key}=" for key in KEYS.get(words[0], ("store", "outputs", "format")) if key.startswith(last)]
    if words[0] in ("info", "compare"):
        found += [name for kind in ("method", "task") for name in catalog.names(kind) if name.startswith(last)]
    return found


def _values(key: str) -> list[str]:
    if key in (*catalog.KINDS, "paper"):
        return catalog.names(key)
    if key == "arena":
        return sorted({name.partition("/")[0] for name in catalog.names("task")})
    return list({"scale": SCALES, "plan": ("true",), "force": ("true",), "run": ("true",)}.get(key, ()))
