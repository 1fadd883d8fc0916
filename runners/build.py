"""From plain values to frozen records: the class is the schema.

Values are merged onto the dataclass, so a wrong type, an unknown key and a missing key are refused by name, and a
value that itself has a `_target_` becomes a part, which is built first and checked against the field's type.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, make_dataclass
from typing import Any, TypeVar

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from runners import plugins
from runners.errors import CommandError, one_line, suggestion
from tasks.base import NotApplicable

Record = TypeVar("Record")


def plugin_class(target: Any, where: str) -> type[Any]:
    """Import the class that `_target_` names.

    Raises:
        CommandError: it is outside the plugin packages, missing, or not a concrete frozen dataclass.
        NotApplicable: it needs a package that is not installed.
    """
    if not isinstance(target, str) or not plugins.owns(target):
        raise CommandError(f"{where}._target_: {target} is outside the plugin packages {', '.join(plugins.names())}")
    if target.count(".") < 2:
        raise CommandError(f"{where}._target_: expected package.module.Class, got {target!r}")
    module_name, _, class_name = target.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if plugins.owns(error.name or ""):
            raise CommandError(f"{where}._target_: there is no module {error.name}") from error
        missing = (error.name or "").partition(".")[0]
        raise NotApplicable(f"{target} needs the package '{missing}', which is not installed") from error
    except (Exception, SystemExit) as error:  # a plugin may break in any way while it is imported
        cause = f"{type(error).__name__}: {one_line(error)}"
        raise CommandError(f"{where}: {module_name} cannot be imported ({cause})") from error
    kind = vars(module).get(class_name)
    if not isinstance(kind, type) or kind.__module__ != module_name:
        raise CommandError(f"{where}._target_: {module_name} defines no class {class_name}")
    if not is_dataclass(kind) or not vars(kind)["__dataclass_params__"].frozen:
        raise CommandError(f"{where}._target_: {target} is not a frozen dataclass")
    if inspect.isabstract(kind):
        raise CommandError(f"{where}._target_: {target} is abstract")
    return kind


def build(values: Mapping[str, Any], wanted: type[Record], where: str, **given: Any) -> Record:
    """Build the record that `values` describe.

    Args:
        values: plain values; `_target_` names the class, and may be left out where `wanted` is concrete.
        wanted: type that the record must have.
        where: path of the values in the config, for messages.
        given: fields that the runner fills in itself and that `values` may not name.

    Raises:
        CommandError: naming the key at fault.
        NotApplicable: a class needs a package that is not installed.
    """
    kind = _kind(values, wanted, where)
    slots = _slots(kind, where)
    own = {str(key): value for key, value in values.items() if key != "_target_"}
    _check_keys(own, slots, given, f"{where}.", kind.__name__)
    plain = {name: own[name] for name in own if slots[name].part is None}
    parts = {name: _part(own[name], slots[name], f"{where}.{name}") for name in own if name not in plain}
    ready = dict(given) | parts | _plain(plain, slots, where)
    try:
        return typing.cast(Record, kind(**ready))
    except (ValueError, TypeError) as error:
        raise CommandError(f"{where}: {one_line(error)}") from error


def _kind(values: Mapping[str, Any], wanted: type[Any], where: str) -> type[Any]:
    if "_target_" in values:
        kind = plugin_class(values["_target_"], where)
        if not issubclass(kind, wanted):
            raise CommandError(f"{where}._target_: {kind.__name__} is not a {wanted.__name__}")
        return kind
    if inspect.isabstract(wanted):
        raise CommandError(f"{where}: no _target_ says which {wanted.__name__} to build")
    return wanted


def _check_keys(
    own: Mapping[str, Any], slots: Mapping[str, _Slot], given: Mapping[str, Any], where: str, name: str
) -> None:
    """Refuse unknown keys, keys that the runner fills in, and missing ones."""
    known = set(slots) - set(given)
    for key in own:
        if key not in known:
            raise CommandError(f"{where}{key}: {name} has no such field{suggestion(key, known)}")
    for key in sorted(known - set(own)):
        if slots[key].required:
            raise CommandError(f"{where}{key}: no value, and {name} has none of its own")


@dataclass(frozen=True)
class _Slot:
    hint: Any  # the annotation, resolved
    required: bool
    part: type[Any] | None  # the type of part that the field holds, if it holds any
    many: bool = False  # a tuple of parts
    optional: bool = False


def _slots(kind: type[Any], where: str) -> dict[str, _Slot]:
    try:
        hints = typing.get_type_hints(kind)
    except NameError as error:
        raise CommandError(f"{where}: the annotations of {kind.__name__} cannot be read: {error}") from error
    return {item.name: _slot(hints[item.name], required=item.default is item.default_factory) for item in fields(kind)}


def _slot(hint: Any, required: bool) -> _Slot:
    inner, optional = _without_none(hint)
    arguments = typing.get_args(inner)
    many = typing.get_origin(inner) is tuple and arguments[1:] == (Ellipsis,) and _is_record(arguments[0])
    part = arguments[0] if many else (inner if _is_record(inner) else None)
    return _Slot(hint, required, part, many, optional)


def _is_record(hint: Any) -> bool:
    return isinstance(hint, type) and is_dataclass(hint)


def _without_none(hint: Any) -> tuple[Any, bool]:
    """`X | None` as X and True; anything else as it is and False."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        rest = [argument for argument in typing.get_args(hint) if argument is not type(None)]
        if len(rest) < len(typing.get_args(hint)):
            return (rest[0] if len(rest) == 1 else typing.Union[tuple(rest)]), True  # noqa: UP007 (built, not written)
    return hint, False


