"""Sweeps: many choices, dropped where they make no sense, skipped where the store has them, run, and counted.

Hydra hands over the overrides of one multirun (`hydra_plugins/bakeoff`). Nested globs, lists and ranges become
distinct choices, each composed once; the seeds of one choice are run together.
"""

from __future__ import annotations

import fnmatch
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override, ValueType
from omegaconf import DictConfig, OmegaConf

from results.record import Status
from runners import catalog, tracker
from runners.errors import CommandError, one_line, suggestion
from runners.pair import Choice, Pair, mismatch, resolve
from runners.progress import Display
from runners.session import BAD, Session, open_store, take_in
from tasks.base import NotApplicable

GROUPS = ("method", "task", "hardware")
ROOT_KEYS = (*GROUPS, "card", "scale", "seed", "force", "store", "tracker", "outputs", "hydra")
Compose = Callable[[list[str]], DictConfig]


@dataclass
class Plan:
    """What a sweep will do.

    Args:
        pairs: each with its seeds.
        misfits: sentences about pairs whose types do not fit.
        dropped: other reasons why choices were left out, with the choices.
    """

    pairs: list[tuple[Pair, list[int]]] = field(default_factory=list)
    misfits: list[str] = field(default_factory=list)
    dropped: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def cells(self) -> int:
        """Number of cells."""
        return sum(len(seeds) for _, seeds in self.pairs)

    def reasons(self) -> Iterator[str]:
        """One line for each reason why something was left out."""
        if len(self.misfits) == 1:
            yield f"left out: {self.misfits[0]}"
        elif self.misfits:
            yield f"left out {len(self.misfits)} pairs whose types do not fit, such as: {self.misfits[0]}"
        for reason, labels in self.dropped.items():
            shown = ", ".join(labels[:3]) + (f" and {len(labels) - 3} more" if len(labels) > 3 else "")
            yield f"left out {len(labels)}: {reason} ({shown})"


def choice_of(config: DictConfig, hydra: DictConfig) -> Choice:
    """The choice that a composed config and Hydra's own node stand for.

    Raises:
        CommandError: the config has keys at the top that mean nothing.
    """
    for key in map(str, config):
        if key not in ROOT_KEYS:
            raise CommandError(f"{key}: there is no such key{suggestion(key, ROOT_KEYS)}")
    named = {
        override.key_or_group.removeprefix("task.")
        for override in OverridesParser.create().parse_overrides(list(hydra.overrides.task))
        if override.key_or_group.startswith("task.")
    }
    chosen = hydra.runtime.choices
    values: Mapping[str, Any] = {
        kind: OmegaConf.to_container(config[kind], resolve=False) if kind in config else {} for kind in GROUPS
    }
    names = [str(chosen[kind]) for kind in GROUPS]
    return Choice(names[0], names[1], names[2], str(config.scale), values, frozenset(named))


