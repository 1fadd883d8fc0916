"""What a sweep will do: many choices, dropped where they make no sense, each composed once.

Hydra hands over the overrides of one multirun (`hydra_plugins/bakeoff`). Nested globs, lists and ranges become
distinct choices, each composed once; the seeds of one choice belong together.
"""

from __future__ import annotations

import fnmatch
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override, ValueType
from omegaconf import DictConfig, OmegaConf

from runners import catalog
from runners.errors import CommandError, one_line, suggestion
from runners.pair import Choice, Pair, mismatch, resolve
from tasks.base import NotApplicable

GROUPS = ("method", "task", "hardware")
TUNING = ("protocol", "trials", "tuning_seeds", "sampler")
SETTINGS = ("n_jobs", "jobs", "plan", "prepare", "force", "store", "tracker", "outputs", "shard")
OPERATIONAL = ("seed", "scale", *TUNING, *SETTINGS)
ROOT_KEYS = (*GROUPS, *OPERATIONAL, "card", "hydra")
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
    found = list(dict.fromkeys(found))
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


def plan(
    values: Mapping[str, list[str]],
    compose: Compose,
    default_seed: Any,
    workers: int = 1,
    *,
    elsewhere: bool = False,
    tuned: bool = False,
) -> Plan:
    """Compose every distinct choice once, and keep those that can be run.

    Args:
        values: the values of every key, as override text.
        compose, default_seed: the config for a list of overrides; where `values` holds no seed.
        workers, elsewhere: as for `runners.pair.resolve`.
        tuned: whether tasks without validation data are left out.

    Raises:
        CommandError: naming what is wrong, or that nothing is left to run.
    """
    seeds = list(dict.fromkeys(seed_of(_number(text)) for text in values.get("seed", [str(default_seed)])))
    keys = [key for key in values if key != "seed"]
    result, fits = Plan(), dict[tuple[str, str], bool]()
    for combination in itertools.product(*(values[key] for key in keys)):
        chosen = dict(zip(keys, combination, strict=True))
        names = (chosen["method"], chosen["task"])
        if names not in fits:
            fits[names] = _fits(names, result)
        if not fits[names]:
            continue
        config = compose([f"{key}={text}" for key, text in chosen.items()])
        try:
            pair = resolve(choice_of(config, config.hydra), workers, elsewhere=elsewhere, tuned=tuned)
            result.pairs.append((pair, seeds))
        except NotApplicable as error:
            result.dropped[one_line(error)].append(" on ".join(names))
    if not result.pairs:
        raise CommandError("; ".join(["nothing to run", *result.reasons()]))
    return result


def _fits(names: tuple[str, str], result: Plan) -> bool:
    """Whether a method can attempt a task; if not, or if one of them is broken, the plan is told why."""
    try:
        sentence = mismatch(*names)
    except (NotApplicable, CommandError) as error:
        result.dropped[one_line(error)].append(" on ".join(names))
        return False
    result.misfits += [sentence] if sentence else []
    return sentence is None


def _number(text: str) -> Any:
    try:
        return int(text)
    except ValueError:
        return text