def _part(value: Any, slot: _Slot, where: str) -> Any:
    assert slot.part is not None
    if value is None and slot.optional:
        return None
    if slot.many:
        if not isinstance(value, list | tuple):
            raise CommandError(f"{where}: expected a list of {slot.part.__name__}, got {value!r}")
        single = _slot(slot.part, required=True)
        return tuple(_part(item, single, f"{where}[{index}]") for index, item in enumerate(value))
    if isinstance(value, str):
        named = vars(slot.part).get("named")  # a part type may offer a short form, such as the name of a model
        if named is not None:
            return getattr(slot.part, "named")(value)  # noqa: B009 (bound through the class)
    if not isinstance(value, Mapping):
        raise CommandError(f"{where}: expected a {slot.part.__name__} with a _target_, got {value!r}")
    return build(value, slot.part, where)


def _plain(values: dict[str, Any], slots: Mapping[str, _Slot], where: str) -> dict[str, Any]:
    result = {}
    for name, value in values.items():
        hint, place = slots[name].hint, f"{where}.{name}"
        refusal = f"{place}: cannot use {value!r} as {_type_name(hint)}"
        schema = make_dataclass("Schema", [(name, hint)], kw_only=True, frozen=True)
        try:
            merged = OmegaConf.merge(OmegaConf.structured(schema), {name: _enum_name(value, hint)})
            container = OmegaConf.to_container(merged, resolve=True, throw_on_missing=True, enum_to_str=False)
        except (OmegaConfBaseException, ValueError, TypeError, OverflowError) as error:
            raise CommandError(refusal + _hint(error)) from error
        assert isinstance(container, dict)
        result[name] = _checked(container[name], hint, refusal)
    return result


def _enum_name(value: Any, hint: Any) -> Any:
    """Enums are written in YAML by their value; OmegaConf wants the member's name."""
    if isinstance(hint, type) and issubclass(hint, enum.Enum) and isinstance(value, str):
        return next((member.name for member in hint if member.value == value), value)
    return value


def _checked(value: Any, hint: Any, refusal: str) -> Any:
    """What OmegaConf lets through but the annotation does not; lists become tuples.

    Raises:
        CommandError: with the text of `refusal`.
    """
    inner, optional = _without_none(hint)
    arguments = typing.get_args(inner)
    if inner is Any or (value is None and optional):
        return value
    holder = typing.get_origin(inner) or inner
    if isinstance(value, list | dict) and holder not in (tuple, list, dict):
        raise CommandError(refusal)
    if isinstance(value, list):
        fixed = typing.get_origin(inner) is tuple and Ellipsis not in arguments
        if fixed and len(arguments) != len(value):
            raise CommandError(f"{refusal} (expected {len(arguments)} values, got {len(value)})")
        hints = arguments if fixed else [arguments[0] if arguments else Any] * len(value)
        return tuple(_checked(item, own, refusal) for item, own in zip(value, hints, strict=True))
    if isinstance(value, dict) and len(arguments) == 2:
        return {_checked(k, arguments[0], refusal): _checked(v, arguments[1], refusal) for k, v in value.items()}
    wrong_kind = inner in (int, float, str, bool) and type(value) is not inner
    if wrong_kind or (isinstance(value, float) and math.isnan(value)):
        raise CommandError(refusal)
    return value


def _type_name(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint).replace("typing.", "")


def _hint(error: BaseException) -> str:
    text = one_line(error)
    return f" ({text[text.index('expected one of') :].split(' full_key')[0]})" if "expected one of" in text else ""
