"""The verb `run`: Hydra composes, we run. One cell, or a multirun through our sweeper."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import cast

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from results.store import StoreError
from runners import catalog, plugins
from runners.budget import refuse_one_cell
from runners.errors import CommandError, one_line, suggestion
from runners.pair import resolve
from runners.planning import GROUPS, Plan, choice_of, seed_of
from runners.session import BAD
from runners.sweep import run_plan, warm_up, workers_of
from tasks.base import NotApplicable
from tasks.data import DataCorrupt

SEARCHPATH = "hydra.searchpath="
# of Hydra's own
OPTIONS = (
    "-m", "--multirun", "-c", "--cfg", "-p", "--package", "-i", "--info", "--resolve", "--hydra-help", "--version",
)  # fmt: skip


def run(words: Sequence[str]) -> int:
    """Run one cell or a sweep; returns the exit code.

    Raises:
        CommandError: the command cannot be understood or carried out.
        KeyboardInterrupt: it was stopped; what was running has its record.
    """
    words = _searched(words)
    for word in words:
        if word.startswith("-") and word.partition("=")[0] not in OPTIONS:
            raise CommandError(f"run: there is no option '{word}'{suggestion(word, OPTIONS)}")
        _check_name(word)
    sweeping = [word for word in words if word in ("-m", "--multirun")]
    words = [_held_back(word) for word in words] if sweeping else words
    words = sweeping[:1] + [word for word in words if word not in sweeping]  # Hydra wants its overrides in one piece
    for group in () if sweeping or any(word.startswith("-") for word in words) else ("method", "task"):
        if not any(word.startswith(f"{group}=") for word in words):
            raise CommandError(f"{group} is not given; name one with {group}=.. (`bakeoff list {group}s` shows them)")
    trouble: list[Exception] = []
    start = hydra.main(version_base="1.3", config_path="pkg://configs", config_name="bakeoff")(_job(trouble))
    try:
        with _as_program(["bakeoff run", *words, *_further_roots()]):
            start()
        if trouble:
            raise trouble[0]
    except (HydraException, OmegaConfBaseException, YAMLError, NotApplicable, DataCorrupt, StoreError) as error:
        raise CommandError(_told(error)) from error
    except ValueError as error:
        if not str(error).startswith("Config group override"):  # Hydra's word for a group that is chosen by a number
            raise
        raise CommandError(one_line(error)) from error
    except SystemExit as leaving:
        return int(leaving.code or 0)
    return 0


def _job(trouble: list[Exception]) -> Callable[[DictConfig], None]:
    """What Hydra calls with a composed config. Errors go into `trouble`, since Hydra prints those that leave it."""

    def job(config: DictConfig) -> None:
        try:
            own = cast(DictConfig, HydraConfig.get())
            choice, workers = choice_of(config, own), workers_of(config)
            refuse_one_cell(config, [word.partition("=")[0] for word in own.overrides.task])
            if workers and not config.plan:
                warm_up([choice.method], [choice.task])
            pair = resolve(choice, max(1, workers))
            ended = run_plan(Plan([(pair, [seed_of(config.seed)])]), config)
        except (CommandError, NotApplicable, DataCorrupt, StoreError, OmegaConfBaseException) as error:
            trouble.append(error)
        else:
            if any(status in BAD for status in ended):
                raise SystemExit(1)

    return job


def _searched(words: Sequence[str]) -> list[str]:
    """The words without a search path: packages on it become plugins, whose folders Hydra is told of with the others.

    Raises:
        CommandError: it names something else than packages with configs.
    """
    found = [word for word in words if word.startswith(SEARCHPATH)]
    for word in found:
        places = [
            place.strip(" '\"") for place in word.removeprefix(SEARCHPATH).strip("[] ").split(",") if place.strip()
        ]
        for place in places:
            package = re.fullmatch(r"pkg://(\w+(?:\.\w+)*)\.configs", place)
            if not package:
                raise CommandError(f"hydra.searchpath: '{place}' is not of the form pkg://package.configs")
            plugins.also([package[1]])
            for plugin in plugins.plugins():
                if plugin.name == package[1] and plugin.broken:
                    raise CommandError(f"hydra.searchpath: {plugin.broken}")
    return [word for word in words if word not in found]


def _further_roots() -> list[str]:
    """Tell Hydra of the catalogue's folders beyond the first, which it finds by itself."""
    roots = [f"'file://{root}'" for root in catalog.config_roots()[1:] if root.is_dir()]
    return [f"hydra.searchpath=[{','.join(roots)}]"] if roots else []


@contextmanager
def _as_program(words: list[str]) -> Iterator[None]:
    """Make Hydra see these words, let its errors through instead of printing them, and stop on SIGTERM as on Ctrl-C."""
    argv, before = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    handler = signal.signal(signal.SIGTERM, _stop)
    sys.argv = words
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        sys.argv = argv
        signal.signal(signal.SIGTERM, handler)
        if before is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = before


def _held_back(word: str) -> str:
    """In a sweep, keep a value of a method or task until those are chosen; Hydra would look for it before."""
    key, equals, value = word.partition("=")
    if not equals or key.partition(".")[0] not in GROUPS or "." not in key:
        return word
    try:
        (override,) = OverridesParser.create().parse_overrides([word])
    except HydraException:  # it will be refused with a sentence
        return word
    if override.is_sweep_override():
        return word
    return f"{key}=null,null" if override.value() is None else f"{key}=choice({value})"  # choice() takes no null


def _check_name(word: str) -> None:
    """Names that are in no catalogue get our sentence, with a suggestion."""
    kind, equals, name = word.partition("=")
    plain = equals and not any(mark in name for mark in ",()[]'\"")
    if plain and kind in catalog.KINDS and name not in catalog.names(kind):
        raise CommandError(f"there is no {kind} called '{name}'{suggestion(name, catalog.names(kind))}")


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _told(error: Exception) -> str:
    """What an error of Hydra or of a part of ours says to a user."""
    if isinstance(error, OverrideParseException):
        return f"{error.override}: not a value that Hydra's override grammar allows"
    if isinstance(error, HydraException | OmegaConfBaseException):
        return _sentence(error)
    if isinstance(error, YAMLError):  # a file that the catalogue reads and Hydra does not, such as one with a key twice
        return f"a YAML file cannot be read: {one_line(error)}"
    return one_line(error)


def _sentence(error: BaseException) -> str:
    """The point of a Hydra message, without its advice on Hydra's syntax."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    kept = [
        line for line in lines if not line.startswith(("To append", "See ", "full_key", "object_type", "Set the env"))
    ]
    text = " ".join(kept) or type(error).__name__
    if text.startswith("Ambiguous value for argument"):
        return text.partition(" 1. ")[0] + ": several values need a sweep (bakeoff run -m ..)"
    unknown = re.match(r"Could not override '([^']+)'", text)
    return f"{unknown[1]}: there is no such key" if unknown else text
