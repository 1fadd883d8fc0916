"""What the pages say about methods and tasks beside their results. The caller reads it from the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Block:
    """A piece of a docstring.

    Args:
        kind: text, formula (set as written), items (a numbered list), fields (name and meaning).
        text: of a text or a formula.
        items: of a list; of fields, (name, meaning) pairs.
        heading: what stands above it, such as Deviations.
    """

    kind: str
    text: str = ""
    items: tuple[tuple[str, str], ...] = ()
    heading: str = ""


@dataclass(frozen=True)
class Setting:
    """One value of a YAML file.

    Args:
        name: dotted key.
        value: as written.
        source: the comment beside it: where the value comes from.
        meaning: what the docstring says of the field.
    """

    name: str
    value: str
    source: str = ""
    meaning: str = ""


@dataclass(frozen=True)
class Described:
    """A method or a task of the catalogue.

    Args:
        name: name in the catalogue.
        card: what the YAML file says about itself.
        target: dotted name of the class.
        blocks: its docstring.
        parts: docstrings of the parts that the YAML names, by dotted name.
        settings: its values with their sources.
        trouble: why it cannot be described, if so.
    """

    name: str
    card: Mapping[str, Any] = field(default_factory=dict)
    target: str = ""
    blocks: tuple[Block, ...] = ()
    parts: Mapping[str, tuple[Block, ...]] = field(default_factory=dict)
    settings: tuple[Setting, ...] = ()
    trouble: str = ""

    @property
    def title(self) -> str:
        """One line."""
        return str(self.card.get("title") or "")


@dataclass(frozen=True)
class Catalogue:
    """Everything described, by name, and the text that states each arena's question.

    Args:
        version: of bakeoff.
        hardware: the values of each hardware profile.
    """

    methods: Mapping[str, Described] = field(default_factory=dict)
    tasks: Mapping[str, Described] = field(default_factory=dict)
    arenas: Mapping[str, tuple[Block, ...]] = field(default_factory=dict)
    version: str = ""
    hardware: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
