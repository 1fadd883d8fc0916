"""Optuna's tree-structured Parzen estimator as a sampler of trials (Bergstra et al. 2011).

A trial is a function of its key and of how the trials before it went, so that a sweep that was stopped goes on with the
same trials.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from runners.errors import CommandError
from runners.tuning import Domain, Key, Options, Value

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

FIRST = 5  # trials before there is anything to learn from: the YAML's values, then draws as of sampler=random


def check() -> None:
    """Say early whether Optuna is here.

    Raises:
        CommandError: it is not.
    """
    if importlib.util.find_spec("optuna") is None:
        raise CommandError("sampler: tpe needs the package Optuna: pip install 'bakeoff[tune]'")


def suggested(
    key: Key,
    domains: Mapping[str, Domain],
    history: Sequence[tuple[Mapping[str, Value], float | None]],
    *,
    higher: bool,
) -> dict[str, Value]:
    """The values of the trial that follows those of `history`, by field.

    Args:
        key: what the draws belong to.
        domains: what is searched.
        history: values and mean rank metric of the trials before, from trial 0 on; None where one did not end ok.
        higher: whether the rank metric is better when it is higher.
    """
    number = len(history)
    if number < FIRST:
        return key.draw(domains, number)
    import optuna  # only this sampler needs it

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # else it announces every study
    sampler = optuna.samplers.TPESampler(seed=key.sampler_seed(number), n_startup_trials=FIRST)
    study = optuna.create_study(direction="maximize" if higher else "minimize", sampler=sampler)
    known = {name: _distribution(domains[name]) for name in sorted(domains)}
    study.add_trials([_past(domains, known, values, score) for values, score in history])
    drawn = study.ask(known).params
    return {name: one.tidy(drawn[name]) for name, one in domains.items()}


def _past(
    domains: Mapping[str, Domain],
    known: Mapping[str, BaseDistribution],
    values: Mapping[str, Value],
    score: float | None,
) -> FrozenTrial:
    """A trial as Optuna knows it, without values that are not of their domain, such as null in a YAML."""
    import optuna

    inside = {name: values[name] for name in known if name in values and domains[name].holds(values[name])}
    return optuna.trial.create_trial(
        params=inside,
        distributions={name: known[name] for name in inside},
        value=score,
        state=optuna.trial.TrialState.FAIL if score is None else optuna.trial.TrialState.COMPLETE,
    )


def _distribution(domain: Domain) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(domain, Options):
        return CategoricalDistribution(domain.values)
    if isinstance(domain.low, int) and isinstance(domain.high, int):
        return IntDistribution(domain.low, domain.high, log=domain.log)
    return FloatDistribution(domain.low, domain.high, log=domain.log)
