"""The words of a command: what is plain, what is key=value, and the store that they name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from runners.errors import CommandError, suggestion

if TYPE_CHECKING:
    from results.store import Store

STORE: Mapping[str, str] = {"store": "", "outputs": "outputs"}  # the keys of every verb that reads the store


def split(words: Sequence[str], known: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Split words into plain ones and key=value ones.

    Args:
        words: what was typed behind the verb.
        known: each key that the verb has, with its default.

    Raises:
        CommandError: the verb has no such key.
    """
    plain = [word for word in words if "=" not in word]
    values = dict(known)
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            continue
        if key not in known:
            raise CommandError(f"{key}: this command has no such key{suggestion(key, known) or choices(known)}")
        values[key] = value
    return plain, values


def only_keys(verb: str, words: Sequence[str], known: Mapping[str, str]) -> dict[str, str]:
    """The values of a verb that takes no plain word.

    Raises:
        CommandError: a word is not key=value, or the verb has no such key.
    """
    plain, values = split(words, known)
    if plain:
        raise CommandError(f"{verb}: '{plain[0]}' is not key=value{choices(known)}")
    return values


def choices(known: Mapping[str, str]) -> str:
    """'; it has a, b' for the keys of a verb, or an empty string."""
    return f"; it has {', '.join(known)}" if known else ""


def one_of(value: str, allowed: Sequence[str], key: str) -> str:
    """The value, if it is allowed.

    Raises:
        CommandError: it is not.
    """
    if value not in allowed:
        raise CommandError(f"{key}: '{value}' is none of {', '.join(allowed)}")
    return value


def spelled(value: Any) -> str:
    """A value as Hydra reads it: text in quotes where it is more than a plain word."""
    if isinstance(value, str):
        plain = all(letter.isalnum() or letter in "_-./" for letter in value)
        if plain and isinstance(yaml.safe_load(value), str):
            return value
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return json.dumps(value, separators=(",", ":"))


@contextmanager
def opened(values: Mapping[str, str]) -> Iterator[Store]:
    """The store that `store=` and `outputs=` name, closed behind the command.

    Raises:
        CommandError: there is no usable store at that place, or it breaks while it is read.
    """
    from results.store import StoreError
    from runners.session import open_store

    store = open_store(values["store"] or None, Path(values["outputs"]))
    try:
        yield store
    except StoreError as error:
        raise CommandError(str(error)) from error
    finally:
        store.close()