def seed_of(value: Any) -> int:
    """A seed from a config or an override.

    Raises:
        CommandError: it is not a whole number.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise CommandError(f"seed: expected a whole number that is not negative, got {value!r}")
    return value


def expand(overrides: Sequence[str], params: Mapping[str, Any]) -> dict[str, list[str]]:
    """The values of every key of a multirun, as override text; the command line wins over an experiment's params.

    Raises:
        CommandError: a key is named twice, a glob finds nothing, or a name is not in the catalogue.
    """
    written = [f"{key}={value}" for key, value in params.items() if value is not None]
    values: dict[str, list[str]] = {}
    for source in (written, overrides):
        parsed = OverridesParser.create().parse_overrides(list(source))
        keys = [override.get_key_element() for override in parsed]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise CommandError(f"{twice[0]} is given twice")
        for override in parsed:
            values[override.get_key_element()] = _values(override)
    return values


def _values(override: Override) -> list[str]:
    key = override.get_key_element()
    if override.value_type is ValueType.GLOB_CHOICE_SWEEP:
        if key not in catalog.KINDS:
            raise CommandError(f"{key}: a glob can only choose among {', '.join(catalog.KINDS)}")
        return _glob(key, override.value())
    if override.is_sweep_override():
        found = [str(text) for text in override.sweep_string_iterator()]
    elif isinstance(several := override.value(), list) and (key in GROUPS or key in ("seed", "scale")):
        found = [str(item) for item in several]
    else:
        found = [override.get_value_element_as_str()]
    if not found:
        raise CommandError(f"{key}: no values")
    if key in catalog.KINDS:
        for name in found:
            if name not in catalog.names(key):
                raise CommandError(f"there is no {key} called '{name}'{suggestion(name, catalog.names(key))}")
    return found


def _glob(kind: str, glob: Any) -> list[str]:
    assert isinstance(glob, Glob)
    known = catalog.names(kind)
    found = [
        name
        for name in known
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in glob.include)
        and not any(fnmatch.fnmatchcase(name, pattern) for pattern in glob.exclude)
    ]
    if not found:
        raise CommandError(f"no {kind} matches {', '.join(glob.include)}; there are {', '.join(known) or 'none'}")
    return found


def plan(values: Mapping[str, list[str]], compose: Compose, default_seed: int) -> Plan:
    """Compose every distinct choice once, and keep those that can be run.

    Raises:
        CommandError: naming what is wrong, or that nothing is left to run.
    """
    seeds = [seed_of(_number(text)) for text in values.get("seed", [str(default_seed)])]
    keys = [key for key in values if key != "seed"]
    result = Plan()
    fits: dict[tuple[str, str], bool] = {}
    for combination in itertools.product(*(values[key] for key in keys)):
        chosen = dict(zip(keys, combination, strict=True))
        names = (chosen["method"], chosen["task"])
        if names not in fits:
            fits[names] = _fits(names, result)
        if not fits[names]:
            continue
        config = compose([f"{key}={text}" for key, text in chosen.items()])
        try:
            result.pairs.append((resolve(choice_of(config, config.hydra)), seeds))
        except NotApplicable as error:
            result.dropped[one_line(error)].append(" on ".join(names))
    if not result.pairs:
        raise CommandError("; ".join(["nothing to run", *result.reasons()]))
    return result


def _fits(names: tuple[str, str], result: Plan) -> bool:
    """Whether a method can attempt a task; if not, the plan is told why."""
    try:
        sentence = mismatch(*names)
    except NotApplicable as error:
        result.dropped[one_line(error)].append(" on ".join(names))
        return False
    result.misfits += [sentence] if sentence else []
    return sentence is None


def _number(text: str) -> Any:
    try:
        return int(text)
    except ValueError:
        return text


def run_plan(work: Plan, config: DictConfig) -> list[Status]:
    """Run what a plan holds and the store has not, with bars and one line for each cell; how the cells ended."""
    outputs = Path(config.outputs)
    try:
        outputs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"outputs: {one_line(error)}") from error
    tracker.check(config.tracker)
    store = open_store(config.store, outputs)
    settings = {"outputs": str(outputs), "launcher": "serial", "tracker": config.tracker}
    with Display() as display:
        session = Session(store, outputs, display, force=bool(config.force), settings=settings)
        try:
            for sentence in [*take_in(store, outputs), *work.reasons()]:
                display.say(sentence)
            todo = [(pair, session.open_seeds(pair, seeds)) for pair, seeds in work.pairs]
            total = sum(len(seeds) for _, seeds in todo)
            if total < work.cells():
                display.say(f"skipped {work.cells() - total} of {work.cells()} cells: the store has them already "
                            "(force=true runs them again)")  # fmt: skip
            display.begin(total)
            for pair, seeds in todo:
                session.run(pair, seeds)
        finally:
            store.close()
    return session.ended


def sweep(
    arguments: Sequence[str], params: Mapping[str, Any], config: DictConfig, loader: ConfigLoader
) -> list[Status]:
    """One multirun: expand, plan, run.

    Raises:
        CommandError: the command cannot be understood, or leaves nothing to run.
        SystemExit: some cell did not end well; the code is 1.
    """
    if not str(config.hydra.launcher.get("_target_", "")).endswith("BasicLauncher"):
        raise CommandError("hydra/launcher: only Hydra's basic launcher is supported by this version")
    values = expand([text for text in arguments if not text.startswith("experiment=")], params)
    for group in ("method", "task"):
        if group not in values:
            raise CommandError(f"{group} is not given; name one or more with {group}=..")
    fixed = [text for text in arguments if text.startswith("experiment=")]
    work = plan(values, lambda texts: loader.load_sweep_config(config, fixed + texts), int(config.seed))
    ended = run_plan(work, config)
    if any(status in BAD for status in ended):
        raise SystemExit(1)
    return ended
