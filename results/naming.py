"""What tells sets of values apart in words: the values that a command changed, and those in which namesakes differ."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from results.record import Record
from results.selection import flatten

_TOLD = ("name", "version")  # stand elsewhere in every title


@dataclass(frozen=True)
class Namesake:
    """One of several sets of values under one name.

    Args:
        values: nested, as in an identity.
        overridden: by dotted key, the text of each value that differs from the YAML.
        key: a short name that no other set has.
    """

    values: Mapping[str, Any]
    overridden: Mapping[str, str]
    key: str


def overridden(records: Sequence[Record], kind: str) -> dict[str, str]:
    """The values that differ from the YAML of a `kind`, method or task, by dotted key, as the newest attempt that
    knows them says; the YAML may have changed since the older ones."""
    told = [record for record in records if "overrides" in record.settings]
    newest = max(told, key=lambda record: (record.ended, record.id), default=None)
    words = newest.settings["overrides"] if newest is not None else ()
    named = (word.removeprefix(f"{kind}.").partition("=") for word in words if word.startswith(f"{kind}."))
    return {key: value for key, _, value in named}


def labels(namesakes: Sequence[Namesake]) -> list[str]:
    """For each set its overridden values and those in which the sets differ, as `key=value` text; empty where there is
    nothing to tell."""
    flat = [flatten(one.values) for one in namesakes]
    keys = sorted({key for values in flat for key in values if key not in _TOLD})
    differing = [key for key in keys if len({_pair(values, key) for values in flat}) > 1]
    return [_label(one, values, differing) for one, values in zip(namesakes, flat, strict=True)]


def _label(one: Namesake, values: Mapping[str, Any], differing: Sequence[str]) -> str:
    parts = {key: _pair(values, key) for key in differing}
    for key, text in one.overridden.items():
        if key in values:
            parts[key] = _pair(values, key)
        elif not any(other.startswith(f"{key}.") for other in differing):  # a part that was chosen by its name
            parts[key] = f"{key}={text}"
    return ", ".join(parts[key] for key in sorted(parts))


def _pair(values: Mapping[str, Any], key: str) -> str:
    return f"{key}={spelled(values[key])}" if key in values else f"{key} missing"


def spelled(value: Any) -> str:
    """A value as JSON, and text without quotes where nobody would read it as something else."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    if not isinstance(value, str) or not all(letter.isalnum() or letter in "_-./" for letter in value):
        return text
    try:
        json.loads(value)
    except ValueError:
        return value
    return text


def distinct(texts: Sequence[Any], told: Sequence[str], keys: Sequence[str]) -> list[str]:
    """What is told of each thing, with its key where another one looks the same.

    Args:
        texts: all that a reader sees of each.
        told: the part of it that may grow.
        keys: short names, no two alike.
    """
    seen = Counter(texts)
    return [
        ", ".join(part for part in (one, f"key {key}" if seen[text] > 1 else "") if part)
        for text, one, key in zip(texts, told, keys, strict=True)
    ]
